"""The shapes of granules: a library of convex polyhedra, seen from above.

A shard is the intersection of the half-spaces below eight random planes around a centre. Its upper faces are
its facets, drawn later as flat polygons; each has a plane that gives height and slope.
"""

import itertools
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

SHAPES = 320
_PLANES = 8
# Planes have a distance from the centre between 1 and this; the wider the range, the more the faces differ.
_FARTHEST = 1.7
# Rounds in which the planes' directions push each other apart; without them many shards are slivers.
_SPREADING_ROUNDS = 4
_PUSH = 0.05
# Granules lie flat: height by width, and standard deviation of the logarithm of length by width.
_FLATNESS = (0.55, 0.75)
_ELONGATION = 0.14
# A face steeper than this (cosine of its normal to the vertical) is no facet: from above it is a line.
_LEAST_RISE = 0.15
_SEED = 7

_Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Shards:
    """N shapes around the origin, scaled to a mean radius of 1. Corners that a polygon lacks repeat its last.

    `outline` (N, K, 2): outline from above. `facets` (N, F, V, 2): polygons, of which the first `counts` (N,)
    are valid. `planes` (N, F, 3): (a, b, c) of the height a x + b y + c over a facet.
    """

    outline: _Floats
    facets: _Floats
    planes: _Floats
    counts: NDArray[np.int32]


@cache
def shard_library() -> Shards:
    """The shapes of all granules of all tiles, made once per process (0.2 s)."""
    rng = np.random.Generator(np.random.PCG64(_SEED))
    directions = _spread_directions(rng)
    distances = 1 + (_FARTHEST - 1) * rng.random(directions.shape[:2])
    triples = np.array(list(itertools.combinations(range(_PLANES), 3)))
    corners, is_corner = _corners(directions, distances, triples)
    flatness = rng.uniform(*_FLATNESS, SHAPES)
    length = np.exp(np.abs(_ELONGATION * rng.standard_normal(SHAPES)))
    stretch = np.stack([length, 1 / length, flatness], 1)
    shapes = [
        _facets_of(corners[i][is_corner[i]], triples[is_corner[i]], directions[i], distances[i], stretch[i])
        for i in range(SHAPES)
    ]
    return _padded(shapes)


def _spread_directions(rng: np.random.Generator) -> NDArray[np.float64]:
    """(N, P, 3) unit vectors, spread over the sphere as by a few rounds of electrostatic repulsion."""
    directions = rng.standard_normal((SHAPES, _PLANES, 3))
    directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    for _ in range(_SPREADING_ROUNDS):
        away = directions[:, :, None] - directions[:, None]
        distance = (away**2).sum(-1, keepdims=True) + 0.01
        directions += _PUSH * (away / distance**1.5).sum(2)
        directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    return directions


def _corners(
    directions: NDArray[np.float64], distances: NDArray[np.float64], triples: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Points (N, T, 3) where three planes meet (Cramer's rule), and whether they are inside all others."""
    one, two, three = (directions[:, triples[:, i]] for i in range(3))
    across = np.cross(two, three), np.cross(three, one), np.cross(one, two)
    determinant = (one * across[0]).sum(-1)
    determinant[np.abs(determinant) < 1e-6] = 1e-6
    parts = (distances[:, triples[:, i], None] * across[i] for i in range(3))
    points = sum(parts, np.zeros_like(one)) / determinant[..., None]
    below = np.einsum("ntk,npk->ntp", points, directions) <= distances[:, None] + 1e-7
    return points, below.all(-1)


def _facets_of(
    corners: NDArray[np.float64],
    triples: NDArray[np.intp],
    directions: NDArray[np.float64],
    distances: NDArray[np.float64],
    stretch: NDArray[np.float64],
) -> tuple[list[_Floats], list[_Floats]]:
    """Polygons seen from above and planes of the upward faces of one shard."""
    stretched = corners * stretch
    radius = np.hypot(stretched[:, 0], stretched[:, 1]).mean()
    polygons, planes = [], []
    for face in range(_PLANES):
        normal = directions[face] / stretch
        own = (triples == face).any(1)
        if normal[2] <= _LEAST_RISE * np.linalg.norm(normal) or own.sum() < 3:
            continue
        seen = stretched[own, :2] / radius
        aside = seen - seen.mean(0)
        polygons.append(seen[np.argsort(np.arctan2(aside[:, 1], aside[:, 0]))].astype(np.float32))
        plane = np.array([-normal[0], -normal[1], distances[face] / radius]) / normal[2]
        planes.append(plane.astype(np.float32))
    return polygons, planes


def _padded(shapes: list[tuple[list[_Floats], list[_Floats]]]) -> Shards:
    """Shapes of unequal numbers of facets and corners in arrays."""
    outlines = [cv2.convexHull(np.concatenate(polygons))[:, 0] for polygons, _ in shapes]
    most_facets = max(len(polygons) for polygons, _ in shapes)
    most_corners = max(len(polygon) for polygons, _ in shapes for polygon in polygons)
    facets = np.zeros((len(shapes), most_facets, most_corners, 2), np.float32)
    planes = np.zeros((len(shapes), most_facets, 3), np.float32)
    for index, (polygons, own_planes) in enumerate(shapes):
        facets[index, : len(polygons)] = [_repeat_last(polygon, most_corners) for polygon in polygons]
        planes[index, : len(polygons)] = own_planes
    most = max(map(len, outlines))
    outline = np.stack([_repeat_last(points, most) for points in outlines])
    return Shards(outline, facets, planes, np.array([len(p) for p, _ in shapes], np.int32))


def _repeat_last(points: _Floats, length: int) -> _Floats:
    return np.concatenate([points, np.repeat(points[-1:], length - len(points), 0)])
