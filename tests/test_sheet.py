"""The sheet as a PDF: what stands on it, how large, and always the same bytes."""

import base64
import datetime
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pypdfium2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sheets import logo, text_of, tile_file
from thorough import examples

from plitka.choices import Layout, SheetLanguage
from plitka.colors.palette import PALETTE
from plitka.errors import ContainerError
from plitka.output.scale_bar import bar_mm
from plitka.output.sheet import make_sheet, sheet_date
from plitka.output.sheet_words import WORDS
from plitka.request.problems import checked
from plitka.request.scale import SURFACE_GRANULES
from plitka.request.sheet import SHEET_CHARACTERS, SheetFields
from plitka.request.tile_request import parse_request
from plitka.tile.plan import plan_for

DAY = datetime.date(2026, 11, 27)
MIX = [
    {"name": "dark green", "proportion": 62.5},
    {"name": "terracotta", "proportion": 25},
    {"hex": "#123456", "proportion": 12.5},
]
POINT_MM = 25.4 / 72


def request_of(**keys):
    return parse_request({"colors": MIX, "seed": 2**63 - 1, **keys})


def sheet_of(request=None, picture=None, fields=None, date=DAY):
    request = request or request_of()
    return make_sheet(request, picture or tile_file(request), fields or SheetFields(), date)


def boxes(data, kind):
    """Left, top, width and height in mm of the objects of a kind on the page, as they were drawn."""
    page = pypdfium2.PdfDocument(data)[0]
    height = page.get_height()
    for one in page.get_objects(filter=[kind]):
        left, bottom, right, top = one.get_bounds()
        yield tuple(POINT_MM * value for value in (left, height - top, right - left, top - bottom))


def test_sheet_is_one_a4_page():
    document = pypdfium2.PdfDocument(sheet_of())
    assert len(document) == 1
    assert [round(side * POINT_MM, 1) for side in document[0].get_size()] == [210.0, 297.0]


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ["2026-11-27", "62.5 %", "Share", "brick bond at 22.5°", "50 mm", "170 × 170 mm"]),
        ("ru", ["27.11.2026", "62,5 %", "Доля", "вразбежку под углом 22,5°", "50 мм", "170 × 170 мм"]),
    ],
)
def test_sheet_says_all_of_the_mix_in_its_language(language, said):
    fields = checked(SheetFields, {"language": language, "text": "Our name, Наше имя\nтел. 5 ₽"})
    text = text_of(sheet_of(request_of(angle=22.5), fields=fields))
    names = [PALETTE["DKGREEN"], PALETTE["TERCOT"]]
    expected = [name for color in names for name in (color.code, color.prompt_word, color.russian, color.hex)]
    for word in (*expected, "#123456", str(2**63 - 1), "Our name, Наше имя", "тел. 5 ₽", *said):
        assert word in text, word
    assert "RAL" not in text
    assert "kg" not in text


@pytest.mark.long
def test_same_sheet_has_the_same_bytes_in_another_process(tmp_path):
    code = (
        "import sys, datetime, hashlib; sys.path.insert(0, sys.argv[1]); import test_sheet as t; "
        "fields = t.SheetFields(text='Имя', logo=t.LOGO); "
        "print(hashlib.sha256(t.sheet_of(fields=fields)).hexdigest())"
    )
    folder = str(Path(__file__).parent)
    found = {
        subprocess.run(
            [sys.executable, "-c", code, folder],
            env={**os.environ, "PYTHONHASHSEED": str(seed), "TZ": zone},
            capture_output=True,
            text=True,
            check=True,
            timeout=600,
            cwd=tmp_path,
        ).stdout
        for seed, zone in ((1, "UTC"), (2, "Asia/Vladivostok"))
    }
    assert len(found) == 1


def test_date_is_the_given_one_or_todays():
    assert sheet_date(SheetFields(date="2026-11-27")) == DAY
    before, found, after = datetime.date.today(), sheet_date(SheetFields()), datetime.date.today()
    assert before <= found <= after
    assert sheet_of(date=DAY) != sheet_of(date=DAY + datetime.timedelta(1))


@pytest.mark.parametrize("output_format", ["png", "webp"])
def test_picture_is_embedded_without_loss(output_format):
    request = request_of()
    file = tile_file(request, output_format, size=256)
    page = pypdfium2.PdfDocument(sheet_of(request, file))[0]
    (image,) = page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE])
    found = np.asarray(image.get_bitmap().to_pil().convert("RGB"))
    assert np.array_equal(found, np.asarray(Image.open(io.BytesIO(file)).convert("RGB")))


def test_jpeg_is_embedded_as_it_is_and_every_picture_says_srgb():
    request = request_of()
    file = tile_file(request, "jpg", size=256)
    assert file in sheet_of(request, file)
    for output_format in ("png", "webp", "jpg"):
        assert b"/ICCBased" in sheet_of(request, tile_file(request, output_format))


