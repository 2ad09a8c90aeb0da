"""Every picture file says how large it is, and programs read the true figure."""

import io
import json
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from plitka.choices import MAP_NAMES, OutputFormat
from plitka.engines import load_engine
from plitka.generation import generate
from plitka.output.provenance import encode, provenance_of
from plitka.output.resolution import EXIF_INCH, EXIF_RESOLUTION_UNIT, EXIF_X_RESOLUTION, EXIF_Y_RESOLUTION
from plitka.request.fields import EXTENT_MM
from plitka.request.prompt import build_prompt
from plitka.request.tile_request import parse_request

FORMATS = get_args(OutputFormat)
METRE_MM, INCH_MM = 1000, 25.4
REQUEST = {
    "colors": [{"name": "red", "proportion": 60}, {"name": "blue", "proportion": 40}],
    "seed": 1,
    "width": 256,
    "height": 256,
}


def picture_of(width_mm, pixels, output_format):
    """A file of so many columns and rows that shows so many millimetres from left to right, opened."""
    columns, rows = pixels
    request = parse_request({**REQUEST, "granule_mm": 0.5, "width_mm": width_mm})
    said = provenance_of("final", request, build_prompt(request.mix, ""), "render", {"engine": "render"})
    data = encode(np.zeros((rows, columns, 3), np.uint8), output_format, said)
    return Image.open(io.BytesIO(data))


def read_dpi(picture):
    """Pixels an inch, by a reader that knows PNG's chunk, and JFIF before EXIF, or EXIF alone."""
    if "dpi" in picture.info:
        return picture.info["dpi"]
    exif = picture.getexif()
    assert exif[EXIF_RESOLUTION_UNIT] == EXIF_INCH
    return exif[EXIF_X_RESOLUTION], exif[EXIF_Y_RESOLUTION]


@given(
    width_mm=st.floats(EXTENT_MM.low, EXTENT_MM.high),
    pixels=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    output_format=st.sampled_from(FORMATS),
)
def test_a_reader_of_any_file_gets_the_true_resolution(width_mm, pixels, output_format):
    picture = picture_of(width_mm, pixels, output_format)
    true = [side * INCH_MM / width_mm for side in pixels]
    half_a_pixel_a_metre = 0.5 * INCH_MM / METRE_MM
    # Pillow reads one figure for both sides of a JPEG where only EXIF has them.
    axes = 1 if output_format == "jpg" and picture.info["jfif_unit"] == 0 else 2
    for read, dots in list(zip(read_dpi(picture), true, strict=True))[:axes]:
        if output_format == "png":
            # A pixel a metre is the least that the chunk can say.
            assert abs(read - max(dots, INCH_MM / METRE_MM)) <= half_a_pixel_a_metre * 1.000001
        elif output_format == "jpg" and picture.info["jfif_unit"] == 1:
            assert abs(read / dots - 1) <= 0.005
        else:
            assert read == pytest.approx(dots, rel=1e-6)
    if output_format != "png":
        exif = picture.getexif()
        assert (exif[EXIF_X_RESOLUTION], exif[EXIF_Y_RESOLUTION]) == pytest.approx(true, rel=1e-6)


@pytest.fixture(scope="module")
def files():
    """Every file of a request in another shape than a square, by name."""
    document = {**REQUEST, "width_mm": 60, "height_mm": 45, "width": 512, "height": None}
    request = parse_request({**document, "maps": list(MAP_NAMES)})
    return request, {result.name: result.data for result in generate(request, load_engine("render"))}


def test_every_file_of_a_request_shows_its_millimetres(files):
    request, data = files
    assert set(data) == {"preview", "final", "colormap", *MAP_NAMES}
    for name, file in data.items():
        picture = Image.open(io.BytesIO(file))
        shown = [side / dots * INCH_MM for side, dots in zip(picture.size, picture.info["dpi"], strict=True)]
        # Whole pixels a metre.
        assert shown == pytest.approx([request.scale.width_mm, request.scale.height_mm], rel=2e-4), name


def test_pixels_and_texts_do_not_depend_on_the_resolution():
    one = picture_of(94, (64, 64), "png")
    two = picture_of(95, (64, 64), "png")
    assert one.tobytes() == two.tobytes()
    assert json.loads(one.info["plitka:scale"])["width_mm"] == 94
