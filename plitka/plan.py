"""The plan of a tile: which granule lies where and which colour it has, decided before any model runs.

The shares of the mix are exact because granules are given their colours by visible area, not by lot alone.
Everything else (colour map, control image, swatch, measurement) is a view of the plan.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.granules import FACETS, SLOPE, TOP, Granules, pour_granules
from plitka.joints import Joints, joints_for
from plitka.mix import Mix
from plitka.request import TileRequest

JOINT = -1
JOINT_COLOR_INDEX = 255

# Facet maps have one and a half times the picture's size; views average them down.
OVERSAMPLING = 1.5
JOINT_FACET = np.iinfo(np.uint16).max

# Facet maps are drawn once, for this picture size; smaller views take every n-th pixel of them.
PLAN_SIZE = 1024
# Share of the area coloured at random; the rest, the smallest granules, evens the shares out.
_RANDOM_PART = 0.9
# Corners are drawn with three fractional bits (cv2's `shift`).
_SHIFT = 3
# Torn edges: largest displacement in facet-map pixels, and how many bumps fit across the picture. The noise
# is smoothed in steps of a power of two, so that dividing it is a shift.
_TEAR = 2
_TEAR_STEP = 32
_TEAR_CELLS = 64


@dataclass(frozen=True, eq=False)
class TilePlan:
    """Granules, joints and colours of one picture.

    `granule_color` is (G,) uint8, an index into `mix` for every granule, hidden ones included. `facets` is
    the facet map at PLAN_SIZE. A view at a smaller size shows the same tile.
    """

    mix: Mix
    laying_angle: float
    layout: str
    seed: int
    granules: Granules
    granule_color: NDArray[np.uint8]
    facets: NDArray[np.uint16]

    def facet_map(self, size: int) -> NDArray[np.uint16]:
        """Facet id per pixel at 1.5 times `size`: 3 x granule + facet, JOINT_FACET on joints.

        Raises ValueError for a size that does not divide PLAN_SIZE.
        """
        if size < 1 or PLAN_SIZE % size:
            raise ValueError(f"size {size} does not divide {PLAN_SIZE}")
        step = PLAN_SIZE // size
        return self.facets[step // 2 :: step, step // 2 :: step]

    def labels(self, size: int) -> NDArray[np.int32]:
        """(size, size) int32 granule id per pixel, JOINT (-1) on joints."""
        return _labels(self.facet_map(size), size)

    def color_indices(self, size: int) -> NDArray[np.uint8]:
        """(size, size) uint8 index into the mix per pixel, JOINT_COLOR_INDEX (255) on joints."""
        return np.append(self.granule_color, np.uint8(JOINT_COLOR_INDEX))[self.labels(size)]

    def shares(self, size: int) -> NDArray[np.float64]:
        """(len(mix),) shares of the visible granule area, joints left out; they sum to 1."""
        counts = np.bincount(self.color_indices(size).ravel(), minlength=JOINT_COLOR_INDEX + 1)[
            : len(self.mix)
        ]
        return counts / counts.sum()


def make_plan(mix: Mix, laying_angle: float, layout: str, seed: int) -> TilePlan:
    """Plan a tile. The same arguments give the same plan, to the byte.

    `laying_angle` in degrees, anticlockwise; `layout` is surface, grid or brick; 0 <= seed < 2**63.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    joints = joints_for(layout, laying_angle, rng)
    granules = pour_granules(rng, joints)
    facets = _draw_facets(granules, round(PLAN_SIZE * OVERSAMPLING))
    facets = _tear_edges(facets, rng)
    if joints is not None:
        _cut_joints(facets, joints)
    areas = _visible_areas(facets, granules.count)
    colors = assign_colors(areas, np.array([color.share for color in mix]), rng)
    return TilePlan(mix, laying_angle, layout, seed, granules, colors, facets)


def plan_for(request: TileRequest) -> TilePlan:
    """The plan of a request."""
    return make_plan(request.mix, request.laying_angle, request.layout, request.seed)


