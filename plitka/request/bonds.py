"""How tiles of each layout repeat: after which distances a pattern of joints is the same again."""

from __future__ import annotations

import itertools
import math

Vector = tuple[float, float]

# Length and height of a tile in millimetres. Of a hexagon: across its flats, and across its corners if it is
# regular.
DEFAULT_TILE_MM: dict[str, Vector] = {
    "grid": (500.0, 500.0),
    "brick": (200.0, 100.0),
    "herringbone": (100.0, 50.0),
    "hexagon": (80.0, round(160 / math.sqrt(3), 4)),
    "puzzle": (500.0, 500.0),
}
# How many tiles along a picture's edge are tried for a period.
FARTHEST = 40
# Millimetres that a period may be off.
TOLERANCE = 0.02


def lattice(layout: str, tile_mm: Vector) -> tuple[Vector, Vector]:
    """Two vectors in millimetres, along the courses and across them, that generate all translations of a
    layout with joints.

    A herringbone is two bricks, a length and a width, repeated along both diagonals.
    """
    length, height = tile_mm
    if layout == "brick":
        return (length, 0.0), (length / 2, height)
    if layout == "hexagon":
        return (length, 0.0), (length / 2, height * 3 / 4)
    if layout == "herringbone":
        return (height, height), (length, -length)
    return (length, 0.0), (0.0, height)


def period(layout: str, tile_mm: Vector, degrees: float) -> Vector | None:
    """The smallest width and height in millimetres after which the joints, turned by `degrees`, repeat.

    None if they never do within 40 tiles: then the angle fits no rectangle.
    """
    one, two = lattice(layout, tile_mm)
    turn = math.radians(degrees)
    directions = (math.cos(turn), -math.sin(turn)), (math.sin(turn), math.cos(turn))
    found: list[float | None] = [None, None]
    steps = range(-FARTHEST, FARTHEST + 1)
    for i, j in itertools.product(steps, steps):
        p, q = i * one[0] + j * two[0], i * one[1] + j * two[1]
        x = p * directions[0][0] + q * directions[1][0]
        y = p * directions[0][1] + q * directions[1][1]
        for axis, (along, aside) in enumerate(((x, y), (y, x))):
            least = found[axis]
            if along > 1e-9 and abs(aside) < TOLERANCE and (least is None or along < least):
                found[axis] = along
    width, height = found
    return None if width is None or height is None else (width, height)


def fits(extent: float, period: float) -> bool:
    """Whether a width or height in millimetres is a multiple of a period, to 0.02 mm."""
    times = round(extent / period)
    return times >= 1 and abs(extent - times * period) <= TOLERANCE
