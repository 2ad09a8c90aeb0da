"""The heap seen from above: which facet lies under each pixel, and to which granule it belongs.

A facet map holds a facet's number per pixel (`plitka.tile.seen`). Height and slope follow from it by the
facet's plane (`plitka.tile.heights`), so they need no maps of their own.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.request.scale import Scale
from plitka.tile.canvas import Canvas, stretched
from plitka.tile.fixed_point import fill_convex, fixed_point
from plitka.tile.granules import (
    Granules,
    copies_across_edges,
    original_facets,
    pour_granules,
    seen_with_copies,
)
from plitka.tile.joints import Joints, draw_tiles
from plitka.tile.members import cut_by_tiles, numbered, places_of
from plitka.tile.noise import noise_on_heap
from plitka.tile.seen import JOINT_FACET, Seen, from_table, joint_facet, per_pixel

# Hidden granules are found on a map this much smaller, or as much as leaves it so many pixels a pitch.
_COARSE = 3
_COARSE_PIXELS = 8
# Granules of fewer fine pixels a pitch are not cut in two by joints: nobody sees it.
_CUT_FROM = 4
# Torn edges: bumps across the picture, and their displacement in pitches.
TEARS = ((120, 0.038), (420, 0.006))
# Granules are no crystals: over a granule, heights fall from the middle as on a ball of this curvature, per
# pitch.
CURVATURE = np.float32(0.35)

_Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Relief:
    """The heap of one tile.

    `granules` are its visible ones, bottom first, and `facets` (n, m) uint16 or int32 the number of the facet
    that is on top at each pixel of the canvas, on joints `joint_facet` of its type. `owner` (F,): the granule
    that a facet belongs to. `surfaces` (F, 3): (a, b, c) of the height a x + b y + c - k (x^2 + y^2) / 2 over
    a facet, k its curvature, lengths in pitches, from the corner of the heap. `original` (F,): where facets
    are copies of one across the edge of a seamless picture, the first of them; else the facet itself.

    A heap may lie on the canvas several times, and joints cut granules in two: `members` (n, m) int32 then
    says which of all `count` granules a pixel belongs to, -1 on joints; None where that is the facet's owner.
    `place` (count, 2): where each granule is, in parts of the picture's width. `tile` (count,): which tile
    between joints it belongs to, 0 where there are no joints.
    """

    canvas: Canvas
    granules: Granules
    facets: NDArray[Any]
    owner: NDArray[Any]
    surfaces: _Floats
    original: NDArray[np.intp]
    members: NDArray[np.int32] | None
    count: int
    place: _Floats
    tile: NDArray[np.intp]

    def seen(self, step: int) -> Seen:
        """Every step-th row and column."""
        at = slice(step // 2, None, step)
        return Seen(self.facets[at, at], None if self.members is None else self.members[at, at])

    def per_granule(self, values: NDArray[Any], seen: Seen, joint: float = 0) -> _Floats:
        """(rows, columns) float32: values of the granules (count,) at each pixel, `joint` on joints."""
        if seen.members is None:
            return per_pixel(values[self.owner], seen.facets, joint)
        return from_table(np.append(values, joint).astype(np.float32), seen.members)


def make_relief(
    rng: np.random.Generator, canvas: Canvas, scale: Scale, joints: Joints | None = None
) -> Relief:
    """Generate a heap and what is seen of it on the canvas."""
    heap = pour_granules(rng, canvas.heap, canvas.pitch, canvas.wraps)
    copies = None
    if canvas.wraps:
        heap, copies = copies_across_edges(heap, canvas.heap)
    coarse = _coarse_map(heap, canvas)
    is_seen = np.bincount(coarse.ravel(), minlength=heap.count) > 0
    if copies is not None and canvas.seamless:
        # A granule that is seen on one side of an edge may be narrower than coarse pixels on the other.
        is_seen = seen_with_copies(is_seen, copies[:, 0])
    kept = np.flatnonzero(is_seen)
    visible = heap.only(kept)
    owner, polygons, planes = visible.facets()
    facets = _facets_of_heap(owner, polygons, (np.cumsum(is_seen) - 1)[coarse], canvas)
    torn = _tear_edges(facets, canvas, rng)
    facets = _on_canvas(torn, canvas)
    members = None if copies is None else _repeated(visible, owner, torn, copies[kept], canvas)
    tiles = None if joints is None else draw_tiles(joints, scale, canvas)
    original = np.arange(len(owner))
    if copies is not None and canvas.seamless:
        original = original_facets(owner, copies[kept, 0])
    surfaces = _curved(visible, owner, planes)
    return _relief(canvas, visible, facets, owner, surfaces, original, members, tiles)


def _relief(
    canvas: Canvas,
    granules: Granules,
    facets: NDArray[Any],
    owner: NDArray[np.intp],
    surfaces: _Floats,
    original: NDArray[np.intp],
    members: NDArray[np.int32] | None,
    tiles: NDArray[np.integer[Any]] | None,
) -> Relief:
    """Cut joints into the heap, and find where each granule is."""
    narrow = owner.astype(np.uint16 if facets.dtype == np.uint16 else np.int32)
    if tiles is None and members is None:
        place, tile = granules.center, np.zeros(granules.count, np.intp)
        return Relief(canvas, granules, facets, narrow, surfaces, original, None, granules.count, place, tile)
    if members is None:
        members = owner.astype(np.int32).take(facets)
    if tiles is not None:
        if canvas.fine_width / canvas.pitches > _CUT_FROM:
            cut_by_tiles(members, tiles)
        on_joint = tiles == 0
        facets[on_joint] = joint_facet(facets)
        members[on_joint] = -1
    count = int(members.max()) + 1
    place, tile = places_of(members, count, tiles)
    return Relief(canvas, granules, facets, narrow, surfaces, original, members, count, place, tile)


def heaps_away(middles: _Floats, facets: NDArray[Any], place: _Floats, side: float) -> _Floats:
    """How many heaps further each pixel is than the one whose granule it shows: -1, 0 or 1.

    Torn edges show granules from beyond the edge of a heap that wraps. `middles` (F,) are those of the
    facets' granules, `place` the pixels', (columns,) or (rows, 1), and `side` the heap's, all in pitches.
    """
    away = per_pixel(middles, facets)
    np.subtract(place, away, out=away)
    away /= np.float32(side)
    return np.rint(away, out=away)


def _coarse_map(heap: Granules, canvas: Canvas) -> NDArray[np.int32]:
    """The granule on top, from outlines only, on a map smaller than the heap's."""
    per_pitch = canvas.fine_width / canvas.pitches
    smaller = min(max(round(per_pitch / _COARSE_PIXELS), 1), _COARSE)
    width, height = canvas.period
    coarse = np.zeros((height // smaller, width // smaller), np.int32)
    fill_convex(coarse, fixed_point(heap.outlines(), canvas.fine_width * coarse.shape[1] / width))
    return coarse


def _facets_of_heap(
    owner: NDArray[np.intp], polygons: _Floats, coarse: NDArray[np.intp], canvas: Canvas
) -> NDArray[Any]:
    """The facet on top at each pixel of the heap.

    Where no facet is drawn, in slits that the coarse map closed, the granule of that map, `coarse`, is shown.
    """
    kind = np.uint16 if len(owner) <= JOINT_FACET else np.int32
    first = np.searchsorted(owner, np.arange(owner[-1] + 1)).astype(kind)
    facets = cv2.resize(first.take(coarse), canvas.period, interpolation=cv2.INTER_NEAREST)
    fill_convex(facets, fixed_point(polygons, canvas.fine_width))
    return facets


def _on_canvas(heap: NDArray[Any], canvas: Canvas) -> NDArray[Any]:
    """The map of a heap, repeated until it covers the canvas."""
    if canvas.repeats == (1, 1):
        return heap
    found = np.empty((canvas.fine_height, canvas.fine_width), heap.dtype)
    for part, _, _ in _heaps_on(found, canvas):
        part[:] = heap[: part.shape[0], : part.shape[1]]
    return found


def _heaps_on(plane: NDArray[Any], canvas: Canvas) -> Iterator[tuple[NDArray[Any], int, int]]:
    """The parts of a map of the canvas that each show a heap; which it is from the left and from the top."""
    (across, down), (width, height) = canvas.repeats, canvas.period
    for row, column in itertools.product(range(down), range(across)):
        top, left = row * height, column * width
        yield plane[top : top + height, left : left + width], column, row


def _repeated(
    heap: Granules,
    owner: NDArray[np.intp],
    facets: NDArray[Any],
    copies: NDArray[np.intp],
    canvas: Canvas,
) -> NDArray[np.int32]:
    """The granule of each pixel of the canvas: of every heap on it, its own. `facets` is one heap's map."""
    across, down = canvas.repeats
    source, right, below = copies[owner].T.astype(np.int32)
    count = int(source.max()) + 1
    # A copy from beyond an edge belongs to the heap there; beyond the last heap, to the first again. It is at
    # most two heaps away.
    over = np.arange(-2, 3, dtype=np.int32)
    way = (right.take(facets) + _heaps_over(heap, owner, facets, canvas, 0) + 2).astype(np.uint8)
    way += np.uint8(5) * (below.take(facets) + _heaps_over(heap, owner, facets, canvas, 1) + 2).astype(
        np.uint8
    )
    granule = source.take(facets)
    found = np.empty((canvas.fine_height, canvas.fine_width), np.int32)
    for part, column, row in _heaps_on(found, canvas):
        rows, columns = part.shape
        first = ((over[:, None] + row) % down * across + (over + column) % across) * count
        np.add(first.ravel().take(way[:rows, :columns]), granule[:rows, :columns], out=part)
    return numbered(found)


def _heaps_over(
    heap: Granules, owner: NDArray[np.intp], facets: NDArray[Any], canvas: Canvas, axis: int
) -> NDArray[np.int32]:
    """Into which heap to the right (axis 0) or below (1) each pixel of a heap's map looks: -1, 0 or 1."""
    middles = heap.center[owner, axis] / np.float32(canvas.pitch)
    place = (np.arange(canvas.period[axis], dtype=np.float32) + np.float32(0.5)) * np.float32(
        canvas.pitches / canvas.fine_width
    )
    along = place[None] if axis == 0 else place[:, None]
    return heaps_away(middles, facets, along, canvas.heap[axis]).astype(np.int32)


def _curved(granules: Granules, owner: NDArray[np.intp], planes: _Floats) -> _Floats:
    """Planes curved around each granule's centre; see `Relief.surfaces`."""
    x, y = (granules.center[owner] / np.float32(granules.pitch)).T
    surfaces = planes.copy()
    surfaces[:, 0] += CURVATURE * x
    surfaces[:, 1] += CURVATURE * y
    surfaces[:, 2] -= CURVATURE / 2 * (x * x + y * y)
    return surfaces


def _tear_edges(facets: NDArray[Any], canvas: Canvas, rng: np.random.Generator) -> NDArray[Any]:
    """Displace pixels by noise: rubber is torn, so its edges are neither straight nor convex."""
    noise = noise_on_heap(canvas)
    source = []
    tears = [(bumps, reach * canvas.pitch * canvas.fine_width) for bumps, reach in TEARS]
    down, across = (np.arange(side, dtype=np.float32) for side in facets.shape)
    for ramp in (across[None], down[:, None]):
        moved = stretched(
            noise.octaves(rng, tears), facets.shape, noise.wraps, interpolation=cv2.INTER_LINEAR
        )
        source.append(np.add(moved, ramp, out=moved))
    beyond = cv2.BORDER_WRAP if canvas.wraps else cv2.BORDER_REFLECT
    return cv2.remap(facets, source[0], source[1], cv2.INTER_NEAREST, borderMode=beyond)
