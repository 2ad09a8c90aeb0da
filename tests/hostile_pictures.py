"""Pictures that no honest program writes: a generator of files for `plitka generate --from`.

Each function of a kind yields (name, bytes). `whole` is a picture of Plitka's own in a format, from which the
others are made; `with_texts` is one with other metadata.
"""

import json
import os
import socket
import struct
import zlib
from typing import get_args

import numpy as np
from PIL import Image

from plitka.choices import OutputFormat
from plitka.output.picture_texts import EXIF_IMAGE_DESCRIPTION, PNG_SIGNATURE
from plitka.output.provenance import encode, provenance_of
from plitka.request.prompt import build_prompt
from plitka.request.tile_request import parse_request

FORMATS = get_args(OutputFormat)
ASCII, BYTE, SHORT, LONG, UNDEFINED = 2, 1, 3, 4, 7
ESCAPES = "\x1b[31m\x1b]0;owned\x07\r\n\x9b2J\u202egnp"
DEEP, DIGITS = 100_000, 5_000
MEBI = 2**20


def said():
    colors = [{"name": "red", "proportion": 1}, {"hex": "#123456", "proportion": 2}]
    request = parse_request(json.dumps({"colors": colors, "angle": 30, "seed": 7}))
    return provenance_of("final", request, build_prompt(request.mix, ""), "render", {"engine": "render"})


def pixels(size=8):
    return np.random.default_rng(1).integers(0, 256, (size, size, 3), dtype=np.uint8)


def whole(output_format):
    return encode(pixels(), output_format, said())


def texts(**changes):
    return {key: value for key, value in {**vars(said()), **changes}.items() if value is not None}


def with_texts(output_format, changes):
    """A picture with other texts; a text that is not one, such as a number, PNG cannot hold."""
    if output_format == "png":
        named = {f"plitka:{key}": value for key, value in texts(**changes).items()}
        return png(*(text_chunk(key, value) for key, value in named.items()))
    description = json.dumps(texts(**changes)).encode()
    return WITH_DESCRIPTION[output_format](exif((EXIF_IMAGE_DESCRIPTION, ASCII, description)))


# Containers


def chunk(kind, data, checksum=None):
    checksum = zlib.crc32(kind + data) if checksum is None else checksum
    return struct.pack(">I4s", len(data), kind) + data + struct.pack(">I", checksum)


def text_chunk(key, value):
    try:
        return chunk(b"tEXt", key.encode() + b"\0" + value.encode("latin-1"))
    except UnicodeEncodeError:
        return chunk(b"iTXt", key.encode() + bytes(5) + value.encode())


def png(*chunks, width=8, height=8, end=True):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels()))
    tail = chunk(b"IDAT", rows) + chunk(b"IEND", b"") if end else b""
    return PNG_SIGNATURE + header + b"".join(chunks) + tail


def segment(code, data):
    return bytes((0xFF, code)) + struct.pack(">H", len(data) + 2) + data


def jpeg(*segments):
    return b"\xff\xd8" + b"".join(segments) + whole("jpg")[2:][jpeg_texts_end() :]


def jpeg_texts_end():
    """Where, after the first marker, the quantisation tables of our own JPEG begin."""
    return whole("jpg").index(b"\xff\xdb") - 2


