"""At which angle the joints of a picture run, by its pixels alone."""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
ANGLE_STEP = 0.5


def joint_angle(image: Image) -> float:
    """The direction of the darkest straight lines, degrees anticlockwise, 0 to 180.

    For every direction, the picture's darkness is summed along it; where lines run that way, the sums have
    sharp peaks. Their fourth powers prefer the long joints of the courses to the short ones across.
    """
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    dark = np.clip(np.float32(np.percentile(gray, 15)) - gray, 0, None)
    size = len(dark)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    inside = np.hypot(x, y) < size / 2
    x, y, dark = x[inside], y[inside], dark[inside]
    scores = []
    angles = np.arange(0, 180, ANGLE_STEP)
    for angle in np.deg2rad(angles):
        # Rounded down: rounding half-pixels to even would leave every other sum of an upright line empty.
        across = np.floor(x * np.sin(angle) + y * np.cos(angle) + size / 2).astype(np.intp)
        sums = np.bincount(across, dark, size + 2)
        lengths = np.bincount(across, minlength=size + 2)
        profile = (sums / np.maximum(lengths, 1))[size // 8 : -size // 8]
        detail = profile - cv2.blur(profile.reshape(1, -1), (25, 1)).ravel()
        scores.append(float((np.clip(detail, 0, None) ** 4).sum()))
    return float(angles[int(np.argmax(scores))])


def angle_error(found: float, wanted: float) -> float:
    """Degrees between two directions, 0 to 90."""
    return abs((found - wanted + 90) % 180 - 90)
