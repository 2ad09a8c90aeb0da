"""Joints between tiles: their position at a laying angle, and how they cut granules off.

Tile coordinates (p, q) are picture coordinates turned by the laying angle: p runs along the courses, q across
them. The picture is the unit square, x to the right and y downwards; the angle is anticlockwise as seen.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plitka.choices import Layout, one_of

# Tile length and height as fractions of the picture's side. Two to one is the running bond's classic brick.
BRICK_TILE = (0.58, 0.29)
GRID_TILE = (0.4, 0.4)
# Six pixels of 1024: open enough to be seen in the preview, narrow enough to leave the mix its area.
JOINT_WIDTH = 0.006

# Half of the picture's diagonal, rounded up: rectangles this long leave the picture on both sides.
_REACH = 0.75


@dataclass(frozen=True)
class Joints:
    """The joint lines of a layout with joints (`grid` or `brick`).

    `laying_angle` is in degrees, anticlockwise; `phase` is the position of one joint crossing in tile
    coordinates.
    """

    laying_angle: float
    tile: tuple[float, float]
    stagger: float
    phase: tuple[float, float]

    def to_tile(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., 2) picture coordinates to (..., 2) tile coordinates, origin at the picture's centre."""
        along, across = self._axes()
        centred = points - np.float32(0.5)
        return np.stack([centred @ along, centred @ across], -1)

    def to_picture(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., 2) tile coordinates to (..., 2) picture coordinates."""
        along, across = self._axes()
        return points[..., :1] * along + points[..., 1:] * across + np.float32(0.5)

    def tile_bounds(self, points: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Corners of the tile around each of (n, 2) tile coordinates, joints left out: two (n, 2) arrays."""
        length, height = self.tile
        row = np.floor((points[:, 1] - self.phase[1]) / height)
        start = self.phase[0] + (row % 2) * self.stagger * length
        column = np.floor((points[:, 0] - start) / length)
        low = np.stack([start + column * length, self.phase[1] + row * height], -1) + JOINT_WIDTH / 2
        high = low + np.array([length, height]) - JOINT_WIDTH
        return low.astype(np.float32), high.astype(np.float32)

    def rectangles(self) -> NDArray[np.float32]:
        """Every joint that can touch the picture, as (n, 4, 2) corners in picture coordinates."""
        length, height = self.tile
        boxes: list[tuple[float, float, float, float]] = []
        half = JOINT_WIDTH / 2
        for row in range(
            int(np.floor((-_REACH - self.phase[1]) / height)), int(np.ceil(_REACH / height)) + 1
        ):
            bottom = self.phase[1] + row * height
            boxes.append((-_REACH, bottom - half, _REACH, bottom + half))
            start = self.phase[0] + (row % 2) * self.stagger * length
            first = int(np.floor((-_REACH - start) / length))
            last = int(np.ceil((_REACH - start) / length))
            for column in range(first, last + 1):
                left = start + column * length
                boxes.append((left - half, bottom, left + half, bottom + height))
        corners = [[(a, b), (c, b), (c, d), (a, d)] for a, b, c, d in boxes]
        return self.to_picture(np.asarray(corners, np.float32))

    def _axes(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        turn = np.deg2rad(self.laying_angle)
        along = np.array([np.cos(turn), -np.sin(turn)], np.float32)
        across = np.array([np.sin(turn), np.cos(turn)], np.float32)
        return along, across


def joints_for(layout: str, laying_angle: float, rng: np.random.Generator) -> Joints | None:
    """The joints of a layout, their phase drawn from `rng`; None for `surface`.

    Raises ValueError for an unknown layout.
    """
    if layout == "surface":
        return None
    if layout not in ("grid", "brick"):
        raise ValueError(f"layout {layout!r} is not {one_of(Layout)}")
    tile, stagger = (GRID_TILE, 0.0) if layout == "grid" else (BRICK_TILE, 0.5)
    # A crossing near the centre keeps both kinds of joint in the picture at every angle and seed.
    phase = (float(rng.uniform(-0.1, 0.1)), float(rng.uniform(-0.1, 0.1)))
    return Joints(laying_angle, tile, stagger, phase)
