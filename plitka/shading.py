"""From light to colour: a ramp of 256 sRGB colours for each granule colour, fitted to photographed granules.

A granule's lightness follows the light between the 5th and 95th percentile of L* photographed on tiles of its
colour, bent so that the mean is the photographed mean. Hue and chroma hardly change with the light, except in
shade so deep that the camera saw no colour. These observations are from photographs of single-colour tiles.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.mix import Mix, MixColor
from plitka.palette import PALETTE, hex_to_lab

# Beyond the 5th and 95th percentile the lightness goes on along a straight line: gaps and glints. A gap is
# dark whatever its colour, so the paler the granule, the steeper the way down.
_GAP_SLOPE = 3.4
_SHEEN_SLOPE = 1.1
# Black rubber shines: the darker the granule, the brighter its glints stand out.
_DARK_SHEEN_SLOPE = 5.0
# Chroma fades below this fraction of the mean lightness.
_FADE_FROM = 0.45
_FADE_POWER = 0.7
# The way from the mean to the lit colour is followed this far in L*, then the tint stays.
_TINT_REACH = 15.0
# A shade is clearly a colour's own while its distance to that colour is below this part of that to any other.
_CLEARLY = 0.85
# Stands for no limit; far enough outside 0 to 100 to leave a ramp as it is.
_UNLIMITED = 1e4
_JOINT_LIGHTNESS = (4.0, 16.0)


@dataclass(frozen=True)
class LightStatistics:
    """Distribution of a light field: `frequency` is (256,) summing to 1; `low`, `high` are its 5th and 95th
    percentile in levels."""

    frequency: NDArray[np.float64]
    low: float
    high: float


def light_statistics(light: NDArray[np.uint8]) -> LightStatistics:
    """Measure a light field (any shape, uint8)."""
    frequency = np.bincount(light.ravel(), minlength=256) / light.size
    low, high = np.interp([0.05, 0.95], np.cumsum(frequency), np.arange(256.0))
    return LightStatistics(frequency, float(low), float(max(high, low + 1)))


def shade_ramp(color: MixColor, mix: Mix, light: LightStatistics) -> NDArray[np.uint8]:
    """(256, 3) uint8 sRGB: a colour of a mix at every light level.

    Weighted by the light's frequency, the ramp's mean L* is the colour's, and so is the mean of a* and b* as
    far as the sRGB gamut allows. Shade and sheen end before they look like another colour of the mix.
    """
    lightness = _lightness_ramp(color, own_lightness(color, mix), light)
    shades = at_lightness(color, lightness)
    shades[:, 1:] += np.array(color.lab[1:]) - light.frequency @ shades[:, 1:]
    return _to_srgb(shades)


def joint_ramp() -> NDArray[np.uint8]:
    """(256, 3) uint8 sRGB: the open joint, a neutral shadow."""
    lab = np.zeros((256, 3), np.float32)
    lab[:, 0] = np.linspace(*_JOINT_LIGHTNESS, 256)
    return _to_srgb(lab)


def at_lightness(color: MixColor, lightness: NDArray[np.float64]) -> NDArray[np.float32]:
    """(n, 3) CIELAB: how the colour looks at each L*.

    A palette colour passes through the colour of its lit facets, so that bright blue turns towards cyan as it
    does on photographs; a hex colour keeps its hue. Chroma fades in deep shade.
    """
    mean = np.array(color.lab)
    tint = np.zeros(2)
    if color.id in PALETTE:
        lit = np.array(hex_to_lab(PALETTE[color.id].lit_hex))
        tint = (lit[1:] - mean[1:]) / max(lit[0] - mean[0], 1.0)
    reach = np.clip(lightness - mean[0], -_TINT_REACH, _TINT_REACH)
    fade = np.minimum(1.0, lightness / max(_FADE_FROM * mean[0], 1e-6)) ** _FADE_POWER
    chromatic = (mean[1:] + reach[:, None] * tint) * fade[:, None]
    return np.column_stack([lightness, chromatic]).astype(np.float32)


def own_lightness(color: MixColor, mix: Mix) -> tuple[float, float]:
    """Lowest and highest L* at which the colour is clearly nearer to its own mean than to any other's."""
    lightness = np.arange(101.0)
    shades = at_lightness(color, lightness)
    own = np.linalg.norm(shades - np.array(color.lab, np.float32), axis=1)
    clear = np.ones(len(lightness), np.bool_)
    for other in mix:
        if other.id != color.id:
            clear &= own < _CLEARLY * np.linalg.norm(shades - np.array(other.lab, np.float32), axis=1)
    mean = round(color.lab[0])
    below, above = np.flatnonzero(~clear[:mean]), np.flatnonzero(~clear[mean + 1 :])
    lowest = below[-1] + 1.0 if len(below) else -_UNLIMITED
    highest = mean + float(above[0]) if len(above) else _UNLIMITED
    return lowest, highest


def _lightness_ramp(color: MixColor, own: tuple[float, float], light: LightStatistics) -> NDArray[np.float64]:
    """L* at every light level; the bend between the percentiles is found by bisection on the mean."""
    low, high = color.lightness_range
    level = (np.arange(256.0) - light.low) / (light.high - light.low)
    paleness = float(np.clip(color.lab[0] / 75, 0, 1))
    darkness = 1 - float(np.clip(color.lab[0] / 60, 0, 1))
    sheen = _SHEEN_SLOPE + (_DARK_SHEEN_SLOPE - _SHEEN_SLOPE) * darkness
    gap = low + (high - low) * _GAP_SLOPE * paleness * level
    lit = high + (high - low) * sheen * (level - 1)
    inside = np.clip(level, 0, 1)

    def bent(exponent: float) -> NDArray[np.float64]:
        body = low + (high - low) * inside**exponent
        ramp = np.where(level < 0, gap, np.where(level > 1, lit, body))
        return np.clip(_approach(ramp, color.lab[0], own), 0.5, 99.5)

    shallow, steep = 0.1, 10.0
    for _ in range(30):
        middle = (shallow * steep) ** 0.5
        if float(light.frequency @ bent(middle)) > color.lab[0]:
            shallow = middle
        else:
            steep = middle
    return bent((shallow * steep) ** 0.5)


def _approach(ramp: NDArray[np.float64], mean: float, limits: tuple[float, float]) -> NDArray[np.float64]:
    """Bend a ramp so that it nears the limits without passing them; around the mean it stays as it is."""
    room = np.where(ramp < mean, mean - limits[0], limits[1] - mean)
    room = np.maximum(room, 1.0)
    return mean + room * np.tanh((ramp - mean) / room)


def _to_srgb(lab: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(n, 3) CIELAB (D65) to (n, 3) uint8 sRGB, clipped to the gamut."""
    rgb = cv2.cvtColor(lab[None], cv2.COLOR_Lab2RGB)[0]
    return np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8)
