"""`plitka print`: the final picture at its true size, in the pixels that a printer needs."""

import datetime
import io
import json
from dataclasses import replace

import cv2
import numpy as np
import pypdfium2
import pytest
from command_line import request_in
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from plitka.errors import RequestError
from plitka.output.print_page import MARK_MARGIN, make_print
from plitka.output.provenance import encode, provenance_of, srgb_profile
from plitka.output.provenance_reader import provenance_in
from plitka.output.tiff import write_tiff
from plitka.request.prints import MM_PER_INCH, at_dots_per_inch
from plitka.request.prompt import build_prompt
from plitka.request.scale import SIDES
from plitka.request.tile_request import parse_request

COLORS = [{"name": "black", "proportion": 60}, {"name": "red", "proportion": 40}]
# Small enough to be drawn at once: 264 x 264 pixels at 140 dpi.
REQUEST = {"colors": COLORS, "seed": 4, "width_mm": 47}
PARAMS = json.dumps(REQUEST)
DPI = ("--dpi", "140")
POINT_MM = 25.4 / 72
DAY = datetime.date(2026, 11, 27)
millimetres = st.floats(40, 3000).map(lambda value: round(value, 3))


def read_deep(path):
    """(rows, columns, 3) uint16 or uint8 of a TIFF, by another reader than Pillow."""
    return cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGR2RGB)


def pixels_of(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


@given(width_mm=millimetres, dpi=st.floats(1, 1200))
def test_a_print_has_the_pixels_that_it_needs_or_is_refused_with_what_it_may_have(width_mm, dpi):
    request = parse_request({"colors": COLORS, "width_mm": width_mm, "seed": 1})
    needed = dpi * width_mm / MM_PER_INCH
    try:
        printed = at_dots_per_inch(request, dpi)
    except RequestError as error:
        (problem,) = error.problems
        assert problem.field == "--dpi"
        assert not SIDES[0] <= needed <= SIDES[1]
        return
    scale = printed.scale
    assert (scale.width_mm, scale.height_mm) == (request.scale.width_mm, request.scale.height_mm)
    assert needed - 1e-3 <= scale.width < needed + 8
    assert (scale.width % 8, scale.height % 8) == (0, 0)


@given(width_mm=millimetres, height_mm=millimetres, dpi=st.floats(50, 600))
def test_pixels_of_a_print_are_square_in_every_shape(width_mm, height_mm, dpi):
    try:
        request = parse_request(
            {"colors": COLORS, "width_mm": width_mm, "height_mm": height_mm, "seed": 1, "height": None}
        )
        scale = at_dots_per_inch(request, dpi).scale
    except RequestError:
        return
    across, down = scale.width / width_mm, scale.height / height_mm
    assert across / down == pytest.approx(1, abs=0.0021)
    assert across * MM_PER_INCH >= dpi * 0.999999
    # A few dots more, where a side of few pixels has to be a whole multiple of 8.
    assert across * MM_PER_INCH <= dpi + 8 * MM_PER_INCH / width_mm or min(scale.width, scale.height) < 4000


def test_dots_that_are_too_many_or_too_few_are_refused_with_what_is_possible():
    request = parse_request({"colors": COLORS, "width_mm": 2000, "seed": 1})
    with pytest.raises(RequestError) as caught:
        at_dots_per_inch(request, 300)
    (problem,) = caught.value.problems
    assert problem.reason == "takes 23624 x 23624 pixels for 2000 x 2000 mm"
    most = float(problem.allowed.split(" to ")[1].split()[0])
    assert at_dots_per_inch(request, most).scale.width <= SIDES[1]
    with pytest.raises(RequestError):
        at_dots_per_inch(request, most + 0.2)


def test_pixels_of_the_request_give_way_and_its_millimetres_stay():
    request = parse_request({"colors": COLORS, "width": 1024, "height": 512, "width_mm": 100, "seed": 1})
    printed = at_dots_per_inch(request, 300).scale
    assert (printed.width_mm, printed.height_mm) == (100, 50)
    assert (printed.width, printed.height) == (1184, 592)


@pytest.fixture
def tiff(invoke, tmp_path):
    done = invoke("print", "-p", PARAMS, *DPI, "-o", "tile.tiff")
    assert done.exit_code == 0, done.stderr
    assert "47 x 47 mm in 264 x 264 pixels, 142.7 dpi, 16 bits a channel" in done.stdout
    return tmp_path / "tile.tiff"


def test_tiff_has_true_16_bits_of_the_picture_that_the_png_has_in_8(invoke, tiff, tmp_path):
    assert invoke("print", "-p", PARAMS, *DPI, "-o", "tile.png").exit_code == 0
    deep, plain = read_deep(tiff), pixels_of(tmp_path / "tile.png")
    assert (deep.dtype, deep.shape) == (np.uint16, plain.shape)
    # The same picture: what rounding at every stage makes, and no more.
    apart = np.abs(deep / 257 - plain)
    assert apart.mean() < 1
    assert apart.max() < 12
    # Not 8 bits in a larger file: besides black and white, as many pixels have a level of 8 bits as chance
    # gives it, 1 of 257, and what lies between has no favourites.
    inside = deep[(deep > 0) & (deep < 65535)]
    assert np.mean(inside % 257 == 0) < 0.02
    assert len(np.unique(inside)) > 20_000
    low = np.bincount(inside & 255, minlength=256)
    assert low.min() > 0.7 * low.mean()


def test_tiff_says_its_size_its_colours_and_what_drew_it(tiff):
    with Image.open(tiff) as picture:
        tags = picture.tag_v2
        assert picture.info["dpi"] == pytest.approx((264 * 25.4 / 47,) * 2)
        assert tags[258] == (16, 16, 16)
        assert picture.info["icc_profile"] == srgb_profile()
        ImageCms.ImageCmsProfile(io.BytesIO(picture.info["icc_profile"]))
        said = json.loads(tags[270])
    assert json.loads(said["request"])["width"] == 264
    assert said["picture"] == "final"


@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    depth=st.sampled_from([np.uint8, np.uint16]),
    seed=st.integers(0, 2**32 - 1),
)
def test_tiff_gives_back_every_level(tmp_path_factory, rows, columns, depth, seed):
    image = np.random.default_rng(seed).integers(0, np.iinfo(depth).max, (rows, columns, 3), depth, True)
    request = parse_request(REQUEST)
    said = provenance_of("final", request, build_prompt(request.mix, ""), "render", {"engine": "render"})
    data = write_tiff(image, said)
    assert write_tiff(image, said) == data
    path = tmp_path_factory.getbasetemp() / "any.tiff"
    path.write_bytes(data)
    assert np.array_equal(read_deep(path), image)
    with Image.open(path) as picture:
        assert np.array_equal(np.asarray(picture), image if depth == np.uint8 else image >> 8)


