"""Maps of the plan for 3-D programs: height, normals, roughness, ambient occlusion, and a number per granule.

All have the size of the final picture and lie on it pixel by pixel. They are data, not colours: levels are
proportional to what they stand for.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.choices import MAP_NAMES, MapName, NormalConvention, one_of
from plitka.tile.light import Light, light_on, press, torn
from plitka.tile.plan import JOINT, TilePlan
from plitka.tile.relief import HeightMap, facet_bounds, height_map, per_pixel
from plitka.tile.rims import bevel
from plitka.tile.scale import extent_mm, pitch_mm
from plitka.tile.swatch import glossiness, paleness

# Heights of the heap, in pitches, lie between these: the first is level 0.
_LOWEST, _HIGHEST = -2.0, 2.2
_MOST_LEVELS = np.iinfo(np.uint16).max
# Micrometres of a level: the least of these, by some power of ten, at which all heights fit.
_STEPS = (1, 2, 5, 10)
# Perceptual roughness of a surface that is all shine and of one without any, and the shine of dull rubber.
_SHINING, _MATT = 0.3, 1.0
_DULL_SHINE = np.float32(0.15)
# A pixel of `ids` is one number: a granule's number in the lower bits, the index of its colour above them.
ID_BITS = 21
JOINT_ID = (1 << 24) - 1

_Plane = NDArray[np.float32]
_Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class TileMap:
    """One map.

    Attributes:
        name: One of `plitka.choices.MAP_NAMES`.
        image: (size, size) uint16 for the height, (size, size, 3) uint8 for normals and ids, (size, size)
            uint8 for roughness and occlusion.
        meaning: What its numbers mean, JSON-ready.
    """

    name: MapName
    image: NDArray[np.uint16] | _Bytes
    meaning: dict[str, Any]


class PlanMaps:
    """The maps of one plan at one size; what several of them need is made once."""

    def __init__(self, plan: TilePlan, size: int) -> None:
        """Raises ValueError for a size that does not divide 1024."""
        self.plan = plan
        self.size = size
        self.facets = plan.facet_map(size)

    def draw(self, name: MapName, normals: NormalConvention = "opengl") -> TileMap:
        """Draw the map of this name; `normals` is the convention of the normal map.

        Raises ValueError for another name.
        """
        meaning: dict[str, Any] = {"width_mm": extent_mm(self.plan), "height_mm": extent_mm(self.plan)}
        if name == "height":
            return TileMap(name, self.levels, {**meaning, "um_per_level": self.um_per_level})
        if name == "normal":
            return TileMap(name, self.normal(normals), {**meaning, "convention": normals})
        if name == "roughness":
            return TileMap(name, _as_bytes(self.roughness), meaning)
        if name == "ao":
            return TileMap(name, _as_bytes(self.openness), meaning)
        if name == "ids":
            colors = [color.id for color in self.plan.mix]
            return TileMap(name, self.ids(), {**meaning, "id_bits": ID_BITS, "colors": colors})
        raise ValueError(f"map {name!r} is not one of {', '.join(MAP_NAMES)}")

    @cached_property
    def um_per_level(self) -> float:
        """Micrometres of a level of the height map: 1, 2 or 5 by a power of ten."""
        least = (_HIGHEST - _LOWEST) * pitch_mm(self.plan) * 1000 / _MOST_LEVELS
        power = int(np.floor(np.log10(least)))
        step = next(step for step in _STEPS if step * 10.0**power >= least)
        return float(f"{step}e{power}")

    @cached_property
    def levels(self) -> NDArray[np.uint16]:
        """(size, size) uint16: the pressed heap with bevels and joints; each pixel the mean of its area."""
        low, high = (per_pixel(bound, self.facets) for bound in facet_bounds(self.plan.relief))
        height = press(cv2.min(cv2.max(self._surface.height, low), high))
        edge = bevel(self.facets)
        if edge is not None:
            height -= edge[0]
        small = self.at_size(height)
        small -= np.float32(_LOWEST)
        small *= np.float32(pitch_mm(self.plan) * 1000 / self.um_per_level)
        return np.clip(np.rint(small), 0, _MOST_LEVELS).astype(np.uint16)

    def normal(self, convention: NormalConvention) -> _Bytes:
        """(size, size, 3) uint8: the unit normal of the height map, each coordinate from -1 at 0 to 1 at 255.

        x is to the right, z out of the picture; y is up in `opengl` and down in `directx`. The slope is
        numpy.gradient of the levels: that between the two neighbours, at the border to the only one.
        Raises ValueError for another convention.
        """
        if convention not in ("opengl", "directx"):
            raise ValueError(f"convention {convention!r} is not {one_of(NormalConvention)}")
        um_per_pixel = extent_mm(self.plan) * 1000 / self.size
        down, across = np.gradient(self.levels.astype(np.float64) * (self.um_per_level / um_per_pixel))
        length = np.sqrt(across * across + down * down + 1)
        # Rows count downwards: where height grows with them, the surface faces up.
        red, green, blue = (_as_bytes((part / length + 1) / 2) for part in (-across, down, 1))
        return cv2.merge([red, green if convention == "opengl" else 255 - green, blue])

    @cached_property
    def roughness(self) -> _Plane:
        """(size, size) float32: perceptual roughness, as glTF has it, 0.3 to 1.

        What is rough (a facet by its slope, times its granule's roughness) against that and what shines (the
        colour's glossiness, times its granule's, where the surface has a shining patch).
        """
        finish = self.light.finish
        shine = per_pixel(self._of_colors(glossiness) * finish.shine, self.facets)
        shine *= finish.patches
        shine += _DULL_SHINE
        rough = per_pixel(finish.roughness, self.facets, 1)
        rough *= torn(self._surface)
        shine += rough
        rough /= shine
        return _SHINING + np.float32(_MATT - _SHINING) * self.at_size(rough)

    @cached_property
    def openness(self) -> _Plane:
        """(size, size) float32, 0 to 1: the light that reaches a pixel between its neighbours.

        The occlusion that the swatch uses: on white granules their reflections are in it.
        """
        shade = per_pixel(self._of_colors(paleness), self.facets)
        shade *= self.light.pale
        shade -= self.light.occlusion
        return self.at_size(cv2.exp(cv2.min(shade, 0)))

    def ids(self) -> _Bytes:
        """(size, size, 3) uint8: red x 65536 + green x 256 + blue is colour x 2**21 + granule.

        The granule is `TilePlan.labels`, from the bottom of the heap to the top, the colour its index in the
        mix; joints are JOINT_ID, white.
        """
        labels = self.plan.labels(self.size)
        if self.plan.granules.count >= 1 << ID_BITS:
            raise ValueError(f"{self.plan.granules.count} granules have no numbers of {ID_BITS} bits")
        granules = np.arange(self.plan.granules.count, dtype=np.int32)
        packed = np.append(granules + (self.plan.granule_color.astype(np.int32) << ID_BITS), JOINT_ID)
        # JOINT is -1: the last of the table.
        assert JOINT == -1
        number = packed[labels]
        return cv2.merge([(number >> shift & 255).astype(np.uint8) for shift in (16, 8, 0)])

    @cached_property
    def _surface(self) -> HeightMap:
        return height_map(self.plan.relief, self.facets)

    @cached_property
    def light(self) -> Light:
        """The light of the swatch, at 1.5 times the maps' size."""
        return light_on(self.plan.relief, self.facets, self.plan.seed)

    def _of_colors(self, measure: Any) -> _Plane:
        """(F,): a figure of each facet's colour."""
        figures = np.array([measure(color) for color in self.plan.mix], np.float32)
        return figures[self.plan.granule_color[self.plan.relief.owner]]

    def at_size(self, plane: _Plane) -> _Plane:
        """A plane of the facet map's size at the map's: means of areas."""
        return cv2.resize(plane, (self.size, self.size), interpolation=cv2.INTER_AREA)


def _as_bytes(values: NDArray[np.floating]) -> _Bytes:
    """Values from 0 to 1 as levels from 0 to 255."""
    return np.rint(values * 255).astype(np.uint8)
