"""The plan shaded as real granules are lit: a picture of the tile without any model.

One light field serves every colour: facets catch light by their tilt, granules shade what lies below them,
gaps are dark, torn rubber is mottled. `plitka.shading` turns light into each granule's own colour.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.granules import FACETS
from plitka.plan import JOINT, JOINT_FACET, TilePlan, pixel_centres
from plitka.shading import joint_ramp, light_statistics, shade_ramp

# Strengths of the parts of the light field, in levels of 0 to 255 per level.
_NEAR_OCCLUSION = 0.42
_FAR_OCCLUSION = 0.06
_PIT = 0.6
_PIT_DEPTH = 30
_CAST_SHADOW = 0.22
_CREASE = 1.2
_CREASE_LIMIT = 62
_LIT_RIM = 0.11
_GRAIN = 0.11
_MOTTLE = 0.11
_SHARPEN = 0.5
# Heights of the lowest and the highest granule of the heap.
_LOWEST, _HIGHEST = 30, 255
# Part of every pixel that has its own granule's colour alone. The rest is averaged with the neighbours', in
# sRGB: averaging in linear light would favour the paler colour of an edge, and averaging all of it would
# draw a seam of a third colour between any two (grey between black and white).
_CRISPNESS = 0.6
# Light that a glint adds, and how rare glints are among the grain.
_GLINT_GRAIN = 222
_GLINT_RIM = 8
# Tells the random numbers of the surface from those of the plan, which start from the same seed.
_SURFACE_STREAM = 1
# Patches of lighter and darker rubber across the picture, the same at every size; grain is finer than a pixel
# of the smaller view and drawn for each.
_MOTTLE_CELLS = 384


def draw_swatch(plan: TilePlan, size: int) -> NDArray[np.uint8]:
    """Shade the plan: (size, size, 3) uint8 sRGB. Raises ValueError for a size that does not divide 1024."""
    facets = plan.facet_map(size)
    light = light_field(plan, facets)
    small = cv2.resize(light, (size, size), interpolation=cv2.INTER_AREA)
    statistics = light_statistics(small[plan.labels(size) != JOINT])
    ramps = np.concatenate([shade_ramp(color, plan.mix, statistics) for color in plan.mix] + [joint_ramp()])
    color_of_facet = np.full(JOINT_FACET + 1, len(plan.mix) << 8, np.uint16)
    facet_colors = np.repeat(plan.granule_color, FACETS).astype(np.uint16) << 8
    color_of_facet[: len(facet_colors)] = facet_colors
    index = color_of_facet[facets]
    index |= light
    smooth = cv2.resize(_look_up(ramps, index), (size, size), interpolation=cv2.INTER_AREA)
    at = pixel_centres(size)
    crisp = _look_up(ramps, (index & 0xFF00)[at][:, at] | small)
    return np.ascontiguousarray(cv2.addWeighted(smooth, 1 - _CRISPNESS, crisp, _CRISPNESS, 0)[..., :3])


def _look_up(ramps: NDArray[np.uint8], index: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Colours (h, w, 4) of 16-bit indices; the fourth channel is empty."""
    # One 32-bit look-up is faster than three of 8 bits.
    packed = np.zeros((len(ramps), 4), np.uint8)
    packed[:, :3] = ramps
    return packed.view(np.uint32).ravel()[index].view(np.uint8).reshape(*index.shape, 4)


def light_field(plan: TilePlan, facets: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Light per facet-map pixel, uint8: 0 is the darkest gap, 255 a glint."""
    height = _table(np.repeat(np.linspace(_LOWEST, _HIGHEST, plan.granules.count), FACETS), _LOWEST)[facets]
    facet_light = _table(plan.granules.tone.ravel() * 255, 0)[facets]
    unit = len(facets) / 1536
    near = cv2.blur(height, _window(7, unit))
    rim = cv2.subtract(height, near)
    light = cv2.subtract(facet_light, _shadow(height, near, unit))
    light = cv2.addWeighted(light, 1, rim, _LIT_RIM, 0)
    rng = np.random.Generator(np.random.PCG64([plan.seed, _SURFACE_STREAM]))
    patches = rng.integers(0, 256, (_MOTTLE_CELLS, _MOTTLE_CELLS), np.uint8)
    mottle = cv2.resize(patches, facets.shape, interpolation=cv2.INTER_LINEAR)
    grain = cv2.blur(rng.integers(0, 256, facets.shape, np.uint8), (2, 2))
    light = cv2.addWeighted(light, 1, grain, _GRAIN, -_GRAIN * 127.5)
    light = cv2.addWeighted(light, 1, mottle, _MOTTLE, -_MOTTLE * 127.5)
    soft = cv2.GaussianBlur(light, (0, 0), 1.5 * unit)
    light = cv2.addWeighted(light, 1 + _SHARPEN, soft, -_SHARPEN, 0)
    light[(grain > _GLINT_GRAIN) & (rim > _GLINT_RIM)] = 255
    return light


def _shadow(height: NDArray[np.uint8], near: NDArray[np.uint8], unit: float) -> NDArray[np.uint8]:
    """Light that the heap takes from its lower parts: occlusion near and far, a cast shadow, creases."""
    depth = cv2.subtract(cv2.blur(height, _window(31, unit)), height)
    dark = cv2.addWeighted(cv2.subtract(near, height), _NEAR_OCCLUSION, depth, _FAR_OCCLUSION, 0)
    # Light does not reach the bottom of a deep gap at all.
    dark = cv2.addWeighted(dark, 1, cv2.subtract(depth, _PIT_DEPTH), _PIT, 0)
    down, right = max(1, round(5 * unit)), max(1, round(3 * unit))
    cast = np.zeros_like(height)
    cast[down:, right:] = cv2.subtract(height[:-down, :-right], height[down:, right:])
    dark = cv2.addWeighted(dark, 1, cv2.blur(cast, (3, 3)), _CAST_SHADOW, 0)
    crease = cv2.blur(cv2.subtract(cv2.dilate(height, np.ones((3, 3), np.uint8)), height), (3, 3))
    return cv2.add(dark, cv2.min(cv2.addWeighted(crease, _CREASE, crease, 0, 0), _CREASE_LIMIT))


def _table(per_facet: NDArray[np.floating], joint: float) -> NDArray[np.uint8]:
    """A uint8 value for every possible facet id."""
    table = np.full(JOINT_FACET + 1, joint, np.uint8)
    table[: len(per_facet)] = np.clip(per_facet, 0, 255)
    return table


def _window(pixels: int, unit: float) -> tuple[int, int]:
    """An odd box of about `pixels` at the largest facet map."""
    side = 2 * round(pixels * unit / 2 - 0.5) + 1
    return side, side
