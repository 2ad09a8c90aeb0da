"""At which angle the joints of a picture run, by its pixels alone."""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
# Degrees between the directions that are tried first, and then around the best of them.
ANGLE_STEP = 0.5
FINE_STEP = 0.1
# A larger picture is made smaller: joints stay as straight, and the time grows with the pixels.
_MOST_PIXELS = 512


def joint_angle(image: Image) -> float:
    """The direction of the darkest straight lines in the middle of a (height, width, 3) uint8 sRGB picture.

    Returns:
        Degrees anticlockwise, at least 0 and below 180, in steps of 0.1.

    For every direction, the picture's darkness is summed along it; where lines run that way, the sums have
    sharp peaks. Their fourth powers prefer the long joints of the courses to the short ones across. A picture
    without joints has an angle too, of no meaning.
    """
    gray = cv2.cvtColor(_square(image), cv2.COLOR_RGB2GRAY).astype(np.float32)
    dark = np.clip(np.float32(np.percentile(gray, 15)) - gray, 0, None)
    size = len(dark)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    inside = np.hypot(x, y) < size / 2
    x, y, dark = x[inside], y[inside], dark[inside]

    def sharpest(angles: NDArray[np.floating]) -> float:
        return float(angles[int(np.argmax([_sharpness(angle, x, y, dark, size) for angle in angles]))])

    coarse = sharpest(np.arange(0, 180, ANGLE_STEP))
    near = round(ANGLE_STEP / FINE_STEP)
    return round(sharpest(coarse + FINE_STEP * np.arange(1 - near, near)) % 180, 1) % 180


def angle_error(found: float, wanted: float, period: float = 180) -> float:
    """Degrees between two directions of lines that repeat after `period` degrees, 0 to half of it."""
    return abs((found - wanted + period / 2) % period - period / 2)


def _square(image: Image) -> Image:
    """The middle square, of `_MOST_PIXELS` a side at most."""
    height, width = image.shape[:2]
    size = min(height, width)
    top, left = (height - size) // 2, (width - size) // 2
    square = image[top : top + size, left : left + size]
    if size > _MOST_PIXELS:
        square = cv2.resize(square, (_MOST_PIXELS, _MOST_PIXELS), interpolation=cv2.INTER_AREA)
    return square


def _sharpness(
    degrees: float, x: NDArray[np.float64], y: NDArray[np.float64], dark: NDArray[np.float32], size: int
) -> float:
    """How sharp the peaks are of the darkness summed along a direction."""
    angle = np.deg2rad(degrees)
    # Rounded down: rounding half-pixels to even would leave every other sum of an upright line empty.
    across = np.floor(x * np.sin(angle) + y * np.cos(angle) + size / 2).astype(np.intp)
    sums = np.bincount(across, dark, size + 2)
    lengths = np.bincount(across, minlength=size + 2)
    profile = (sums / np.maximum(lengths, 1))[size // 8 : -size // 8]
    detail = profile - cv2.blur(profile.reshape(1, -1), (25, 1)).ravel()
    return float((np.clip(detail, 0, None) ** 4).sum())
