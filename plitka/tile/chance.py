"""What chance decides of the surfaces of granules: how light, how rough, how glossy and how worn they are."""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plitka.tile.bands import stretched_part
from plitka.tile.canvas import stretched
from plitka.tile.noise import noise_on_picture
from plitka.tile.relief import Relief
from plitka.tile.seen import Seen, per_pixel

# Granules and their facets differ: deviations of the logarithm of light.
GRANULE_VARIATION = 0.15
FACET_VARIATION = 0.06
# No heap is level: hollows across the picture, how much darker they are, and the size of their map.
HOLLOWS = ((40, 0.16), (15, 0.08))
HOLLOWS_SIZE = 128
# Tiles between joints differ too.
TILE_VARIATION = 0.05
# Spread of the roughness among granules: standard deviation of the logarithm.
ROUGHNESS_SPREAD = 0.35
# Bumps across the picture, and their weight in the roughness.
GRAIN = ((768, 1.05), (307, 0.5))
# Gloss: how much the surface waves (bumps across the picture, deviation of the slope), how patchy it is, and
# how much granules differ in it.
WAVES = ((130, 0.45), (420, 0.28))
PATCHES = ((300, 0.9),)
GLOSS_SPREAD = 0.8
# How patchy the veil of white light is.
VEIL_PATCHES = ((450, 1.2), (170, 0.8))
# Tells the random numbers of the surface from those of the plan, which start from the same seed.
_SURFACE_STREAM = 1

_Plane = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Chance:
    """What of the surfaces chance decides, for the whole picture.

    Attributes:
        lighter: (count,) by how much each granule is lighter, where it lies.
        granule_tone: (count,) the same wherever it lies.
        facet_tone: (F,) by how much each facet is lighter.
        roughness: (count,) a factor of each granule.
        shine: (count,) likewise.
        grain: Bumps of the surface, (rows, columns) of any number; the others likewise.
        waves: Its slope to the right and downwards.
        patches: Where it shines.
        veil: Where it is worn.
    """

    lighter: _Plane
    granule_tone: _Plane
    facet_tone: _Plane
    roughness: _Plane
    shine: _Plane
    grain: _Plane
    waves: tuple[_Plane, _Plane]
    patches: _Plane
    veil: _Plane


@functools.lru_cache(maxsize=1)
def chance_of(relief: Relief, seed: int) -> Chance:
    """Draw the random numbers of a heap: for the same heap and seed the same, in parts too.

    The last ones are cached: preview, final picture and maps have the same.
    """
    rng = np.random.Generator(np.random.PCG64([seed, _SURFACE_STREAM]))
    noise = noise_on_picture(relief.canvas)

    def bumps(octaves: tuple[tuple[int, float], ...]) -> _Plane:
        return noise.octaves(rng, sorted(octaves))

    lighter, granule_tone, facet_tone = _variation(relief, rng)
    roughness = _of_granules(relief, rng, ROUGHNESS_SPREAD)
    grain = bumps(GRAIN)
    waves = bumps(WAVES), bumps(WAVES)
    patches = bumps(PATCHES)
    shine = _of_granules(relief, rng, GLOSS_SPREAD)
    veil = bumps(VEIL_PATCHES)
    return Chance(lighter, granule_tone, facet_tone, roughness, shine, grain, waves, patches, veil)


def lighter_with(relief: Relief, seen: Seen, chance: Chance) -> _Plane:
    """How much lighter each pixel is with its facet and its granule."""
    if seen.members is None:
        return per_pixel(chance.lighter[relief.owner] + chance.facet_tone, seen.facets)
    lighter = per_pixel(chance.facet_tone, seen.facets)
    lighter += relief.per_granule(chance.lighter, seen)
    return lighter


def noise_at(plane: _Plane, relief: Relief, seen: Seen, smaller: int = 1) -> _Plane:
    """Noise at each pixel seen, or at every second one both ways."""
    margin = seen.margin // smaller
    rows, columns = seen.rows // smaller, seen.columns // smaller
    wraps = relief.canvas.seamless
    if seen.band is None:
        return stretched(plane, (rows, columns), wraps, margin)
    first = seen.first_row // smaller, seen.first_column // smaller
    down, across = (
        range(start, start + side // smaller) for start, side in zip(first, seen.facets.shape, strict=True)
    )
    return stretched_part(plane, (rows, columns), wraps, down, across)


def _variation(relief: Relief, rng: np.random.Generator) -> tuple[_Plane, _Plane, _Plane]:
    """How much lighter each granule is (count,); then each granule and each facet (F,) by itself, wherever
    it lies.
    """
    of_granule = rng.standard_normal(relief.count, np.float32) * np.float32(GRANULE_VARIATION)
    of_facet = rng.standard_normal(len(relief.owner), np.float32) * np.float32(FACET_VARIATION)
    of_facet = of_facet[relief.original]
    of_tile = rng.standard_normal(int(relief.tile.max()) + 1, np.float32) * np.float32(TILE_VARIATION)
    tone = of_granule.copy()
    of_granule += of_tile[relief.tile]
    noise = noise_on_picture(relief.canvas)
    rows, columns = noise.bumps(HOLLOWS_SIZE)
    hollows = stretched(noise.octaves(rng, sorted(HOLLOWS)), (rows, columns), noise.wraps)
    column = np.clip(relief.place[:, 0] * columns, 0, columns - 1).astype(np.intp)
    row = np.clip(relief.place[:, 1] * columns, 0, rows - 1).astype(np.intp)
    of_granule += hollows[row, column]
    return of_granule, tone, of_facet


def _of_granules(relief: Relief, rng: np.random.Generator, spread: float) -> _Plane:
    """(count,): a factor around 1 per granule, log-normal."""
    return np.exp(np.float32(spread) * rng.standard_normal(relief.count, np.float32))
