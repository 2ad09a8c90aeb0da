"""Classifies the pixels of a picture: which colour of its mix each one shows.

A granule is lit on top and shaded below, so a colour is not a point in CIELAB but a curve along L*, from the
5th to the 95th percentile of L* on photographs, with a* and b* that fade towards black: see
`plitka.tile.shading`.
"""

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.colors.mix import Mix, MixColor
from plitka.request.profiles import FINAL_SIZE
from plitka.tile.bands import row_bands
from plitka.tile.shading import at_lightness

# Standard deviation of a* and b* around a colour's curve.
_CHROMA_SPREAD = 8.0
# Standard deviations between the mean of a normal distribution and its 5th or 95th percentile.
_PERCENTILE_DEVIATIONS = 1.645
# Each colour's spread of L* is drawn half-way, in ratio, towards this one: a colour spread twice as wide as
# its neighbour takes the neighbour's lit or shaded pixels otherwise.
_USUAL_LIGHTNESS_SPREAD = 12.0
# L*; the percentiles of a very dark or very pale colour can coincide with its mean.
_LEAST_LIGHTNESS_SPREAD = 2.5
# The table has sRGB in steps of 4 levels, which is less than the grain of a granule.
_STEPS = 64
# Steps of L*, from 0 to 100, in which a colour's curve is tabulated.
_CURVE_STEP = 0.25
# A strip is thin if it contains no square of its colour with so many pixels on a side: in the preview, whose
# granules are half as wide, and in the final picture.
_SOLID_PREVIEW, _SOLID_FINAL = 2, 3
# Side in pixels of the window in which the pixels of a thin strip look for the colour around them.
_REACH = 5
# Pictures of more pixels are measured in bands of so many.
LARGEST_WHOLE = 4096**2
_BAND_PIXELS = 2048**2


def measured_bands(shape: tuple[int, ...]) -> list[slice]:
    """The rows of a picture of this shape that are measured at a time: all, unless it is large."""
    if shape[0] * shape[1] <= LARGEST_WHOLE:
        return [slice(0, shape[0])]
    return list(row_bands(shape, _BAND_PIXELS))


def chroma_curves(mix: Mix) -> NDArray[np.float32]:
    """(len(mix), 401, 2) float32: a* and b* of every colour at L* 0, 0.25, ..., 100."""
    lightness = np.arange(0, 100 + _CURVE_STEP, _CURVE_STEP)
    return np.stack([at_lightness(color, lightness)[:, 1:] for color in mix])


def curve_index(lightness: NDArray[np.float32]) -> NDArray[np.int32]:
    """Index into the second axis of `chroma_curves` for L* of any shape."""
    return np.clip(np.rint(lightness * (1 / _CURVE_STEP)), 0, 100 / _CURVE_STEP).astype(np.int32)


def shown_colors(image: NDArray[np.uint8], mix: Mix) -> NDArray[np.uint8]:
    """Index into the mix of the colour that each pixel of an (h, w, 3) uint8 sRGB picture shows.

    A pixel shows the colour that it is the fewest standard deviations away from.
    """
    table = _table(mix)
    shown = np.empty(image.shape[:2], np.uint8)
    for rows in row_bands(image.shape):
        steps = (image[rows] >> 2).astype(np.int32)
        shown[rows] = table[(steps[..., 0] << 12) | (steps[..., 1] << 6) | steps[..., 2]]
    return shown


@functools.lru_cache(maxsize=4)
def _table(mix: Mix) -> NDArray[np.uint8]:
    """(64^3,) uint8: the colour of a mix that each coarse sRGB value shows."""
    lab = _coarse_lab()
    index = curve_index(lab[:, 0])
    distances = [
        _deviations(lab, color, own[index]) for color, own in zip(mix, chroma_curves(mix), strict=True)
    ]
    table = np.argmin(distances, axis=0).astype(np.uint8)
    table.flags.writeable = False
    return table


@functools.cache
def _coarse_lab() -> NDArray[np.float32]:
    """(64^3, 3) float32 CIELAB of the middles of the sRGB steps, blue fastest."""
    width = 256 // _STEPS
    middles = (np.arange(_STEPS, dtype=np.float32) * width + (width - 1) / 2) / 255
    rgb = np.stack(np.meshgrid(middles, middles, middles, indexing="ij"), -1).reshape(1, -1, 3)
    return cv2.cvtColor(rgb.astype(np.float32), cv2.COLOR_RGB2Lab)[0]


def _deviations(
    lab: NDArray[np.float32], color: MixColor, chromatic: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(n,) squared distance from a colour in its standard deviations; `chromatic` is its (n, 2) a*, b*."""
    mean = color.lab[0]
    below, above = (_lightness_spread(abs(bound - mean)) for bound in color.lightness_range)
    spread = np.where(lab[:, 0] < mean, np.float32(below), np.float32(above))
    aside = ((lab[:, 1:] - chromatic) ** 2).sum(1) / np.float32(_CHROMA_SPREAD**2)
    return ((lab[:, 0] - np.float32(mean)) / spread) ** 2 + aside


def _lightness_spread(reach: float) -> float:
    """Standard deviation of L* on the side of the mean where the photographed percentile is `reach` away."""
    own = max(reach / _PERCENTILE_DEVIATIONS, _LEAST_LIGHTNESS_SPREAD)
    return (own * _USUAL_LIGHTNESS_SPREAD) ** 0.5


def without_thin_strips(shown: NDArray[np.uint8], colors: int) -> NDArray[np.uint8]:
    """(h, w) uint8: shown colours without strips too thin to be granules.

    `shown` (h, w) uint8 is what `shown_colors` gives for a mix of so many `colors`. The pixels of a strip get
    the most frequent colour around them. The soft edge between two granules can look like a third colour,
    grey between black and white.
    """
    side = _SOLID_FINAL if len(shown) >= FINAL_SIZE else _SOLID_PREVIEW
    square = np.ones((side, side), np.uint8)
    solid = cv2.erode(shown, square) == cv2.dilate(shown, square)
    found = np.zeros(shown.shape, np.uint8)
    neighbour = shown.copy()
    keeps = np.zeros(shown.shape, np.bool_)
    for color in range(colors):
        own = shown == color
        around = cv2.boxFilter(
            (own & solid).view(np.uint8),
            -1,
            (_REACH, _REACH),
            normalize=False,
            borderType=cv2.BORDER_CONSTANT,
        )
        keeps |= own & (around > 0)
        more = around > found
        neighbour[more] = color
        cv2.max(found, around, found)
    return np.where(keeps, shown, neighbour)
