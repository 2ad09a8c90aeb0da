"""The heap of granules: positions, sizes and shapes of polyhedra in layers.

x runs to the right and y downwards, in parts of the picture's width; heights are in units of the granules'
pitch. Granules are listed from the bottom of the heap to the top, so drawing them in order is the painter's
algorithm.
"""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from plitka.tile.shards import SHAPES, shard_library

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
LAYERS = (
    _Layer(1.20, 0.4, 1.10, 0.05, -0.6),
    _Layer(0.93, 0.6, 0.49, 0.18, 0.22),
    _Layer(1.40, 0.9, 0.27, 0.25, 0.58),
    _Layer(1.02, 0.45, 0.49, 0.16, 0.86),
)
# Standard deviation of the level within a layer, in pitches.
UNEVENNESS = 0.10
# Granules whose centres are this far outside, in pitches, still reach into the picture.
MARGIN = 1.2


@dataclass(frozen=True, eq=False)
class Granules:
    """G granules, bottom first.

    `center` (G, 2) and `radius` (G,), the mean radius, in parts of the picture's width; `level` (G,) height
    of the centre, in pitches; `shape` (G,) index into the library of shards; `turn` (G,) rotation in the
    picture plane, radians; `pitch` a part of the picture's width.
    """

    center: _Floats
    radius: _Floats
    level: _Floats
    shape: NDArray[np.intp]
    turn: _Floats
    pitch: float

    @property
    def count(self) -> int:
        """Number of granules."""
        return len(self.center)

    def only(self, kept: NDArray[np.intp]) -> "Granules":
        """Those with the given indices, in that order."""
        level, shape, turn = self.level[kept], self.shape[kept], self.turn[kept]
        return Granules(self.center[kept], self.radius[kept], level, shape, turn, self.pitch)

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
        pitch = np.float32(self.pitch)
        x, y = (self.center[owner] / pitch).T
        height = self.level[owner] + c * (self.radius[owner] / pitch) - across * x - down * y
        return owner, polygons, np.stack([across, down, height], 1).astype(np.float32)

    def _placed(self, shapes: _Floats, owner: NDArray[np.intp]) -> _Floats:
        """Shapes (n, k, 2) around the origin, where the granules that own them (n,) lie."""
        cos = (np.cos(self.turn) * self.radius)[owner, None]
        sin = (np.sin(self.turn) * self.radius)[owner, None]
        x, y = shapes[..., 0], shapes[..., 1]
        return np.stack([cos * x - sin * y, sin * x + cos * y], -1) + self.center[owner, None]


def pour_granules(rng: np.random.Generator, size: tuple[float, float], pitch: float, wraps: bool) -> Granules:
    """Generate a heap that covers `size`, its width and height in pitches of `pitch`.

    One that wraps goes on over its edges: its granules have their centres inside, and stand for their copies
    beyond.
    """
    layers = [_scatter_wrapped(rng, layer, size) if wraps else _scatter(rng, layer, size) for layer in LAYERS]
    center, radius, level = (np.concatenate(parts) for parts in zip(*layers, strict=True))
    order = np.argsort(level, kind="stable")
    n = len(order)
    turn = rng.random(n, np.float32) * np.float32(2 * np.pi)
    center, radius = center * np.float32(pitch), radius * np.float32(pitch)
    shape = rng.integers(0, SHAPES, n)
    return Granules(center[order], radius[order], level[order], shape, turn, pitch)


