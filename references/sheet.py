"""The paper that the reference sheets are drawn on: its colours, its margins and its letters."""

from PIL import Image, ImageFont

PAPER, INK, FAINT_INK, RULE = "#F7F5F1", "#262422", "#7C7770", "#DDD8D0"
MARGIN, GUTTER = 56, 40


def blank_sheet(columns: int, width: int, rows: int, height: int) -> Image.Image:
    """Paper for a table of pictures of this size, captions included, with margins and gutters."""
    full_width = 2 * MARGIN + columns * width + (columns - 1) * GUTTER
    full_height = 2 * MARGIN + rows * height + (rows - 1) * GUTTER
    return Image.new("RGB", (full_width, full_height), PAPER)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, so that every machine draws the same letters. It has no Cyrillic."""
    return ImageFont.load_default(size)
