"""How light falls on the heap: brightness and gloss of every pixel, from height and slope alone.

The light is soft and even, as on photographs of tiles: it comes from everywhere above, so a surface is dark
where it is steep and where its surroundings are higher. Rubber of every colour is lit alike; what the
colours in that light are in `plitka.tile.shading`.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.tile.granules import PITCH
from plitka.tile.relief import HeightMap, Relief, height_map, octaves_of_noise, per_pixel
from plitka.tile.rims import bevel

# Weight of the logarithm of the cosine between a surface and the vertical (Lambert's law); the cosine is
# 1 / sqrt(1 + slope^2).
_STEEPNESS = 1.2
# Occlusion, in wide gaps and in contacts: width of the surroundings in pitches, and the weight of what they
# stand over a pixel.
_OCCLUSION = ((0.65, 1.2), (1.50, 2.0))
_CONTACTS = ((0.20, 0.36),)
# The part of that weight by which a pixel that stands over its surroundings is lighter.
_OPENNESS = 0.3
# Surroundings wider than this are seen on a smaller map.
_WIDE = 0.6
# Light missing in the crease where a granule lies on another.
_CREASE = 0.3
# White granules: the part of the shade of wide gaps that their reflections fill, and by how many times a
# contact is darker beside it.
_PALE_SHADE = 0.8
_PALE_CONTACT = 2.5
# Granules, their facets and their surfaces differ: deviations of the logarithm of light.
_GRANULE_VARIATION = 0.13
_FACET_VARIATION = 0.06
_ROUGHNESS = 0.10
# No heap is level: hollows across the picture, how much darker they are, and the size of their map.
_HOLLOWS = ((40, 0.16), (15, 0.08))
_HOLLOWS_SIZE = 128
# Tiles between joints differ too.
_TILE_VARIATION = 0.05
# Torn sides are rougher than flat tops: roughness of a level surface, and what is added by the square of its
# slope, at most 1.
_LEVEL_ROUGHNESS = 0.6
_TORN_ROUGHNESS = 1.0
# Spread of the roughness among granules: standard deviation of the logarithm.
_ROUGHNESS_SPREAD = 0.35
# Bumps across the picture, and their weight in the roughness.
_GRAIN = ((768, 1.05), (307, 0.5))
# Pressed: heights above this part of the heap are halved.
_PRESSED_FROM = 0.8
_PRESSED = np.float32(0.5)
# Gloss: how narrow it is, how much the surface waves (bumps across the picture, deviation of the slope), how
# patchy it is, how much granules differ in it and how soon shade ends it.
_NARROW = 6.0
_WAVES = ((130, 0.45), (420, 0.28))
_PATCHES = ((300, 0.9),)
_GLOSS_SPREAD = 0.8
_GLOSS_SHADE = 2.5
# The veil of white light: how much of it gloss brings, and how patchy it is anyhow.
_VEIL_OF_GLOSS = 2.0
_VEIL_PATCHES = ((450, 1.2), (170, 0.8))
# Tells the random numbers of the surface from those of the plan, which start from the same seed.
_SURFACE_STREAM = 1

_Plane = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Finish:
    """What tells granules and their surfaces from each other, whatever the light.

    `patches` (n, n) float32, 0 to 1.2: how much of a surface shines. Of each facet, (F,) float32: `shine` and
    `roughness`, factors around 1 of its granule, and `tone`, by how much it is lighter than its colour, a
    logarithm around 0.
    """

    patches: _Plane
    shine: _Plane
    roughness: _Plane
    tone: _Plane


@dataclass(frozen=True, eq=False)
class Light:
    """The light on each pixel, all (n, n) float32.

    `height` is that of the pressed heap, in pitches. `brightness` is the logarithm of the light on dark
    granules, 0 for an open, level surface, and `pale` what is added to it on white ones, which light each
    other's gaps up to their narrow contacts. `gloss` is 0 to about 3, the light that a mirror would send up.
    `veil` (n / 2, n / 2), about -3 to 3, is how much of the light the surface sends back white: shining and
    worn surfaces much, others little. `occlusion`, a part of `brightness` with the other sign, is the light
    that surroundings take from dark granules; negative where a pixel stands over them.
    """

    height: _Plane
    brightness: _Plane
    pale: _Plane
    gloss: _Plane
    veil: _Plane
    occlusion: _Plane
    finish: Finish


def light_on(relief: Relief, facets: NDArray[np.uint16], seed: int) -> Light:
    """Light the heap. `facets` (n, n) is the relief's facet map or every n-th row and column of it."""
    rng = np.random.Generator(np.random.PCG64([seed, _SURFACE_STREAM]))
    surface = height_map(relief, facets)
    height = press(surface.height)
    edge = bevel(facets)
    if edge is not None:
        height -= edge[0]
    owner = per_pixel(relief.owner, facets, -1)
    dark = _occlusion(height, _OCCLUSION)
    contact = _occlusion(height, _CONTACTS)
    contact += np.float32(_CREASE) * _creases(owner)
    pale = cv2.addWeighted(dark, _PALE_SHADE, contact, -_PALE_CONTACT, 0)
    brightness = cv2.log(surface.steepness)
    brightness *= np.float32(-0.5 * _STEEPNESS)
    brightness -= dark
    variation, tone = _variation(relief, rng)
    brightness += per_pixel(variation, facets)
    roughness = _of_granules(relief, rng, _ROUGHNESS_SPREAD)
    rough = per_pixel(roughness * np.float32(_ROUGHNESS), facets)
    rough *= torn(surface)
    brightness -= contact
    dark += contact
    brightness += cv2.multiply(rough, _noise(rng, _GRAIN, len(facets)), rough)
    if edge is not None:
        brightness += edge[1]
    gloss, patches, shine = _gloss(relief, facets, surface, dark, rng)
    finish = Finish(patches, shine, roughness, tone)
    return Light(height, brightness, pale, gloss, _veil(gloss, rng), dark, finish)


