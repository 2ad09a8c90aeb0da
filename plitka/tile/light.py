"""How light falls on the heap: brightness and gloss of every pixel, from height and slope alone.

The light is soft and even, as on photographs of tiles: it comes from everywhere above, so a surface is dark
where it is steep and where its surroundings are higher. Rubber of every colour is lit alike; what the
colours in that light are in `plitka.tile.shading`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.tile.bands import Part, blocks_of
from plitka.tile.chance import Chance, chance_of, lighter_with, noise_at
from plitka.tile.heights import HeightMap, height_map, sampled_heights
from plitka.tile.occlusion import CONTACTS, OCCLUSION, creases, occlusion, pockets, reflections
from plitka.tile.relief import Relief
from plitka.tile.rims import BEVEL, bevel
from plitka.tile.seen import Seen, per_pixel

# Weight of the logarithm of the cosine between a surface and the vertical (Lambert's law); the cosine is
# 1 / sqrt(1 + slope^2).
STEEPNESS = 1.2
# Pitches beyond the edges of a picture that goes on over them.
_REACH = 2.0
# How rough surfaces are: deviation of the logarithm of light.
ROUGHNESS = 0.10
# Torn sides are rougher than flat tops: roughness of a level surface, and what is added by the square of its
# slope, at most 1.
LEVEL_ROUGHNESS = 0.6
TORN_ROUGHNESS = 1.0
# Pressed: heights above this part of the heap, sampled at every n-th row and column, are halved.
SAMPLED = 8
PRESSED_FROM = 0.8
PRESSED = np.float32(0.5)
# Gloss: how narrow it is, and how soon shade ends it.
NARROW = 6.0
GLOSS_SHADE = 2.5
# How much of the veil of white light gloss brings.
VEIL_OF_GLOSS = 2.0

_Plane = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Finish:
    """What tells granules and their surfaces from each other, and the shade that the heap makes.

    Attributes:
        patches: (rows, columns) float32, 0 to 1.2: how much of a surface shines.
        occlusion: (rows, columns) float32, a part of `Light.brightness` with the other sign: the light that
            surroundings take from dark granules; negative where a pixel stands over them.
        shine: (count,) float32, a factor around 1 of each granule.
        roughness: (count,) float32, a factor around 1 of each granule.
        granule_tone: (count,) float32, by how much a granule is lighter than its colour, a logarithm
            around 0.
        facet_tone: (F,) float32, the same of a facet, beside that of its granule.
    """

    patches: _Plane
    occlusion: _Plane
    shine: _Plane
    roughness: _Plane
    granule_tone: _Plane
    facet_tone: _Plane


@dataclass(frozen=True, eq=False)
class Light:
    """The light on each pixel, all (rows, columns) float32.

    `height` is that of the pressed heap, in pitches. `brightness` is the logarithm of the light on dark
    granules, 0 for an open, level surface, and `pale` what is added to it on white ones, which light each
    other's gaps, though neither pockets nor contacts. `gloss` is 0 to about 3, the light that a mirror would
    send up. `veil` (rows / 2, columns / 2), about -3 to 3, is how much of the light the surface sends back
    white: shining and worn surfaces much, others little.
    """

    height: _Plane
    brightness: _Plane
    pale: _Plane
    gloss: _Plane
    veil: _Plane


def light_on(relief: Relief, seen: Seen, seed: int) -> Light:
    """Light the heap as it is seen at every n-th row and column of its canvas."""
    return light_and_finish(relief, seen, seed)[0]


def light_and_finish(relief: Relief, seen: Seen, seed: int) -> tuple[Light, Finish]:
    """The light of `light_on`, and what of the granules' surfaces it is made of."""
    chance = chance_of(relief, seed)
    if not relief.canvas.seamless:
        return _lit(relief, seen, chance)
    rows, columns = seen.facets.shape
    margin = _margin(relief, columns)
    light, finish = _lit(relief, seen.wrapped(margin), chance)
    inner = slice(margin, margin + rows), slice(margin, margin + columns)
    patches, occlusion = (plane[inner] for plane in (finish.patches, finish.occlusion))
    return _cropped(light, *inner), replace(finish, patches=patches, occlusion=occlusion)


def light_in_parts(
    relief: Relief, seen: Seen, seed: int, multiple: int
) -> Iterator[tuple[Part, Part, Light]]:
    """The light on a large map, block by block: the rows and columns of each, and the light on what it keeps.

    Blocks begin at multiples of an even number.
    """
    lit = light_of_parts(relief, seen, seed)
    shape = seen.facets.shape
    for rows, columns in blocks_of(shape, reach_of(relief, shape[1]), relief.canvas.seamless, multiple):
        light, _ = lit(seen.part(rows, columns))
        yield rows, columns, _cropped(light, rows.inner, columns.inner)


def light_of_parts(relief: Relief, seen: Seen, seed: int) -> Callable[[Seen], tuple[Light, Finish]]:
    """What gives the light of `light_and_finish` on a part of what is seen, `reach_of` from its edges on."""
    chance = chance_of(relief, seed)
    around = Seen(seen.facets, None)
    if relief.canvas.seamless:
        around = around.wrapped(_margin(relief, seen.columns))
    limit = pressed_from(sampled_heights(relief, around, SAMPLED))
    return lambda part: _lit(relief, part, chance, limit)


