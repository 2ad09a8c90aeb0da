"""sRGB pictures and CIELAB."""

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

# The levels of a picture's channels.
Depth = TypeVar("Depth", np.uint8, np.uint16)


def to_lab(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(h, w, 3) float32 CIELAB (D65) of a uint8 sRGB picture."""
    return cv2.cvtColor(image.astype(np.float32) * np.float32(1 / 255), cv2.COLOR_RGB2Lab)


def to_srgb(lab: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 sRGB of float32 CIELAB (D65), clipped to the gamut."""
    return to_deep_srgb(lab, np.uint8)


def to_deep_srgb(lab: NDArray[np.float32], depth: type[Depth]) -> NDArray[Depth]:
    """`to_srgb` with the levels of uint8 or uint16."""
    rgb = cv2.cvtColor(lab, cv2.COLOR_Lab2RGB)
    most = np.float32(np.iinfo(depth).max)
    return np.rint(np.clip(rgb, 0, 1, out=rgb) * most).astype(depth)
