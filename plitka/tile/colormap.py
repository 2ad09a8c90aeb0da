"""The colour map: the plan in flat palette colours, joints in a colour that no granule has."""

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.colors.mix import Mix
from plitka.tile.plan import JOINT_COLOR_INDEX, TilePlan

RGB = tuple[int, int, int]

# Colours of joints, best first, and how far each must be from every colour of the mix: Euclidean distance in
# levels of 8-bit sRGB.
#
# With 40 the first is free beside black granules (43 away) and #000000 (41 away), and a pixel off by up to 11
# levels in every channel still counts for the nearest colour in RGB (2 x 11 x sqrt(3) < 40). In Lab it may be
# off by 4: nothing that far from one of these joints is nearer than 7.8 there.
#
# The others are more than twice 100 from each other, so no colour excludes two of them, and a colour that
# excludes the first excludes none of them: one remains for every mix of up to eight colours.
JOINTS: tuple[tuple[RGB, int], ...] = (
    ((24, 24, 24), 40),
    ((255, 255, 255), 100),
    ((128, 128, 128), 100),
    ((255, 0, 255), 100),
    ((0, 255, 255), 100),
    ((0, 255, 0), 100),
    ((0, 0, 255), 100),
    ((255, 0, 0), 100),
    ((255, 255, 0), 100),
)


def joint_color(mix: Mix) -> RGB:
    """The colour of joints in the colour map, sRGB: the same for the same colours, unlike each of them.

    `mix` has 1 to 8 colours.
    """
    colors = [_rgb(color.hex) for color in mix]
    return next(joint for joint, least in JOINTS if _distance(joint, colors) >= least)


def joint_hex(mix: Mix) -> str:
    """`joint_color` as #RRGGBB."""
    return f"#{bytes(joint_color(mix)).hex().upper()}"


def draw_colormap(plan: TilePlan, size: int) -> NDArray[np.uint8]:
    """(size, size, 3) uint8 sRGB: every granule in its colour's mean sRGB, joints in `joint_color`."""
    table = np.full((JOINT_COLOR_INDEX + 1, 3), joint_color(plan.mix), np.uint8)
    for index, color in enumerate(plan.mix):
        table[index] = _rgb(color.hex)
    indices = plan.color_indices(size)
    return cv2.merge([cv2.LUT(indices, np.ascontiguousarray(channel)) for channel in table.T])


def _rgb(hex_color: str) -> RGB:
    red, green, blue = bytes.fromhex(hex_color[1:])
    return red, green, blue


def _distance(color: RGB, others: list[RGB]) -> float:
    return min(sum((a - b) ** 2 for a, b in zip(color, other, strict=True)) for other in others) ** 0.5
