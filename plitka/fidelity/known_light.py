"""Subtract the plan's light from a picture, so that the colours of its granules remain.

A light gray granule in the shade looks like a gray one in the light. The plan knows which of them is in the
shade: its swatch shows how much lighter or darker than its colour each pixel should be.
"""

import numpy as np
from numpy.typing import NDArray

from plitka.colors.lab import to_lab, to_srgb
from plitka.fidelity.shown_colors import measured_bands
from plitka.tile.colormap import draw_colormap
from plitka.tile.plan import JOINT, TilePlan, inner_pixels
from plitka.tile.swatch import cached_swatch

# Strength above which light counts as the plan's: half of the difference in lightness that its granules have.
# A model that draws the plan's edges with a light of its own stays below.
_SAME_LIGHT = 0.5


def without_light(image: NDArray[np.uint8], plan: TilePlan) -> NDArray[np.uint8]:
    """A (size, size, 3) uint8 sRGB picture of the plan without the plan's light.

    A picture whose light is not the plan's is returned unchanged.
    """
    size = image.shape[1]
    labels, lit, flat = plan.labels(size), cached_swatch(plan, size), draw_colormap(plan, size)
    bands = list(measured_bands(image.shape))
    # Of a large picture, those in the middle tell how strong the light is.
    middle = bands[len(bands) // 2]
    base = to_lab(flat[middle])[..., 0]
    strength = _strength(
        to_lab(image[middle])[..., 0] - base,
        to_lab(lit[middle])[..., 0] - base,
        labels[middle],
        plan.granule_color,
    )
    if strength == 0:
        return image
    unlit = np.empty_like(image)
    for rows in bands:
        lab = to_lab(image[rows])
        # A picture that the plan itself drew is that light.
        light = lab.copy() if np.array_equal(image[rows], lit[rows]) else to_lab(lit[rows])
        light -= to_lab(flat[rows])
        light *= np.float32(strength)
        lab -= light
        unlit[rows] = to_srgb(lab)
    return unlit


def _strength(
    found: NDArray[np.float32],
    known: NDArray[np.float32],
    labels: NDArray[np.int32],
    granule_color: NDArray[np.uint8],
) -> float:
    """How strong the plan's light is in a picture (1: as in the swatch), 0 if the light is another.

    `found` and `known` (h, w) are how much lighter than its flat colour each pixel is and should be. Compared
    are means of whole granules, which a model keeps where it draws facets and grain of its own, and only with
    those of granules of the same planned colour. The slope is that of the least absolute deviations, the
    weighted median of the ratios (Edgeworth 1888), which granules in other colours hardly move.
    """
    inside = inner_pixels(labels) & (labels != JOINT)
    granule = labels[inside]
    counts = np.bincount(granule, minlength=len(granule_color))
    shown, expected = (
        _above_color(plane[inside], granule, counts, granule_color) for plane in (found, known)
    )
    weights = np.abs(expected) * counts.astype(np.float64)
    used = weights > 0
    if not used.any():
        return 0.0
    slope = _weighted_median(shown[used] / expected[used], weights[used])
    return min(slope, 1.0) if slope > _SAME_LIGHT else 0.0


def _above_color(
    values: NDArray[np.float32],
    granule: NDArray[np.int32],
    counts: NDArray[np.int64],
    granule_color: NDArray[np.uint8],
) -> NDArray[np.float64]:
    """(G,) means of each granule's values less the median of the granules of its colour.

    `values` and `granule`, the ids, are (n,); `counts` says how many values each granule has.
    """
    means = np.bincount(granule, values.astype(np.float64), len(counts)) / np.maximum(counts, 1)
    for color in np.unique(granule_color):
        own = (granule_color == color) & (counts > 0)
        if own.any():
            means[own] -= np.median(means[own])
    return np.asarray(means, np.float64)


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The value below which lies half of the weight."""
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(below, below[-1] / 2)])