def press(height: _Plane) -> _Plane:
    """Heights (n, n) after pressing, in pitches; in place."""
    limit = np.float32(np.quantile(height[::8, ::8], _PRESSED_FROM))
    cv2.addWeighted(cv2.min(height, float(limit)), float(1 - _PRESSED), height, float(_PRESSED), 0, height)
    return height


def torn(surface: HeightMap) -> _Plane:
    """Factor of the roughness of each pixel by its slope, (n, n) float32, 0.6 to 1.6."""
    factor = cv2.min(surface.steepness, 2)
    factor *= np.float32(_TORN_ROUGHNESS)
    factor += np.float32(_LEVEL_ROUGHNESS - _TORN_ROUGHNESS)
    return factor


def _occlusion(height: _Plane, surroundings: tuple[tuple[float, float], ...]) -> _Plane:
    """Light that surroundings take: by how much their mean height, in several widths, is above a pixel's."""
    pitch = len(height) * PITCH
    dark = np.zeros_like(height)
    for width, weight in surroundings:
        if width > _WIDE:
            half = cv2.resize(height, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            around = cv2.resize(_mean_around(half, width * pitch / 2), height.shape[::-1])
        else:
            around = _mean_around(height, width * pitch)
        around -= height
        dark += cv2.addWeighted(
            cv2.max(around, 0), weight * (1 - _OPENNESS), around, weight * _OPENNESS, 0, around
        )
    return dark


def _mean_around(plane: _Plane, width: float) -> _Plane:
    side = 2 * max(1, round((width - 1) / 2)) + 1
    return cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT)


def _creases(owner: _Plane) -> _Plane:
    """1 beside an edge, on the granule that lies lower; granules are numbered from the bottom of the heap."""
    above = cv2.dilate(owner, np.ones((3, 3), np.uint8))
    crease = (above > owner).view(np.uint8) * np.uint8(255)
    return cv2.blur(crease, (3, 3)).astype(np.float32) * np.float32(1 / 255)


def _variation(relief: Relief, rng: np.random.Generator) -> tuple[_Plane, _Plane]:
    """(F,) each: how much lighter a facet is by itself and with its granule, where it lies and anywhere."""
    of_granule = rng.standard_normal(relief.granules.count, np.float32) * np.float32(_GRANULE_VARIATION)
    of_facet = rng.standard_normal(len(relief.owner), np.float32) * np.float32(_FACET_VARIATION)
    of_tile = rng.standard_normal(int(relief.tile.max()) + 1, np.float32) * np.float32(_TILE_VARIATION)
    anywhere = of_granule[relief.owner] + of_facet
    of_granule += of_tile[relief.tile]
    hollows = _noise(rng, _HOLLOWS, _HOLLOWS_SIZE)
    column, row = np.clip(relief.granules.center.T * _HOLLOWS_SIZE, 0, _HOLLOWS_SIZE - 1).astype(np.intp)
    of_granule += hollows[row, column]
    return of_granule[relief.owner] + of_facet, anywhere


def _of_granules(relief: Relief, rng: np.random.Generator, spread: float) -> _Plane:
    """(F,): a factor around 1 per granule, log-normal, at each of its facets."""
    factor = np.exp(np.float32(spread) * rng.standard_normal(relief.granules.count, np.float32))
    return factor[relief.owner]


def _gloss(
    relief: Relief,
    facets: NDArray[np.uint16],
    surface: HeightMap,
    dark: _Plane,
    rng: np.random.Generator,
) -> tuple[_Plane, _Plane, _Plane]:
    """Glints where the waves of a surface face up, in patches, on granules that are not shaded.

    Returns gloss and patches (n, n), and the factor of each facet's granule (F,).
    """
    size = len(facets)
    away = surface.across + _noise(rng, _WAVES, size)
    away *= away
    other = surface.down + _noise(rng, _WAVES, size)
    other *= other
    away += other
    away *= np.float32(-_NARROW)
    away -= np.float32(_GLOSS_SHADE) * cv2.max(dark, 0)
    gloss = cv2.exp(away)
    patches = cv2.add(_noise(rng, _PATCHES, size), 0.1)
    gloss *= cv2.min(cv2.max(patches, 0, patches), 1.2, patches)
    shine = _of_granules(relief, rng, _GLOSS_SPREAD)
    gloss *= per_pixel(shine, facets)
    return gloss, patches, shine


def _veil(gloss: _Plane, rng: np.random.Generator) -> _Plane:
    half = len(gloss) // 2
    veil = cv2.resize(gloss, (half, half), interpolation=cv2.INTER_LINEAR)
    return cv2.addWeighted(veil, _VEIL_OF_GLOSS, _noise(rng, _VEIL_PATCHES, half), 1, 0, veil)


def _noise(rng: np.random.Generator, octaves: tuple[tuple[int, float], ...], size: int) -> _Plane:
    """(size, size) normal noise: bumps across the picture and deviation of each octave, in any order."""
    noise = octaves_of_noise(rng, sorted(octaves))
    return cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
