"""Height and slope of what is seen: those of each pixel's facet, curved around the middle of its granule.

The height over a facet is a x + b y + c - k (x^2 + y^2) / 2; see `plitka.tile.relief.Relief`.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from plitka.tile.relief import CURVATURE, Relief, heaps_away
from plitka.tile.seen import Seen, joint_facet, per_pixel

_Floats = NDArray[np.float32]


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


def height_map(relief: Relief, seen: Seen) -> HeightMap:
    """Height and slopes at each pixel; 0 on joints."""
    return _heights(relief, seen, 1)


def sampled_heights(relief: Relief, seen: Seen, step: int) -> _Floats:
    """The height of `height_map` at every step-th row and column, from the first."""
    return _heights(relief, seen, step).height


def _heights(relief: Relief, seen: Seen, every: int) -> HeightMap:
    """Height and slopes at every so many rows and columns."""
    facets, canvas = np.ascontiguousarray(seen.facets[::every, ::every]), relief.canvas
    across, down, height = (per_pixel(values, facets) for values in relief.surfaces.T)
    columns, rows = seen.columns, seen.rows
    step = np.float32(canvas.pitches / columns)
    scale = columns / canvas.fine_width
    right, bottom = seen.first_column + seen.facets.shape[1], seen.first_row + seen.facets.shape[0]
    places = (
        _in_heap(range(seen.first_column, right), columns, canvas.period[0] * scale),
        _in_heap(range(seen.first_row, bottom), rows, canvas.period[1] * scale),
    )
    x, y = (places[0][::every] * step)[None], (places[1][::every] * step)[:, None]
    if canvas.wraps:
        center = relief.granules.center[relief.owner] / np.float32(canvas.pitch)
        x, y = (
            place - side * heaps_away(middle, facets, place, side)
            for place, middle, side in zip((x, y), center.T, canvas.heap, strict=True)
        )
    bent_across, bent_down = x * CURVATURE, y * CURVATURE
    # On a ball of curvature k the height is -k r^2 / 2, its slope -k r.
    for slope, bent, place in ((across, bent_across, x), (down, bent_down, y)):
        rise = slope - bent / 2
        rise *= place
        height += rise
        slope -= bent
    on_joint = facets == joint_facet(facets)
    if on_joint.any():
        for plane in (height, across, down):
            plane[on_joint] = 0
    return HeightMap(height, across, down)


def facet_bounds(relief: Relief) -> tuple[_Floats, _Floats]:
    """(F,) lowest and highest each: between them, in pitches, the heights over a facet's own corners lie.

    Torn edges and slits show facets beyond their corners, where `height_map` goes on with their planes.
    """
    granules = relief.granules
    owner, polygons, planes = granules.facets()
    corners = polygons / np.float32(granules.pitch)
    flat = (planes[:, None, :2] * corners).sum(2) + planes[:, 2:]
    off_centre = corners - granules.center[owner, None] / np.float32(granules.pitch)
    # The curve is below the plane and concave: it is lowest at a corner.
    curved = flat - CURVATURE / 2 * (off_centre * off_centre).sum(2)
    return curved.min(1), flat.max(1)


def _in_heap(pixels: range, whole: int, period: float) -> _Floats:
    """Place, in the heap that it lies in, of the middle of each of these pixels, of a map of so many."""
    place = np.arange(pixels.start, pixels.stop, dtype=np.float32) + np.float32(0.5)
    is_one_heap = period >= whole and pixels.start >= 0 and pixels.stop <= whole
    return place if is_one_heap else place % np.float32(period)
