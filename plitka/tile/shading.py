"""From light to colour: a ramp of 256 sRGB colours for each granule colour, by one general tone curve.

The tone curve was fitted to photographs of single-colour tiles. Lightness: the ranks of the light within a
colour are mapped to percentiles of L*, which follow from the photographed 5th and 95th percentile and the
mean. Hue and chroma: light in a gap has been reflected by granules of its colour more than once, so shade is
more saturated (the colour to a power; most of all in pale neutral colours, whose shade is brown), and what is
brighter than a lit facet is gloss, which is white.
"""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.colors.lab import Depth, to_deep_srgb, to_srgb
from plitka.colors.mix import Mix, MixColor

# The tone curve. For each percentile of light (row): L* relative to the photographed 5th (0) and 95th (1)
# percentile, as a linear function of the mean's position between them and of L* of the mean / 100. The lens
# mixes the darkest pixels, in pockets, with their surroundings, so they are darker here than on photographs.
PERCENTILES = np.array([0, 0.3, 1, 2.5, 5, 10, 25, 50, 75, 90, 95, 99, 99.5]) / 100
TONE_CURVE = np.array(
    [
        [0.921, -0.710, -2.895],
        [0.679, -0.483, -2.231],
        [0.361, -0.320, -1.482],
        [0.062, -0.012, -0.847],
        [0, 0, 0],
        [-0.214, 0.581, 0.099],
        [-0.336, 1.230, 0.072],
        [-0.232, 1.437, 0.049],
        [-0.015, 1.434, -0.059],
        [0.518, 0.715, -0.037],
        [1, 0, 0],
        [1.920, -1.271, -0.003],
        [2.229, -1.685, -0.013],
    ]
)
# How far the brightest pixels lie beyond the last percentile, on the same scale.
BEYOND = 0.12
# The exponent of a colour in full shade, less 1: for a black granule, and added for a white one, by this
# power of luminance.
BOUNCES = (0.55, 3.1)
BOUNCES_POWER = 1.7
# By how many times more of it, less 1, a neutral colour takes for white; the chroma up to which a colour is
# neutral, and that from which it is not.
NEUTRAL_BOUNCES = 2.0
NEUTRAL_TO, VIVID_FROM = 10.0, 30.0
# Beyond the mean the same law goes on this far upwards.
BOUNCES_ABOVE = -0.275
# L* of a lit facet by that of the mean, and the part of what is brighter that is gloss.
LIT = 1.237
GLOSS_PART = 0.68
# How much of a pixel's light the surface sends back white, beyond the usual: one step of the veil.
VEIL_STEP = 0.06
# Linear sRGB below which no channel of a colour lies, since 0 would stay 0 to any power.
LEAST_CHANNEL = 0.002
# A shade clearly belongs to a colour if its distance to it is below this fraction of that to any other.
_CLEARLY = 0.85
# L* that the 5th percentile loses where neighbours reflect nothing of a colour's light, and where it ends.
NEIGHBOURS_TAKE = 10.0
DARKEST = 4.0
# Stands for no limit; far enough outside 0 to 100 to leave a ramp as it is.
_UNLIMITED = 1e4
# Distance in a* and b* of the batches from the mean of a neutral and of a vivid colour, and the chroma from
# which a colour is vivid.
BATCH_TINTS = (0.2, 0.9)
VIVID = 40.0
# L* of joints: a neutral shadow.
JOINT_LIGHTNESS = (4.0, 26.0)
# Luminance of linear sRGB (IEC 61966-2-1).
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def shade_ramps(
    color: MixColor,
    light: NDArray[np.float64],
    mean: NDArray[np.float64],
    batches: int,
    veils: int,
    depth: type[Depth],
) -> NDArray[Depth]:
    """(batches x veils x 256, 3) sRGB of the levels of `depth`: a colour at every level of light, by veil.

    Each is there under every veil, for every batch.

    A veil is light that the surface sends back white, from the least (what lies in gaps, lit by its
    neighbours, is vivid) to the most (what shines is pale).

    `light` (256,) is the frequency of each level on the colour's granules, in any unit. Weighted by it, the
    mean of a ramp is the CIELAB `mean` (3,), as far as the sRGB gamut allows. Batches differ from it in a*
    and b*, more for vivid colours.
    """
    frequency = light / light.sum()
    rank = np.cumsum(frequency) - frequency / 2
    percentiles, lightness = _tone_curve(color)
    shades = at_lightness(color, np.interp(rank, percentiles, lightness))
    for _ in range(3):
        shown = cv2.cvtColor(to_srgb(shades[None]).astype(np.float32) / 255, cv2.COLOR_RGB2Lab)[0]
        shades += (mean - frequency @ shown).astype(np.float32)
    neutral, vivid = BATCH_TINTS
    reach = neutral + (vivid - neutral) * min(float(np.hypot(*color.lab[1:])) / VIVID, 1.0)
    turns = 2 * np.pi * (np.arange(batches) + 0.5) / batches
    tints = reach * np.stack([np.zeros(batches), np.cos(turns), np.sin(turns)], 1)
    white = VEIL_STEP * (np.arange(veils) - (veils - 1) / 2)
    veiled = shades * np.stack([np.ones(veils), 1 - white, 1 - white], 1)[:, None]
    return to_deep_srgb((veiled + tints[:, None, None]).reshape(1, -1, 3).astype(np.float32), depth)[0]


