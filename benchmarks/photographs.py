"""Photographs of real tiles, which are no part of the repository: what their file names and middles say."""

import re

import numpy as np
from numpy.typing import NDArray

from plitka.colors.mix import Mix, palette_mix_color
from plitka.colors.palette import PALETTE

Image = NDArray[np.uint8]


def mix_of_name(stem: str) -> Mix:
    """The mix of a photograph: `red` is one colour, `redp30_bluep70` are two."""
    parts = [re.fullmatch(r"([a-z]+?)(?:p(\d+))?", part) for part in stem.split("_")]
    if not all(parts):
        raise SystemExit(f"{stem}: the file name does not say a mix")
    return tuple(palette_mix_color(PALETTE[m[1].upper()], int(m[2] or 100) / 100) for m in parts if m)


def middle(image: Image, side: int = 640) -> Image:
    """The square of `side` pixels in the middle of a picture (height, width, 3)."""
    top, left = ((length - side) // 2 for length in image.shape[:2])
    return image[top : top + side, left : left + side]
