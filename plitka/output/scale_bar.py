"""The scale bar: a bar of a round length with its label, drawn onto a finished picture.

It stands on a pale plate, so that it can be read on tiles of any colour, and its edges are edges of pixels,
so that it is crisp at every size. What is measured, and the colour map, never have one.
"""

import functools
import io
import math
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from plitka.colors.lab import Depth

FONT_FILE = "PT_Sans-Web-Regular.ttf"

# The bar has 1, 2 or 5 millimetres by a power of ten, at most this part of the picture's width.
_LONGEST = 0.3
# Height of the label's font by the picture's shorter side; the least wanted and the least readable, pixels.
_FONT_PART, _SMALLEST_WANTED, _SMALLEST = 0.026, 12, 8
# In parts of the font's height: the room around bar and label, the bar's thickness, and its ends' height.
_PADDING, _THICKNESS, _END = 0.45, 0.16, 0.5
# Room between the plate and the picture's edges, by the picture's shorter side.
_MARGIN = 0.02
_PLATE, _INK = (248, 248, 248), (30, 30, 30)


@dataclass(frozen=True)
class _Layout:
    """Where everything is, in pixels; the margin lies between the plate and the picture's edges."""

    font: ImageFont.FreeTypeFont
    label: tuple[int, int, int, int]
    bar: int
    padding: int
    thickness: int
    end: int
    margin: int

    @property
    def width(self) -> int:
        """Of the plate."""
        return max(self.bar, self.label[2] - self.label[0]) + 2 * self.padding

    @property
    def height(self) -> int:
        """Of the plate."""
        return self.label[3] - self.label[1] + self.end + 3 * self.padding


def bar_mm(width_mm: float) -> float:
    """Length of the scale bar of a picture that shows so many millimetres: 1, 2 or 5 by a power of ten."""
    longest = _LONGEST * width_mm
    power = 10.0 ** math.floor(math.log10(longest))
    return max(step for step in (1, 2, 5) if step * power <= longest) * power


def with_scale_bar(image: NDArray[Depth], width_mm: float) -> NDArray[Depth]:
    """A copy of a picture with its scale bar in the lower left corner.

    Args:
        image: (height, width, 3) uint8 or uint16 sRGB.
        width_mm: What it shows from left to right.

    Returns:
        The picture with the bar, its length true to half a pixel; as it was where it is so narrow that no
        label could be read on it, below some 40 pixels.
    """
    rows, columns = image.shape[:2]
    length = bar_mm(width_mm)
    label = f"{length:g} mm"
    layout = _layout(rows, columns, label, round(length / width_mm * columns))
    shown = image.copy()
    if layout is not None:
        plate = _plate(layout, label).astype(image.dtype)
        # 255 levels of 8 bits are 65,535 of 16.
        plate *= image.dtype.type(np.iinfo(image.dtype).max // 255)
        bottom, left = rows - layout.margin, layout.margin
        shown[bottom - layout.height : bottom, left : left + layout.width] = plate
    return shown


def _plate(layout: _Layout, label: str) -> NDArray[np.uint8]:
    """(height, width, 3) uint8: the plate with label and bar."""
    plate = Image.new("RGB", (layout.width, layout.height), _PLATE)
    draw = ImageDraw.Draw(plate)
    padding, stroke = layout.padding, layout.thickness
    draw.text((padding - layout.label[0], padding - layout.label[1]), label, fill=_INK, font=layout.font)
    right, bottom = padding + layout.bar, layout.height - padding
    middle = bottom - (layout.end + stroke) // 2
    draw.rectangle((padding, middle, right - 1, middle + stroke - 1), fill=_INK)
    for end in (padding, right - stroke):
        draw.rectangle((end, bottom - layout.end, end + stroke - 1, bottom - 1), fill=_INK)
    return np.array(plate)


def _layout(rows: int, columns: int, label: str, bar: int) -> _Layout | None:
    """The largest layout up to the wanted size that fits; None if nothing readable does."""
    shorter = min(rows, columns)
    margin = max(2, round(_MARGIN * shorter))
    for size in range(max(_SMALLEST_WANTED, round(_FONT_PART * shorter)), _SMALLEST - 1, -1):
        letters = font(size)
        box = tuple(map(round, letters.getbbox(label)))
        thickness = max(1, round(_THICKNESS * size))
        # Of the same parity as the thickness, so that the bar meets the middle of its ends.
        end = round(_END * size) + (round(_END * size) + thickness) % 2
        padding = max(2, round(_PADDING * size))
        found = _Layout(letters, (box[0], box[1], box[2], box[3]), bar, padding, thickness, end, margin)
        if found.width <= columns - 2 * margin and found.height <= rows - 2 * margin:
            return found
    return None


@functools.lru_cache(maxsize=8)
def font(size: int) -> ImageFont.FreeTypeFont:
    """The font of everything that is written onto pictures, so many pixels high; Latin and Cyrillic."""
    data = resources.files("plitka.output").joinpath(FONT_FILE).read_bytes()
    # The basic layout: another one is there in some installations only.
    return ImageFont.truetype(io.BytesIO(data), size, layout_engine=ImageFont.Layout.BASIC)
