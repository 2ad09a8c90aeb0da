"""The edges of tiles at joints: a lit bevel, crumbs at the rim, a dark gap of uneven depth."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.tile.canvas import stretched, wrapped
from plitka.tile.noise import Noise
from plitka.tile.relief import joint_facet

# Width of the bevel and its depth at the joint, in pitches; the light added there, as a logarithm.
BEVEL = 0.5
BEVEL_DEPTH = 0.6
LIT_EDGE = 0.7
# Levels of light in a joint, 0 to 255: at its rim, how much less in the middle, and their standard deviation.
GAP_RIM = 210.0
GAP_DEPTH = 120.0
GAP_UNEVENNESS = 55.0
# Bumps across the picture of the gap's bottom and of the crumbs, how far crumbs reach into the joint in
# pitches, and how rare they are (in standard deviations of the noise).
BUMPS = 170
CRUMB_BUMPS = 300
CRUMB_REACH = 0.14
CRUMBS_FROM = 0.6

_Plane = NDArray[np.float32]


def bevel(facets: NDArray[Any], pitch: float) -> tuple[_Plane, _Plane] | None:
    """Depth of each pixel near a joint, in pitches, and the light added at the edge, as a logarithm.

    Both in the shape of the facet map; None for one without joints. `pitch` in pixels.
    """
    granules = (facets != joint_facet(facets)).view(np.uint8)
    if granules.all():
        return None
    near = cv2.distanceTransform(granules, cv2.DIST_L2, 3)
    near *= np.float32(-1 / (BEVEL * pitch))
    near += np.float32(1)
    cv2.max(near, 0, near)
    square = near * near
    return square * np.float32(BEVEL_DEPTH), square * np.float32(LIT_EDGE)


def fill_joints(
    index: NDArray[np.uint16], joint: int, pitch: float, noise: Noise, rng: np.random.Generator
) -> None:
    """Fill joints with their levels of light and with crumbs.

    `index` is 256 x colour + level of light, `joint` the index of the joints' colour; in place. `pitch` in
    pixels.
    """
    is_joint = (index >> 8) == joint
    rows, columns = np.nonzero(is_joint)
    if not len(rows):
        return
    shape = index.shape
    inside = _spread(is_joint.view(np.uint8) * np.uint8(255), 2 * CRUMB_REACH * pitch, noise.wraps)
    level = GAP_RIM - GAP_DEPTH * np.maximum(2 * inside[rows, columns] - 1, 0)
    level += GAP_UNEVENNESS * _bumps(rng, BUMPS, noise, shape)[rows, columns]
    index[rows, columns] = (joint << 8) | np.clip(level, 0, 255).astype(np.uint16)
    across, down = (_bumps(rng, CRUMB_BUMPS, noise, shape)[rows, columns] for _ in range(2))
    strength = np.hypot(across, down) + np.float32(1e-6)
    reach = np.float32(CRUMB_REACH * pitch) * np.clip(strength - np.float32(CRUMBS_FROM), 0, 2)
    source = []
    for place, way, side in zip((rows, columns), (down, across), shape, strict=True):
        moved = np.rint(place + reach * way / strength).astype(np.intp)
        source.append(moved % side if noise.wraps else np.clip(moved, 0, side - 1))
    found = index[source[0], source[1]]
    is_crumb = (found >> 8) != joint
    index[rows[is_crumb], columns[is_crumb]] = found[is_crumb]


def _spread(mask: NDArray[np.uint8], width: float, wraps: bool) -> _Plane:
    """The fraction of a pixel's surroundings, `width` pixels a side, that the mask (0 or 255) covers."""
    half = max(1, round((width - 1) / 2))
    side = 2 * half + 1
    if wraps:
        mask = wrapped(mask, half)
    spread = cv2.blur(mask, (side, side)).astype(np.float32) * np.float32(1 / 255)
    return spread[half:-half, half:-half] if wraps else spread


def _bumps(rng: np.random.Generator, bumps: int, noise: Noise, shape: tuple[int, ...]) -> _Plane:
    plane = rng.standard_normal(noise.bumps(bumps), np.float32)
    return stretched(plane, (shape[0], shape[1]), noise.wraps)
