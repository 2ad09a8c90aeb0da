"""How well a picture keeps its mix: the measured share and colour of every colour, from the pixels alone."""

from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.mix import Mix
from plitka.palette import delta_e00
from plitka.plan import JOINT, TilePlan

# Lightness tells colours apart less reliably than a* and b*, because granules are lit and shaded.
_LIGHTNESS_WEIGHT = 0.7


@dataclass(frozen=True)
class ColorFidelity:
    """One colour of the mix: `requested` and `measured` are shares from 0 to 1.

    `delta_e` is the CIEDE2000 difference between the mean of the pixels counted for the colour and the colour
    itself; None when no pixel was.
    """

    id: str
    requested: float
    measured: float
    delta_e: float | None


@dataclass(frozen=True)
class Fidelity:
    """A measured picture. `worst_error_pp` is the largest error of a share, in percentage points."""

    colors: tuple[ColorFidelity, ...]
    worst_error_pp: float

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON-ready values."""
        return {
            "worst_error_pp": self.worst_error_pp,
            "colors": [asdict(color) for color in self.colors],
        }


def measure(image: NDArray[np.uint8], mix: Mix, plan: TilePlan | None = None) -> Fidelity:
    """Count the pixels of a (size, size, 3) uint8 sRGB picture by the nearest colour of the mix in CIELAB.

    With a plan, joint pixels are left out: shares are shares of granule area. Without one, everything in the
    picture is counted, as an outsider would.
    """
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab).reshape(-1, 3)
    if plan is not None:
        lab = lab[plan.labels(len(image)).ravel() != JOINT]
    nearest = _nearest_colors(lab, mix)
    counts = np.bincount(nearest, minlength=len(mix))
    measured = counts / len(lab)
    colors = []
    for index, color in enumerate(mix):
        delta_e = None
        if counts[index]:
            mean = lab[nearest == index].mean(0, dtype=np.float64)
            delta_e = round(delta_e00((float(mean[0]), float(mean[1]), float(mean[2])), color.lab), 2)
        colors.append(
            ColorFidelity(color.id, round(color.share, 6), round(float(measured[index]), 6), delta_e)
        )
    worst = max(abs(color.measured - color.requested) for color in colors)
    return Fidelity(tuple(colors), round(worst * 100, 3))


def _nearest_colors(lab: NDArray[np.float32], mix: Mix) -> NDArray[np.intp]:
    """Index of the nearest colour for each of the (n, 3) CIELAB pixels."""
    weight = np.array([_LIGHTNESS_WEIGHT, 1, 1], np.float32)
    means = np.array([color.lab for color in mix], np.float32) * weight
    # |x - m|^2 without the |x|^2 that all colours share.
    scores = (lab * weight) @ means.T - np.float32(0.5) * (means**2).sum(1)
    return scores.argmax(1)
