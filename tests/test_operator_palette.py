"""An operator's palette from end to end: commands, pictures, the page, the server's start."""

import json
import re

import pytest
from cog_server import CogServer
from PIL import Image
from thorough import one_in
from typer.testing import CliRunner

from plitka.cli.commands import app
from plitka.colors.mix import palette_mix_color
from plitka.colors.palette import PALETTE, Palette, palette_in_use
from plitka.errors import PaletteError
from plitka.match.batches import known_batches
from plitka.match.palette_check import disagreements
from plitka.output.provenance_reader import read_provenance
from plitka.output.sheet import _columns
from plitka.output.sheet_words import WORDS
from plitka.request.tile_request import parse_inputs
from plitka.server.page_palette import page_in_use
from plitka.server.serve import PAGE
from plitka.tile.plan import make_plan
from plitka.tile.swatch import draw_swatch

OWN = {
    "version": 1,
    "colors": [
        {
            "code": "R-10",
            "names": {"en": "brick red", "ru": "кирпичный"},
            "prompt_word": "red",
            "hex": "#A8432F",
        },
        {"code": "K-1", "names": {"de": "schwarz"}, "prompt_word": "black", "hex": "#303030"},
    ],
}


@pytest.fixture
def own(monkeypatch, tmp_path):
    path = tmp_path / "own.json"
    path.write_text(json.dumps(OWN), encoding="utf-8")
    monkeypatch.setenv("PLITKA_PALETTE", str(path))
    return path


