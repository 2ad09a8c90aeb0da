"""Polygons as OpenCV's drawing functions take them."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

# Fractional bits (cv2's `shift`).
SHIFT = 3


def fixed_point(points: NDArray[Any], width: float) -> NDArray[np.int32]:
    """Parts of a picture's width as fixed-point pixel coordinates, pixel centres at whole numbers."""
    scale = 1 << SHIFT
    found = points * np.float32(width * scale)
    found -= np.float32(scale / 2)
    return np.rint(found, out=found).astype(np.int32)


def fill_convex(plane: NDArray[Any], polygons: NDArray[np.int32]) -> None:
    """Draw convex polygons (n, corners, 2), as `fixed_point` gives them, over each other, the first as 0."""
    # A picture has 100,000 of them, so what is looked up for each counts.
    fill, kind, shift = cv2.fillConvexPoly, cv2.LINE_8, SHIFT
    for number, corners in enumerate(polygons):
        fill(plane, corners, number, kind, shift)