def joint_ramp(depth: type[Depth]) -> NDArray[Depth]:
    """(256, 3) sRGB, uint8 or uint16: the open joint, a neutral shadow."""
    lab = np.zeros((256, 3), np.float32)
    lab[:, 0] = np.linspace(*JOINT_LIGHTNESS, 256)
    return to_deep_srgb(lab[None], depth)[0]


def neighbours_light(mix: Mix) -> Mix:
    """The mix with each colour's 5th percentile of L* as its neighbours make it.

    Shade is light that neighbours have reflected: among granules of other colours less of it has the colour.
    """
    own = np.maximum(_to_linear(np.array([color.lab for color in mix])), LEAST_CHANNEL)
    around = np.array([color.share for color in mix]) @ own
    kept = (own * around) @ LUMINANCE / (own**2 @ LUMINANCE)
    found = []
    for color, part in zip(mix, kept, strict=True):
        low, high = color.lightness_range
        deeper = NEIGHBOURS_TAKE * max(1 - float(part), 0.0)
        found.append(replace(color, lightness_range=(max(low - deeper, min(low, DARKEST)), high)))
    return tuple(found)


def at_lightness(color: MixColor, lightness: NDArray[np.float64]) -> NDArray[np.float32]:
    """(n, 3) CIELAB: the colour at each L* (n,)."""
    own = np.maximum(_to_linear(np.array([color.lab]))[0], LEAST_CHANNEL)
    least, for_white = BOUNCES
    neutral = (VIVID_FROM - float(np.hypot(*color.lab[1:]))) / (VIVID_FROM - NEUTRAL_TO)
    for_white *= 1 + NEUTRAL_BOUNCES * min(max(neutral, 0.0), 1.0)
    bounces = least + for_white * float(LUMINANCE @ own) ** BOUNCES_POWER
    shade = np.clip(1 - lightness / max(color.lab[0], 1.0), BOUNCES_ABOVE, 1)
    saturated = own ** (1 + bounces * shade[:, None])
    luminance = _luminance(lightness)
    lit = _luminance(np.array([min(color.lab[0] * LIT, 99.0)]))
    gloss = np.maximum(luminance - lit, 0) * GLOSS_PART
    linear = saturated * ((luminance - gloss) / (saturated @ LUMINANCE))[:, None] + gloss[:, None]
    lab = cv2.cvtColor(linear[None].astype(np.float32), cv2.COLOR_LRGB2Lab)[0]
    lab[:, 0] = lightness
    return lab


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


def _tone_curve(color: MixColor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ranks of light, 0 to 1, and L* of the colour at them."""
    low, high = color.lightness_range
    reach = max(high - low, 1.0)
    position = TONE_CURVE @ np.array([1, (color.lab[0] - low) / reach, color.lab[0] / 100])
    position = np.append(position, position[-1] + BEYOND)
    # The law of the darkest is not exact for black: none of them is lighter than what is in more light.
    dark = PERCENTILES.searchsorted(0.05) + 1
    position[:dark] = np.minimum.accumulate(position[:dark][::-1])[::-1]
    lightness = np.maximum.accumulate(np.clip(low + reach * position, 0.5, 99.5))
    return np.append(PERCENTILES, 1), lightness


def _luminance(lightness: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE 1976: relative luminance, 0 to 1, of L*."""
    return np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness / 903.3)


def _to_linear(lab: NDArray[np.float64]) -> NDArray[np.float32]:
    """(n, 3) CIELAB (D65) to (n, 3) linear sRGB."""
    return cv2.cvtColor(lab[None].astype(np.float32), cv2.COLOR_Lab2LRGB)[0]
