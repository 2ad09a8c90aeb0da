"""Large maps, worked on in parts, so that memory does not grow with what is computed for each pixel.

A part reaches beyond what is kept of it as far as its neighbourhood matters, and what is stretched over a map
is computed for each pixel from its own place, so how large parts are changes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float32]
_Scalar = TypeVar("_Scalar", bound=np.generic)

# Maps of more pixels are worked on in parts of so many columns: the fine map of 4096 x 4096 pixels is not.
LARGEST_WHOLE = 6144**2
BAND_COLUMNS = 768
# Light is computed for so many rows of them at a time, so that its planes are small.
BLOCK_ROWS = 1536
# Rows of whole maps that are worked on at a time, in pixels.
_ROWS_PIXELS = 1 << 23


@dataclass(frozen=True)
class Part:
    """Columns of a map, or rows, and what of the map is needed for them.

    Attributes:
        kept: The columns.
        first: The first column that is needed; negative where the map goes on over its edges.
        last: The one after the last.
        whole: Columns of the map.
    """

    kept: slice
    first: int
    last: int
    whole: int

    @property
    def alone(self) -> "Part":
        """The columns that are kept, without any beside them."""
        return Part(self.kept, self.kept.start, self.kept.stop, self.whole)

    @property
    def is_inside(self) -> bool:
        """Whether what is needed does not go on over the edges."""
        return self.first >= 0 and self.last <= self.whole

    @property
    def inner(self) -> slice:
        """What is kept, among the columns that are needed."""
        start: int = self.kept.start - self.first
        return slice(start, start + self.kept.stop - self.kept.start)

    def smaller(self, scale: float) -> slice:
        """The columns of a picture, so many times smaller, that lie on what is kept."""
        return slice(round(self.kept.start / scale), round(self.kept.stop / scale))

    def of(self, plane: NDArray[_Scalar]) -> NDArray[_Scalar]:
        """The columns of a plane that are needed."""
        if self.is_inside:
            return np.ascontiguousarray(plane[:, self.first : self.last])
        return plane.take(np.arange(self.first, self.last) % self.whole, axis=1)


def is_large(shape: tuple[int, ...]) -> bool:
    """Whether a map of so many rows and columns is worked on in parts."""
    return shape[0] * shape[1] > LARGEST_WHOLE


def block_of(plane: NDArray[_Scalar], rows: Part, columns: Part) -> NDArray[_Scalar]:
    """The rows and columns of a plane that are needed."""
    if rows.is_inside and columns.is_inside:
        return np.ascontiguousarray(plane[rows.first : rows.last, columns.first : columns.last])
    down, across = (np.arange(side.first, side.last) % side.whole for side in (rows, columns))
    return plane[down[:, None], across]


def blocks_of(shape: tuple[int, int], reach: int, wraps: bool, multiple: int) -> Iterator[tuple[Part, Part]]:
    """Rows and columns of the blocks of a map, as `parts_of`."""
    rows, columns = shape
    for across in parts_of(columns, reach, wraps, multiple):
        for down in parts_of(rows, reach, wraps, multiple, BLOCK_ROWS):
            yield down, across


def parts_of(
    columns: int, reach: int, wraps: bool, multiple: int = 2, width: int | None = None
) -> Iterator[Part]:
    """Parts of a map, which begin at multiples of a number; each needs `reach` columns on both sides.

    They are about `width` wide, by default BAND_COLUMNS.
    """
    width = max((width or BAND_COLUMNS) // multiple, 1) * multiple
    for first in range(0, columns, width):
        last = min(first + width, columns)
        start, end = first - reach, last + reach
        if not wraps:
            start, end = max(start, 0), min(end, columns)
        yield Part(slice(first, last), start, end, columns)


def row_bands(shape: tuple[int, ...], pixels: int = _ROWS_PIXELS) -> Iterator[slice]:
    """The rows of a map of this shape, in bands of about so many pixels."""
    rows, columns = shape[:2]
    step = max(1, pixels // columns)
    for first in range(0, rows, step):
        yield slice(first, min(first + step, rows))


def stretched_part(
    plane: _Floats, shape: tuple[int, int], wraps: bool, rows: range, columns: range
) -> _Floats:
    """Some rows and columns of a plane in another shape: `plitka.tile.canvas.stretched`, whatever the part.

    Each pixel is computed from its own place, so that it is the same in every part.
    """
    places = (
        (np.arange(pixels.start, pixels.stop) + 0.5) * (side / whole) - 0.5
        for pixels, side, whole in zip((rows, columns), plane.shape, shape, strict=True)
    )
    down, across = (place.astype(np.float32) for place in places)
    size = len(down), len(across)
    # cv2 takes no views of one row.
    maps = np.broadcast_to(across[None], size).copy(), np.broadcast_to(down[:, None], size).copy()
    beyond = cv2.BORDER_WRAP if wraps else cv2.BORDER_REPLICATE
    return cv2.remap(plane, *maps, cv2.INTER_CUBIC, borderMode=beyond)
