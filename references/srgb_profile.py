"""Write the ICC profile of sRGB that JPEG and WebP files carry, from the numbers of its standard.

    python references/srgb_profile.py

A profile of version 4 with three primaries and one curve (ICC.1:2022, https://www.color.org/specification/),
made of the primaries, the white point and the curve of IEC 61966-2-1. The date in it is fixed.
"""

import hashlib
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plitka.output.provenance import SRGB_PROFILE

FILE = Path(__file__).resolve().parent.parent / "plitka/output" / SRGB_PROFILE

# CIE x, y of the primaries and of white.
PRIMARIES = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
D65 = (0.3127, 0.3290)
# Y = (a X + b)^g from X = d on, c X below.
CURVE = {"g": 2.4, "a": 1 / 1.055, "b": 0.055 / 1.055, "c": 1 / 12.92, "d": 0.04045}
# White of the profile connection space, as the specification rounds it.
D50 = (0.9642, 1.0, 0.8249)
# Cone responses of the Bradford adaptation.
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

VERSION = 0x04400000
DATE = (2026, 1, 1, 0, 0, 0)
NAME = "sRGB"
COPYRIGHT = "CC0"
HEADER_BYTES, TAG_BYTES = 128, 12

_Floats = NDArray[np.float64]


def srgb_profile() -> bytes:
    """The bytes of the profile, always the same."""
    adaptation = _adaptation(_xyz(D65), np.array(D50))
    colorants = (adaptation @ _primaries_to_xyz()).T
    curve = b"para" + struct.pack(">IHH", 0, 3, 0) + _fixed(*CURVE.values())
    tags = {
        b"desc": _text(NAME),
        b"cprt": _text(COPYRIGHT),
        b"wtpt": _xyz_tag(D50),
        b"chad": b"sf32" + bytes(4) + _fixed(*adaptation.ravel()),
        **{name: _xyz_tag(xyz) for name, xyz in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colorants, strict=True)},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    return _with_id(_assembled(tags))


def _xyz(xy: tuple[float, float]) -> _Floats:
    """XYZ with Y = 1 of a chromaticity."""
    x, y = xy
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _primaries_to_xyz() -> _Floats:
    """(3, 3): linear RGB to XYZ under D65; white is (1, 1, 1)."""
    columns = np.stack([_xyz(primary) for primary in PRIMARIES], axis=1)
    return columns * np.linalg.solve(columns, _xyz(D65))


def _adaptation(source: _Floats, target: _Floats) -> _Floats:
    """(3, 3): XYZ under one white to XYZ under another."""
    gains = np.diag((BRADFORD @ target) / (BRADFORD @ source))
    return np.linalg.solve(BRADFORD, gains @ BRADFORD)


def _fixed(*values: float) -> bytes:
    """Numbers of 16 bits before and 16 after the point."""
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _xyz_tag(xyz: tuple[float, float, float] | _Floats) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(*xyz)


def _text(text: str) -> bytes:
    """A text in American English alone."""
    encoded = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">III2s2sII", 0, 1, 12, b"en", b"US", len(encoded), 28) + encoded


def _assembled(tags: dict[bytes, bytes]) -> bytes:
    """Header, table and data of the tags; equal data stand there once."""
    start = HEADER_BYTES + 4 + TAG_BYTES * len(tags)
    body, places = b"", {}
    for data in tags.values():
        if data not in places:
            places[data] = start + len(body)
            body += data + bytes(-len(data) % 4)
    table = struct.pack(">I", len(tags)) + b"".join(
        struct.pack(">4sII", name, places[data], len(data)) for name, data in tags.items()
    )
    return _header(start + len(body)) + table + body


def _header(size: int) -> bytes:
    fields = struct.pack(">I4sI4s4s4s", size, bytes(4), VERSION, b"mntr", b"RGB ", b"XYZ ")
    fields += struct.pack(">6H4s", *DATE, b"acsp") + bytes(28) + _fixed(*D50)
    return fields.ljust(HEADER_BYTES, b"\0")


def _with_id(profile: bytes) -> bytes:
    """The profile with its ID: the MD5 of itself, without flags, rendering intent and ID, all zero here."""
    digest = hashlib.md5(profile, usedforsecurity=False).digest()
    return profile[:84] + digest + profile[100:]


if __name__ == "__main__":
    FILE.write_bytes(srgb_profile())
