"""The colour map: the plan in flat palette colours."""

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.plan import JOINT_COLOR_INDEX, TilePlan

JOINT_RGB = (24, 24, 24)


def draw_colormap(plan: TilePlan, size: int) -> NDArray[np.uint8]:
    """(size, size, 3) uint8 sRGB: every granule in its colour's mean sRGB, joints in JOINT_RGB."""
    table = np.full((JOINT_COLOR_INDEX + 1, 3), JOINT_RGB, np.uint8)
    for index, color in enumerate(plan.mix):
        table[index] = tuple(bytes.fromhex(color.hex[1:]))
    indices = plan.color_indices(size)
    return cv2.merge([cv2.LUT(indices, np.ascontiguousarray(channel)) for channel in table.T])
