"""Large maps, worked on in parts, so that memory does not grow with what is computed for each pixel.

Parts are as high as the map: what is stretched over a map is stretched sideways last. A part reaches beyond
what is kept of it as far as its neighbourhood matters, so how wide parts are changes nothing.
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
# Rows of whole maps that are worked on at a time, in pixels.
_ROWS_PIXELS = 1 << 23


@dataclass(frozen=True)
class Part:
    """Columns of a map, and what of the map is needed for them.

    Attributes:
        kept: The columns.
        first: The first column that is needed; negative where the map goes on over its edges.
        last: The one after the last.
        columns: Those of the map.
    """

    kept: slice
    first: int
    last: int
    columns: int

    @property
    def alone(self) -> "Part":
        """The columns that are kept, without any beside them."""
        return Part(self.kept, self.kept.start, self.kept.stop, self.columns)

    @property
    def inner(self) -> slice:
        """What is kept, among the columns that are needed."""
        start: int = self.kept.start - self.first
        return slice(start, start + self.kept.stop - self.kept.start)

    def of(self, plane: NDArray[_Scalar]) -> NDArray[_Scalar]:
        """The columns of a plane that are needed."""
        if self.first >= 0 and self.last <= self.columns:
            return np.ascontiguousarray(plane[:, self.first : self.last])
        return plane.take(np.arange(self.first, self.last) % self.columns, axis=1)


def is_large(shape: tuple[int, ...]) -> bool:
    """Whether a map of so many rows and columns is worked on in parts."""
    return shape[0] * shape[1] > LARGEST_WHOLE


def parts_of(columns: int, reach: int, wraps: bool, multiple: int = 2) -> Iterator[Part]:
    """Parts of a map, which begin at multiples of a number; each needs `reach` columns on both sides."""
    width = max(BAND_COLUMNS // multiple, 1) * multiple
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
