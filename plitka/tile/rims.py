"""The edges of tiles at joints: a lit bevel, crumbs at the rim, a dark gap of uneven depth."""

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.tile.granules import PITCH
from plitka.tile.relief import JOINT_FACET

# Width of the bevel and its depth at the joint, in pitches; the light added there, as a logarithm.
_BEVEL = 0.5
_BEVEL_DEPTH = 0.6
_LIT_EDGE = 0.7
# Levels of light in a joint, 0 to 255: at its rim, how much less in the middle, and their standard deviation.
_GAP_RIM = 210.0
_GAP_DEPTH = 120.0
_GAP_UNEVENNESS = 55.0
# Bumps across the picture of the gap's bottom and of the crumbs, how far crumbs reach into the joint in
# pitches, and how rare they are (in standard deviations of the noise).
_BUMPS = 170
_CRUMB_BUMPS = 300
_CRUMB_REACH = 0.14
_CRUMBS_FROM = 0.6

_Plane = NDArray[np.float32]


def bevel(facets: NDArray[np.uint16]) -> tuple[_Plane, _Plane] | None:
    """Depth of each pixel near a joint, in pitches, and the light added at the edge, as a logarithm.

    Both (n, n); None for a facet map (n, n) without joints.
    """
    granules = (facets != JOINT_FACET).view(np.uint8)
    if granules.all():
        return None
    near = cv2.distanceTransform(granules, cv2.DIST_L2, 3)
    near *= np.float32(-1 / (_BEVEL * PITCH * len(facets)))
    near += np.float32(1)
    cv2.max(near, 0, near)
    square = near * near
    return square * np.float32(_BEVEL_DEPTH), square * np.float32(_LIT_EDGE)


def fill_joints(index: NDArray[np.uint16], joint: int, rng: np.random.Generator) -> None:
    """Fill joints with their levels of light and with crumbs.

    `index` (n, n) is 256 x colour + level of light, `joint` the index of the joints' colour; in place.
    """
    is_joint = (index >> 8) == joint
    rows, columns = np.nonzero(is_joint)
    if not len(rows):
        return
    size = len(index)
    inside = _spread(is_joint.view(np.uint8) * np.uint8(255), 2 * _CRUMB_REACH)[rows, columns]
    level = _GAP_RIM - _GAP_DEPTH * np.maximum(2 * inside - 1, 0)
    level += _GAP_UNEVENNESS * _bumps(rng, _BUMPS, size)[rows, columns]
    index[rows, columns] = (joint << 8) | np.clip(level, 0, 255).astype(np.uint16)
    across, down = (_bumps(rng, _CRUMB_BUMPS, size)[rows, columns] for _ in range(2))
    strength = np.hypot(across, down) + np.float32(1e-6)
    reach = np.float32(_CRUMB_REACH * PITCH * size) * np.clip(strength - np.float32(_CRUMBS_FROM), 0, 2)
    source = [
        np.clip(np.rint(place + reach * way / strength), 0, size - 1).astype(np.intp)
        for place, way in ((rows, down), (columns, across))
    ]
    found = index[source[0], source[1]]
    is_crumb = (found >> 8) != joint
    index[rows[is_crumb], columns[is_crumb]] = found[is_crumb]


def _spread(mask: NDArray[np.uint8], width: float) -> _Plane:
    """The fraction of a pixel's surroundings, `width` pitches a side, that the mask (0 or 255) covers."""
    side = 2 * max(1, round((width * PITCH * len(mask) - 1) / 2)) + 1
    return cv2.blur(mask, (side, side)).astype(np.float32) * np.float32(1 / 255)


def _bumps(rng: np.random.Generator, bumps: int, size: int) -> _Plane:
    noise = rng.standard_normal((bumps, bumps), np.float32)
    return cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
