"""What a request may say of its sheet: text that the font has, a whole small logo, a real day."""

import base64
import contextlib
import datetime
import io
import json
import unicodedata
from importlib import resources
from types import SimpleNamespace

import numpy as np
import pytest
from fontTools.ttLib import TTFont
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from request_oracle import parse
from sheets import logo
from thorough import examples

from plitka.output.pdf import FONT_FILE
from plitka.request.logo import MAX_LOGO_BYTES, MAX_LOGO_SIZE, logo_picture
from plitka.request.problems import checked
from plitka.request.sheet import MAX_SHEET_LINES, MAX_SHEET_TEXT, SHEET_CHARACTERS, SheetFields
from plitka.request.tile_request import RequestError, parse_request

COLORS = [{"name": "black", "proportion": 60}, {"name": "white", "proportion": 40}]
# Private use, ligatures and combining marks: in the font, but not to be typed.
LEFT_OUT = {*range(0xE000, 0xF900), 0xFB01, 0xFB02, 0x300, 0x301, 0x2C67, 0x2C68, 0x2C6}


def request_of(sheet):
    return parse_request(json.dumps({"colors": COLORS, "seed": 1, "overrides": {"sheet": sheet}}))


def problems(sheet):
    with pytest.raises(RequestError) as refusal:
        request_of(sheet)
    return {problem.field: problem for problem in refusal.value.problems}


def base64_of(data):
    return base64.b64encode(data).decode()


def test_allowed_characters_are_those_of_the_font():
    with resources.files("plitka.output").joinpath(FONT_FILE).open("rb") as file:
        font = set(TTFont(file).getBestCmap())
    allowed = set(map(ord, SHEET_CHARACTERS))
    assert allowed <= font
    assert font - allowed <= LEFT_OUT
    everyday = "АЯаяЁё ІіЇїЄєҐґЎў Ққ AZaz ÄÖÜß Łł №₽€₴°²±×…—–«»„“”’•"
    assert set(everyday) <= SHEET_CHARACTERS


@pytest.mark.parametrize("none", [None, False])
def test_no_sheet_is_none(none):
    assert request_of(none).overrides.sheet is None


def test_true_asks_for_a_sheet_with_nothing_of_the_customers():
    assert request_of(True).overrides.sheet == SheetFields()


TYPED = st.text(st.sampled_from(sorted(SHEET_CHARACTERS)), max_size=MAX_SHEET_TEXT)


@given(TYPED, st.sampled_from([None, "en", "ru"]), st.none() | st.dates().map(str))
def test_whatever_the_font_has_is_read_and_written_again(text, language, date):
    request = request_of({"text": text, "language": language, "date": date})
    assert parse_request(request.to_json()) == request
    assert request.overrides.sheet.text.split() == unicodedata.normalize("NFC", text).split()
    assert request.without_sheet() == request_of(None)


