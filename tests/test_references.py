import importlib
import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from thorough import one_in

from plitka.colors.palette import PALETTE
from plitka.server.serve import ROOT

FOLDER = ROOT / "references"
SHEETS = {"contact_sheet.jpg", "contact_sheet.ru.jpg", "mixes.jpg", "mixes.ru.jpg", "mixing_table.jpg"}
SCENARIOS = sorted(path.stem for path in (FOLDER / "scenarios").glob("*.json"))
# In the order of the page on scale: the last but one, two metres of floor, takes as long as all others.
SCALES = (
    *("surface", "grid", "brick", "herringbone", "hexagon", "puzzle", "fine", "medium", "coarse"),
    *("100mm", "500mm", "2000mm", "seamless"),
)
# Mean difference of a block, in levels of 255: JPEG libraries of other versions round differently, but no
# more than this; one changed digit on a sheet is several times as much.
BLOCK = 16
TOLERANCE = 8


@pytest.fixture
def make(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("make")


def encoded(make, picture, name="sheet.jpg"):
    file = io.BytesIO()
    picture.save(file, "JPEG", **make.jpeg_options(name))
    return file.getvalue()


def difference(file, name):
    """Mean difference, where it is largest, between a picture as it would be written and as it is kept."""
    with Image.open(FOLDER / name) as committed, Image.open(io.BytesIO(file)) as picture:
        assert committed.size == picture.size
        levels = np.abs(np.asarray(committed, float) - np.asarray(picture, float)).mean(axis=2)
    height, width = (side - side % BLOCK for side in levels.shape)
    blocks = levels[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    return blocks.mean(axis=(1, 3)).max()


def test_there_is_a_picture_of_every_colour_and_scenario_and_nothing_else(make):
    found = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.jpg")}
    swatches = {make.swatch_name(color) for color in PALETTE.values()}
    maps = {f"maps/{name}.jpg" for name in importlib.import_module("map_pictures").NAMES}
    assert tuple(importlib.import_module("scale_pictures").scale_requests()) == SCALES
    scales = {f"scale/{name}.jpg" for name in SCALES}
    assert found == swatches | SHEETS | maps | scales | {f"scenarios/{name}.jpg" for name in SCENARIOS}


def test_references_are_small():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*.*")) < 8_500_000


@pytest.mark.parametrize("code", one_in(5, PALETTE))
def test_swatch_is_current(make, code):
    drawn = encoded(make, make.draw_palette_swatch(PALETTE[code]))
    assert difference(drawn, make.swatch_name(PALETTE[code])) < TOLERANCE, "run: make references"


def test_a_rerun_writes_the_same_bytes(make):
    first, second = (encoded(make, make.draw_palette_swatch(PALETTE["BLACK"])) for _ in range(2))
    assert first == second


def test_pictures_of_maps_are_current(make):
    for name, picture in make.draw_map_pictures():
        assert difference(encoded(make, picture), f"maps/{name}.jpg") < TOLERANCE, "run: make references"


@pytest.mark.parametrize("name", one_in(4, SCALES))
def test_picture_of_a_scale_is_current(make, name):
    picture = importlib.import_module("scale_pictures").draw_scale_picture(name)
    file = f"scale/{name}.jpg"
    assert difference(encoded(make, picture, file), file) < TOLERANCE, "run: make references"


def test_page_on_scale_shows_every_picture_beside_the_request_that_made_it(make):
    requests = importlib.import_module("scale_pictures").scale_requests()
    for page in (ROOT / "docs/scale.md", ROOT / "docs/ru/scale.md"):
        rows = [line for line in page.read_text(encoding="utf-8").splitlines() if "references/scale/" in line]
        shown = {
            re.search(r"references/scale/(\w+)\.jpg", row)[1]: json.loads(re.search(r"`({.*})`", row)[1])
            for row in rows
        }
        assert shown == requests


@pytest.mark.long
def test_sheets_of_mixes_are_current_in_both_languages(make):
    for language in make.LANGUAGES:
        sheet, name = encoded(make, make.draw_mix_sheet(language)), make.sheet_name("mixes", language)
        assert difference(sheet, name) < TOLERANCE, "run: make references"


def test_contact_sheets_are_current_in_both_languages(make):
    # Each swatch is a picture of its own here.
    swatches = {code: Image.open(FOLDER / make.swatch_name(color)) for code, color in PALETTE.items()}
    for language in make.LANGUAGES:
        sheet = encoded(make, make.draw_contact_sheet(swatches, language))
        name = make.sheet_name("contact_sheet", language)
        assert difference(sheet, name) < TOLERANCE, "run: make references"


def test_russian_sheets_have_letters_for_all_their_words(make):
    words = [*make.WORDS["ru"].values(), *(color.russian for color in PALETTE.values())]
    letters = make.font(28, "ru")
    missing = bytes(letters.getmask("\uffff"))
    assert [letter for letter in set("".join(words)) if bytes(letters.getmask(letter)) == missing] == []


@pytest.mark.parametrize("name", one_in(3, SCENARIOS))
def test_picture_of_a_scenario_is_current(make, name):
    file = f"scenarios/{name}.jpg"
    assert difference(encoded(make, make.draw_scenario(name), file), file) < TOLERANCE, "run: make references"


@pytest.mark.parametrize(("row", "column"), [(0, 1), (14, 28), (28, 28)])
def test_cells_of_the_mixing_table_are_current(make, row, column):
    table = importlib.import_module("mixing_table")
    colors = list(PALETTE.values())
    plan = table.mixing_plan(colors[0], colors[1])
    cell = table.draw_cell(plan, table.most_typical_cell(plan), colors[row], colors[column])
    left, top = table.start_of(column), table.start_of(row)
    with Image.open(FOLDER / "mixing_table.jpg") as sheet:
        committed = sheet.crop((left, top, left + table.CELL, top + table.CELL))
    # The picture is compressed: averaged over 4 x 4 pixels it differs by at most 4 levels, another cell by 7.
    error = np.abs(np.asarray(committed.reduce(4), float) - np.asarray(cell.reduce(4), float)).mean()
    assert error < 5, "run: make references"
