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
from plitka.request.scale import Scale, scale_of
from plitka.request.tile_request import TileRequest
from plitka.tile.bands import row_bands
from plitka.tile.canvas import READABLE_PIXELS, Canvas, canvas_for
from plitka.tile.coloring import assign_colors
from plitka.tile.granules import Granules
from plitka.tile.heights import HeightMap, height_map
from plitka.tile.joints import joints_for
from plitka.tile.relief import Relief, make_relief
from plitka.tile.seen import JOINT_FACET, Seen

JOINT = -1
JOINT_COLOR_INDEX = 255
# Mean diameter below which granules are fine: nearly half of what is seen of them has no pixel inside.
FINE_PIXELS = 10
_UINT16 = np.iinfo(np.uint16).max


class LabelMaps:
    """The granule of every pixel, by size of the picture: made once, whichever thread asks first.

    A copy in another process makes its own.
    """

    def __init__(self, relief: Relief) -> None:
        self._relief = relief
        self._by_size: dict[int, NDArray[np.int32]] = {}
        self._lock = threading.Lock()

    def of(self, size: int) -> NDArray[np.int32]:
        """(height, size) int32, as `TilePlan.labels`."""
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

    A picture of a smaller size shows the same tile. A size is the picture's width in pixels: that of the
    preview, or one that divides the plan's own. At its own size and at the preview's the shares are exact.

    Attributes:
        mix: The colours with their shares, which sum to 1.
        laying_angle: Rotation of the joints, degrees, anticlockwise, at least 0 and below 180.
        layout: One of `plitka.choices.Layout`; "surface" has no joints.
        seed: 0 to 2**63 - 1.
        scale: What the picture shows, in millimetres and pixels.
        relief: The heap, and its facet map at 1.5 times the picture's size or more.
        granule_color: (G,) uint8, an index into `mix` for every granule.
        label_maps: Makes the map that `labels` returns, once for each size.
    """

    mix: Mix
    laying_angle: float
    layout: str
    seed: int
    scale: Scale
    relief: Relief
    granule_color: NDArray[np.uint8]
    label_maps: LabelMaps

    @property
    def canvas(self) -> Canvas:
        """What the plan is drawn on."""
        return self.relief.canvas

    @property
    def extent_mm(self) -> tuple[float, float]:
        """Width and height of what the picture shows, millimetres."""
        return self.scale.width_mm, self.scale.height_mm

    @property
    def pitch_mm(self) -> float:
        """Millimetres of a pitch, the unit of heights."""
        return self.scale.width_mm / self.canvas.pitches

    @property
    def granule_count(self) -> int:
        """Number of granules, those of which nothing is seen included."""
        return self.relief.count

    def is_readable(self, size: int) -> bool:
        """Whether granules are large enough, in a picture `size` pixels wide, to show their own colours."""
        return self.granule_pixels(size) >= READABLE_PIXELS

    def granule_pixels(self, size: int) -> float:
        """Mean diameter of a granule in a picture `size` pixels wide, pixels."""
        return size / self.scale.granules_across

    @property
    def granules(self) -> Granules:
        """The shapes and places of the heap's visible granules, bottom first.

        A heap may lie in the picture several times, and joints cut granules in two: `granule_count` counts
        them all.
        """
        return self.relief.granules

    def seen(self, size: int) -> Seen:
        """Facets and granules at the pixels before the lens of a picture `size` pixels wide.

        Raises ValueError for a size that is none of the plan's.
        """
        return self.relief.seen(self.canvas.step(size))

    def facet_map(self, size: int) -> NDArray[np.uint16] | NDArray[np.int32]:
        """The number of the facet per pixel, `plitka.tile.seen.joint_facet` on joints.

        It has 1.5 times the picture's rows and columns, or more if granules are small. Raises ValueError for
        a size that is none of the plan's.
        """
        return self.seen(size).facets

    def labels(self, size: int) -> NDArray[np.int32]:
        """(height, size) int32 granule per pixel, 0 to G - 1, JOINT (-1) on joints; not writeable.

        Raises ValueError for a size that is none of the plan's.
        """
        return self.label_maps.of(size)

    def heights(self, size: int) -> HeightMap:
        """Height and slope at each pixel of `facet_map`; 0 on joints.

        Heights are in pitches: 1 is `pitch_mm`. Raises ValueError for a size that is none of the plan's.
        """
        return height_map(self.relief, self.seen(size))

    def color_indices(self, size: int) -> NDArray[np.uint8]:
        """(height, size) uint8 index into the mix per pixel, JOINT_COLOR_INDEX (255) on joints.

        Raises ValueError for a size that is none of the plan's.
        """
        return np.append(self.granule_color, np.uint8(JOINT_COLOR_INDEX))[self.labels(size)]

    def shares(self, size: int) -> NDArray[np.float64]:
        """(len(mix),) float64 shares of the visible granule area, joints left out; they sum to 1.

        Raises ValueError for a size that is none of the plan's.
        """
        counts = np.bincount(self.color_indices(size).ravel(), minlength=JOINT_COLOR_INDEX + 1)[
            : len(self.mix)
        ]
        return counts / counts.sum()


def make_plan(mix: Mix, laying_angle: float, layout: str, seed: int, scale: Scale | None = None) -> TilePlan:
    """Plan a tile. The same arguments give the same plan, to the byte.

    `laying_angle` in degrees, anticlockwise; `layout` is one of `plitka.choices.Layout`; 0 <= seed < 2**63;
    `scale` as `plitka.request.scale.scale_of` gives it, by default that of a request that says nothing about
    it. Raises ValueError for another layout.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    scale = scale or scale_of(layout)
    canvas = canvas_for(scale)
    joints = joints_for(layout, laying_angle, scale, rng)
    relief = make_relief(rng, canvas, scale, joints)
    label_maps = LabelMaps(relief)
    sizes = canvas.width, canvas.preview[0]
    areas = np.stack([_visible_areas(label_maps.of(size), relief.count) for size in sizes])
    colors = assign_colors(areas, np.array([color.share for color in mix]), rng)
    return TilePlan(mix, laying_angle, layout, seed, scale, relief, colors, label_maps)