def webp(*chunks, width=8, height=8):
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = riff_chunk(b"VP8X", b"\x08\0\0\0" + size) + webp_pixels()
    body += b"".join(riff_chunk(kind, data) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def riff_chunk(kind, data):
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def webp_pixels():
    data = whole("webp")
    at = data.index(b"VP8L")
    (length,) = struct.unpack_from("<I", data, at + 4)
    return data[at : at + 8 + length + length % 2]


def exif(*entries, order="<"):
    """EXIF data of one directory: (tag, type, data), each behind the directory, or (tag, type, n, where)."""
    head = b"II" if order == "<" else b"MM"
    start = 8 + 2 + 12 * len(entries) + 4
    table, body = b"", b""
    for tag, kind, *rest in entries:
        if len(rest) == 1:
            rest, body = [len(rest[0]), start + len(body)], body + rest[0]
        table += struct.pack(f"{order}HHII", tag, kind, *rest)
    return head + struct.pack(f"{order}HIH", 42, 8, len(entries)) + table + bytes(4) + body


# A picture with this EXIF data, of every format that carries Plitka's metadata in it.
WITH_DESCRIPTION = {
    "jpg": lambda tiff: jpeg(segment(0xE1, b"Exif\0\0" + tiff)),
    "webp": lambda tiff: webp((b"EXIF", tiff)),
}


# Kinds of hostile files


def bombs():
    """Little that becomes much."""
    inflating = zlib.compress(bytes(128 * MEBI), 9)
    compressed_text = b"plitka:request\0\1\0\0\0" + inflating
    yield "zTXt.png", png(chunk(b"zTXt", b"plitka:request\0\0" + inflating))
    yield "iTXt.png", png(chunk(b"iTXt", compressed_text))
    yield "a hundred iTXt.png", png(*[chunk(b"iTXt", compressed_text)] * 100)
    yield "iCCP.png", png(chunk(b"iCCP", b"x\0\0" + inflating), *own_chunks())
    yield "gigapixels.png", png(width=2**31 - 1, height=2**31 - 1)
    yield "two hundred megapixels.png", png(width=20_000, height=10_000)
    yield "gigapixels.jpg", jpeg(segment(0xC0, b"\x08\xff\xff\xff\xff\x03" + bytes(9)))
    yield "canvas.webp", webp(width=16383, height=10900)


def own_chunks():
    return [text_chunk(f"plitka:{key}", value) for key, value in texts(engine=None).items()]


def crowds():
    """Many or large pieces, of which each alone is allowed."""
    yield "a million texts.png", png(*[chunk(b"tEXt", b"")] * 1_000_000)
    yield "a million unknown chunks.png", png(*[chunk(b"ruBb", b"")] * 1_000_000)
    yield "a text of 60 MB.png", png(chunk(b"tEXt", b"plitka:request\0" + b"[" * (60 * MEBI)))
    yield (
        "sixty texts of 1 MB.png",
        png(*[chunk(b"tEXt", b"%d\0" % i + b"x" * (MEBI - 9)) for i in range(60)]),
    )
    wide = b"x" * (MEBI - 20) + "\U0001f600".encode()
    yield (
        "sixty texts of wide characters.png",
        png(*[chunk(b"iTXt", b"%d" % i + bytes(5) + wide) for i in range(60)]),
    )
    exif_piece = segment(0xE1, b"Exif\0\0" + b"x" * 65_000)
    yield "600 EXIF segments.jpg", jpeg(*[exif_piece] * 600)
    yield "a million segments.jpg", jpeg(*[segment(0xE5, b"")] * 1_000_000)
    yield "ICC in 900 parts.jpg", jpeg(*[segment(0xE2, b"ICC_PROFILE\0\1\1" + b"x" * 65_000)] * 900)
    yield "EXIF of 60 MB.webp", webp((b"EXIF", b"II*\0\x08\0\0\0" + bytes(60 * MEBI)))
    yield "a million chunks.webp", webp(*[(b"ruBb", b"")] * 1_000_000)
    everything = [(tag, UNDEFINED, 65_000, 0) for tag in range(0x9000, 0x9000 + 5_000)]
    yield "each tag is the whole.jpg", jpeg(segment(0xE1, b"Exif\0\0" + exif(*everything)))


def directories():
    """EXIF data that is not what it should be."""
    description = json.dumps(texts()).encode()
    for kind in (0, BYTE, SHORT, LONG, UNDEFINED, 13, 65535):
        yield f"type {kind}", exif((EXIF_IMAGE_DESCRIPTION, kind, description))
    for length, where in ((2**32 - 1, 2**32 - 1), (2**32 - 1, 0), (0, 0), (3, 2**31), (10**6, 8)):
        yield f"{length} bytes at {where}", exif((EXIF_IMAGE_DESCRIPTION, ASCII, length, where))
    yield "not ASCII", exif((EXIF_IMAGE_DESCRIPTION, ASCII, description + b"\xff\xfe"))
    yield "directory elsewhere", b"II*\0\xff\xff\xff\xff"
    yield "directory of itself", b"II*\0\0\0\0\0"
    yield "65535 entries", b"MM\0*\0\0\0\x08\xff\xff" + bytes(60_000)
    yield "another order", exif((EXIF_IMAGE_DESCRIPTION, ASCII, description)).replace(b"II", b"XX", 1)
    yield "BigTIFF", b"II+\0" + bytes(60)
    yield "empty", b""


def in_containers():
    for name, tiff in directories():
        yield from ((f"{name}.{kind}", whole_of(tiff)) for kind, whole_of in WITH_DESCRIPTION.items())


def wrong_texts():
    """Texts of a wrong type or shape, by name."""
    deep, long_number = "[" * DEEP + "]" * DEEP, "9" * DIGITS
    for key in ("request", "identity", "versions"):
        yield f"{key} deep", {key: deep}
        yield f"{key} open", {key: '{"a":' * 10_000}
        yield f"{key} long number", {key: f'{{"a": {long_number}}}'}
        for number, text in enumerate(("", "[]", "1", "null", '"x"', '{"a": 1}', '{"a": ["b"]}', "{", "NaN")):
            yield f"{key} {number}", {key: text}
        yield f"{key} missing", {key: None}
    for number, engine in enumerate(
        ("", "../../../etc/passwd", "rendr", "plitka.engine.protocol", "x" * 9_999, ESCAPES)
    ):
        yield f"engine {number}", {"engine": engine}
    yield "request of escapes", {"request": ESCAPES}
    yield "request with escapes", {"request": json.dumps({"colors": ESCAPES, ESCAPES: ESCAPES})}
    yield "lone surrogate", {"request": '{"colors": "\\ud800", "\\udfff": 1}'}


def wrong_types():
    """Fields that are no texts, which JSON in JPEG and WebP can hold."""
    for key in vars(said()):
        for number, value in enumerate((1, 1.5, True, [], ["render"], {}, {"a": {}})):
            yield f"{key} of type {number}", {key: value}


def with_wrong_texts():
    for name, changes in wrong_texts():
        yield from ((f"{name}.{kind}", with_texts(kind, changes)) for kind in FORMATS if fits(kind, changes))
    for name, changes in wrong_types():
        yield from ((f"{name}.{kind}", with_texts(kind, changes)) for kind in WITH_DESCRIPTION)


def fits(kind, changes):
    """A JPEG segment holds 64 KiB."""
    return kind != "jpg" or len(json.dumps(texts(**changes))) < 65_000


def texts_end(data, kind):
    """Where the last text of a picture ends: what is cut behind it is not missed."""
    if kind == "png":
        return data.index(b"IDAT")
    if kind == "webp":
        return len(data) - 1
    assert kind == "jpg", f"where the metadata of a {kind} file end is not written down here"
    start = data.index(b"\xff\xe1") + 2
    return start + int.from_bytes(data[start : start + 2])


def damaged():
    """Cut short, or changed where it can be noticed."""
    for kind in FORMATS:
        data = whole(kind)
        end = texts_end(data, kind) - 1
        for length in (0, 1, 2, 7, 8, 11, 12, 20, 100, end // 2, end):
            yield f"cut at {length}.{kind}", data[: min(length, end)]
    yield "no pixels.png", png(*own_chunks(), end=False)
    yield "wrong checksum.png", png(chunk(b"tEXt", b"plitka:seed\x007", checksum=1))
    yield "endless chunk.png", png(struct.pack(">I4s", 2**32 - 1, b"tEXt"))
    yield "endless unknown chunk.png", png(struct.pack(">I4s", 2**32 - 1, b"ruBb"))
    yield "segment of length 0.jpg", jpeg(b"\xff\xe1\0\0")
    yield "no marker.jpg", jpeg(b"\0\0\0\0")
    yield "endless chunk.webp", webp()[:30] + b"EXIF\xff\xff\xff\xff"
    yield "text without an end.png", png(chunk(b"iTXt", b"plitka:request"))
    yield "wrong encoding.png", png(chunk(b"iTXt", b"plitka:request" + bytes(5) + b"\xff\xfe"), *own_chunks())


def others(folder):
    """Pictures of other programs and formats, and what is no picture."""
    for suffix in ("tiff", "gif", "bmp", "ico", "ppm", "tga", "jp2", "pdf", "eps", "dds", "avif"):
        path = folder / f"other.{suffix}"
        picture = Image.fromarray(pixels(64))
        (picture.convert("L") if suffix == "eps" else picture).save(path)
        yield path.name, path.read_bytes()
    frames = [Image.fromarray(np.roll(pixels(64), step)) for step in range(3)]
    for name, file_format in (("frames.png", "PNG"), ("frames.webp", "WEBP"), ("frames.jpg", "MPO")):
        frames[0].save(folder / name, file_format, save_all=True, append_images=frames[1:])
        yield name, (folder / name).read_bytes()
    described = Image.Exif()
    described[EXIF_IMAGE_DESCRIPTION] = json.dumps(texts())
    frames[0].save(folder / "ours.tiff", exif=described)
    yield "ours.tiff", (folder / "ours.tiff").read_bytes()
    yield "empty", b""
    yield "text", b"not a picture"
    yield "script.png", b"#!/bin/sh\n"
    yield "zeros.png", bytes(MEBI)


def files(folder):
    """Every hostile file, one at a time, by the path where it lies; each is removed before the next comes."""
    scratch = folder / "scratch"
    scratch.mkdir()
    for kind in (bombs(), crowds(), in_containers(), with_wrong_texts(), damaged(), others(scratch)):
        for name, data in kind:
            path = folder / name
            path.write_bytes(data)
            yield path
            path.unlink()


def paths(folder):
    """Paths at which no picture can be read."""
    os.mkfifo(folder / "fifo.png")
    yield folder / "fifo.png"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(folder / "socket.png"))
        yield folder / "socket.png"
    (folder / "loop.png").symlink_to(folder / "loop.png")
    yield folder / "loop.png"
    (folder / "folder.png").mkdir()
    yield folder / "folder.png"
    with (folder / "huge.png").open("wb") as file:
        file.write(whole("png"))
        file.truncate(2**40)
    yield folder / "huge.png"
    (folder / "file").write_bytes(b"")
    yield folder / "file" / "below.png"
    yield folder / ("n" * 300 + ".png")
    yield folder / f"{ESCAPES}.png"
    yield folder / os.fsdecode(b"\xff\xfe\x1b[31m.png")
    for device in ("/dev/null", "/dev/zero", "/dev/tty"):
        yield folder.__class__(device)
    (folder / "secret.png").write_bytes(whole("png"))
    (folder / "secret.png").chmod(0)
    if os.geteuid() != 0:
        yield folder / "secret.png"