@pytest.mark.parametrize(
    ("keys", "shown", "long"),
    [
        ({}, (94, 94), 20),
        ({"width_mm": 3000}, (3000, 3000), 500),
        ({"width_mm": 400, "height_mm": 200}, (400, 200), 100),
        ({"width_mm": 100, "height_mm": 400}, (100, 400), 20),
    ],
)
def test_scale_bar_is_as_long_as_it_says(keys, shown, long):
    request = request_of(**keys)
    file = tile_file(request, size=(request.scale.height // 8, request.scale.width // 8))
    data = sheet_of(request, file)
    (_, _, width, height) = next(boxes(data, pypdfium2.raw.FPDF_PAGEOBJ_IMAGE))
    assert width / height == pytest.approx(shown[0] / shown[1], rel=0.01)
    assert f"{long} mm" in text_of(data)
    assert f"{shown[0]} × {shown[1]} mm" in text_of(data)
    bar = max(
        (
            box
            for box in boxes(data, pypdfium2.raw.FPDF_PAGEOBJ_PATH)
            if box[3] == pytest.approx(1.2, abs=0.1)
        ),
        key=lambda box: box[2],
    )
    assert bar[2] / width == pytest.approx(long / shown[0], rel=0.01)


@examples(30)
@given(st.floats(10, 10_000))
def test_scale_bar_is_a_round_part_of_the_picture(shown):
    assert 0.1 * shown < bar_mm(shown) <= 0.3 * shown
    assert str(int(float(f"{bar_mm(shown):.0e}"))) == f"{bar_mm(shown):g}"


@pytest.mark.parametrize("layout", get_args(Layout))
@pytest.mark.parametrize("language", get_args(SheetLanguage))
def test_every_layout_has_its_words(layout, language):
    request = request_of(overrides={"layout": layout})
    assert WORDS[language][layout].format(angle="0") in text_of(
        sheet_of(request, fields=SheetFields(language=language))
    )


def test_granules_of_the_top_layer_are_as_long_as_the_scale_takes_them():
    granules = plan_for(request_of(angle=0)).granules
    outlines = granules.outlines()[granules.level > 0.6]
    turns = np.linspace(0, np.pi, 18, endpoint=False)
    along = outlines @ np.stack([np.cos(turns), np.sin(turns)])
    longest = np.ptp(along, axis=1).max(axis=1)
    assert 1 / longest.mean() == pytest.approx(SURFACE_GRANULES, rel=0.03)


COLORS = st.lists(st.sampled_from(list(PALETTE)), min_size=1, max_size=8, unique=True)
TEXTS = st.text(st.sampled_from(["\n", " ", "Щ", "W", "i", *sorted(SHEET_CHARACTERS)[200:220]]), max_size=500)


@settings(max_examples=25)
@given(COLORS, TEXTS, st.sampled_from(["en", "ru"]), st.booleans(), st.floats(0.01, 1))
def test_every_sheet_fits_on_its_page(codes, text, language, has_logo, first):
    lines = "\n".join(text.splitlines()[:8])
    fields = checked(SheetFields, {"text": lines, "language": language, "logo": LOGO if has_logo else None})
    shares = [first, *[1.0] * (len(codes) - 1)]
    colors = [
        {"name": code, "percent": 100 * share / sum(shares)}
        for code, share in zip(codes, shares, strict=True)
    ]
    data = sheet_of(parse_request({"colors": colors, "seed": 1}), fields=fields)
    text_of(data)
    page = pypdfium2.PdfDocument(data)[0].get_textpage()
    # Left and right, bottom and top of every character.
    placed = [page.get_charbox(i) for i in range(page.count_chars())]
    assert min(box[0] for box in placed) * POINT_MM > 10
    assert max(box[2] for box in placed) * POINT_MM < 200
    assert min(box[1] for box in placed) * POINT_MM > 10
    pictures = list(boxes(data, pypdfium2.raw.FPDF_PAGEOBJ_IMAGE))
    assert max(box[2] for box in pictures) > 80


def test_logo_stands_in_the_upper_right_corner_undistorted():
    fields = checked(SheetFields, {"logo": base64.b64encode(logo((10, 200, 30), (600, 100))).decode()})
    found = list(boxes(sheet_of(fields=fields), pypdfium2.raw.FPDF_PAGEOBJ_IMAGE))
    left, top, width, height = min(found, key=lambda box: box[1])
    assert width / height == pytest.approx(6, rel=0.01)
    assert left + width == pytest.approx(192, abs=0.1)
    assert top == pytest.approx(18, abs=0.1)


def test_sheet_carries_the_request_of_its_picture_without_the_logo():
    fields = checked(SheetFields, {"logo": LOGO})
    request = request_of(overrides={"sheet": {"text": "a"}})
    said = pypdfium2.PdfDocument(sheet_of(request, fields=fields)).get_metadata_dict()
    assert parse_request(said["Keywords"]) == request.without_sheet()
    assert said["Creator"] == "Plitka Pro"
    assert "sheet" not in json.loads(said["Keywords"])["overrides"]


def test_picture_that_is_damaged_or_cropped_is_refused():
    request = request_of()
    whole = tile_file(request)
    for data in (
        b"",
        b"text",
        whole[:200],
        whole[: len(whole) // 2],
        logo(size=(20, 10)),
        logo(mode="L", size=(9, 9)),
    ):
        with pytest.raises(ContainerError):
            sheet_of(request, data or b"x")


LOGO = base64.b64encode(logo()).decode()
