"""sRGB pictures and CIELAB."""

import cv2
import numpy as np
from numpy.typing import NDArray


def to_lab(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(h, w, 3) float32 CIELAB (D65) of a uint8 sRGB picture."""
    return cv2.cvtColor(image.astype(np.float32) * np.float32(1 / 255), cv2.COLOR_RGB2Lab)


def to_srgb(lab: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 sRGB of float32 CIELAB (D65), clipped to the gamut."""
    rgb = cv2.cvtColor(lab, cv2.COLOR_Lab2RGB)
    return np.rint(np.clip(rgb, 0, 1, out=rgb) * np.float32(255)).astype(np.uint8)
