import importlib.util
import io

import numpy as np
import pytest
from PIL import Image

from plitka.palette import PALETTE
from plitka.serve import ROOT

FOLDER = ROOT / "references"
SHEETS = {"contact_sheet.jpg", "mixes.jpg"}
# Mean difference in levels of 255: JPEG libraries of other versions round differently, no more than this.
TOLERANCE = 1


@pytest.fixture(scope="module")
def make():
    spec = importlib.util.spec_from_file_location("make", FOLDER / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def encoded(make, picture):
    file = io.BytesIO()
    picture.save(file, "JPEG", **make.JPEG_OPTIONS)
    return file.getvalue()


def difference(file, name):
    """Mean difference between a picture as it would be written and as it stands in the repository."""
    with Image.open(FOLDER / name) as committed, Image.open(io.BytesIO(file)) as picture:
        assert committed.size == picture.size
        return np.abs(np.asarray(committed, float) - np.asarray(picture, float)).mean()


def test_there_is_a_swatch_of_every_colour_and_nothing_else(make):
    found = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.jpg")}
    assert found == {make.swatch_name(color) for color in PALETTE.values()} | SHEETS


def test_references_are_small():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*.*")) < 4_000_000


@pytest.mark.parametrize("code", ["BLACK", "TERCOT", "YELLOW"])
def test_swatch_is_current_and_a_rerun_writes_the_same_bytes(make, code):
    first, second = (encoded(make, make.draw_palette_swatch(PALETTE[code])) for _ in range(2))
    assert first == second
    assert difference(first, make.swatch_name(PALETTE[code])) < TOLERANCE, "run: make references"


def test_sheet_of_mixes_is_current(make):
    requests = [make.mix_request(mix, seed) for seed, mix in enumerate(make.MIXES, start=1)]
    assert difference(encoded(make, make.draw_mix_sheet(requests)), "mixes.jpg") < TOLERANCE, (
        "run: make references"
    )


def test_contact_sheet_is_current(make):
    swatches = {code: make.draw_palette_swatch(color) for code, color in PALETTE.items()}
    sheet = encoded(make, make.draw_contact_sheet(swatches))
    assert difference(sheet, "contact_sheet.jpg") < TOLERANCE, "run: make references"
