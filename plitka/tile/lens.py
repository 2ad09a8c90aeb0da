"""Simulates a camera: blur, sharpening, grain. Never applied to label maps."""

import cv2
import numpy as np
from numpy.typing import NDArray

# In pixels of the final picture: deviation of the lens's blur, and of the camera's blur of colour. A smaller
# picture is one that has been made smaller: blur and sharpening are less in it.
_BLUR = 0.42
_CHROMA_BLUR = 0.7
_FINAL = 1024
# Sharpening: how much, and the deviation of the blur that it compares with, in pixels of each picture.
_SHARPENING = 0.85
_SHARPENED_OVER = 1.26
# Focus: the part of the heap below the focal plane, how much of the sharpening is lost per pitch of depth,
# how unevenly focused the picture is (bumps across it, deviation), and the least and the most of it there is.
_FOCUSED_ON = 0.7
_DEPTH_OF_FIELD = 0.35
_TILTS, _TILT = 4, 0.25
_LEAST_FOCUS, _MOST_FOCUS = 0.0, 1.3
# Grain of lightness and of colour: deviations in levels of 0 to 255.
_GRAIN = 1.8
_CHROMA_GRAIN = 0.45
# Number of the random stream of the grain; plan and surface have others from the same seed.
_GRAIN_STREAM = 2


def photograph(
    fine: NDArray[np.uint8], height: NDArray[np.float32], size: int, seed: int
) -> NDArray[np.uint8]:
    """(size, size, 3) uint8 sRGB of a larger (n, n, 3) uint8 sRGB picture, as a camera gives it.

    `height` (n, n) is that of the heap, in pitches: the camera is focused on its top.
    """
    rng = np.random.Generator(np.random.PCG64([seed, _GRAIN_STREAM]))
    luma, *chroma = _exposed(fine, size, len(fine) / size)
    luma = _sharpened(luma, _focus(height, size, rng), size)
    grained = [_grained(luma, rng, _GRAIN, 1), *(_grained(plane, rng, _CHROMA_GRAIN, 2) for plane in chroma)]
    return cv2.cvtColor(cv2.merge(grained), cv2.COLOR_YCrCb2RGB)


def through_lens(fine: NDArray[np.uint8], size: int, scale: float) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 sRGB of an (h x scale, w x scale, 3) part of a picture for `size`, without grain."""
    luma, *chroma = _exposed(fine, size, scale)
    return cv2.cvtColor(cv2.merge([_sharpened(luma, None, size), *chroma]), cv2.COLOR_YCrCb2RGB)


def _exposed(fine: NDArray[np.uint8], size: int, scale: float) -> list[NDArray[np.uint8]]:
    """Planes Y, Cr, Cb (ITU-R BT.601) of a picture behind the lens, not sharpened.

    Every pixel is the mean of its area, in sRGB: in linear light, the paler colour would dominate at edges.
    """
    blur = _BLUR * size / _FINAL
    # The area of a pixel and the lens blur together: variances add, that of a square of side 1 is 1/12.
    blurred = _blurred(fine, float(np.hypot(blur, 12**-0.5)) * scale)
    shape = round(fine.shape[1] / scale), round(fine.shape[0] / scale)
    small = cv2.resize(blurred, shape, interpolation=cv2.INTER_LINEAR)
    luma, *chroma = cv2.split(cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb))
    return [luma, *(_blurred(plane, _CHROMA_BLUR * size / _FINAL) for plane in chroma)]


def _sharpened(luma: NDArray[np.uint8], focus: NDArray[np.float32] | None, size: int) -> NDArray[np.uint8]:
    """Lightness sharpened as a camera does; less where the lens, by `focus` (1: sharp), is out of focus."""
    soft = _blurred(luma, float(np.sqrt(_SHARPENED_OVER**2 - (_BLUR * size / _FINAL) ** 2)))
    strength = _SHARPENING * size / _FINAL
    if focus is None:
        return cv2.addWeighted(luma, 1 + strength, soft, -strength, 0)
    detail = cv2.subtract(luma, soft, dtype=cv2.CV_32F)
    detail *= focus
    detail *= np.float32(strength)
    return cv2.add(luma, detail, dtype=cv2.CV_8U)


def _focus(height: NDArray[np.float32], size: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """(size, size): how sharp each pixel is. What lies low is out of focus, and no tile is quite level."""
    focus = cv2.resize(height, (size, size), interpolation=cv2.INTER_LINEAR)
    focus -= np.float32(np.quantile(focus[::8, ::8], _FOCUSED_ON))
    focus *= np.float32(_DEPTH_OF_FIELD)
    cv2.min(focus, _MOST_FOCUS - 1, focus)
    tilt = rng.standard_normal((_TILTS, _TILTS), np.float32) * np.float32(_TILT)
    focus += cv2.resize(tilt, (size, size), interpolation=cv2.INTER_CUBIC)
    focus += np.float32(1)
    return cv2.max(focus, _LEAST_FOCUS)


def _blurred(picture: NDArray[np.uint8], deviation: float) -> NDArray[np.uint8]:
    side = 2 * max(1, round(2.5 * deviation)) + 1
    return cv2.GaussianBlur(picture, (side, side), deviation)


def _grained(
    plane: NDArray[np.uint8], rng: np.random.Generator, deviation: float, width: int
) -> NDArray[np.uint8]:
    """A plane with normal noise, grains `width` pixels wide."""
    height, length = plane.shape
    noise = rng.standard_normal((height // width, length // width), np.float32)
    if width > 1:
        noise = cv2.resize(noise, (length, height), interpolation=cv2.INTER_LINEAR)
    noise *= np.float32(deviation)
    noise += plane
    return cv2.convertScaleAbs(noise)