def assign_colors(
    areas: NDArray[np.int64], shares: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Give each granule a colour so that the visible areas have the wanted shares.

    `areas` (G,) visible pixels per granule, `shares` (C,) summing to 1. Most granules are coloured at random;
    a colour that came out too large gives granules back, and the smallest granules then fill what is missing,
    so the error that remains is that of a few pixels.
    """
    order = rng.permutation(len(areas))
    by_size = np.argsort(-areas[order], kind="stable")
    large = order[
        np.sort(by_size[: np.searchsorted(np.cumsum(areas[order][by_size]), _RANDOM_PART * areas.sum())])
    ]
    colors = rng.choice(len(shares), len(areas), p=shares / shares.sum()).astype(np.uint8)
    wanted = shares * areas.sum()
    edges = np.cumsum(shares) * areas[large].sum()
    colors[large] = np.searchsorted(edges[:-1], np.cumsum(areas[large]) - areas[large] / 2, side="right")
    missing = wanted - np.bincount(colors[large], areas[large], len(shares))
    free = set(order[by_size].tolist()) - set(large.tolist())
    for color in np.flatnonzero(missing < 0):
        own = large[colors[large] == color]
        for granule in own[np.argsort(areas[own], kind="stable")[::-1]]:
            if missing[color] >= 0:
                break
            missing[color] += areas[granule]
            free.add(int(granule))
    pending = missing.tolist()
    for granule in sorted(free, key=lambda g: (-areas[g], g)):
        if areas[granule] == 0:
            break
        color = pending.index(max(pending))
        colors[granule] = color
        pending[color] -= float(areas[granule])
    return colors


def _draw_facets(granules: Granules, fine: int) -> NDArray[np.uint16]:
    """(fine, fine) uint16 facet ids: the heap drawn bottom to top."""
    facets = np.full((fine, fine), JOINT_FACET, np.uint16)
    outlines = _fixed_point(granules.outline, fine)
    slopes = _fixed_point(granules.slope, fine)
    tops = _fixed_point(granules.top, fine)
    plain = granules.plain.tolist()
    fill = cv2.fillConvexPoly
    for granule in range(granules.floor):
        fill(facets, outlines[granule], FACETS * granule, cv2.LINE_8, _SHIFT)
    for granule in range(granules.floor, granules.count):
        facet = FACETS * granule
        fill(facets, outlines[granule], facet, cv2.LINE_8, _SHIFT)
        if not plain[granule]:
            fill(facets, slopes[granule], facet + SLOPE, cv2.LINE_8, _SHIFT)
        fill(facets, tops[granule], facet + TOP, cv2.LINE_8, _SHIFT)
    return facets


def _cut_joints(facets: NDArray[np.uint16], joints: Joints) -> None:
    """Draw the joints over the granules, straight."""
    for corners in _fixed_point(joints.rectangles(), len(facets)):
        cv2.fillConvexPoly(facets, corners, JOINT_FACET, cv2.LINE_8, _SHIFT)


def _fixed_point(points: NDArray[np.float32], fine: int) -> NDArray[np.int32]:
    """Unit-square coordinates as cv2's fixed-point pixel coordinates, pixel centres at whole numbers."""
    scale = 1 << _SHIFT
    return np.rint(points * np.float32(fine * scale) - np.float32(scale / 2)).astype(np.int32)


def _tear_edges(facets: NDArray[np.uint16], rng: np.random.Generator) -> NDArray[np.uint16]:
    """Displace pixels by smooth noise: crumb is torn, so its edges are not drawn with a ruler."""
    fine = len(facets)
    noise = rng.integers(0, 2 * _TEAR + 1, (2, _TEAR_CELLS, _TEAR_CELLS), np.uint8) * np.uint8(_TEAR_STEP)
    position = np.arange(fine, dtype=np.int16) - np.int16(_TEAR)
    source = np.empty((fine, fine, 2), np.int16)
    for axis, ramp in enumerate((position[None, :], position[:, None])):
        smooth = cv2.resize(noise[axis], (fine, fine), interpolation=cv2.INTER_LINEAR)
        np.add((smooth + np.uint8(_TEAR_STEP // 2)) // np.uint8(_TEAR_STEP), ramp, out=source[..., axis])
    return cv2.remap(facets, source, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)


def pixel_centres(size: int) -> NDArray[np.intp]:
    """Rows (or columns) of a facet map that lie under the pixel centres of a view."""
    return ((np.arange(size) + 0.5) * OVERSAMPLING).astype(np.intp)


def _visible_areas(facets: NDArray[np.uint16], granules: int) -> NDArray[np.int64]:
    """Pixels of each granule in a view at PLAN_SIZE."""
    at = pixel_centres(PLAN_SIZE)
    per_facet = np.bincount(facets[at][:, at].ravel(), minlength=FACETS * granules)
    return per_facet[: FACETS * granules].reshape(granules, FACETS).sum(1)


def _labels(facets: NDArray[np.uint16], size: int) -> NDArray[np.int32]:
    """Granule ids at picture size, sampled from the facet map at the pixel centres."""
    at = pixel_centres(size)
    sampled = facets[at][:, at]
    table = (np.arange(JOINT_FACET + 1) // FACETS).astype(np.int32)
    table[JOINT_FACET] = JOINT
    return table[sampled]
