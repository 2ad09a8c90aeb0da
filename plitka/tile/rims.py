"""The edges of tiles at joints: a lit bevel, crumbs at the rim, a dark gap of uneven depth."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.tile.bands import Part, is_large, parts_of, stretched_part
from plitka.tile.canvas import stretched
from plitka.tile.noise import Noise
from plitka.tile.seen import joint_facet

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
    near *= near
    return near * np.float32(BEVEL_DEPTH), near * np.float32(LIT_EDGE)


def fill_joints(
    index: NDArray[np.uint16], joint: int, pitch: float, noise: Noise, rng: np.random.Generator
) -> None:
    """Fill joints with their levels of light and with crumbs.

    `index` is 256 x colour + level of light, `joint` the index of the joints' colour; in place. `pitch` in
    pixels.
    """
    # Joints are the last of the colours.
    is_joint = index >= joint << 8
    if not is_joint.any():
        return
    bumps, *crumbs = (
        rng.standard_normal(noise.bumps(count), np.float32) for count in (BUMPS, CRUMB_BUMPS, CRUMB_BUMPS)
    )
    width = 2 * CRUMB_REACH * pitch
    reach = 2 * round(width / 2) + 2
    shape = index.shape
    parts = list(parts_of(shape[1], reach, noise.wraps)) if is_large(shape) else [None]
    firsts = [part.kept.start if part else 0 for part in parts]
    places = [_places(is_joint[:, part.kept] if part else is_joint) for part in parts]
    for part, first, (rows, across) in zip(parts, firsts, places, strict=True):
        inside = _inside(is_joint, part, width, noise.wraps)[rows, across].astype(np.float32)
        inside *= np.float32(1 / 255)
        level = GAP_RIM - GAP_DEPTH * np.maximum(2 * inside - 1, 0)
        level += GAP_UNEVENNESS * _stretched(bumps, noise, shape, part)[rows, across]
        index[rows, across + first] = (joint << 8) | np.clip(level, 0, 255).astype(np.uint16)
    for part, first, (rows, across) in zip(parts, firsts, places, strict=True):
        right, down = (_stretched(plane, noise, shape, part)[rows, across] for plane in crumbs)
        across = across + first
        source = _crumbs_from((rows, across), (down, right), pitch, noise, shape)
        is_crumb = ~is_joint[source]
        index[rows[is_crumb], across[is_crumb]] = index[source][is_crumb]


def _places(marked: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Rows and columns of the pixels that are marked, row by row."""
    found = cv2.findNonZero(np.ascontiguousarray(marked).view(np.uint8))
    if found is None:
        return np.zeros(0, np.int32), np.zeros(0, np.int32)
    across, rows = found.reshape(-1, 2).T
    return rows, across


def _crumbs_from(
    places: tuple[NDArray[np.int32], NDArray[np.int32]],
    way: tuple[_Plane, _Plane],
    pitch: float,
    noise: Noise,
    shape: tuple[int, ...],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns that pixels of joints, at these, show a crumb of, if there is a granule."""
    down, across = way
    strength = np.hypot(across, down) + np.float32(1e-6)
    reach = np.float32(CRUMB_REACH * pitch) * np.clip(strength - np.float32(CRUMBS_FROM), 0, 2)
    source = []
    for place, aside, side in zip(places, way, shape, strict=True):
        moved = np.rint(place + reach * aside / strength).astype(np.intp)
        source.append(moved % side if noise.wraps else np.clip(moved, 0, side - 1))
    return source[0], source[1]


def _inside(is_joint: NDArray[np.bool_], part: Part | None, width: float, wraps: bool) -> NDArray[np.uint8]:
    """The fraction, 0 to 255, of a pixel's surroundings, `width` pixels a side, that is joint; of a part's
    pixels.
    """
    half = max(1, round((width - 1) / 2))
    side = 2 * half + 1
    joints = is_joint if part is None else part.of(is_joint)
    mask = joints.view(np.uint8) * np.uint8(255)
    if wraps:
        mask = np.pad(mask, [(half, half), (half if part is None else 0,) * 2], mode="wrap")
    spread = cv2.blur(mask, (side, side))
    rows = slice(half, -half) if wraps else slice(None)
    if part is not None:
        return spread[rows, part.inner]
    return spread[rows, rows]


def _stretched(plane: _Plane, noise: Noise, shape: tuple[int, ...], part: Part | None) -> _Plane:
    rows, columns = shape[:2]
    if part is None:
        return stretched(plane, (rows, columns), noise.wraps)
    kept = range(part.kept.start, part.kept.stop)
    return stretched_part(plane, (rows, columns), noise.wraps, range(rows), kept)
