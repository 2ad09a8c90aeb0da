"""The plan of a tile: which granule lies where and which colour it has, decided before any model runs.

The shares of the mix are exact because granules are given their colours by visible area, not only at random.
Everything else (colour map, control image, swatch, measurement) is derived from the plan.
"""

import threading
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.colors.mix import Mix
from plitka.request.tile_request import TileRequest
from plitka.tile.coloring import assign_colors
from plitka.tile.granules import Granules
from plitka.tile.joints import joints_for
from plitka.tile.relief import JOINT_FACET, HeightMap, Relief, height_map, make_relief

JOINT = -1
JOINT_COLOR_INDEX = 255

# Facet maps have one and a half times the picture's size; pictures are sampled down from them.
OVERSAMPLING = 1.5

# The facet map is drawn once, for this picture size; smaller pictures use every n-th pixel of it.
PLAN_SIZE = 1024
# Sizes of the pictures that are delivered: at these the shares are exact.
_EXACT_SIZES = (1024, 512)


class LabelMaps:
    """The granule of every pixel, by size of the picture: made once, whichever thread asks first.

    A copy in another process makes its own.
    """

    def __init__(self, relief: Relief) -> None:
        self._relief = relief
        self._by_size: dict[int, NDArray[np.int32]] = {}
        self._lock = threading.Lock()

    def of(self, size: int) -> NDArray[np.int32]:
        """(size, size) int32, as `TilePlan.labels`."""
        with self._lock:
            if size not in self._by_size:
                labels = _labels(self._relief, size)
                labels.setflags(write=False)
                self._by_size[size] = labels
            return self._by_size[size]

    def __reduce__(self) -> tuple[type["LabelMaps"], tuple[Relief]]:
        return LabelMaps, (self._relief,)


@dataclass(frozen=True, eq=False)
class TilePlan:
    """Granules, joints and colours of one picture.

    A picture of a smaller size shows the same tile. Sizes are pixels a side and must divide 1024 (PLAN_SIZE);
    at 1024 and 512 the shares are exact.

    Attributes:
        mix: The colours with their shares, which sum to 1.
        laying_angle: Rotation of the joints, degrees, anticlockwise, at least 0 and below 180.
        layout: "surface" (no joints), "grid" or "brick".
        seed: 0 to 2**63 - 1.
        relief: The heap, and its facet map at 1.5 times PLAN_SIZE.
        granule_color: (G,) uint8, an index into `mix` for every granule.
        label_maps: Makes the map that `labels` returns, once for each size.
    """

    mix: Mix
    laying_angle: float
    layout: str
    seed: int
    relief: Relief
    granule_color: NDArray[np.uint8]
    label_maps: LabelMaps

    @property
    def granules(self) -> Granules:
        """The visible granules, bottom first."""
        return self.relief.granules

    def facet_map(self, size: int) -> NDArray[np.uint16]:
        """(n, n) uint16, n = 1.5 `size`: the number of the facet per pixel, JOINT_FACET (65535) on joints.

        Raises ValueError for a size that does not divide PLAN_SIZE.
        """
        return _facet_map(self.relief, size)

    def labels(self, size: int) -> NDArray[np.int32]:
        """(size, size) int32 granule per pixel, 0 to G - 1, JOINT (-1) on joints; not writeable.

        Raises ValueError for a size that does not divide PLAN_SIZE.
        """
        return self.label_maps.of(size)

    def heights(self, size: int) -> HeightMap:
        """Height and slope per pixel at 1.5 times `size`; 0 on joints.

        Heights are in pitches: 1 is the picture's width divided by GRANULES_ACROSS (62). Raises ValueError
        for a size that does not divide PLAN_SIZE.
        """
        return height_map(self.relief, self.facet_map(size))

    def color_indices(self, size: int) -> NDArray[np.uint8]:
        """(size, size) uint8 index into the mix per pixel, JOINT_COLOR_INDEX (255) on joints.

        Raises ValueError for a size that does not divide PLAN_SIZE.
        """
        return np.append(self.granule_color, np.uint8(JOINT_COLOR_INDEX))[self.labels(size)]

    def shares(self, size: int) -> NDArray[np.float64]:
        """(len(mix),) float64 shares of the visible granule area, joints left out; they sum to 1.

        Raises ValueError for a size that does not divide PLAN_SIZE.
        """
        counts = np.bincount(self.color_indices(size).ravel(), minlength=JOINT_COLOR_INDEX + 1)[
            : len(self.mix)
        ]
        return counts / counts.sum()


def make_plan(mix: Mix, laying_angle: float, layout: str, seed: int) -> TilePlan:
    """Plan a tile. The same arguments give the same plan, to the byte.

    `laying_angle` in degrees, anticlockwise; `layout` is surface, grid or brick; 0 <= seed < 2**63. Raises
    ValueError for another layout.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    joints = joints_for(layout, laying_angle, rng)
    relief = make_relief(rng, joints, round(PLAN_SIZE * OVERSAMPLING))
    label_maps = LabelMaps(relief)
    areas = np.stack([_visible_areas(label_maps.of(size), relief.granules.count) for size in _EXACT_SIZES])
    colors = assign_colors(areas, np.array([color.share for color in mix]), rng)
    return TilePlan(mix, laying_angle, layout, seed, relief, colors, label_maps)


def plan_for(request: TileRequest) -> TilePlan:
    """Plan the tile of a request: the plan that `generate` draws.

    Args:
        request: What `parse_request` returns.

    Returns:
        The plan; the same request gives the same one, to the byte, with every engine.
    """
    return make_plan(request.mix, request.laying_angle, request.layout, request.seed)


def inner_pixels(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """(h, w): pixels whose neighbours all belong to the same granule; beyond the border there are none."""
    square = np.ones((3, 3), np.uint8)
    wide = (labels + 1).astype(np.uint16)
    return cv2.erode(wide, square) == cv2.dilate(wide, square)


def pixel_centres(size: int) -> NDArray[np.intp]:
    """Rows (or columns) of a facet map that lie under the pixel centres of a picture."""
    return ((np.arange(size) + 0.5) * OVERSAMPLING).astype(np.intp)


def _visible_areas(labels: NDArray[np.int32], granules: int) -> NDArray[np.int64]:
    """(G,) pixels of each granule in a picture with these labels."""
    return np.bincount(labels.ravel() + 1, minlength=granules + 1)[1:]


def _facet_map(relief: Relief, size: int) -> NDArray[np.uint16]:
    if size < 1 or PLAN_SIZE % size:
        raise ValueError(f"size {size} does not divide {PLAN_SIZE}")
    step = PLAN_SIZE // size
    return relief.facets[step // 2 :: step, step // 2 :: step]


def _labels(relief: Relief, size: int) -> NDArray[np.int32]:
    """Granule ids at picture size, sampled from the facet map at the pixel centres."""
    facets = _facet_map(relief, size)
    at = pixel_centres(size)
    table = np.full(JOINT_FACET + 1, JOINT, np.int32)
    table[: len(relief.owner)] = relief.owner
    return cv2.LUT(np.ascontiguousarray(facets[at][:, at]), table)
