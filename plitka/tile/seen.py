"""What lies under each pixel, whole or in part, and what tables say of it.

A facet map holds a facet's number per pixel, `joint_facet` on joints.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.tile.bands import Part, block_of
from plitka.tile.canvas import wrapped

JOINT_FACET = np.iinfo(np.uint16).max

_Floats = NDArray[np.float32]
_Scalar = TypeVar("_Scalar", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Seen:
    """What lies under each pixel of a part of the canvas, all (rows, columns).

    Attributes:
        facets: The number of the facet on top, `joint_facet` on joints.
        members: int32, the granule that the pixel belongs to, -1 on joints; None if that is the facet's.
        margin: Pixels on each side that belong to the opposite edge, on a canvas that wraps.
        band: The first column and the number of all columns, margins left out, where this is a part of
            what is seen; None where it has all columns.
        lines: The first row and the number of all rows likewise; None where it has all rows.
    """

    facets: NDArray[Any]
    members: NDArray[np.int32] | None
    margin: int = 0
    band: tuple[int, int] | None = None
    lines: tuple[int, int] | None = None

    @property
    def columns(self) -> int:
        """Columns of the whole, without margins."""
        return self.band[1] if self.band else self.facets.shape[1] - 2 * self.margin

    @property
    def first_column(self) -> int:
        """Of the whole, where this begins; negative in a margin."""
        return self.band[0] if self.band else -self.margin

    @property
    def rows(self) -> int:
        """Rows of the whole, without margins."""
        return self.lines[1] if self.lines else self.facets.shape[0] - 2 * self.margin

    @property
    def first_row(self) -> int:
        """Of the whole, where this begins; negative in a margin."""
        return self.lines[0] if self.lines else -self.margin

    def wrapped(self, margin: int) -> "Seen":
        """The same with a margin."""
        members = None if self.members is None else wrapped(self.members, margin)
        return Seen(wrapped(self.facets, margin), members, margin)

    def part(self, rows: Part, columns: Part) -> "Seen":
        """What a block of rows and columns needs."""
        members = None if self.members is None else block_of(self.members, rows, columns)
        band, lines = (columns.first, columns.whole), (rows.first, rows.whole)
        return Seen(block_of(self.facets, rows, columns), members, 0, band, lines)


def joint_facet(facets: NDArray[Any]) -> int:
    """The number that stands for joints in a facet map: 65535, or -1 in one of 32 bits."""
    return JOINT_FACET if facets.dtype == np.uint16 else -1


def per_pixel(values: NDArray[Any], facets: NDArray[Any], joint: float = 0) -> _Floats:
    """Float32: values of the facets (F,) at each pixel of a facet map, `joint` on joints."""
    if facets.dtype != np.uint16:
        return from_table(np.append(values, joint).astype(np.float32), facets)
    table = np.full(JOINT_FACET + 1, joint, np.float32)
    table[: len(values)] = values
    return cv2.LUT(np.ascontiguousarray(facets), table)


def from_table(table: NDArray[_Scalar], numbers: NDArray[np.int32]) -> NDArray[_Scalar]:
    """What a table has at each number; joints, -1, have its last entry."""
    # The same numbers as without a mode, found in two thirds of the time.
    return table.take(numbers, mode="wrap")