def test_png_is_the_file_that_generate_writes_for_the_request_that_it_carries(invoke, tmp_path):
    assert invoke("print", "-p", PARAMS, *DPI, "-o", "tile.png").exit_code == 0
    said = request_in(tmp_path / "tile.png")
    assert (said["width"], said["width_mm"]) == (264, 47)
    assert invoke("generate", "-p", json.dumps(said), "-o", "again.png").exit_code == 0
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "tile.png").read_bytes()


def test_a_corrected_picture_has_the_8_bits_that_it_was_corrected_in(invoke, tmp_path):
    params = json.dumps(REQUEST | {"overrides": {"color_lock": "always"}})
    done = invoke("print", "-p", params, *DPI, "-o", "tile.tif", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["file"]["bits"] == 8
    assert read_deep(tmp_path / "tile.tif").dtype == np.uint8


def test_scale_bar_stands_on_all_kinds(invoke, tmp_path):
    for name in ("tile.tiff", "tile.png"):
        done = invoke("print", "-p", PARAMS, *DPI, "--scale-bar", "-o", name)
        assert done.exit_code == 0, done.stderr
    plain, deep = pixels_of(tmp_path / "tile.png"), read_deep(tmp_path / "tile.tiff")
    plate = np.all(plain == 248, axis=2)
    rows, columns = (slice(places.min(), places.max() + 1) for places in plate.nonzero())
    assert np.any(np.all(plain[rows, columns] == 30, axis=2))
    assert np.array_equal(deep[rows, columns], plain[rows, columns].astype(np.uint16) * 257)


def page_of(data):
    document = pypdfium2.PdfDocument(data)
    assert len(document) == 1
    page = document[0]
    size = tuple(POINT_MM * side for side in page.get_size())
    objects = [
        (one.type, tuple(POINT_MM * value for value in one.get_bounds())) for one in page.get_objects()
    ]
    page.close()
    document.close()
    return size, objects


@settings(max_examples=5)
@given(
    width_mm=millimetres,
    upright=st.floats(0.2, 5),
    margin=st.floats(7, 200),
    crop_marks=st.booleans(),
)
def test_page_and_picture_are_true_to_scale_and_marks_stay_off_the_picture(
    width_mm, upright, margin, crop_marks
):
    # The picture's own sides only have to have its shape.
    rows, columns = max(1, round(40 * upright)), 40
    upright = rows / columns
    request = parse_request({"colors": COLORS, "width_mm": width_mm, "seed": 1})
    shown = request.scale.width_mm, request.scale.width_mm * upright
    request = _showing(request, shown)
    said = provenance_of("final", request, build_prompt(request.mix, ""), "render", {"engine": "render"})
    data = encode(np.zeros((rows, columns, 3), np.uint8), "png", said)
    printed = make_print(request, data, margin, crop_marks=crop_marks, date=DAY)
    size, objects = page_of(printed)
    # A PDF has hundredths of a point.
    near = {"abs": 0.006}
    assert size == pytest.approx([side + 2 * margin for side in shown], **near)
    ((_, box),) = [one for one in objects if one[0] == pypdfium2.raw.FPDF_PAGEOBJ_IMAGE]
    assert box == pytest.approx((margin, margin, margin + shown[0], margin + shown[1]), **near)
    marks = [one[1] for one in objects if one[0] == pypdfium2.raw.FPDF_PAGEOBJ_PATH]
    assert len(marks) == (8 if crop_marks else 0)
    for left, bottom, right, top in marks:
        assert right < box[0] or left > box[2] or top < box[1] or bottom > box[3]
        assert left > 0
        assert bottom > 0
        assert right < size[0]
        assert top < size[1]


def _showing(request, shown):
    return replace(request, dimensions=replace(request.dimensions, height_mm=shown[1]))


def test_pdf_has_the_picture_of_the_png_at_its_size(invoke, tmp_path):
    days = {datetime.date.today()}
    for name, *options in (("tile.png",), ("plain.pdf",), ("marked.pdf", "--crop-marks")):
        done = invoke("print", "-p", PARAMS, *DPI, *options, "-o", name)
        assert done.exit_code == 0, done.stderr
    # A day may end meanwhile.
    days.add(datetime.date.today())
    for name, margin in (("plain.pdf", 0), ("marked.pdf", MARK_MARGIN)):
        data = (tmp_path / name).read_bytes()
        size, _ = page_of(data)
        assert size == pytest.approx((47 + 2 * margin,) * 2, abs=0.006)
        assert any(f"D:{day:%Y%m%d}".encode() in data for day in days)
        document = pypdfium2.PdfDocument(data)
        page = document[0]
        (picture,) = page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE])
        shown = np.asarray(picture.get_bitmap().to_pil().convert("RGB"))
        assert np.array_equal(shown, pixels_of(tmp_path / "tile.png"))
        page.close()
        document.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-o", "tile.jpg"), "tile.jpg does not end in .tiff, .pdf or .png"),
        (("-o", "folder"), "folder does not end in .tiff, .pdf or .png"),
        (("--dpi", "0"), "--dpi"),
        (("--dpi", "nan"), "--dpi"),
        (("--dpi", "5000"), "--dpi: 5000 takes 9256 x 9256 pixels for 47 x 47 mm"),
        (("--dpi", "100"), "--dpi: 100 takes 192 x 192 pixels"),
        (("--margin", "3", "-o", "tile.png"), "--margin and --crop-marks are for a PDF page"),
        (("--margin", "3", "--crop-marks"), "--margin: 3 has no room for crop marks, which take 7 mm"),
        (("--margin", "-1"), "--margin"),
        (("--margin", "nan"), "--margin"),
    ],
)
def test_options_that_cannot_be_served_are_refused_in_words(invoke, tmp_path, options, said):
    done = invoke("print", "-p", PARAMS, *options)
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"variants": 2, "maps": ["ao"]}, ("variants: 2", "maps: ")),
        ({"overrides": {"output_format": "jpg"}}, ('overrides.output_format: "jpg" is not the format',)),
        ({"width_mm": 6000}, ("width_mm: 6000 is more than a PDF page has. Allowed: 5080 mm",)),
    ],
)
def test_requests_that_make_no_print_are_refused_by_field(invoke, tmp_path, changes, said):
    done = invoke("print", "-p", json.dumps(REQUEST | changes), *DPI)
    assert done.exit_code == 2, done.output
    for text in said:
        assert text in done.stderr
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten_unless_asked(invoke, tmp_path):
    (tmp_path / "tile.png").write_text("mine")
    refused = invoke("print", "-p", PARAMS, *DPI, "-o", "tile.png")
    assert refused.exit_code == 1
    assert (tmp_path / "tile.png").read_text() == "mine"
    assert invoke("print", "-p", PARAMS, *DPI, "-o", "tile.png", "--force").exit_code == 0
    with (tmp_path / "tile.png").open("rb") as file:
        assert provenance_in(file).picture == "final"
