"""sRGB pictures, their light, and CIELAB."""

from functools import cache
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

# Steps of light that have an sRGB level in a table.
_STEPS = np.iinfo(np.uint16).max
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


def to_light(image: NDArray[Depth]) -> NDArray[np.float32]:
    """(h, w, 3) float32 linear light, 0 to 1, of an sRGB picture (IEC 61966-2-1)."""
    return _light_levels(int(np.iinfo(image.dtype).max))[image]


def from_light(light: NDArray[np.float32], depth: type[Depth]) -> NDArray[Depth]:
    """(h, w, 3) sRGB with the levels of uint8 or uint16 of linear light, clipped to 0 to 1."""
    steps = np.rint(np.clip(light, 0, 1) * np.float32(_STEPS)).astype(np.uint16)
    return cv2.LUT(steps, np.rint(np.iinfo(depth).max * _srgb_levels()).astype(depth))


@cache
def _light_levels(most: int) -> NDArray[np.float32]:
    """The light of every level from 0 to the highest one."""
    level = np.arange(most + 1) / most
    light = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


@cache
def _srgb_levels() -> NDArray[np.float64]:
    """The sRGB level, 0 to 1, of every step of light."""
    level = np.arange(_STEPS + 1) / _STEPS
    return np.where(level <= 0.0031308, 12.92 * level, 1.055 * level ** (1 / 2.4) - 0.055)
