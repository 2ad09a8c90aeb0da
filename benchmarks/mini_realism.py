"""Whether `mini` keeps a swatch's detail, and its likeness to photographs.

    python benchmarks/mini_realism.py --models FOLDER --photos FOLDER [--out out/mini-realism]

Draws the final picture of every photographed mix (see `realism.py`) with the defaults, colour correction
included, and prints a line of JSON with:

- the distance to the photographs of the swatches and of the pictures, mixes and single colours apart, and
  the ratio of the two;
- how much of the swatch's detail the pictures have in each octave of lightness, finest first: the ratio of
  the standard deviations of the bands of a Laplacian pyramid, median and least over the mixes.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from patch_features import LEVELS
from photographs import mix_of_name
from PIL import Image as Picture
from realism import SEED, SIZE, read_pairs, relative_distances

from plitka.diffusion.engine import DiffusionEngine
from plitka.generation import generate
from plitka.request.tile_request import parse_request
from plitka.tile.plan import make_plan
from plitka.tile.swatch import draw_swatch

Image = NDArray[np.uint8]


def request_of(name: str, seed: int) -> str:
    """The request, as JSON, of the mix that a photograph is named after."""
    colors = [{"name": color.id, "proportion": 100 * color.share} for color in mix_of_name(name)]
    return json.dumps({"colors": colors, "angle": 0, "seed": seed})


def bands(image: Image) -> NDArray[np.float64]:
    """(LEVELS,) standard deviations of the bands of L*'s Laplacian pyramid, finest first."""
    plane = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)[..., 0]
    found = []
    for _ in range(LEVELS):
        smaller = cv2.pyrDown(plane)
        found.append((plane - cv2.pyrUp(smaller, dstsize=plane.shape[::-1])).std())
        plane = smaller
    return np.array(found, np.float64)


def draw(engine: DiffusionEngine, names: list[str], folder: Path) -> None:
    """Write the final picture of every mix that is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names, start=SEED):
        path = folder / f"{name}.png"
        if not path.exists():
            files = {
                result.filename: result.data
                for result in generate(parse_request(request_of(name, seed)), engine)
            }
            path.write_bytes(files["final.png"])
            print(f"{path}", flush=True)


def figures(photos: Path, folder: Path) -> dict[str, Any]:
    """The figures of the pictures in a folder."""
    found: dict[str, Any] = {}
    swatches, pictures = read_pairs(photos, None), read_pairs(photos, folder)
    for part in ("mixes", "single colours"):
        one, other = (
            float(np.median(relative_distances([pair for pair in pairs if pair.is_mix == (part == "mixes")])))
            for pairs in (swatches, pictures)
        )
        found[part] = {"swatch": round(one, 2), "mini": round(other, 2), "ratio": round(other / one, 2)}
    kept = []
    for seed, pair in enumerate(pictures, start=SEED):
        swatch = draw_swatch(make_plan(mix_of_name(pair.name), 0, "surface", seed), SIZE)
        kept.append(bands(np.asarray(Picture.open(folder / f"{pair.name}.png"))) / bands(swatch))
    found["bands, median"] = np.median(kept, axis=0).round(2).tolist()
    found["bands, least"] = np.min(kept, axis=0).round(2).tolist()
    return found


def main() -> None:
    """Draw and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("out/mini-realism"))
    arguments = parser.parse_args()
    os.environ["PLITKA_MODEL_DIR"] = str(arguments.models)
    names = sorted(path.stem for path in arguments.photos.glob("*.jpg"))
    draw(DiffusionEngine.load("mini"), names, arguments.out)
    print(json.dumps(figures(arguments.photos, arguments.out)))


if __name__ == "__main__":
    main()
