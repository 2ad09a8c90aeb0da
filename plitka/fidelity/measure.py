"""The share and mean colour of every colour of a mix, measured from the pixels of a picture."""

from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.colors.lab import to_lab, to_srgb
from plitka.colors.mix import Mix
from plitka.colors.palette import Lab, delta_e00
from plitka.fidelity.known_light import without_light
from plitka.fidelity.shown_colors import measured_bands, shown_colors, without_thin_strips
from plitka.tile.bands import row_bands
from plitka.tile.plan import JOINT_COLOR_INDEX, TilePlan, inner_pixels

# Colours of a smaller share have too few granules for a reliable mean.
LEAST_SHARE_FOR_DELTA_E = 0.05
# A granule shows one colour if this part of its pixels does; the others are soft edges, gaps and glints.
_ONE_COLOR = 2 / 3


@dataclass(frozen=True)
class ColorFidelity:
    """One colour of the mix, requested and measured.

    Attributes:
        id: The palette code, or ``#RRGGBB``.
        requested: Its share of the mix, 0 to 1.
        measured: Its share of the picture, 0 to 1.
        delta_e: CIEDE2000 difference of `hex` from the colour itself; None if no pixel was measured.
        hex: The mean colour that was measured, ``#RRGGBB``: of the colour's own granules where the plan is
            known, else of the pixels counted for it; None if there are none.
    """

    id: str
    requested: float
    measured: float
    delta_e: float | None
    hex: str | None


@dataclass(frozen=True)
class Fidelity:
    """A measured picture.

    Attributes:
        colors: Every colour of the mix, in its order.
        worst_error_pp: The largest error of a share, in percentage points.
        worst_delta_e: The largest colour difference (CIEDE2000) among the colours of more than 5 %; None if
            none of them could be measured.
    """

    colors: tuple[ColorFidelity, ...]
    worst_error_pp: float
    worst_delta_e: float | None

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON-ready values."""
        return asdict(self) | {"colors": [asdict(color) for color in self.colors]}


@dataclass(frozen=True)
class Measurement:
    """A picture measured in two ways.

    Attributes:
        plan: Against its plan; None where no plan guided the picture.
        unguided: Without the plan, from the picture and the mix alone.
    """

    plan: Fidelity | None
    unguided: Fidelity

    @property
    def fidelity(self) -> Fidelity:
        """The measure against the plan, or, without a plan, the other one."""
        return self.plan or self.unguided

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready: `fidelity`, what it is against ("plan" or "mix"), and the measure without the plan.

        `outsider` is an old key of `unguided`, kept for one release.
        """
        unguided = self.unguided.as_dict()
        return {
            "against": "plan" if self.plan else "mix",
            **self.fidelity.as_dict(),
            "unguided": unguided,
            "outsider": unguided,
        }


def measure(image: NDArray[np.uint8], mix: Mix, plan: TilePlan | None = None) -> Fidelity:
    """Measure shares and colours of a (size, size, 3) uint8 sRGB picture.

    Without a plan, every pixel is counted, those of gaps and joints too. With a plan, joints are left out,
    the plan's light is subtracted where the picture has it, every granule that shows one colour counts as a
    whole, and colours are compared over the granules that the plan gave them. Where granules are too small to
    show a colour each, the shares are the plan's own, and colours are not compared.
    Raises ValueError for a size that is none of the plan's.
    """
    if plan is None:
        return _without_plan(image, shown_colors(image, mix), mix)
    if not plan.is_readable(image.shape[1]):
        nothing = np.full(image.shape[:2], JOINT_COLOR_INDEX, np.uint8)
        return _fidelity(mix, plan.shares(image.shape[1]), image, nothing)
    return _against_plan(image, shown_colors(without_light(image, plan), mix), plan)


def measure_picture(image: NDArray[np.uint8], mix: Mix, plan: TilePlan | None) -> Measurement:
    """Measure a (size, size, 3) uint8 sRGB picture without a plan and, where there is one, against it.

    See `measure`, also for what it raises.
    """
    against_plan = None if plan is None else measure(image, mix, plan)
    return Measurement(against_plan, measure(image, mix))


def _without_plan(image: NDArray[np.uint8], shown: NDArray[np.uint8], mix: Mix) -> Fidelity:
    shown = without_thin_strips(shown, len(mix))
    counts = np.bincount(shown.ravel(), minlength=len(mix)).astype(np.float64)
    return _fidelity(mix, counts, image, shown)