def _margin(relief: Relief, columns: int) -> int:
    """More than `reach_of`: what a picture that goes on over its edges is lit with, beyond them."""
    return 2 * round(_REACH * columns / relief.canvas.pitches / 2) + 2


def reach_of(relief: Relief, columns: int) -> int:
    """How far from a pixel anything can be that changes its light, in pixels.

    Half of the widest surroundings, and the bevels of joints in them. An even number, since the veil has half
    the pixels.
    """
    pitch = columns / relief.canvas.pitches
    return 2 * round((max(width for width, _ in OCCLUSION) / 2 + BEVEL) * pitch / 2) + 8


def _cropped(light: Light, rows: slice, columns: slice) -> Light:
    planes = (light.height, light.brightness, light.pale, light.gloss)
    half = tuple(slice(side.start // 2, side.stop // 2) for side in (rows, columns))
    cropped = [*(plane[rows, columns] for plane in planes), light.veil[half]]
    return Light(*(np.ascontiguousarray(plane) for plane in cropped))


def _lit(
    relief: Relief, seen: Seen, chance: Chance, pressed_from: float | None = None
) -> tuple[Light, Finish]:
    surface = height_map(relief, seen)
    height = press(surface.height, pressed_from)
    pitch = seen.columns * relief.canvas.pitch
    edge = bevel(seen.facets, pitch)
    if edge is not None:
        height -= edge[0]
    owner = per_pixel(relief.owner[relief.original], seen.facets, -1)
    half = cv2.resize(height, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    dark = occlusion(height, half, OCCLUSION, pitch)
    dark += pockets(height, half, pitch)
    contact = occlusion(height, half, CONTACTS, pitch)
    contact += creases(owner)
    pale = reflections(dark, contact)
    brightness = cv2.log(surface.steepness)
    brightness *= np.float32(-0.5 * STEEPNESS)
    brightness -= dark
    brightness += lighter_with(relief, seen, chance)
    rough = relief.per_granule(chance.roughness * np.float32(ROUGHNESS), seen)
    rough *= torn(surface)
    brightness -= contact
    dark += contact
    brightness += cv2.multiply(rough, noise_at(chance.grain, relief, seen), rough)
    if edge is not None:
        brightness += edge[1]
    gloss, patches = _gloss(relief, seen, surface, dark, chance)
    light = Light(height, brightness, pale, gloss, _veil(gloss, relief, seen, chance))
    finish = Finish(patches, dark, chance.shine, chance.roughness, chance.granule_tone, chance.facet_tone)
    return light, finish


def press(height: _Plane, limit: float | None = None) -> _Plane:
    """Heights after pressing, in pitches; in place. What lies above `limit` is pressed."""
    limit = pressed_from(height[::SAMPLED, ::SAMPLED]) if limit is None else limit
    cv2.addWeighted(cv2.min(height, limit), float(1 - PRESSED), height, float(PRESSED), 0, height)
    return height


def pressed_from(sample: _Plane) -> float:
    """The height above which a heap is pressed, of a sample of its heights."""
    return float(np.float32(np.quantile(sample, PRESSED_FROM)))


def torn(surface: HeightMap) -> _Plane:
    """Factor of the roughness of each pixel by its slope, float32, 0.6 to 1.6."""
    factor = cv2.min(surface.steepness, 2)
    factor *= np.float32(TORN_ROUGHNESS)
    factor += np.float32(LEVEL_ROUGHNESS - TORN_ROUGHNESS)
    return factor


def _gloss(
    relief: Relief, seen: Seen, surface: HeightMap, dark: _Plane, chance: Chance
) -> tuple[_Plane, _Plane]:
    """Glints where the waves of a surface face up, in patches, on granules that are not shaded.

    Returns gloss and the patches.
    """
    away = noise_at(chance.waves[0], relief, seen)
    away += surface.across
    away *= away
    other = noise_at(chance.waves[1], relief, seen)
    other += surface.down
    other *= other
    away += other
    away *= np.float32(-NARROW)
    shaded = cv2.max(dark, 0, other)
    shaded *= np.float32(GLOSS_SHADE)
    away -= shaded
    gloss = cv2.exp(away, away)
    patches = shining_patches(relief, seen, chance)
    gloss *= patches
    gloss *= relief.per_granule(chance.shine, seen)
    return gloss, patches


def shining_patches(relief: Relief, seen: Seen, chance: Chance) -> _Plane:
    """`Finish.patches`."""
    patches = noise_at(chance.patches, relief, seen)
    cv2.add(patches, 0.1, patches)
    return cv2.min(cv2.max(patches, 0, patches), 1.2, patches)


def _veil(gloss: _Plane, relief: Relief, seen: Seen, chance: Chance) -> _Plane:
    rows, columns = gloss.shape[0] // 2, gloss.shape[1] // 2
    veil = cv2.resize(gloss, (columns, rows), interpolation=cv2.INTER_LINEAR)
    return cv2.addWeighted(veil, VEIL_OF_GLOSS, noise_at(chance.veil, relief, seen, 2), 1, 0, veil)
