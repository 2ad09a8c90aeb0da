"""The paper that the reference sheets are drawn on: its colours, its margins and its letters."""

from pathlib import Path

import matplotlib
from PIL import Image, ImageFont

PAPER, INK, FAINT_INK, RULE = "#F7F5F1", "#262422", "#7C7770", "#DDD8D0"
MARGIN, GUTTER = 56, 40
# Pillow's own font has no Cyrillic; this one comes with matplotlib.
CYRILLIC = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
CYRILLIC_SCALE = 0.88


def blank_sheet(columns: int, width: int, rows: int, height: int) -> Image.Image:
    """Paper for a table of pictures of this size, captions included, with margins and gutters."""
    full_width = 2 * MARGIN + columns * width + (columns - 1) * GUTTER
    full_height = 2 * MARGIN + rows * height + (rows - 1) * GUTTER
    return Image.new("RGB", (full_width, full_height), PAPER)


def font(size: int, language: str = "en") -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font that comes with a package, so that every machine draws the same letters.

    `size` is that of the English letters, in pixels; the wider Cyrillic ones are drawn smaller.
    """
    if language == "en":
        return ImageFont.load_default(size)
    return ImageFont.truetype(CYRILLIC, round(CYRILLIC_SCALE * size))
