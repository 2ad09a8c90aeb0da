"""`plitka sheet`, and `plitka generate` for a request with a sheet."""

import json

import pytest
from sheets import logo, text_of, tile_file

from plitka.request.tile_request import parse_request

COLORS = [{"name": "red", "proportion": 70}, {"name": "blue", "proportion": 30}]


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "tile.png"
    path.write_bytes(tile_file(parse_request({"colors": COLORS, "seed": 5})))
    return path


def test_picture_gives_its_sheet_with_logo_text_and_date(invoke, picture, tmp_path):
    (tmp_path / "logo.jpg").write_bytes(logo(kind="JPEG"))
    options = ("--logo", "logo.jpg", "--text", "Наш текст", "--language", "ru", "--date", "2026-11-27")
    done = invoke("sheet", picture, *options)
    assert (done.exit_code, done.stdout) == (0, "sheet.pdf\n")
    text = text_of((tmp_path / "sheet.pdf").read_bytes())
    for word in ("красный", "70 %", "Наш текст", "27.11.2026", "seed) 5"):
        assert word in text
    again = invoke("sheet", picture, *options, "-o", "again.PDF")
    assert again.exit_code == 0
    assert (tmp_path / "again.PDF").read_bytes() == (tmp_path / "sheet.pdf").read_bytes()


def test_request_is_drawn_and_its_own_sheet_holds_where_options_say_nothing(invoke, tmp_path):
    sheet = {"text": "of the request", "date": "2026-01-31", "language": "ru"}
    request = json.dumps({"colors": COLORS, "seed": 7, "overrides": {"sheet": sheet}})
    done = invoke("sheet", "-p", request, "--text", "of the option", "--engine", "render", "-o", tmp_path)
    assert done.exit_code == 0, done.stderr
    text = text_of((tmp_path / "sheet.pdf").read_bytes())
    assert "of the option" in text
    assert "of the request" not in text
    assert "31.01.2026" in text
    assert "seed 7" in done.stderr


def test_nothing_is_overwritten_unless_asked(invoke, picture, tmp_path):
    (tmp_path / "sheet.pdf").write_text("mine")
    refused = invoke("sheet", picture)
    assert refused.exit_code == 1
    assert "sheet.pdf: exists" in refused.stderr
    assert (tmp_path / "sheet.pdf").read_text() == "mine"
    assert invoke("sheet", picture, "--force").exit_code == 0
    assert (tmp_path / "sheet.pdf").read_bytes().startswith(b"%PDF-")


def test_all_problems_of_request_and_options_are_said_at_once_before_anything_is_drawn(invoke, tmp_path):
    (tmp_path / "logo.png").write_text("no picture")
    done = invoke("sheet", "--colors", "blak", "--logo", "logo.png", "--text", "☃", "--date", "tomorrow")
    assert done.exit_code == 2
    for said in (
        "colors[0].name",
        '--logo: "logo.png" is neither',
        '--text: "☃"',
        "U+2603",
        '--date: "tomorrow"',
    ):
        assert said in done.stderr, said
    assert "Base64" not in done.stderr
    assert not (tmp_path / "sheet.pdf").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-o", "sheet.png"), "--out: sheet.png"),
        (("--seed", "1"), "leave the options of a request out"),
        (("--logo", "none.png"), "--logo: none.png cannot be read"),
        (("--language", "fr"), "'en', 'ru'"),
    ],
)
def test_wrong_option_is_named(invoke, picture, arguments, said):
    done = invoke("sheet", picture, *arguments)
    assert done.exit_code == 2
    assert said in done.stderr


def test_picture_without_its_request_is_refused_by_name(invoke, tmp_path):
    (tmp_path / "photo.png").write_bytes(logo())
    done = invoke("sheet", "photo.png")
    assert done.exit_code == 2
    assert "photo.png: this picture does not say how it was made" in done.stderr


def test_damaged_picture_is_refused_by_name(invoke, picture, tmp_path):
    (tmp_path / "half.png").write_bytes(picture.read_bytes()[:-3000])
    done = invoke("sheet", "half.png")
    assert done.exit_code == 2
    assert "half.png: the picture is damaged" in done.stderr
    assert not (tmp_path / "sheet.pdf").exists()


def test_generate_writes_the_sheet_beside_the_pictures_and_force_takes_it_away_again(invoke, tmp_path):
    request = {"colors": COLORS, "seed": 7, "overrides": {"sheet": {"date": "2026-01-31"}}}
    done = invoke("generate", "-p", json.dumps(request), "-o", "a", "--json")
    assert done.exit_code == 0, done.stderr
    files = json.loads(done.stdout)["files"]
    assert [file["name"] for file in files] == ["preview", "final", "colormap", "sheet"]
    assert "width" not in files[-1]
    text_of((tmp_path / "a/sheet.pdf").read_bytes())
    with_sheet = {path.name: path.read_bytes() for path in (tmp_path / "a").glob("*.png")}
    done = invoke("generate", "-p", json.dumps({**request, "overrides": {}}), "-o", "a", "--force")
    assert done.exit_code == 0, done.stderr
    # The pictures are the same, and the sheet of the earlier run is gone with it.
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()} == with_sheet
