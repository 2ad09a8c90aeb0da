"""A customer's logo as a request carries it: a small PNG or JPEG picture, as text."""

from __future__ import annotations

import base64
import binascii
import io
import re
import struct
from collections.abc import Callable
from typing import TypeVar

# By name, so that no request makes Pillow look for the modules of its formats.
from PIL import Image, JpegImagePlugin, PngImagePlugin

from plitka.request.numbers import invalid_value

MAX_LOGO_BYTES = 2**20
# Pixels a side. A logo of this size takes 36 MB of memory while it is read.
MAX_LOGO_SIZE = 3000
LOGO_PICTURE = (
    f"a PNG or JPEG picture of at most {MAX_LOGO_BYTES} bytes and {MAX_LOGO_SIZE} pixels a side, with 8 bits "
    "a channel"
)
LOGO_ALLOWED = f"{LOGO_PICTURE}, as data:image/png;base64,… or as plain Base64"

_DATA_ADDRESS = re.compile(r"data:image/[a-z+.-]{1,20};base64,", re.IGNORECASE)
_SIGNATURES = {b"\x89PNG\r\n\x1a\n": PngImagePlugin.PngImageFile, b"\xff\xd8": JpegImagePlugin.JpegImageFile}
_Read = TypeVar("_Read")
_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK")


def read_logo(value: object) -> str:
    """A logo in its canonical form, plain Base64; raises the error of a field otherwise."""
    if not isinstance(value, str):
        raise invalid_value("is not text")
    text = "".join(_DATA_ADDRESS.sub("", value, count=1).split())
    if len(text) > -(-MAX_LOGO_BYTES // 3) * 4:
        raise invalid_value("is too large")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise invalid_value("is not a picture in Base64") from None
    logo_picture(data)
    return base64.b64encode(data).decode("ascii")


def logo_picture(data: bytes) -> Image.Image:
    """The pixels of a logo; raises the error of a field for anything but a whole, small PNG or JPEG."""
    kind = next((kind for start, kind in _SIGNATURES.items() if data.startswith(start)), None)
    if kind is None:
        raise invalid_value("is neither a PNG nor a JPEG picture")
    picture = _read(lambda: kind(io.BytesIO(data)))
    if max(picture.size) > MAX_LOGO_SIZE:
        raise invalid_value(f"has {picture.size[0]} x {picture.size[1]} pixels")
    if picture.mode not in _MODES:
        raise invalid_value("has more than 8 bits a channel")
    _read(picture.load)
    return picture


def _read(step: Callable[[], _Read]) -> _Read:
    try:
        return step()
    # What Pillow raises for damaged files is as varied as the damage.
    except (OSError, SyntaxError, ValueError, LookupError, TypeError, ArithmeticError, struct.error) as error:
        raise invalid_value("is a damaged picture") from error
