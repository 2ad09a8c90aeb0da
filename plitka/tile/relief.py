"""The heap seen from above: which facet lies under each pixel, how high, how steep.

A facet map holds a facet's number per pixel, JOINT_FACET on joints. Height and slope follow from it by the
facet's plane, so they need no maps of their own.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.tile.granules import GRANULES_ACROSS, PITCH, Granules, pour_granules
from plitka.tile.joints import JOINT_WIDTH, Joints

JOINT_FACET = np.iinfo(np.uint16).max

# Corners are drawn with three fractional bits (cv2's `shift`).
_SHIFT = 3
# Hidden granules are found on a map this much smaller.
_COARSE = 3
# Torn edges: bumps across the picture, and their displacement in pitches.
_TEARS = ((120, 0.038), (420, 0.006))
# Granules are no crystals: over a granule, heights fall from the middle as on a ball of this curvature, per
# pitch.
_CURVATURE = np.float32(0.35)

_Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Relief:
    """The heap of one tile.

    `granules` are the visible ones, bottom first. `facets` is (n, n) uint16: the number of the facet that
    is on top, JOINT_FACET on joints. `owner` (F,): the granule of a facet. `surfaces` (F, 3): (a, b, c) of
    the height a x + b y + c - k (x^2 + y^2) / 2 over a facet, k its curvature, lengths in pitches.
    `tile` (G,): which tile between joints a granule belongs to, 0 where there are no joints.
    """

    granules: Granules
    facets: NDArray[np.uint16]
    owner: NDArray[np.uint16]
    surfaces: _Floats
    tile: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class HeightMap:
    """Height of each pixel in pitches, and its slopes to the right and downwards; all (n, n) float32."""

    height: _Floats
    across: _Floats
    down: _Floats

    @cached_property
    def steepness(self) -> _Floats:
        """1 + the square of the slope, (n, n)."""
        square = self.across * self.across
        square += self.down * self.down
        square += np.float32(1)
        return square


def make_relief(rng: np.random.Generator, joints: Joints | None, fine: int) -> Relief:
    """Generate a heap and its facet map of `fine` pixels a side."""
    heap = pour_granules(rng)
    coarse = _coarse_map(heap, joints, fine // _COARSE)
    is_seen = np.bincount(coarse.ravel(), minlength=heap.count) > 0
    granules = heap.only(np.flatnonzero(is_seen))
    owner, polygons, planes = granules.facets()
    first = np.searchsorted(owner, np.cumsum(is_seen) - 1).astype(np.uint16)
    if joints is not None:
        polygons = _stopped_at_joints(joints, granules, owner, polygons)
    # Where no facet is drawn, in slits that the coarse map closed, the granule of the coarse map is shown.
    facets = cv2.resize(first.take(coarse), (fine, fine), interpolation=cv2.INTER_NEAREST)
    for facet, corners in enumerate(_fixed_point(polygons, fine)):
        cv2.fillConvexPoly(facets, corners, facet, cv2.LINE_8, _SHIFT)
    facets = _tear_edges(facets, rng)
    if joints is not None:
        for corners in _fixed_point(joints.rectangles(), fine):
            cv2.fillConvexPoly(facets, corners, JOINT_FACET, cv2.LINE_8, _SHIFT)
    surfaces = _curved(granules, owner, planes)
    return Relief(granules, facets, owner.astype(np.uint16), surfaces, _tiles(joints, granules))


def height_map(relief: Relief, facets: NDArray[np.uint16]) -> HeightMap:
    """Height and slopes at the pixels of a facet map of the relief; 0 on joints.

    `facets` (n, n) is the relief's own facet map or every n-th row and column of it.
    """
    across, down, height = (per_pixel(values, facets) for values in relief.surfaces.T)
    step = GRANULES_ACROSS / len(facets)
    place = ((np.arange(len(facets), dtype=np.float32) + np.float32(0.5)) * np.float32(step))[None]
    bent = place * _CURVATURE
    # On a ball of curvature k the height is -k r^2 / 2, its slope -k r.
    across_here, down_here = across - bent / 2, down - bent.T / 2
    height += across_here * place
    height += down_here * place.T
    across -= bent
    down -= bent.T
    on_joint = facets == JOINT_FACET
    for plane in (height, across, down):
        plane[on_joint] = 0
    return HeightMap(height, across, down)


def facet_bounds(relief: Relief) -> tuple[_Floats, _Floats]:
    """(F,) lowest and highest each: between them, in pitches, the heights over a facet's own corners lie.

    Torn edges and slits show facets beyond their corners, where `height_map` goes on with their planes.
    """
    granules = relief.granules
    owner, polygons, planes = granules.facets()
    corners = polygons / np.float32(PITCH)
    flat = (planes[:, None, :2] * corners).sum(2) + planes[:, 2:]
    off_centre = corners - granules.center[owner, None] / np.float32(PITCH)
    # The curve is below the plane and concave: it is lowest at a corner.
    curved = flat - _CURVATURE / 2 * (off_centre * off_centre).sum(2)
    return curved.min(1), flat.max(1)


def per_pixel(values: NDArray[Any], facets: NDArray[np.uint16], joint: float = 0) -> _Floats:
    """(n, n) float32: values of the facets (F,) at each pixel of a facet map, `joint` on joints."""
    table = np.full(JOINT_FACET + 1, joint, np.float32)
    table[: len(values)] = values
    return cv2.LUT(np.ascontiguousarray(facets), table)


def octaves_of_noise(rng: np.random.Generator, octaves: Iterable[tuple[int, float]]) -> _Floats:
    """(b, b): a sum of normal noise; of each octave, coarse to fine, bumps across it and deviation.

    `b` is the number of bumps of the last octave.
    """
    noise = np.zeros((1, 1), np.float32)
    for bumps, deviation in octaves:
        finer = rng.standard_normal((bumps, bumps), np.float32) * np.float32(deviation)
        noise = finer + cv2.resize(noise, (bumps, bumps), interpolation=cv2.INTER_CUBIC)
    return noise


def _coarse_map(heap: Granules, joints: Joints | None, size: int) -> NDArray[np.int32]:
    """(size, size) int32: the granule on top, from outlines only."""
    coarse = np.zeros((size, size), np.int32)
    outlines = heap.outlines()
    if joints is not None:
        outlines = _stopped_at_joints(joints, heap, np.arange(heap.count), outlines)
    for granule, corners in enumerate(_fixed_point(outlines, size)):
        cv2.fillConvexPoly(coarse, corners, granule, cv2.LINE_8, _SHIFT)
    return coarse


def _stopped_at_joints(
    joints: Joints, granules: Granules, owner: NDArray[np.intp], polygons: _Floats
) -> _Floats:
    """Polygons whose corners beyond the granule's own tile are moved back to the middle of the joint.

    From there torn edges do not reach the next tile; the joint itself is cut out later.
    """
    centres = joints.to_tile(granules.center)
    low, high = joints.tile_bounds(centres)
    low, high = low - np.float32(JOINT_WIDTH / 2), high + np.float32(JOINT_WIDTH / 2)
    room = np.minimum(centres - low, high - centres).min(1)
    near = np.flatnonzero((room < 2 * granules.radius)[owner])
    inside = np.clip(joints.to_tile(polygons[near]), low[owner[near], None], high[owner[near], None])
    polygons[near] = joints.to_picture(inside)
    return polygons


def _tiles(joints: Joints | None, granules: Granules) -> NDArray[np.intp]:
    """(G,): number of the tile that each granule belongs to."""
    if joints is None:
        return np.zeros(granules.count, np.intp)
    low, _ = joints.tile_bounds(joints.to_tile(granules.center))
    return np.unique(np.rint(low * 1000), axis=0, return_inverse=True)[1].ravel()


def _curved(granules: Granules, owner: NDArray[np.intp], planes: _Floats) -> _Floats:
    """Planes curved around each granule's centre; see `Relief.surfaces`."""
    x, y = (granules.center[owner] / np.float32(PITCH)).T
    surfaces = planes.copy()
    surfaces[:, 0] += _CURVATURE * x
    surfaces[:, 1] += _CURVATURE * y
    surfaces[:, 2] -= _CURVATURE / 2 * (x * x + y * y)
    return surfaces


def _fixed_point(points: _Floats, size: int) -> NDArray[np.int32]:
    """Unit-square coordinates as cv2's fixed-point pixel coordinates, pixel centres at whole numbers."""
    scale = 1 << _SHIFT
    return np.rint(points * np.float32(size * scale) - np.float32(scale / 2)).astype(np.int32)


def _tear_edges(facets: NDArray[np.uint16], rng: np.random.Generator) -> NDArray[np.uint16]:
    """Displace pixels by noise: rubber is torn, so its edges are neither straight nor convex."""
    fine = len(facets)
    place = np.arange(fine, dtype=np.float32)
    source = []
    tears = [(bumps, reach * PITCH * fine) for bumps, reach in _TEARS]
    for ramp in (place[None], place[:, None]):
        moved = cv2.resize(octaves_of_noise(rng, tears), (fine, fine), interpolation=cv2.INTER_LINEAR)
        source.append(np.add(moved, ramp, out=moved))
    return cv2.remap(facets, source[0], source[1], cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT)
