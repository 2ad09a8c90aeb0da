import dataclasses
import io
import json
import struct
import time
import zlib
from dataclasses import fields
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import plitka
from plitka.choices import OutputFormat
from plitka.errors import MetadataError
from plitka.output import provenance as metadata
from plitka.output.picture_texts import PNG_SIGNATURE
from plitka.output.png import write_png
from plitka.output.provenance import Provenance, differences, encode, provenance_of
from plitka.output.provenance_reader import read_provenance
from plitka.request.prompt import build_prompt
from plitka.request.tile_request import parse_request

FORMATS = get_args(OutputFormat)
MIX = [{"name": "red", "proportion": 1}, {"hex": "#123456", "proportion": 2}]


def provenance(**overrides):
    request = parse_request(
        json.dumps({"colors": MIX, "angle": 30, "seed": 2**63 - 1, "overrides": overrides})
    )
    return provenance_of("final", request, build_prompt(request.mix, ""), "render", {"engine": "render"})


def granules(size=64):
    return np.random.default_rng(1).integers(0, 256, (size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize("output_format", FORMATS)
def test_picture_says_how_it_was_made_in_every_format(tmp_path, output_format):
    said = provenance(negative_prompt='размыто, ☂, "quotes" and ~ümlauts')
    path = tmp_path / f"picture.{output_format}"
    path.write_bytes(encode(granules(), output_format, said))
    assert read_provenance(path) == said


@pytest.mark.parametrize("output_format", FORMATS)
def test_request_is_read_back_exactly(tmp_path, output_format):
    path = tmp_path / f"picture.{output_format}"
    path.write_bytes(encode(granules(), output_format, provenance(color_guidance=0.1)))
    request = parse_request(read_provenance(path).request)
    assert request.seed == 2**63 - 1
    assert [color.share for color in request.mix] == [1 / 3, 2 / 3]
    assert request.overrides.color_guidance == 0.1


@pytest.mark.parametrize("output_format", FORMATS)
def test_same_picture_is_the_same_file(output_format):
    assert encode(granules(), output_format, provenance()) == encode(granules(), output_format, provenance())


@pytest.mark.parametrize("output_format", ["png", "webp"])
def test_no_pixel_is_changed(tmp_path, output_format):
    path = tmp_path / f"picture.{output_format}"
    path.write_bytes(encode(granules(), output_format, provenance()))
    with Image.open(path) as picture:
        assert np.array_equal(np.asarray(picture.convert("RGB")), granules())


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))))
def test_a_png_has_every_pixel_and_the_chunks_that_pillow_would_write(image):
    chunks = metadata._png_chunks(provenance(negative_prompt="размыто ☂"), None)
    ours, theirs = write_png(image, chunks), io.BytesIO()
    Image.fromarray(image).save(theirs, "PNG", pnginfo=chunks)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(ours))), image)
    assert _chunks(ours) == _chunks(theirs.getvalue())
    assert write_png(np.asfortranarray(image), chunks) == ours


def _chunks(png):
    """Name and content of every chunk, its checksum checked; of the pixels only that there are some."""
    assert png.startswith(PNG_SIGNATURE)
    at, found = 8, []
    while at < len(png):
        length, name = struct.unpack_from(">I4s", png, at)
        data = png[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", png, at + 8 + length)[0] == zlib.crc32(name + data)
        at += 12 + length
        if name != b"IDAT":
            found.append((name, data))
        elif found[-1][0] != b"IDAT":
            found.append((name, b""))
    return found


def test_jpeg_keeps_full_resolution_of_colour(tmp_path):
    checks = np.zeros((64, 64, 3), np.uint8)
    checks[::2, :, 0] = checks[1::2, :, 2] = 255
    path = tmp_path / "picture.jpg"
    path.write_bytes(encode(checks, "jpg", provenance()))
    with Image.open(path) as picture:
        assert np.abs(np.asarray(picture).astype(int) - checks).mean() < 8


def test_longest_negative_prompt_fits_into_every_format(tmp_path):
    said = provenance(negative_prompt="я" * 1000)
    for output_format in FORMATS:
        path = tmp_path / f"picture.{output_format}"
        path.write_bytes(encode(granules(), output_format, said))
        assert read_provenance(path) == said


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=50))
def test_any_text_survives_the_png_chunks(tmp_path_factory, text):
    written = {field.name: json.dumps({field.name: text}) for field in fields(Provenance)}
    # The one field whose figures the file says once more.
    said = Provenance(**written | {"scale": provenance().scale})
    path = tmp_path_factory.mktemp("png") / "picture.png"
    path.write_bytes(encode(granules(8), "png", said))
    assert read_provenance(path) == said


