"""Which camera takes a picture: cameras differ in blur, sharpening and grain, so each seed has its own."""

from dataclasses import astuple, dataclass

import numpy as np

# In pixels of the final picture: deviation of the lens's blur, and of the camera's blur of colour. A smaller
# picture is one that has been made smaller: blur and sharpening are less in it.
BLUR, CHROMA_BLUR = 0.42, 0.7
# Sharpening: how much, and the deviation of the blur that it compares with, in pixels of each picture.
SHARPENING, SHARPENED_OVER = 0.85, 1.26
# Grain of lightness and of colour: deviations in levels of 0 to 255.
GRAIN, CHROMA_GRAIN = 1.8, 0.45
# How far cameras differ in each of these, in this order: deviation of the logarithm, and the most of it in
# deviations. The 24 photographs differ more; these stay within what is neither soft nor harsh at 1:1.
_DIFFER = (0.3, 0.25, 0.3, 0.15, 0.45, 0.45)
_MOST = 2.0
# Number of its random stream; plan, surface and grain have others from the same seed.
_STREAM = 4


@dataclass(frozen=True)
class Camera:
    """What a camera makes of a picture.

    Attributes:
        blur, chroma_blur: Deviations of the lens's blur and of the blur of colour, in pixels of the final
            picture.
        sharpening: How much of the detail is added once more.
        sharpened_over: The deviation of the blur that detail is taken against, in pixels of each picture.
        grain, chroma_grain: Deviations of the noise in lightness and colour, in levels of 0 to 255.
    """

    blur: float = BLUR
    chroma_blur: float = CHROMA_BLUR
    sharpening: float = SHARPENING
    sharpened_over: float = SHARPENED_OVER
    grain: float = GRAIN
    chroma_grain: float = CHROMA_GRAIN


# Between all of them.
USUAL = Camera()


def camera_of(seed: int) -> Camera:
    """The camera of a seed."""
    rng = np.random.Generator(np.random.PCG64([seed, _STREAM]))
    differ = np.clip(rng.standard_normal(len(_DIFFER)), -_MOST, _MOST) * _DIFFER
    factors = np.exp(differ)
    return Camera(*(float(usual * factor) for usual, factor in zip(astuple(USUAL), factors, strict=True)))
