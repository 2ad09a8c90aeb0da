"""Joints between tiles: each tile's outline at a laying angle; what no tile covers is joint.

Tile coordinates (p, q) are picture coordinates turned by the laying angle: p runs along the courses, q across
them. The angle is anticlockwise as seen.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.choices import Layout, one_of
from plitka.request.bonds import Vector, lattice
from plitka.request.scale import Scale
from plitka.tile.canvas import Canvas
from plitka.tile.fixed_point import SHIFT, fixed_point

# A crossing lies at most this part of the picture's shorter side off its middle, so that both kinds of joint
# are in the picture at every angle and seed.
_PHASE = 0.1
# Where on a joint along the courses the middle is, in lengths of a tile, if not at a crossing: half-way
# between the crossings of two courses of bricks, and at the middle knob of a puzzle.
MIDDLE = {"brick": -0.25, "puzzle": 0.5}
# The edge of a puzzle tile: straight near the corners, for this part of its length at each; between them
# knobs about so many millimetres wide, so high in parts of their width and so much wider at the head than at
# the neck; points of the curve for each.
PUZZLE_CORNER = 0.14
KNOB_MM = 110.0
KNOB_HEIGHT = 0.42
KNOB_HEAD = 0.115
KNOB_POINTS = 32

_Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Joints:
    """The joints of a layout, by the tiles between them. Lengths are in millimetres.

    Attributes:
        laying_angle: Degrees, anticlockwise.
        outlines: One tile of each orientation, (n, 2) corners in tile coordinates up to the joints' middles.
        lattice: Two vectors that repeat them.
        width: Of a joint.
        phase: Where the pattern's origin lies, from the picture's middle, in tile coordinates.
    """

    laying_angle: float
    outlines: tuple[_Points, ...]
    lattice: tuple[Vector, Vector]
    width: float
    phase: Vector

    def tiles(self, scale: Scale) -> _Points:
        """(T, n, 2): outlines of all tiles that may reach into the picture, without joints, in millimetres
        from its left upper corner.
        """
        size = np.array([scale.width_mm, scale.height_mm])
        shapes = np.stack(self.outlines)
        reach = float(np.hypot(shapes[..., 0], shapes[..., 1]).max())
        far = float(np.hypot(*size)) / 2 + reach + float(np.hypot(*self.phase))
        basis = np.array(self.lattice)
        most = [int(np.ceil(far * np.abs(way).sum())) + 1 for way in np.linalg.inv(basis).T]
        turn = np.deg2rad(self.laying_angle)
        turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        steps = np.arange(-most[1], most[1] + 1)
        found = []
        for one in range(-most[0], most[0] + 1):
            at = self.phase + np.stack([np.full_like(steps, one), steps], 1)[:, None] @ basis
            placed = (shapes + at[:, None]) @ turned + size / 2
            inside = (placed.max(2) > 0).all(-1) & (placed.min(2) < size).all(-1)
            found.append(placed[inside])
        return np.concatenate(found)


def joints_for(layout: str, laying_angle: float, scale: Scale, rng: np.random.Generator) -> Joints | None:
    """The joints of a layout, their phase drawn from `rng`; None for `surface`.

    Raises ValueError for an unknown layout.
    """
    if layout == "surface":
        return None
    if layout not in ("grid", "brick", "herringbone", "hexagon", "puzzle") or scale.tile_mm is None:
        raise ValueError(f"layout {layout!r} is not {one_of(Layout)}")
    reach = _PHASE * min(scale.width_mm, scale.height_mm)
    middle = MIDDLE.get(layout, 0.0) * scale.tile_mm[0]
    phase = (float(rng.uniform(-reach, reach)) - middle, float(rng.uniform(-reach, reach)))
    tiles = tuple(outlines(layout, *scale.tile_mm))
    return Joints(laying_angle, tiles, lattice(layout, scale.tile_mm), scale.joint_mm, phase)


def draw_tiles(joints: Joints, scale: Scale, canvas: Canvas) -> NDArray[np.integer[Any]]:
    """(fine height, fine width): the number of the tile at each pixel, from 1; 0 on joints.

    It has 16 bits where they suffice. On a canvas that wraps, the parts of a tile beyond opposite edges have
    one number.
    """
    tiles = joints.tiles(scale)
    pixel = scale.width_mm / canvas.fine_width
    kind: type[np.integer[Any]] = np.uint16 if len(tiles) <= np.iinfo(np.uint16).max else np.int32
    found = np.zeros((canvas.fine_height, canvas.fine_width), kind)
    # Pixels may be a trace higher than wide: all of the picture's height must lie on all of the map's.
    whole = np.array([scale.width_mm, scale.height_mm * canvas.fine_width / canvas.fine_height])
    numbers = _numbers(tiles, scale) if scale.seamless else np.arange(1, len(tiles) + 1)
    corners = fixed_point(_shrunk(tiles, joints.width / 2, pixel) / whole, canvas.fine_width)
    for outline, number in zip(corners, numbers.tolist(), strict=True):
        cv2.fillPoly(found, [outline], number, cv2.LINE_8, SHIFT)
    return found


def _numbers(tiles: _Points, scale: Scale) -> NDArray[np.intp]:
    """(T,) numbers from 1, equal for tiles that lie a whole picture apart."""
    size = np.array([scale.width_mm, scale.height_mm])
    places = tiles.mean(1) / size
    rounded = np.rint(places % 1 * 1000).astype(np.int64) % 1000
    return np.unique(rounded, axis=0, return_inverse=True)[1].ravel() + 1


def _shrunk(outlines: _Points, inset: float, pixel: float) -> _Points:
    """Outlines (T, n, 2), clockwise or not, whose edges are moved inwards; corners where moved edges meet.

    cv2 fills every pixel that an edge passes: up to half a `pixel` more along x or y, whichever is nearer to
    the edge's normal. Edges are moved in by that too.
    """
    following = np.roll(outlines, -1, 1)
    edges = following - outlines
    length = np.hypot(edges[..., 0], edges[..., 1])[..., None]
    normals = np.stack([-edges[..., 1], edges[..., 0]], -1) / length
    area = outlines[..., 0] * following[..., 1] - outlines[..., 1] * following[..., 0]
    normals *= np.sign(area.sum(1))[:, None, None]
    far = inset + pixel / 2 * np.abs(normals).max(-1)
    before, far_before = np.roll(normals, 1, 1), np.roll(far, 1, 1)
    cosine = (normals * before).sum(-1)
    sums = normals + before
    mean = (far + far_before)[..., None] * sums / (sums**2).sum(-1, keepdims=True)
    # Beside the way along both normals, what one edge moves farther than the other.
    across = normals - before
    square = np.maximum((across**2).sum(-1, keepdims=True), 1e-12)
    aside = np.where((cosine < 0.99)[..., None], (far - far_before)[..., None] * across / square, 0)
    return outlines + mean + aside


def outlines(layout: str, length: float, height: float) -> list[_Points]:
    """Outlines of one tile of each orientation, in tile coordinates, corners in order."""
    if layout == "hexagon":
        half = length / 2
        corners = [
            (half, height / 4),
            (half, height * 3 / 4),
            (0, height),
            (-half, height * 3 / 4),
            (-half, height / 4),
            (0, 0),
        ]
        return [np.array(corners, np.float64)]
    if layout == "puzzle":
        return [_puzzle(length, height)]
    lying = _rectangle(0, 0, length, height)
    if layout == "herringbone":
        return [lying, _rectangle(length, height - length, height, length)]
    return [lying]


def _rectangle(left: float, bottom: float, width: float, height: float) -> _Points:
    return np.array([left, bottom]) + np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)


def _puzzle(length: float, height: float) -> _Points:
    """A rectangle with knobs on two sides and what fits them on the others."""
    lower = _knobbed(length)
    left = _knobbed(height)[:, ::-1]
    upper, right = lower + np.array([0, height]), left + np.array([length, 0])
    return np.concatenate([lower[:-1], right[:-1], upper[::-1][:-1], left[::-1][:-1]])


def _knobbed(length: float) -> _Points:
    """An edge along the first axis, its knobs along the second: n points from (0, 0) to (length, 0)."""
    straight = PUZZLE_CORNER * length
    knobs = max(1, round((length - 2 * straight) / KNOB_MM))
    along = np.linspace(0, knobs, knobs * KNOB_POINTS + 1)
    across = KNOB_HEIGHT * (1 - np.cos(2 * np.pi * along)) / 2
    along = along + KNOB_HEAD * np.sin(4 * np.pi * along)
    curve = np.stack([along, across], 1) * ((length - 2 * straight) / knobs)
    curve[:, 0] += straight
    return np.concatenate([[[0.0, 0.0]], curve, [[length, 0.0]]])
