"""The heap seen from above: which facet lies under each pixel, and to which granule it belongs.

A facet map holds a facet's number per pixel, `joint_facet` on joints. Height and slope follow from it by the
facet's plane (`plitka.tile.heights`), so they need no maps of their own.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.request.scale import Scale
from plitka.tile.bands import Part
from plitka.tile.canvas import Canvas, stretched, wrapped
from plitka.tile.fixed_point import SHIFT, fixed_point
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

JOINT_FACET = np.iinfo(np.uint16).max

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
class Seen:
    """What lies under each pixel of a part of the canvas, all (rows, columns).

    Attributes:
        facets: The number of the facet on top, `joint_facet` on joints.
        members: int32, the granule that the pixel belongs to, -1 on joints; None if that is the facet's.
        margin: Pixels on each side that belong to the opposite edge, on a canvas that wraps.
        band: The first column and the number of all columns, margins left out, where this is a part of
            what is seen, all of its rows; None where it is the whole.
    """

    facets: NDArray[Any]
    members: NDArray[np.int32] | None
    margin: int = 0
    band: tuple[int, int] | None = None

    @property
    def columns(self) -> int:
        """Columns of the whole, without margins."""
        return self.band[1] if self.band else self.facets.shape[1] - 2 * self.margin

    @property
    def first_column(self) -> int:
        """Of the whole, where this begins; negative in a margin."""
        return self.band[0] if self.band else -self.margin

    def wrapped(self, margin: int) -> "Seen":
        """The same with a margin."""
        members = None if self.members is None else wrapped(self.members, margin)
        return Seen(wrapped(self.facets, margin), members, margin)

    def part(self, part: Part, margin: int = 0) -> "Seen":
        """The columns that a part needs, with a margin above and below."""
        planes = [None if plane is None else part.of(plane) for plane in (self.facets, self.members)]
        if margin:
            planes = [None if plane is None else _wrapped_rows(plane, margin) for plane in planes]
        facets, members = planes
        assert facets is not None
        return Seen(facets, members, margin, (part.first, part.columns))


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
        return np.append(values, joint).astype(np.float32).take(seen.members)


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
        facets[on_joint], members[on_joint] = joint_facet(facets), -1
    count = int(members.max()) + 1
    place, tile = places_of(members, count, tiles)
    return Relief(canvas, granules, facets, narrow, surfaces, original, members, count, place, tile)


def joint_facet(facets: NDArray[Any]) -> int:
    """The number that stands for joints in a facet map: 65535, or -1 in one of 32 bits."""
    return JOINT_FACET if facets.dtype == np.uint16 else -1


def per_pixel(values: NDArray[Any], facets: NDArray[Any], joint: float = 0) -> _Floats:
    """Float32: values of the facets (F,) at each pixel of a facet map, `joint` on joints."""
    if facets.dtype != np.uint16:
        return np.append(values, joint).astype(np.float32).take(facets)
    table = np.full(JOINT_FACET + 1, joint, np.float32)
    table[: len(values)] = values
    return cv2.LUT(np.ascontiguousarray(facets), table)


def _wrapped_rows(plane: NDArray[Any], margin: int) -> NDArray[Any]:
    return np.concatenate([plane[-margin:], plane, plane[:margin]])


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
    corners = fixed_point(heap.outlines(), canvas.fine_width * coarse.shape[1] / width)
    for granule, outline in enumerate(corners):
        cv2.fillConvexPoly(coarse, outline, granule, cv2.LINE_8, SHIFT)
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
    for facet, corners in enumerate(fixed_point(polygons, canvas.fine_width)):
        cv2.fillConvexPoly(facets, corners, facet, cv2.LINE_8, SHIFT)
    return facets


def _on_canvas(heap: NDArray[Any], canvas: Canvas) -> NDArray[Any]:
    """The map of a heap, repeated until it covers the canvas."""
    across, down = canvas.repeats
    if (across, down) == (1, 1):
        return heap
    return np.ascontiguousarray(np.tile(heap, (down, across))[: canvas.fine_height, : canvas.fine_width])


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
    # A copy from beyond an edge belongs to the heap there; beyond the last heap, to the first again.
    column = _on_canvas(right.take(facets) + _heaps_over(heap, owner, facets, canvas, 0), canvas)
    column += (np.arange(canvas.fine_width) // canvas.period[0]).astype(np.int32)[None]
    column %= across
    row = _on_canvas(below.take(facets) + _heaps_over(heap, owner, facets, canvas, 1), canvas)
    row += (np.arange(canvas.fine_height) // canvas.period[1]).astype(np.int32)[:, None]
    row %= down
    row *= across
    row += column
    row *= count
    row += _on_canvas(source.take(facets), canvas)
    return numbered(row)


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
