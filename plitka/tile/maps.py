"""Maps of the plan for 3-D programs: height, normals, roughness, ambient occlusion, and a number per granule.

All have the size of the final picture and lie on it pixel by pixel. They are data, not colours: levels are
proportional to what they stand for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.choices import MAP_NAMES, MapName, NormalConvention
from plitka.colors.mix import MixColor
from plitka.request.scale import LARGE_SIDE
from plitka.tile.bands import blocks_of, row_bands
from plitka.tile.canvas import wrapped
from plitka.tile.chance import chance_of
from plitka.tile.heights import HeightMap, facet_bounds, height_map, sampled_heights
from plitka.tile.light import (
    SAMPLED,
    Finish,
    Light,
    light_and_finish,
    light_of_parts,
    press,
    pressed_from,
    reach_of,
    shining_patches,
    torn,
)
from plitka.tile.normals import as_bytes, normals_of
from plitka.tile.plan import JOINT, TilePlan
from plitka.tile.rims import bevel
from plitka.tile.seen import Seen, from_table, per_pixel
from plitka.tile.swatch import glossiness, paleness

# Maps of more pixels are drawn in blocks.
LARGEST_WHOLE = LARGE_SIDE**2
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
        image: (rows, columns) uint16 for the height, (rows, columns, 3) uint8 for normals and ids, (rows,
            columns) uint8 for roughness and occlusion.
        meaning: What its numbers mean, JSON-ready.
    """

    name: MapName
    image: NDArray[np.uint16] | _Bytes
    meaning: dict[str, Any]


