"""Corners of polygons as OpenCV's drawing functions take them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Fractional bits (cv2's `shift`).
SHIFT = 3


def fixed_point(points: NDArray[Any], width: float) -> NDArray[np.int32]:
    """Parts of a picture's width as fixed-point pixel coordinates, pixel centres at whole numbers."""
    scale = 1 << SHIFT
    return np.rint(points * np.float32(width * scale) - np.float32(scale / 2)).astype(np.int32)
