"""What the plan is drawn on: a fine map of pixels, how many granules it shows, and whether it wraps.

Lengths are in parts of the picture's width, or in pitches, the mean distance of neighbouring granules.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.request.scale import SURFACE_GRANULES, Scale

# Pitches across a picture of SURFACE_GRANULES granules, from photographs of tiles.
GRANULES_ACROSS = 62
# The fine map has one and a half times the picture's size; pictures are sampled down from it.
OVERSAMPLING = 1.5
# Where granules are smaller, it has more, so that each granule keeps facets and a gap: pixels a pitch.
_LEAST_PIXELS = 2.5
# Mean diameter of the smallest granules whose colours can be told in a picture.
READABLE_PIXELS = 6
_MOST_OVERSAMPLING = 4.5
# Larger heaps are a smaller one, repeated: pitches.
_LARGEST_HEAP = 128.0

_Floats = NDArray[np.float32]
_Scalar = TypeVar("_Scalar", bound=np.generic)


@dataclass(frozen=True)
class Canvas:
    """The fine map of a picture.

    Attributes:
        width: Of the picture, pixels.
        height: Of the picture, pixels.
        fine_width: Of the fine map, pixels.
        fine_height: Of the fine map, pixels.
        pitches: From left to right.
        period: Width and height in fine pixels after which the heap repeats; those of the map if it does not.
        seamless: Whether the map goes on over its edges.
        contrast: The part of the contrast that is left where granules too small to be drawn were drawn
            larger; else 1.
    """

    width: int
    height: int
    fine_width: int
    fine_height: int
    pitches: float
    period: tuple[int, int]
    seamless: bool
    contrast: float

    @property
    def pitch(self) -> float:
        """Part of the picture's width."""
        return 1 / self.pitches

    @property
    def repeats(self) -> tuple[int, int]:
        """How often the heap is on the map, whole or in part, from left to right and from top to bottom."""
        across, down = self.period
        return -(-self.fine_width // across), -(-self.fine_height // down)

    @property
    def wraps(self) -> bool:
        """Whether the heap goes on over its own edges."""
        return self.seamless or self.repeats != (1, 1)

    @cached_property
    def heap(self) -> tuple[float, float]:
        """Width and height of the heap in pitches."""
        across, down = self.period
        per_pixel = self.pitches / self.fine_width
        return across * per_pixel, down * per_pixel

    @property
    def preview(self) -> tuple[int, int]:
        """Width and height of the preview."""
        return preview_size(self.width, self.height)

    def shape(self, size: int) -> tuple[int, int]:
        """Rows and columns of a picture `size` pixels wide. Raises ValueError for a size that is not one."""
        if size == self.preview[0]:
            return self.preview[1], size
        if size < 1 or self.width % size or self.height * size % self.width:
            raise ValueError(f"size {size} does not divide {self.width}")
        return self.height * size // self.width, size

    def step(self, size: int) -> int:
        """Every how many rows and columns of the fine map are seen in a picture `size` pixels wide."""
        self.shape(size)
        needed = max(OVERSAMPLING * size, _LEAST_PIXELS * self.pitches)
        steps = range(1, max(1, int(self.fine_width / needed)) + 1)
        return max(step for step in steps if self.fine_width % step == self.fine_height % step == 0)


def preview_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the preview of a picture: half of it, at most 512 on the longer side, in eights."""
    shrink = max(2.0, max(width, height) / 512)
    return _in_eights(width / shrink), _in_eights(height / shrink)


def canvas_for(scale: Scale) -> Canvas:
    """The canvas of a picture at this scale."""
    pitches = GRANULES_ACROSS * (scale.granules_across / SURFACE_GRANULES)
    wanted = math.ceil(2 * _LEAST_PIXELS * pitches / scale.width) / 2
    oversampling = min(max(OVERSAMPLING, wanted), _MOST_OVERSAMPLING)
    drawn = min(pitches, oversampling * scale.width / _LEAST_PIXELS)
    width, height = round(oversampling * scale.width), round(oversampling * scale.height)
    period = width, height
    if drawn * max(1, height / width) > _LARGEST_HEAP:
        side = math.floor(_LARGEST_HEAP * width / drawn)
        period = min(side, width), min(side, height)
        if scale.seamless:
            period = _whole_part(width, side), _whole_part(height, side)
    return Canvas(scale.width, scale.height, width, height, drawn, period, scale.seamless, drawn / pitches)


def stretched(
    plane: _Floats, shape: tuple[int, int], wraps: bool, margin: int = 0, interpolation: int = cv2.INTER_CUBIC
) -> _Floats:
    """A plane in another shape (rows, columns); `margin` more pixels on each side if it wraps."""
    rows, columns = shape
    if not wraps:
        return cv2.resize(plane, (columns, rows), interpolation=interpolation)
    down, across = plane.shape[0] / rows, plane.shape[1] / columns
    place = np.array(
        [
            [across, 0, (0.5 - margin) * across - 0.5],
            [0, down, (0.5 - margin) * down - 0.5],
        ]
    )
    whole = columns + 2 * margin, rows + 2 * margin
    flags = interpolation | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(plane, place, whole, flags=flags, borderMode=cv2.BORDER_WRAP)


def wrapped(plane: NDArray[_Scalar], margin: int) -> NDArray[_Scalar]:
    """A plane with `margin` pixels of its opposite edges on each side."""
    return np.pad(plane, [(margin, margin), (margin, margin), *[(0, 0)] * (plane.ndim - 2)], mode="wrap")


def _whole_part(side: int, most: int) -> int:
    """The largest part of a side, at most this long, that it is a multiple of."""
    return next(side // times for times in range(-(-side // most), side + 1) if side % times == 0)


def _in_eights(pixels: float) -> int:
    return max(8, 8 * round(pixels / 8))
