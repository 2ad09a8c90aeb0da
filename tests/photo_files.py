"""Photographs of tiles as files and as data: URLs: our own renders, and files that are none."""

import base64
import functools
import io
import struct
import zlib

import numpy as np
from PIL import Image

from plitka.colors.mix import palette_mix_color
from plitka.colors.palette import PALETTE
from plitka.tile.plan import make_plan
from plitka.tile.swatch import draw_swatch

SHARES = {"RED": 0.5, "BLACK": 0.3, "YELLOW": 0.2}
# One percentage point is what one photograph's own granules scatter by; dark holes between them look black.
NEAR = 0.035


def colors(*codes):
    """Palette colours without a share, whose shares are looked for."""
    return tuple(palette_mix_color(PALETTE[code]) for code in codes)


@functools.cache
def tile(side=1024):
    """(side, side, 3): a tile of red, black and yellow."""
    mix = tuple(palette_mix_color(PALETTE[code], share) for code, share in SHARES.items())
    return draw_swatch(make_plan(mix, 0, "surface", 5), side)


@functools.cache
def plain_tile():
    """(512, 512, 3): a tile of emerald alone."""
    return draw_swatch(make_plan(colors("EMERALD"), 0, "surface", 6), 512)


def encoded(image, kind="JPEG", **options):
    """A picture, or its pixels, as the bytes of a file."""
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()


def address(data, kind="jpeg"):
    """A file as a data: URL."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def huge_png(width, height):
    """A PNG of a few bytes that says it is that large."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    framed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def turned(image):
    """A JPEG that lies on its side and says so (EXIF orientation 6)."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(np.ascontiguousarray(np.rot90(image)), exif=exif)


HEIC = struct.pack(">I", 24) + b"ftypheic" + bytes(12) + bytes(200)
# Files that are no photograph of a tile, and what is said of each.
BAD_FILES = {
    "nothing": (b"", "empty"),
    "text": (b"a tile", "cannot be read"),
    "HEIC": (HEIC, "HEIC"),
    "TIFF": (encoded(np.zeros((200, 200, 3), np.uint8), "TIFF"), "TIFF"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    "CMYK": (encoded(Image.new("CMYK", (300, 300))), "CMYK"),
    "grey": (encoded(Image.new("L", (300, 300))), "colours"),
    "small": (encoded(np.zeros((60, 60, 3), np.uint8), "PNG"), "60 x 60"),
    "a bomb of pixels": (huge_png(60_000, 60_000), "pixels"),
    "a plain wall": (encoded(np.full((500, 500, 3), 120, np.uint8)), "granules"),
    "cut off": (encoded(np.zeros((500, 500, 3), np.uint8))[:300], "damaged"),
}
# What is said before a file is looked at as a picture; the rest only by who does.
KIND_ALONE = ("nothing", "HEIC", "TIFF", "SVG")
