"""What a camera does to a picture: softness, sharpening, grain. Labels never go through it."""

import cv2
import numpy as np
from numpy.typing import NDArray

# In pixels of the final picture: deviation of the lens's blur, and of the camera's blur of colour. A smaller
# picture is one that has been made smaller: blur and sharpening are less in it.
_BLUR = 0.45
_CHROMA_BLUR = 0.6
_FINAL = 1024
# Sharpening: how much, and the deviation of the blur that it compares with, in pixels of each picture.
_SHARPENING = 0.9
_SHARPENED_OVER = 1.26
# Grain of lightness and of colour: deviations in levels of 0 to 255.
_GRAIN = 1.3
_CHROMA_GRAIN = 0.45
# Tells the random numbers of the grain from those of plan and surface, which start from the same seed.
_GRAIN_STREAM = 2


def photograph(fine: NDArray[np.uint8], size: int, seed: int) -> NDArray[np.uint8]:
    """(size, size, 3) uint8 sRGB of a larger (n, n, 3) uint8 sRGB picture, as a camera gives it."""
    rng = np.random.Generator(np.random.PCG64([seed, _GRAIN_STREAM]))
    luma, *chroma = _exposed(fine, size, len(fine) / size)
    grained = [_grained(luma, rng, _GRAIN), *(_grained(plane, rng, _CHROMA_GRAIN) for plane in chroma)]
    return cv2.cvtColor(cv2.merge(grained), cv2.COLOR_YCrCb2RGB)


def through_lens(fine: NDArray[np.uint8], size: int, scale: float) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 sRGB of an (h x scale, w x scale, 3) part of a picture for `size`, without grain."""
    return cv2.cvtColor(cv2.merge(_exposed(fine, size, scale)), cv2.COLOR_YCrCb2RGB)


def _exposed(fine: NDArray[np.uint8], size: int, scale: float) -> list[NDArray[np.uint8]]:
    """Planes Y, Cr, Cb (ITU-R BT.601) of a picture behind the lens.

    Every pixel is the mean of its area, in sRGB: in linear light, the paler colour of an edge would be
    favoured.
    """
    blur = _BLUR * size / _FINAL
    # The area of a pixel and the lens blur together: variances add, that of a square of side 1 is 1/12.
    blurred = _blurred(fine, float(np.hypot(blur, 12**-0.5)) * scale)
    shape = round(fine.shape[1] / scale), round(fine.shape[0] / scale)
    sharp = cv2.resize(blurred, shape, interpolation=cv2.INTER_LINEAR)
    soft = _blurred(sharp, float(np.sqrt(_SHARPENED_OVER**2 - blur**2)))
    strength = _SHARPENING * size / _FINAL
    sharp = cv2.addWeighted(sharp, 1 + strength, soft, -strength, 0)
    luma, *chroma = cv2.split(cv2.cvtColor(sharp, cv2.COLOR_RGB2YCrCb))
    return [luma, *(_blurred(plane, _CHROMA_BLUR * size / _FINAL) for plane in chroma)]


def _blurred(picture: NDArray[np.uint8], deviation: float) -> NDArray[np.uint8]:
    side = 2 * max(1, round(2.5 * deviation)) + 1
    return cv2.GaussianBlur(picture, (side, side), deviation)


def _grained(plane: NDArray[np.uint8], rng: np.random.Generator, deviation: float) -> NDArray[np.uint8]:
    """A plane with normal noise."""
    noise = rng.standard_normal(plane.shape, np.float32)
    noise *= np.float32(deviation)
    noise += plane
    return cv2.convertScaleAbs(noise)