def test_provenance_holds_no_time_and_no_place():
    text = " ".join(str(getattr(provenance(), field.name)) for field in fields(Provenance))
    assert time.strftime("%Y-%m") not in text
    assert "/" not in text.replace("</", "")


def test_versions_name_plitka_and_what_draws():
    versions = json.loads(provenance().versions)
    assert versions["plitka"] == plitka.__version__
    assert set(versions) == {"plitka", *metadata.DRAWING_PACKAGES}


def test_a_file_from_before_the_joints_had_a_name_is_read(tmp_path):
    older = dataclasses.replace(provenance(), joint_color=None)
    for output_format in FORMATS:
        path = tmp_path / f"picture.{output_format}"
        path.write_bytes(encode(granules(), output_format, older))
        assert read_provenance(path) == older
    assert differences(provenance(), {"engine": "render"}) == []
    (said,) = differences(older, {"engine": "render"})
    assert "sRGB" in said


def test_picture_of_another_program_is_refused(tmp_path):
    for output_format in ("png", "jpg"):
        path = tmp_path / f"photo.{output_format}"
        Image.fromarray(granules()).save(path)
        with pytest.raises(MetadataError, match="does not say how it was made"):
            read_provenance(path)


@pytest.mark.parametrize("changed", [{"seed": None}, {"versions": "1.0"}, {"identity": "[]"}])
def test_picture_that_lost_a_part_of_its_metadata_is_refused(tmp_path, changed):
    chunks = PngInfo()
    for key, value in (vars(provenance()) | changed).items():
        if value is not None:
            chunks.add_text(metadata.PNG_KEY_PREFIX + key, value)
    Image.fromarray(granules()).save(tmp_path / "picture.png", pnginfo=chunks)
    with pytest.raises(MetadataError, match="does not say how it was made"):
        read_provenance(tmp_path / "picture.png")


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n cut"])
def test_file_that_is_no_picture_is_refused_by_name(tmp_path, content):
    path = tmp_path / "file.png"
    path.write_bytes(content)
    with pytest.raises(MetadataError, match=r"file\.png"):
        read_provenance(path)


@pytest.mark.parametrize("name", ["missing.png", "."])
def test_missing_file_and_folder_are_refused_by_name(tmp_path, name):
    with pytest.raises(MetadataError, match=str(tmp_path)):
        read_provenance(tmp_path / name)


def test_foreign_json_in_the_description_is_refused(tmp_path):
    for description in ("[1]", "null", '{"request": 1}', "a photograph"):
        exif = Image.Exif()
        exif[metadata.EXIF_IMAGE_DESCRIPTION] = description
        path = tmp_path / "picture.jpg"
        Image.fromarray(granules()).save(path, exif=exif)
        with pytest.raises(MetadataError):
            read_provenance(path)


def test_differences_name_what_is_another_version_here():
    said = provenance()
    assert differences(said, {"engine": "render"}) == []
    older = json.dumps(json.loads(said.versions) | {"numpy": "1.0"})
    changed = Provenance(**{**vars(said), "versions": older})
    assert differences(changed, {"engine": "render"}) == [
        f'made with numpy "1.0", here is {metadata.library_versions()["numpy"]}'
    ]
    assert "base" in differences(said, {"engine": "render", "base": "sdxl@1"})[0]


def test_a_format_that_nobody_writes_is_an_error_and_no_jpeg():
    with pytest.raises(AssertionError):
        encode(granules(), "gif", provenance())
