"""Unit normals of a height map, as a picture."""

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.choices import NormalConvention, one_of
from plitka.tile.bands import row_bands

_Bytes = NDArray[np.uint8]


def normals_of(
    levels: NDArray[np.uint16], steepness: float, wraps: bool, convention: NormalConvention
) -> _Bytes:
    """(rows, columns, 3) uint8: unit normals of a map of heights, coordinates from -1 at 0 to 1 at 255.

    Args:
        levels: (rows, columns).
        steepness: How high a level is, in pixels.
        wraps: Whether the neighbour of a border pixel is at the opposite edge.
        convention: "opengl" or "directx"; ValueError for another.
    """
    if convention not in ("opengl", "directx"):
        raise ValueError(f"convention {convention!r} is not {one_of(NormalConvention)}")
    picture = np.empty((*levels.shape, 3), np.uint8)
    for rows in row_bands(levels.shape):
        red, green, blue = _coordinates(levels, rows, steepness, wraps)
        picture[rows] = cv2.merge([red, green if convention == "opengl" else 255 - green, blue])
    return picture


def _coordinates(
    levels: NDArray[np.uint16], rows: slice, steepness: float, wraps: bool
) -> tuple[_Bytes, _Bytes, _Bytes]:
    """x, y (up) and z of some rows; the slope is `numpy.gradient` of the whole map."""
    count, columns = levels.shape
    margin = 1 if wraps else 0
    first, last = rows.start - 1, rows.stop + 1
    if not wraps:
        first, last = max(first, 0), min(last, count)
    around = np.pad(levels[np.arange(first, last) % count], [(0, 0), (margin, margin)], mode="wrap")
    slopes = np.gradient(around.astype(np.float64) * steepness)
    inner = slice(rows.start - first, rows.stop - first), slice(margin, margin + columns)
    down, across = (np.asarray(slope)[inner] for slope in slopes)
    length = np.sqrt(across * across + down * down + 1)
    # Rows count downwards: where height grows with them, the surface faces up.
    x, y, z = (as_bytes((part / length + 1) / 2) for part in (-across, down, 1))
    return x, y, z


def as_bytes(values: NDArray[np.floating]) -> _Bytes:
    """Values (rows, columns) from 0 to 1 as levels from 0 to 255."""
    levels = np.empty(values.shape, np.uint8)
    for rows in row_bands(values.shape):
        levels[rows] = np.rint(values[rows] * 255)
    return levels