def copies_across_edges(granules: Granules, size: tuple[float, float]) -> tuple[Granules, NDArray[np.intp]]:
    """The granules of a heap that wraps, and their copies that reach into it over its edges.

    `size` is that of the heap, in pitches. Returns them, bottom first, and (n, 3): the granule of which each
    is a copy, and in which heap it lies, to the right (-1, 0 or 1) and below.
    """
    width, height = (np.float32(side * granules.pitch) for side in size)
    reach = granules.radius * np.float32(2)
    parts = []
    for right, below in itertools.product((-1, 0, 1), (-1, 0, 1)):
        center = granules.center + np.array([right * width, below * height], np.float32)
        near = (center > -reach[:, None]) & (center < np.array([width, height]) + reach[:, None])
        found = np.flatnonzero(near.all(1))
        parts.append(np.stack([found, np.full(len(found), right), np.full(len(found), below)], 1))
    copies = np.concatenate(parts)
    copies = copies[np.argsort(copies[:, 0], kind="stable")]
    moved = granules.only(copies[:, 0])
    shift = copies[:, 1:] * np.array([width, height], np.float32)
    return replace(moved, center=(moved.center + shift).astype(np.float32)), copies


def seen_with_copies(is_seen: NDArray[np.bool_], source: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(n,): which granules are seen, or copies of one that is; `source` (n,) as `copies_across_edges`."""
    source_seen = np.zeros(source.max() + 1, np.bool_)
    source_seen[source[is_seen]] = True
    return source_seen[source]


def original_facets(owner: NDArray[np.intp], source: NDArray[np.intp]) -> NDArray[np.intp]:
    """(F,): of each facet, the same one of the first granule that is a copy of the same one.

    `owner` (F,) is the granule of each facet, `source` (n,), which ascends, the one of which each is a copy.
    """
    first_facet = np.searchsorted(owner, np.arange(len(source)))
    first_copy = np.searchsorted(source, source)
    return np.arange(len(owner)) + (first_facet[first_copy] - first_facet)[owner]


def _scatter(
    rng: np.random.Generator, layer: _Layer, size: tuple[float, float]
) -> tuple[_Floats, _Floats, _Floats]:
    """Centres (n, 2) on a jittered triangular lattice, radii and levels (n,), in pitches."""
    columns, rows = (int(np.ceil((side + 2 * MARGIN) / layer.spacing)) + 2 for side in size)
    lattice = _lattice(int(np.ceil(rows / 0.866)) + 1, columns, np.float32(0.866))
    nudge = (rng.random(lattice.shape, np.float32) - np.float32(0.5)) * np.float32(layer.jitter)
    start = rng.random(2, np.float32) * np.float32(0.5) + np.float32(0.5)
    center = (lattice + nudge - start) * np.float32(layer.spacing) - np.float32(MARGIN)
    center = center[((center > -MARGIN) & (center < np.array(size) + MARGIN)).all(1)]
    return center, *_radii_and_levels(rng, layer, len(center))


def _scatter_wrapped(
    rng: np.random.Generator, layer: _Layer, size: tuple[float, float]
) -> tuple[_Floats, _Floats, _Floats]:
    """The same for a heap that wraps: its lattice is stretched until it fits, with an even number of rows."""
    columns = max(1, round(size[0] / layer.spacing))
    rows = 2 * max(1, round(size[1] / layer.spacing / 0.866 / 2))
    lattice = _lattice(rows, columns, np.float32(1))
    nudge = (rng.random(lattice.shape, np.float32) - np.float32(0.5)) * np.float32(layer.jitter)
    # Across rows a nudge is as long as along them.
    nudge[:, 1] *= np.float32(1 / 0.866)
    start = rng.random(2, np.float32)
    step = np.array([size[0] / columns, size[1] / rows], np.float32)
    center = (lattice + nudge + start) * step % np.array(size, np.float32)
    return center, *_radii_and_levels(rng, layer, len(center))


def _lattice(rows: int, columns: int, rise: np.float32) -> _Floats:
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    return np.stack([x + 0.5 * (y % 2), y * rise], -1).reshape(-1, 2)


def _radii_and_levels(rng: np.random.Generator, layer: _Layer, count: int) -> tuple[_Floats, _Floats]:
    size, height = rng.standard_normal((2, count), np.float32)
    radius = np.float32(layer.radius) * np.exp(np.float32(layer.spread) * size)
    return radius, np.float32(layer.level) + np.float32(UNEVENNESS) * height
