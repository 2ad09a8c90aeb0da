"""The texts that a PNG, JPEG or WebP file carries, read from its container without decoding a pixel.

Whatever the file contains, the work is bounded: at most MAX_PIECES chunks or segments are read, pixels are
skipped, and nothing is inflated. Opening such a file with an image library does more than is wanted here:
it makes room for the pixels, unpacks compressed texts and gathers EXIF segments.

Formats: PNG (https://www.w3.org/TR/png-3/), JPEG (ITU-T T.81, annex B), WebP
(https://developers.google.com/speed/webp/docs/riff_container), EXIF as TIFF 6.0.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from plitka.errors import ContainerError

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE = b"\xff\xd8"
EXIF_SIGNATURE = b"Exif\0\0"
EXIF_IMAGE_DESCRIPTION = 0x010E

MAX_PIECES = 1000
# The longest metadata of a picture is some 30 kB.
MAX_TEXT_BYTES = 2**20
# What all texts of a PNG may have together; others are skipped. In memory a character takes up to four bytes.
MAX_TEXTS_BYTES = 8 * 2**20

_TIFF_ASCII = 2
_TIFF_MAGIC = 42
_TIFF_ENTRY_BYTES = 12
_JPEG_SCAN, _JPEG_END, _JPEG_APP1 = 0xDA, 0xD9, 0xE1


def read_png_texts(file: BinaryIO) -> dict[str, str]:
    """The uncompressed texts of a PNG by keyword, those before its pixels.

    Raises:
        ContainerError: The file is no PNG, is cut short before its pixels, or a text in it is damaged.
    """
    if _read(file, len(PNG_SIGNATURE)) != PNG_SIGNATURE:
        raise ContainerError("this is no PNG, WebP or JPEG picture")
    texts: dict[str, str] = {}
    room = MAX_TEXTS_BYTES
    for _ in range(MAX_PIECES):
        length, kind = struct.unpack(">I4s", _read(file, 8))
        if kind in (b"IDAT", b"IEND"):
            return texts
        if kind not in (b"tEXt", b"iTXt") or length > min(MAX_TEXT_BYTES, room):
            _skip(file, length + 4)
            continue
        room -= length
        data = _read(file, length)
        if struct.unpack(">I", _read(file, 4))[0] != zlib.crc32(kind + data):
            raise ContainerError("the picture is damaged: a text in it has another checksum")
        keyword, text = _png_text(kind, data)
        texts[keyword] = text
    raise ContainerError(f"the picture has more than {MAX_PIECES} chunks before its pixels")


def _png_text(kind: bytes, data: bytes) -> tuple[str, str]:
    """Keyword and text of a chunk; the text is empty if it is compressed or not in its encoding."""
    keyword, _, rest = data.partition(b"\0")
    encoding = "latin-1"
    if kind == b"iTXt":
        is_compressed, encoding = not rest.startswith(b"\0"), "utf-8"
        rest = b"" if is_compressed else rest[2:].split(b"\0", 2)[-1]
    try:
        return keyword.decode("latin-1"), rest.decode(encoding)
    except UnicodeDecodeError:
        return keyword.decode("latin-1"), ""


def read_description(file: BinaryIO) -> str:
    """The EXIF field ImageDescription of a JPEG or WebP, empty if there is none.

    Raises:
        ContainerError: The file is neither, or it is cut short before its EXIF data.
    """
    start = _read(file, 2)
    if start == JPEG_SIGNATURE:
        exif = _jpeg_exif(file)
    elif start == b"RI" and _read(file, 10)[6:] == b"WEBP":
        exif = _webp_exif(file)
    else:
        raise ContainerError("this is no PNG, WebP or JPEG picture")
    try:
        return _image_description(exif.removeprefix(EXIF_SIGNATURE))
    except (struct.error, UnicodeDecodeError):
        return ""


def _jpeg_exif(file: BinaryIO) -> bytes:
    for code, length in _jpeg_segments(file):
        if code != _JPEG_APP1:
            _skip(file, length)
            continue
        data = _read(file, length)
        if data.startswith(EXIF_SIGNATURE):
            return data
    return b""


def _jpeg_segments(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Code and length of every segment before the first scan; the caller moves past its data."""
    for _ in range(MAX_PIECES):
        mark, code = _read(file, 2)
        if mark != 0xFF:
            raise ContainerError("the picture is damaged: between two of its segments stands something else")
        if code == 0xFF:
            # Any number of these may stand before a code.
            file.seek(-1, 1)
            continue
        if code in (_JPEG_SCAN, _JPEG_END):
            return
        (length,) = struct.unpack(">H", _read(file, 2))
        yield code, max(length - 2, 0)
    raise ContainerError(f"the picture has more than {MAX_PIECES} segments before its pixels")


def _webp_exif(file: BinaryIO) -> bytes:
    for _ in range(MAX_PIECES):
        start = file.read(8)
        if not start:
            return b""
        if len(start) < 8:
            raise ContainerError("the file is cut short")
        kind, length = struct.unpack("<4sI", start)
        if kind == b"EXIF" and length <= MAX_TEXT_BYTES:
            return _read(file, length)
        _skip(file, length + length % 2)
    raise ContainerError(f"the picture has more than {MAX_PIECES} chunks")


def _image_description(tiff: bytes) -> str:
    """The field in the first directory of EXIF data. Raises struct.error or UnicodeDecodeError."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return ""
    magic, at = struct.unpack_from(f"{order}HI", tiff, 2)
    if magic != _TIFF_MAGIC:
        return ""
    (count,) = struct.unpack_from(f"{order}H", tiff, at)
    for entry in range(at + 2, at + 2 + count * _TIFF_ENTRY_BYTES, _TIFF_ENTRY_BYTES):
        tag, kind, length, where = struct.unpack_from(f"{order}HHII", tiff, entry)
        if tag == EXIF_IMAGE_DESCRIPTION:
            # Up to four bytes stand in the entry itself; no description from here is so short.
            text = tiff[where : where + length] if kind == _TIFF_ASCII else b""
            return text.rstrip(b"\0").decode("ascii")
    return ""


def _read(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) < length:
        raise ContainerError("the file is cut short")
    return data


def _skip(file: BinaryIO, length: int) -> None:
    """Move on without reading; the end of the file is noticed by a later read."""
    file.seek(length, 1)
