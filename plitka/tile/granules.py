"""The heap of granules: positions, sizes and shapes of polyhedra in layers.

The picture is the unit square, x to the right and y downwards; heights are in units of the granules' pitch.
Granules are listed from the bottom of the heap to the top, so drawing them in order is the painter's
algorithm.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plitka.tile.shards import SHAPES, shard_library

# Granules across the picture if they lay in a square grid, from photographs of tiles.
GRANULES_ACROSS = 62
PITCH = 1 / GRANULES_ACROSS

_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class _Layer:
    """One layer, all in pitches: distance between neighbours, how far they are off their lattice, radius and
    its spread (standard deviation of the logarithm), and height of the centres."""

    spacing: float
    jitter: float
    radius: float
    spread: float
    level: float


# Bottom to top. The bottom layer covers everything; the third has small granules for the gaps of the top.
_LAYERS = (
    _Layer(1.20, 0.4, 1.10, 0.05, -0.6),
    _Layer(0.93, 0.6, 0.49, 0.18, 0.22),
    _Layer(1.40, 0.9, 0.27, 0.25, 0.58),
    _Layer(1.02, 0.45, 0.49, 0.16, 0.86),
)
# Standard deviation of the level within a layer, in pitches.
_UNEVENNESS = 0.10
# Granules whose centres are this far outside, in pitches, still reach into the picture.
_MARGIN = 1.2


@dataclass(frozen=True, eq=False)
class Granules:
    """G granules, bottom first.

    `center` (G, 2) in the unit square; `radius` (G,) the mean radius, as a part of the picture's side;
    `level` (G,) height of the centre, in pitches; `shape` (G,) index into the library of shards; `turn` (G,)
    rotation in the picture plane, radians.
    """

    center: _Floats
    radius: _Floats
    level: _Floats
    shape: NDArray[np.intp]
    turn: _Floats

    @property
    def count(self) -> int:
        """Number of granules."""
        return len(self.center)

    def only(self, kept: NDArray[np.intp]) -> "Granules":
        """Those with the given indices, in that order."""
        level, shape, turn = self.level[kept], self.shape[kept], self.turn[kept]
        return Granules(self.center[kept], self.radius[kept], level, shape, turn)

    def outlines(self) -> _Floats:
        """(G, K, 2): outline of each granule from above, convex, the last corner repeated."""
        return self._placed(shard_library().outline[self.shape], np.arange(self.count))

    def facets(self) -> tuple[NDArray[np.intp], _Floats, _Floats]:
        """Of all F facets, granule by granule: the granule (F,), the polygon (F, V, 2) and the plane (F, 3).

        The plane is (a, b, c) of the height a x + b y + c, in pitches, x and y in pitches too.
        """
        library = shard_library()
        counts = library.counts[self.shape]
        owner = np.repeat(np.arange(self.count), counts)
        which = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        polygons = self._placed(library.facets[self.shape[owner], which], owner)
        a, b, c = library.planes[self.shape[owner], which].T
        cos, sin = np.cos(self.turn[owner]), np.sin(self.turn[owner])
        across, down = cos * a - sin * b, sin * a + cos * b
        x, y = (self.center[owner] / np.float32(PITCH)).T
        height = self.level[owner] + c * (self.radius[owner] / np.float32(PITCH)) - across * x - down * y
        return owner, polygons, np.stack([across, down, height], 1).astype(np.float32)

    def _placed(self, shapes: _Floats, owner: NDArray[np.intp]) -> _Floats:
        """Shapes (n, k, 2) around the origin, where the granules that own them (n,) lie."""
        cos = (np.cos(self.turn) * self.radius)[owner, None]
        sin = (np.sin(self.turn) * self.radius)[owner, None]
        x, y = shapes[..., 0], shapes[..., 1]
        return np.stack([cos * x - sin * y, sin * x + cos * y], -1) + self.center[owner, None]


def pour_granules(rng: np.random.Generator) -> Granules:
    """Generate a heap that covers the unit square."""
    layers = [_scatter(rng, layer) for layer in _LAYERS]
    center, radius, level = (np.concatenate(parts) for parts in zip(*layers, strict=True))
    order = np.argsort(level, kind="stable")
    n = len(order)
    turn = rng.random(n, np.float32) * np.float32(2 * np.pi)
    return Granules(center[order], radius[order], level[order], rng.integers(0, SHAPES, n), turn)


def _scatter(rng: np.random.Generator, layer: _Layer) -> tuple[_Floats, _Floats, _Floats]:
    """Centres (n, 2) on a jittered triangular lattice, radii and levels (n,)."""
    columns = int(np.ceil((GRANULES_ACROSS + 2 * _MARGIN) / layer.spacing)) + 2
    rows = int(np.ceil(columns / 0.866)) + 1
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    lattice = np.stack([x + 0.5 * (y % 2), y * np.float32(0.866)], -1).reshape(-1, 2)
    nudge = (rng.random(lattice.shape, np.float32) - np.float32(0.5)) * np.float32(layer.jitter)
    start = rng.random(2, np.float32) * np.float32(0.5) + np.float32(0.5)
    center = (lattice + nudge - start) * np.float32(layer.spacing) - np.float32(_MARGIN)
    center = center[((center > -_MARGIN) & (center < GRANULES_ACROSS + _MARGIN)).all(1)]
    size, height = rng.standard_normal((2, len(center)), np.float32)
    radius = np.float32(layer.radius) * np.exp(np.float32(layer.spread) * size)
    level = np.float32(layer.level) + np.float32(_UNEVENNESS) * height
    return center * np.float32(PITCH), radius * np.float32(PITCH), level