@given(TYPED, st.characters(exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"]))
def test_character_that_the_font_lacks_is_named(text, char):
    written = unicodedata.normalize("NFC", text[:100] + char)
    missing = set(written) - SHEET_CHARACTERS
    if not missing:
        assert request_of({"text": text[:100] + char}).overrides.sheet
    else:
        said = problems({"text": text[:100] + char})["overrides.sheet.text"].reason
        assert any(f"U+{ord(one):04X}" in said for one in missing)


def test_every_problem_of_a_sheet_is_said_at_once_beside_those_of_the_request():
    sheet = {
        "text": "x" * 501 + "\n" * 9 + "☃",
        "logo": "abc",
        "date": "2026-02-30",
        "language": "fr",
        "txt": 1,
    }
    document = {"colors": [{"name": "blak"}], "overrides": {"sheet": sheet}}
    with pytest.raises(RequestError) as refusal:
        parse_request(document)
    said = {problem.field: problem for problem in refusal.value.problems}
    assert set(said) == {"colors[0].name", *(f"overrides.sheet.{key}" for key in sheet)}
    text = said["overrides.sheet.text"].reason
    assert all(word in text for word in ("511 characters", "10 lines", "U+2603"))
    assert "did you mean" in said["overrides.sheet.txt"].reason


@pytest.mark.parametrize("value", [5, "yes", ["en"], 1.5])
def test_what_is_no_sheet_is_refused_by_name(value):
    assert "language, text, logo, date" in problems(value)["overrides.sheet"].allowed


@pytest.mark.parametrize("date", ["2026-13-01", "2026-02-29", "27.11.2026", "", 5, "2026-11-27T10:00"])
def test_what_is_no_day_is_refused(date):
    assert problems({"date": date})["overrides.sheet.date"].allowed == "a day as YYYY-MM-DD"


def test_too_many_lines_or_characters_are_counted():
    assert request_of({"text": "\n".join("a" * MAX_SHEET_LINES)})
    assert (
        "9 lines" in problems({"text": "\n".join("a" * (MAX_SHEET_LINES + 1))})["overrides.sheet.text"].reason
    )
    assert "501 characters" in problems({"text": "a" * 501})["overrides.sheet.text"].reason


@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.sampled_from(
        [("PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")]
        + [("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK")]
    ),
    st.booleans(),
)
def test_logo_of_every_usual_kind_is_taken(size, kind, is_address):
    data = logo((9, 99, 199), size, *kind)
    start = f"data:image/{kind[0].lower()};base64," if is_address else ""
    taken = request_of({"logo": start + base64_of(data)}).overrides.sheet.logo
    assert base64.b64decode(taken) == data
    assert logo_picture(data).size == size


@examples(40)
@given(st.sampled_from(["PNG", "JPEG"]), st.data())
def test_damaged_logo_is_refused_by_name_or_is_still_a_picture(kind, data):
    noise = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, kind)
    whole = bytearray(file.getvalue())
    if data.draw(st.booleans()):
        del whole[data.draw(st.integers(1, len(whole) - 1)) :]
    for _ in range(data.draw(st.integers(0, 5))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        sheet = checked(SheetFields, {"logo": base64_of(bytes(whole))})
    except RequestError as refusal:
        assert [problem.field for problem in refusal.problems] == ["logo"]
    else:
        logo_picture(base64.b64decode(sheet.logo)).convert("RGB")


@pytest.mark.parametrize(
    "data", [logo(), logo(kind="JPEG"), logo(mode="P"), logo()[:-20], b"\xff\xd8", b"GIF89a"]
)
def test_reading_a_logo_touches_no_file_no_module_and_no_network(data):
    document = {"colors": COLORS, "overrides": {"sheet": {"logo": base64_of(data), "text": "Имя"}}}
    with contextlib.suppress(RequestError):
        parse(SimpleNamespace(inputs={"params_json": json.dumps(document)}))


def deep_png():
    file = io.BytesIO()
    Image.fromarray(np.zeros((9, 9), np.uint16)).save(file, "PNG")
    return file.getvalue()


def gif():
    file = io.BytesIO()
    Image.new("P", (9, 9)).save(file, "GIF")
    return file.getvalue()


REFUSED = {
    "no base64": ("http://example.com/logo.png", "is not a picture in Base64"),
    "a file name": ("logo.png", "is not a picture in Base64"),
    "another type": (base64_of(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "is neither a PNG nor a JPEG"),
    "GIF": (base64_of(gif()), "is neither a PNG nor a JPEG"),
    "16 bits": (base64_of(deep_png()), "has more than 8 bits a channel"),
    "many pixels": (base64_of(logo(size=(MAX_LOGO_SIZE + 1, 1))), f"has {MAX_LOGO_SIZE + 1} x 1 pixels"),
    "many bytes": (base64_of(logo() + bytes(MAX_LOGO_BYTES)), "is too large"),
    "empty": ("", "is neither a PNG nor a JPEG"),
    "a number": (5, "is not text"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_logo_that_cannot_be_had_is_refused_with_the_reason(case):
    value, reason = REFUSED[case]
    with pytest.raises(RequestError) as refusal:
        checked(SheetFields, {"logo": value})
    (problem,) = refusal.value.problems
    assert problem.field == "logo"
    assert reason in problem.reason


def test_a_date_is_that_of_the_calendar():
    assert request_of({"date": datetime.date(2028, 2, 29).isoformat()}).overrides.sheet.date == "2028-02-29"
