"""How well seamless pictures go on over their edges: the step over the seam against all inner steps.

    python benchmarks/seams.py --seeds 100

For each seed and each of the two seams, how many standard deviations the mean step of L* over it is off the
mean of the steps between neighbouring columns (or rows) inside. The seam is no worse than the inside if these
have a mean near 0 and a deviation near 1.
"""

import argparse

import numpy as np
from numpy.typing import NDArray

from plitka.colors.lab import to_lab
from plitka.colors.mix import palette_mix_color
from plitka.colors.palette import PALETTE
from plitka.request.scale import Dimensions, scale_of
from plitka.tile.plan import make_plan
from plitka.tile.swatch import draw_swatch

SHARES = {"BLACK": 0.3, "RED": 0.5, "WHITE": 0.2}


def seam_deviations(picture: NDArray[np.uint8]) -> list[float]:
    """Of the seams between left and right and between top and bottom, their step in standard deviations."""
    light = to_lab(picture)[..., 0]
    found = []
    for plane in (light, light.T):
        means = np.abs(np.roll(plane, -1, 1) - plane).mean(0)
        inner = means[:-1]
        found.append(float((means[-1] - inner.mean()) / inner.std()))
    return found


def main() -> None:
    """Print mean, deviation and worst of all seams, seamless and ordinary."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--size", type=int, default=512)
    given = parser.parse_args()
    mix = tuple(palette_mix_color(PALETTE[code], share) for code, share in SHARES.items())
    for seamless in (True, False):
        scale = scale_of("surface", Dimensions(seamless=seamless))
        found = np.ravel(
            [
                seam_deviations(draw_swatch(make_plan(mix, 0, "surface", seed, scale), given.size))
                for seed in range(given.seeds)
            ]
        )
        worst = found[np.abs(found).argmax()]
        kind = "seamless" if seamless else "ordinary"
        print(
            f"{kind}: {len(found)} seams, mean {found.mean():.2f}, deviation {found.std():.2f}, "
            f"worst {worst:.2f}"
        )


if __name__ == "__main__":
    main()
