"""Base colour: the granules' own colours without light, for 3-D programs, which bring their own."""

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.colors.lab import from_light
from plitka.tile.maps import PlanMaps
from plitka.tile.plan import JOINT_COLOR_INDEX
from plitka.tile.seen import joint_facet, per_pixel

# The most light that rubber reflects, of red, green or blue, and what joints do, which are dark and neutral.
_WHITEST = 0.9
_JOINT = 0.03

_Floats = NDArray[np.float32]


def draw_albedo(maps: PlanMaps) -> NDArray[np.uint8]:
    """(rows, columns, 3) uint8 sRGB: what part of the light each granule reflects.

    Granules and facets of one colour differ as in the swatch. A colour is lighter than its palette mean, to
    which shade belongs: times the map of occlusion its mean is the palette's, as far as rubber can be so
    light. So in even, white light the material has the palette's colours; at edges neighbours blend.
    """
    relief, seen = maps.plan.relief, maps.seen
    tone = per_pixel(maps.finish.facet_tone, seen.facets)
    tone += relief.per_granule(maps.finish.granule_tone, seen)
    tone = cv2.exp(tone)
    means = np.array([cv2.cvtColor(_lab(color.lab), cv2.COLOR_Lab2LRGB)[0, 0] for color in maps.plan.mix])
    reflected = np.maximum(means / _mean_light(maps, tone)[:, None], 0)
    color = maps.plan.granule_color
    tone = cv2.min(tone, relief.per_granule((_WHITEST / reflected.max(1))[color], seen))
    planes = [relief.per_granule(part[color], seen) * tone for part in reflected.T]
    on_joint = seen.facets == joint_facet(seen.facets)
    for plane in planes:
        plane[on_joint] = _JOINT
    return from_light(cv2.merge([maps.at_size(plane) for plane in planes]), np.uint8)


def _mean_light(maps: PlanMaps, tone: _Floats) -> _Floats:
    """(C,): of each colour's pixels, the mean of occlusion times tone, a factor of each pixel of `seen`."""
    light = maps.at_size(tone) * maps.openness
    color = maps.plan.color_indices(maps.size).ravel()
    counts, sums = (
        np.bincount(color, weights, JOINT_COLOR_INDEX + 1)[: len(maps.plan.mix)]
        for weights in (None, light.ravel())
    )
    # A colour with so small a share that no pixel has it.
    return np.where(counts > 0, sums / np.maximum(counts, 1), 1).astype(np.float32)


def _lab(lab: tuple[float, float, float]) -> _Floats:
    return np.array([[lab]], np.float32)