class PlanMaps:
    """The maps of one plan at one size; what several of them need is made once."""

    def __init__(self, plan: TilePlan, size: int) -> None:
        """`size` is the width in pixels. Raises ValueError for one that is none of the plan's."""
        self.plan = plan
        self.size = size
        self.shape = plan.canvas.shape(size)
        self.seen = plan.seen(size)
        self.is_large = self.shape[0] * self.shape[1] > LARGEST_WHOLE

    def draw(self, name: MapName, normals: NormalConvention = "opengl") -> TileMap:
        """Draw the map of this name; `normals` is the convention of the normal map.

        Raises ValueError for another name.
        """
        width, height = self.plan.extent_mm
        meaning: dict[str, Any] = {"width_mm": width, "height_mm": height}
        if name == "height":
            return TileMap(name, self.levels, {**meaning, "um_per_level": self.um_per_level})
        if name == "normal":
            return TileMap(name, self.normal(normals), {**meaning, "convention": normals})
        if name == "roughness":
            return TileMap(name, as_bytes(self.roughness), meaning)
        if name == "ao":
            return TileMap(name, as_bytes(self.openness), meaning)
        if name == "ids":
            colors = [color.id for color in self.plan.mix]
            return TileMap(name, self.ids(), {**meaning, "id_bits": ID_BITS, "colors": colors})
        raise ValueError(f"map {name!r} is not one of {', '.join(MAP_NAMES)}")

    @cached_property
    def um_per_level(self) -> float:
        """Micrometres of a level of the height map: 1, 2 or 5 by a power of ten."""
        least = (_HIGHEST - _LOWEST) * self._pitch_mm * 1000 / _MOST_LEVELS
        power = int(np.floor(np.log10(least)))
        step = next(step for step in _STEPS if step * 10.0**power >= least)
        return float(f"{step}e{power}")

    @cached_property
    def levels(self) -> NDArray[np.uint16]:
        """(rows, columns) uint16: the pressed heap with bevels and joints, the mean of each pixel's area."""
        relief, seen = self.plan.relief, self.seen
        bounds = facet_bounds(relief)
        if self.is_large:
            sample = Seen(np.ascontiguousarray(seen.facets[::SAMPLED, ::SAMPLED]), None)
            limit = pressed_from(_between(sampled_heights(relief, seen, SAMPLED), sample, bounds))

            def pressed(part: Seen) -> _Plane:
                height = press(_between(height_map(relief, part).height, part, bounds), limit)
                edge = bevel(part.facets, self._pitch_pixels)
                return height if edge is None else np.subtract(height, edge[0], out=height)

            small = self._of_blocks(pressed, reach_of(relief, seen.columns))
        else:
            height = press(_between(self._surface.height, seen, bounds))
            depth = self._bevel()
            if depth is not None:
                height -= depth
            small = self.at_size(height)
        small -= np.float32(_LOWEST)
        small *= np.float32(self._pitch_mm * 1000 / self.um_per_level)
        return np.clip(np.rint(small, out=small), 0, _MOST_LEVELS, out=small).astype(np.uint16)

    @property
    def _pitch_mm(self) -> float:
        """Millimetres of a pitch of the heap itself; granules too small to be drawn were drawn larger."""
        return self.plan.pitch_mm * self.plan.canvas.contrast

    def _bevel(self) -> _Plane | None:
        """The depth of bevels at joints, beyond the edges too where the picture goes on over them."""
        if not self.plan.canvas.seamless:
            edge = bevel(self.seen.facets, self._pitch_pixels)
            return None if edge is None else edge[0]
        margin = int(np.ceil(self._pitch_pixels)) + 1
        edge = bevel(wrapped(self.seen.facets, margin), self._pitch_pixels)
        return None if edge is None else edge[0][margin:-margin, margin:-margin]

    @property
    def _pitch_pixels(self) -> float:
        """Pixels of a pitch before they are reduced."""
        return self.seen.columns * self.plan.canvas.pitch

    def normal(self, convention: NormalConvention) -> _Bytes:
        """(rows, columns, 3) uint8: unit normals of the height map, coordinates from -1 at 0 to 1 at 255.

        x is to the right, z out of the picture; y is up in `opengl` and down in `directx`. The slope is
        numpy.gradient of the levels: that between the two neighbours, at the border to the only one; where
        the picture goes on over its edges, a border pixel's neighbour is at the opposite edge. Raises
        ValueError for another convention.
        """
        return normals_of(self.levels, self.steepness, self.plan.canvas.seamless, convention)

    @property
    def steepness(self) -> float:
        """How high a level of the height map is, in pixels."""
        return self.um_per_level / (self.plan.scale.width_mm * 1000 / self.size)

    @cached_property
    def roughness(self) -> _Plane:
        """(rows, columns) float32: perceptual roughness, as glTF has it, 0.3 to 1.

        What is rough (a facet by its slope, times its granule's roughness) against that and what shines (the
        colour's glossiness, times its granule's, where the surface has a shining patch).
        """
        relief = self.plan.relief
        chance = chance_of(relief, self.plan.seed)
        shining = self._of_colors(glossiness) * chance.shine

        def rough(seen: Seen, patches: _Plane, surface: HeightMap) -> _Plane:
            shine = relief.per_granule(shining, seen)
            shine *= patches
            shine += _DULL_SHINE
            found = relief.per_granule(chance.roughness, seen, 1)
            found *= torn(surface)
            shine += found
            found /= shine
            return found

        def rough_of(part: Seen) -> _Plane:
            return rough(part, shining_patches(relief, part, chance), height_map(relief, part))

        if self.is_large:
            small = self._of_blocks(rough_of, 0)
        else:
            small = self.at_size(rough(self.seen, self.finish.patches, self._surface))
        small *= np.float32(_MATT - _SHINING)
        small += np.float32(_SHINING)
        return small

    @cached_property
    def openness(self) -> _Plane:
        """(rows, columns) float32, 0 to 1: the light that reaches a pixel between its neighbours.

        The occlusion that the swatch uses: on white granules their reflections are in it.
        """
        relief, pale = self.plan.relief, self._of_colors(paleness)

        def opened(seen: Seen, lit: tuple[Light, Finish]) -> _Plane:
            shade = relief.per_granule(pale, seen)
            shade *= lit[0].pale
            shade -= lit[1].occlusion
            return cv2.exp(cv2.min(shade, 0))

        if not self.is_large:
            return self.at_size(opened(self.seen, self._lit))
        lit_of = light_of_parts(relief, self.seen, self.plan.seed)
        reach = reach_of(relief, self.seen.columns)
        return self._of_blocks(lambda part: opened(part, lit_of(part)), reach)

    def ids(self) -> _Bytes:
        """(rows, columns, 3) uint8: red x 65536 + green x 256 + blue is colour x 2**21 + granule.

        The granule is `TilePlan.labels`, the colour its index in the mix; joints are JOINT_ID, white. Raises
        ValueError for too many granules, which `plitka.request.map_names.map_problems` finds in a request.
        """
        labels = self.plan.labels(self.size)
        picture = np.empty((*self.shape, 3), np.uint8)
        count = self.plan.granule_count
        if count >= 1 << ID_BITS:
            raise ValueError(f"{count} granules have no numbers of {ID_BITS} bits")
        granules = np.arange(count, dtype=np.int32)
        packed = np.append(granules + (self.plan.granule_color.astype(np.int32) << ID_BITS), JOINT_ID)
        # JOINT is -1: the last of the table.
        assert JOINT == -1
        for rows in row_bands(self.shape):
            number = from_table(packed, labels[rows])
            picture[rows] = cv2.merge([(number >> shift & 255).astype(np.uint8) for shift in (16, 8, 0)])
        return picture

    @cached_property
    def _surface(self) -> HeightMap:
        return height_map(self.plan.relief, self.seen)

    @cached_property
    def _lit(self) -> tuple[Light, Finish]:
        return light_and_finish(self.plan.relief, self.seen, self.plan.seed)

    @property
    def light(self) -> Light:
        """The light of the swatch, at the pixels of `seen`."""
        return self._lit[0]

    @property
    def finish(self) -> Finish:
        """The surfaces of the swatch, at the pixels of `seen`."""
        return self._lit[1]

    def _of_colors(self, measure: Callable[[MixColor], float]) -> _Plane:
        """(count,): a figure of each granule's colour."""
        figures = np.array([measure(color) for color in self.plan.mix], np.float32)
        return figures[self.plan.granule_color]

    def at_size(self, plane: _Plane) -> _Plane:
        """A plane in the shape of `seen` in the map's: means of areas.

        Where granules too small to be drawn were drawn larger, means of fewer of them differ too much: as in
        the picture, the canvas's part of the contrast is left.
        """
        return self._with_contrast(cv2.resize(plane, self.shape[::-1], interpolation=cv2.INTER_AREA))

    def _of_blocks(self, draw: Callable[[Seen], _Plane], reach: int) -> _Plane:
        """`at_size` of a plane that is drawn block by block, each with what is within `reach` of it."""
        small = np.empty(self.shape, np.float32)
        shape, wraps = self.seen.facets.shape, self.plan.canvas.seamless
        scale = shape[1] / self.size
        for rows, columns in blocks_of(shape, reach, wraps, round(4 * scale)):
            plane = draw(self.seen.part(rows, columns))[rows.inner, columns.inner]
            down, across = rows.smaller(scale), columns.smaller(scale)
            size = across.stop - across.start, down.stop - down.start
            small[down, across] = cv2.resize(np.ascontiguousarray(plane), size, interpolation=cv2.INTER_AREA)
        return self._with_contrast(small)

    def _with_contrast(self, small: _Plane) -> _Plane:
        """A plane with the canvas's contrast."""
        contrast = self.plan.canvas.contrast
        if contrast < 1:
            mean = np.float32(small.mean(dtype=np.float64))
            small = mean + np.float32(contrast) * (small - mean)
        return small


def _between(height: _Plane, seen: Seen, bounds: tuple[_Plane, _Plane]) -> _Plane:
    """Heights between the bounds of their facets."""
    low, high = (per_pixel(bound, seen.facets) for bound in bounds)
    return cv2.min(cv2.max(height, low, low), high, high)