def plitka(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def drawn(out, colors="60% R-10, 40% schwarz"):
    finished = plitka("plan", "--colors", colors, "--seed", 7, "-o", out)
    assert finished.exit_code == 0, finished.output
    return out / "colormap.png"


def test_a_picture_carries_its_palette_and_says_when_it_is_another(own, tmp_path, monkeypatch):
    picture = drawn(tmp_path / "own")
    provenance = read_provenance(picture)
    assert provenance.palette == palette_in_use().fingerprint != PALETTE.fingerprint
    assert "60% red, 40% black" in provenance.prompt
    colors = {f"#{bytes(rgb).hex().upper()}" for _, rgb in Image.open(picture).getcolors(2**20)}
    assert {"#A8432F", "#303030"} <= colors
    monkeypatch.delenv("PLITKA_PALETTE")
    again = plitka("generate", "--from", picture, "-o", tmp_path / "again")
    assert again.exit_code == 2
    assert "made with the palette" in again.output
    assert "here is the built-in palette" in again.output


def test_with_the_built_in_palette_a_picture_says_nothing_of_it(tmp_path):
    assert read_provenance(drawn(tmp_path / "built-in", "60% red, 40% black")).palette is None


def test_the_page_has_the_palette_in_use(own):
    page = page_in_use(PAGE.read_bytes()).decode()
    listed = re.search(r"^const PALETTE = \[\n(.*?)^\];$", page, re.MULTILINE | re.DOTALL)[1]
    assert [json.loads(line.rstrip(","))["code"] for line in listed.strip().split("\n")] == ["R-10", "K-1"]
    assert '"TERCOT ' not in page


def test_the_page_stays_as_it_is_with_the_built_in_palette():
    assert page_in_use(PAGE.read_bytes()) == PAGE.read_bytes()


def test_the_sheet_names_granules_as_the_palette_does(own):
    request = parse_inputs(None, "50% R-10, 25% K-1, 25% RAL 3020", None, None, 1)
    texts = [column.texts for column in _columns(request, WORDS["ru"], "ru", None)]
    assert ("brick red", "schwarz", "RAL 3020") in texts


def test_other_batches_are_known_of_built_in_colours_alone():
    assert set(known_batches(PALETTE)) == {"BLUE", "DKGREEN"}
    assert known_batches(Palette([PALETTE["RED"]])) == {}


def test_a_palette_is_shown_in_words_and_as_json(own):
    table = plitka("palette", "show")
    assert "R-10" in table.output and "2 colours" in table.output
    shown = json.loads(plitka("palette", "show", "--json").output)
    assert [color["code"] for color in shown["colors"]] == ["R-10", "K-1"]
    assert shown["sha256"] == palette_in_use().fingerprint


def test_a_bad_palette_fails_a_command_with_every_problem(monkeypatch, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text('{"version": 2, "colors": [{"code": "R", "names": {"en": "red"}, "hex": "red"}]}')
    monkeypatch.setenv("PLITKA_PALETTE", str(path))
    for command in (("palette", "show"), ("plan", "--colors", "red", "-o", tmp_path / "x")):
        finished = plitka(*command)
        assert finished.exit_code == 1
        assert "has 2 problems:\n- version: 2 is not 1.\n- colors[0].hex" in finished.output
    with pytest.raises(PaletteError):
        page_in_use(PAGE.read_bytes())


@pytest.mark.long
def test_a_server_with_a_bad_palette_does_not_start_and_says_why(tmp_path):
    (tmp_path / "bad.json").write_text("{}")
    server = CogServer.start(tmp_path, "render", PLITKA_PALETTE="bad.json")
    assert server.process.wait(300) == 1
    assert "version: null is not 1" in server.log.read_text()


@pytest.mark.parametrize("code", one_in(2, ["RED", "DKBLUE", "PEARL"]))
def test_measuring_a_drawn_tile_gives_its_colour_back(code, tmp_path):
    plan = make_plan((palette_mix_color(PALETTE[code]),), 0, "surface", 3)
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(draw_swatch(plan, 512)).save(folder / f"X-1={code.lower()}.png")
    out = tmp_path / "palette.json"
    finished = plitka("palette", "measure", folder, "-o", out)
    assert finished.exit_code == 0, finished.output
    (color,) = json.loads(out.read_text())["colors"]
    assert color["code"] == "X-1"
    assert color["lab"] == pytest.approx(PALETTE[code].lab, abs=3)
    assert plitka("palette", "measure", folder, "-o", out).exit_code == 2


@pytest.mark.long
def test_a_table_beside_the_photographs_says_names_and_prices(tmp_path):
    plan = make_plan((palette_mix_color(PALETTE["RED"]),), 0, "surface", 3)
    for name in ("1.png", "2.png"):
        Image.fromarray(draw_swatch(plan, 512)).save(tmp_path / name)
    table = tmp_path / "colors.csv"
    table.write_text(
        "file;code;ru;de;price_per_kg\n1.png;R-1;красный;rot; 2,5\n2.png;R-1;;;\n", encoding="utf-8"
    )
    out = tmp_path / "out.json"
    assert plitka("palette", "measure", tmp_path, "-o", out, "--currency", "EUR").exit_code == 0
    (color,) = json.loads(out.read_text())["colors"]
    assert color["names"] == {"ru": ["красный"], "de": ["rot"]}
    assert (color["price_per_kg"], color["prompt_word"]) == (2.5, "red")
    table.write_text("file,code,weight\n1.png,R-1,2\n")
    assert "has a column 'weight'" in plitka("palette", "measure", tmp_path, "-o", out, "--force").output
    table.write_text("file,code,bag_kg\n3.png,R-1,x\n1.png,R-1,x\n")
    said = plitka("palette", "measure", tmp_path, "-o", out, "--force").output
    assert "there is no photograph '3.png'" in said and "'x' is not a number" in said


def test_a_colour_that_looks_otherwise_on_mixes_is_named():
    near = PALETTE["RED"].lab
    seen = [("DKGREEN", (63.0, -40.0, 34.0)), ("DKGREEN", (62.0, -41.0, 33.0)), ("RED", near)]
    (found,) = disagreements(seen, PALETTE)
    assert (found.color.code, found.photos) == ("DKGREEN", 2)
    assert found.delta_e > 15
