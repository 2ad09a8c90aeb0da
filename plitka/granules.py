"""The heap of granules: convex, angular shards in layers, described in the unit square before they are drawn.

The picture is the unit square, x to the right and y downwards. Granules are listed from the bottom of the
heap to the top, so drawing them in order is the painter's algorithm.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plitka.joints import Joints

# Granules across the picture, from photographs of tiles.
GRANULES_ACROSS = 47
# Facets of a granule: its lower side, a slope over part of that side, and the flat top.
FACETS = 3
SIDE, SLOPE, TOP = range(FACETS)

# Layers from bottom to top: distance between neighbours, smallest and largest radius, all in units of one
# granule's width. The floor's radius exceeds the covering radius of its lattice, so nothing shows through.
_FLOOR = (1.60, 2.00, 2.20)
_LAYERS = ((0.88, 0.52, 0.84), (0.96, 0.44, 0.80), (1.06, 0.38, 0.74))
_CORNERS = 7
_CORNER_COUNTS = np.array([3, 4, 4, 4, 5, 5, 5, 6, 6, 7], np.int32)
_CHIPS = 0.35
_CHIP_SIZE = np.float32(0.6)
# The light falls from above and a little from the left, as on the photographs.
_LIGHT = np.array([-0.5, -0.85], np.float32)

_Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Granules:
    """Outlines and facets of G granules in the unit square, bottom first.

    `outline` and `top` are (G, 7, 2), `slope` is (G, 5, 2): convex polygons whose last corner may repeat.
    `tone` is (G, 3): the light on each facet, 0 to 1. `plain` marks granules without a slope: chips, and
    those so deep that little of them is seen. `floor` granules at the start of the list are the closed
    bottom layer and have one facet.
    """

    outline: _Floats
    slope: _Floats
    top: _Floats
    tone: _Floats
    plain: NDArray[np.bool_]
    floor: int

    @property
    def count(self) -> int:
        """Number of granules, hidden ones included."""
        return len(self.outline)


def pour_granules(rng: np.random.Generator, joints: Joints | None) -> Granules:
    """Pour a heap that covers the unit square; with joints, no granule crosses one."""
    floor_centres, floor_radii = _scatter(rng, *_FLOOR, jitter=0.3)
    layers = [_scatter(rng, *layer, jitter=0.9) for layer in _LAYERS]
    centres = np.concatenate([floor_centres, *(c for c, _ in layers)])
    radii = np.concatenate([floor_radii, *(r for _, r in layers)])
    chip = rng.random(len(radii), np.float32) < _CHIPS
    floor = len(floor_centres)
    chip[:floor] = False
    radii[chip] *= _CHIP_SIZE
    plain = chip.copy()
    plain[: floor + len(layers[0][0])] = True
    outline, corners = _outlines(rng, centres, radii, floor)
    apex, top = _tops(rng, outline)
    slope = _slopes(rng, outline, corners, apex)
    tone = _facet_tones(rng, centres, slope)
    if joints is not None:
        outline, top, slope = (_stop_at_joints(joints, centres, p) for p in (outline, top, slope))
    return Granules(outline, slope, top, tone, plain, floor)


def _scatter(
    rng: np.random.Generator, spacing: float, low: float, high: float, *, jitter: float
) -> tuple[_Floats, _Floats]:
    """Centres (n, 2) on a jittered triangular lattice in random order, and radii (n,)."""
    width = np.float32(1 / GRANULES_ACROSS)
    step = np.float32(spacing) * width
    columns = int(np.ceil(1 / step)) + 3
    rows = int(np.ceil(columns / 0.87))
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    lattice = np.stack([x + 0.5 * (y % 2), y * np.float32(0.87)], -1).reshape(-1, 2)
    nudge = (rng.random(lattice.shape, np.float32) - np.float32(0.5)) * np.float32(jitter)
    centres = (lattice + nudge - (rng.random(2, np.float32) + np.float32(0.5))) * step
    margin = width * np.float32(max(1.0, high / 2))
    centres = centres[((centres > -margin) & (centres < 1 + margin)).all(1)]
    rng.shuffle(centres)
    radii = (low + (high - low) * rng.random(len(centres), np.float32)) * width
    return centres, radii.astype(np.float32)


def _outlines(
    rng: np.random.Generator, centres: _Floats, radii: _Floats, floor: int
) -> tuple[_Floats, NDArray[np.int32]]:
    """Corners (n, 7, 2) on turned ellipses, hence convex, and how many of the seven differ."""
    n = len(centres)
    corners = rng.choice(_CORNER_COUNTS, n)
    corners[:floor] = _CORNERS
    step = np.minimum(np.arange(_CORNERS, dtype=np.int32), corners[:, None] - 1)
    jitter = (rng.random((n, _CORNERS), np.float32) - np.float32(0.5)) * np.float32(0.85)
    jitter[:floor] *= np.float32(0.4)
    angle = (step + np.take_along_axis(jitter, step, 1)) * (np.float32(2 * np.pi) / corners[:, None])
    angle = angle.astype(np.float32)
    flatness = np.float32(0.5) + np.float32(0.45) * rng.random(n, np.float32)
    flatness[:floor] = 1
    x, y = np.cos(angle), np.sin(angle) * flatness[:, None]
    turn = rng.random(n, np.float32) * np.float32(2 * np.pi)
    # Flat granules grow longer, so that a granule's area does not depend on its shape.
    scale = (radii / np.sqrt(flatness))[:, None]
    cos, sin = np.cos(turn)[:, None] * scale, np.sin(turn)[:, None] * scale
    return np.stack([centres[:, :1] + cos * x - sin * y, centres[:, 1:] + sin * x + cos * y], -1), corners


def _tops(rng: np.random.Generator, outline: _Floats) -> tuple[_Floats, _Floats]:
    """A point inside each outline (n, 2), and the outline shrunk towards it (n, 7, 2): the flat top."""
    weight = rng.random(outline.shape[:2], np.float32) ** 3 + np.float32(1e-3)
    weight /= weight.sum(1, keepdims=True)
    apex = np.einsum("nk,nkd->nd", weight, outline)
    shrink = np.float32(0.50) + np.float32(0.38) * rng.random(len(outline), np.float32)
    return apex, apex[:, None] + shrink[:, None, None] * (outline - apex[:, None])


def _slopes(rng: np.random.Generator, outline: _Floats, corners: NDArray[np.int32], apex: _Floats) -> _Floats:
    """A run of up to four neighbouring corners and the apex (n, 5, 2): one tilted side of the granule."""
    start = (rng.random(len(corners), np.float32) * corners).astype(np.int32)
    run = np.maximum(2, corners // 2 + 1)
    steps = np.minimum(np.arange(4, dtype=np.int32), run[:, None] - 1)
    index = (start[:, None] + steps) % corners[:, None]
    return np.concatenate([np.take_along_axis(outline, index[..., None], 1), apex[:, None]], 1)


def _facet_tones(rng: np.random.Generator, centres: _Floats, slope: _Floats) -> _Floats:
    """Light on side, slope and top (n, 3): slopes that face the light are brighter, tops brightest."""
    facing = slope.mean(1) - centres
    facing /= np.maximum(np.hypot(facing[:, 0], facing[:, 1]), np.float32(1e-9))[:, None]
    lit = np.float32(0.16) * (facing @ _LIGHT)
    noise = rng.standard_normal((len(centres), FACETS + 1), np.float32)
    # A granule's facets differ from each other and, all together, from those of other granules.
    own = noise[:, :FACETS] * np.float32(0.06)
    tone = np.stack([0.60 - lit, 0.60 + lit, np.full_like(lit, 0.80)], 1) + own + 0.03 * noise[:, FACETS:]
    return tone.astype(np.float32)


def _stop_at_joints(joints: Joints, centres: _Floats, polygons: _Floats) -> _Floats:
    """Move the corners that lie beyond the granule's own tile back to its edge."""
    low, high = joints.tile_bounds(joints.to_tile(centres))
    inside = np.clip(joints.to_tile(polygons), low[:, None], high[:, None])
    return joints.to_picture(inside)
