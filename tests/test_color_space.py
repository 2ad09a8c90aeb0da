"""Every file says that its colours are sRGB, and says it in the same bytes everywhere."""

import hashlib
import io
import struct

import numpy as np
import pytest
from command_line import run_process
from hostile_pictures import FORMATS, pixels, said, whole
from PIL import Image, ImageCms
from test_docs import ROOT

from plitka.output.provenance import encode, srgb_profile

ENCODE_ALL = """
import hashlib, sys
sys.path.insert(0, {tests!r})
from hostile_pictures import FORMATS, whole
print(*(hashlib.sha256(whole(kind)).hexdigest() for kind in FORMATS))
"""


def png_chunks(data):
    at = 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length


def test_png_declares_srgb_before_its_pixels():
    chunks = list(png_chunks(whole("png")))
    kinds = [kind for kind, _ in chunks]
    assert chunks[1] == (b"sRGB", b"\0")
    assert kinds.count(b"sRGB") == 1
    assert not {b"iCCP", b"gAMA", b"cHRM"} & set(kinds)
    with Image.open(io.BytesIO(whole("png"))) as picture:
        assert picture.info["srgb"] == 0


@pytest.mark.parametrize("output_format", ["webp", "jpg"])
def test_webp_and_jpeg_carry_the_profile_of_the_package(output_format):
    with Image.open(io.BytesIO(whole(output_format))) as picture:
        assert picture.info["icc_profile"] == srgb_profile()


@pytest.mark.parametrize("output_format", FORMATS)
def test_pixels_are_those_of_a_file_that_declares_nothing(output_format):
    options = {
        "png": {"format": "PNG"},
        "webp": {"format": "WEBP", "lossless": True, "method": 0},
        "jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    }
    plain = io.BytesIO()
    Image.fromarray(pixels(64)).save(plain, **options[output_format])
    file = io.BytesIO(encode(pixels(64), output_format, said()))
    with Image.open(plain) as without, Image.open(file) as declared:
        assert np.array_equal(np.asarray(without), np.asarray(declared))


def test_bytes_are_the_same_in_every_process():
    code = ENCODE_ALL.format(tests=str(ROOT / "tests"))
    here = " ".join(hashlib.sha256(whole(kind)).hexdigest() for kind in FORMATS)
    assert {run_process(code=code).stdout.strip() for _ in range(2)} == {here}


@pytest.fixture
def made(monkeypatch):
    """The module that makes the profile."""
    monkeypatch.syspath_prepend(str(ROOT / "references"))
    import srgb_profile

    return srgb_profile


def test_profile_is_the_one_that_its_numbers_give(made):
    assert made.srgb_profile() == srgb_profile(), "run: python references/srgb_profile.py"
    assert made.FILE.read_bytes() == srgb_profile()
    assert len(srgb_profile()) < 512


def test_profile_is_whole():
    profile = srgb_profile()
    (size,) = struct.unpack_from(">I", profile)
    assert size == len(profile)
    # The ID is the MD5 of the profile with flags, rendering intent and ID zero (ICC.1:2022, 7.2.18).
    zeroed = bytearray(profile)
    for start, end in ((44, 48), (64, 68), (84, 100)):
        zeroed[start:end] = bytes(end - start)
    assert profile[84:100] == hashlib.md5(zeroed, usedforsecurity=False).digest()
    (count,) = struct.unpack_from(">I", profile, 128)
    for tag in range(count):
        _, start, length = struct.unpack_from(">4sII", profile, 132 + 12 * tag)
        assert start % 4 == 0
        assert start + length <= size


@pytest.mark.parametrize("intent", list(ImageCms.Intent))
def test_profile_is_srgb_to_the_level(intent):
    steps = np.arange(0, 256, 5, dtype=np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(len(steps), -1, 3)
    ours = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
    theirs = ImageCms.createProfile("sRGB")
    assert ours.profile.is_matrix_shaper
    for source, target in ((theirs, ours), (ours, theirs)):
        turned = ImageCms.profileToProfile(Image.fromarray(grid), source, target, renderingIntent=intent)
        assert np.abs(np.asarray(turned).astype(int) - grid).max() <= 1
