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

# Correlation of a picture's lightness with the plan's light, inside of granules, above which the light counts
# as the plan's. A model that draws the plan's edges with a light of its own stays below.
_SAME_LIGHT = 0.6


def without_light(image: NDArray[np.uint8], plan: TilePlan) -> NDArray[np.uint8]:
    """A (size, size, 3) uint8 sRGB picture of the plan without the plan's light.

    A picture whose light is not the plan's is returned unchanged.
    """
    size = image.shape[1]
    labels, lit, flat = plan.labels(size), cached_swatch(plan, size), draw_colormap(plan, size)
    bands = list(measured_bands(image.shape))
    # Of a large picture, those in the middle tell how strong the light is.
    middle = bands[len(bands) // 2]
    strength = _strength(
        to_lab(image[middle])[..., 0],
        to_lab(lit[middle])[..., 0] - to_lab(flat[middle])[..., 0],
        labels[middle],
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
    lightness: NDArray[np.float32], expected: NDArray[np.float32], labels: NDArray[np.int32]
) -> float:
    """How strong the plan's light is in a picture (1: as in the swatch), 0 if the light is another.

    Compared inside of granules, all (h, w), where it cannot be mistaken for their colours or their edges.
    """
    inside = inner_pixels(labels) & (labels != JOINT)
    granule = labels[inside]
    if not len(granule):
        return 0.0
    found, known = (_less_mean(plane[inside], granule) for plane in (lightness, expected))
    both, square = float(found @ known), float(known @ known)
    correlation = both / max((square * float(found @ found)) ** 0.5, 1e-6)
    return min(both / square, 1.0) if correlation > _SAME_LIGHT else 0.0


def _less_mean(values: NDArray[np.float32], granule: NDArray[np.int32]) -> NDArray[np.float64]:
    """Values (n,) less the mean of those of the same granule."""
    count = np.maximum(np.bincount(granule), 1)
    return values - (np.bincount(granule, values) / count)[granule]