def _against_plan(image: NDArray[np.uint8], shown: NDArray[np.uint8], plan: TilePlan) -> Fidelity:
    labels = plan.labels(image.shape[1])
    counts = shares_of_granules(granule_counts(shown, labels, inner_pixels(labels), plan))
    # Joints' label, -1, finds the colour appended last, which no colour of the mix is.
    planned = np.append(plan.granule_color, np.uint8(JOINT_COLOR_INDEX)).take(labels)
    return _fidelity(plan.mix, counts, image, planned)


def granule_counts(
    shown: NDArray[np.uint8], labels: NDArray[np.int32], inner: NDArray[np.bool_], plan: TilePlan
) -> NDArray[np.float64]:
    """(G, len(mix)): pixels of each granule by the colour they show; joints are not counted.

    `inner` marks the pixels inside of granules (`inner_pixels`). The rim around them counts towards the area
    of a granule, but not towards its colour: it is soft, shaded or the neighbour's. Only in a granule without
    inner pixels does the rim decide.
    """
    colors, granules = len(plan.mix), plan.granule_count
    size = (granules + 1) * colors
    found, found_inside = np.zeros(size, np.int64), np.zeros(size, np.int64)
    for rows in row_bands(labels.shape):
        # A joint's label, -1, is counted before the first granule and dropped.
        index = (labels[rows] + 1) * np.int32(colors) + shown[rows]
        found += np.bincount(index.ravel(), minlength=size)
        found_inside += np.bincount(index[inner[rows]], minlength=size)
    everything, of_inner = (count.reshape(granules + 1, colors)[1:] for count in (found, found_inside))
    counted = np.where(of_inner.any(1, keepdims=True), of_inner, everything)
    return counted * (everything.sum(1, keepdims=True) / np.maximum(counted.sum(1, keepdims=True), 1))


def shares_of_granules(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """(colors,) pixels by colour: granules of one colour count as a whole, mottled ones pixel by pixel."""
    areas = counts.sum(1)
    whole = counts.max(1) >= _ONE_COLOR * areas
    of_whole = np.bincount(counts[whole].argmax(1), areas[whole], counts.shape[1])
    return of_whole + counts[~whole].sum(0)


def mean_lab(lab: NDArray[np.float32], members: NDArray[np.bool_]) -> Lab | None:
    """Mean of the pixels that `members` (h, w) marks; None if it marks none."""
    mask = members.view(np.uint8)
    if not mask.any():
        return None
    lightness, a, b, _ = cv2.mean(lab, mask)
    return (lightness, a, b)


def _means(image: NDArray[np.uint8], members: NDArray[np.uint8], colors: int) -> list[Lab | None]:
    """Of each colour, the mean of the pixels that are its members, as `mean_lab`."""
    means: list[NDArray[np.float64] | None] = [None] * colors
    counts = [0] * colors
    for rows in measured_bands(image.shape):
        lab = to_lab(image[rows])
        for color in range(colors):
            own = members[rows] == color
            mean = mean_lab(lab, own)
            if mean is not None:
                known = means[color]
                more = int(np.count_nonzero(own))
                counts[color] += more
                before = np.zeros(3) if known is None else known
                means[color] = before + (np.array(mean) - before) * (more / counts[color])
    return [None if mean is None else (float(mean[0]), float(mean[1]), float(mean[2])) for mean in means]


def _fidelity(
    mix: Mix, counts: NDArray[np.float64], image: NDArray[np.uint8], members: NDArray[np.uint8]
) -> Fidelity:
    """Shares from the counted pixels; `members` gives for each pixel the colour whose mean it is part of."""
    measured = counts / counts.sum()
    colors = []
    means = _means(image, members, len(mix))
    for index, (color, mean) in enumerate(zip(mix, means, strict=True)):
        delta_e = None if mean is None else round(delta_e00(mean, color.lab), 2)
        shares = round(color.share, 6), round(float(measured[index]), 6)
        colors.append(ColorFidelity(color.id, *shares, delta_e, None if mean is None else lab_to_hex(mean)))
    worst = max(abs(color.measured - color.requested) for color in colors)
    differences = [
        color.delta_e
        for color in colors
        if color.delta_e is not None and color.requested > LEAST_SHARE_FOR_DELTA_E
    ]
    return Fidelity(tuple(colors), round(worst * 100, 3), max(differences, default=None))


def lab_to_hex(lab: Lab) -> str:
    """``#RRGGBB`` of a CIELAB (D65) colour, clipped to sRGB."""
    return "#" + to_srgb(np.array([[lab]], np.float32)).tobytes().hex().upper()