def plan_for(request: TileRequest) -> TilePlan:
    """Plan the tile of a request: the plan that `generate` draws.

    Args:
        request: What `parse_request` returns.

    Returns:
        The plan; the same request gives the same one, to the byte, with every engine.
    """
    return make_plan(request.mix, request.laying_angle, request.layout, request.seed, request.scale)


def inner_pixels(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """(h, w): pixels whose neighbours all belong to the same granule; beyond the border there are none."""
    square = np.ones((3, 3), np.uint8)
    # Morphology takes no 32-bit integers; floats hold these exactly.
    kind = np.uint16 if labels.max() < _UINT16 else np.float32
    inner = np.empty(labels.shape, np.bool_)
    for rows in row_bands(labels.shape):
        above, below = max(rows.start - 1, 0), min(rows.stop + 1, len(labels))
        wide = (labels[above:below] + 1).astype(kind)
        same = cv2.erode(wide, square) == cv2.dilate(wide, square)
        inner[rows] = same[rows.start - above : rows.stop - above]
    return inner


def pixel_centres(pixels: int, fine: int) -> NDArray[np.intp]:
    """Rows (or columns), of `fine` of them, that lie under the pixel centres of a picture."""
    return ((np.arange(pixels) + 0.5) * (fine / pixels)).astype(np.intp)


def _visible_areas(labels: NDArray[np.int32], granules: int) -> NDArray[np.int64]:
    """(G,) pixels of each granule in a picture with these labels."""
    return np.bincount(labels.ravel() + 1, minlength=granules + 1)[1:]


def _labels(relief: Relief, size: int) -> NDArray[np.int32]:
    """Granule ids at picture size, sampled from the fine map at the pixel centres."""
    seen = relief.seen(relief.canvas.step(size))
    shape = relief.canvas.shape(size)
    rows, columns = (pixel_centres(*sides) for sides in zip(shape, seen.facets.shape, strict=True))
    if seen.members is not None:
        return seen.members[rows][:, columns]
    facets = np.ascontiguousarray(seen.facets[rows][:, columns])
    if facets.dtype != np.uint16:
        return relief.owner.astype(np.int32).take(facets)
    table = np.full(JOINT_FACET + 1, JOINT, np.int32)
    table[: len(relief.owner)] = relief.owner
    return cv2.LUT(facets, table)
