"""CIELAB of pictures."""

import cv2
import numpy as np
from numpy.typing import NDArray


def to_lab(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(h, w, 3) float32 CIELAB (D65) of a uint8 sRGB picture."""
    return cv2.cvtColor(image.astype(np.float32) * np.float32(1 / 255), cv2.COLOR_RGB2Lab)
