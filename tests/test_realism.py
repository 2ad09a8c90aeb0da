"""The ruler of realism on pictures of which it is known whether they differ; no photograph is needed."""

import sys
from functools import cache

import cv2
import numpy as np
import pytest
from mixes import mix_of

from plitka.server.serve import ROOT
from plitka.tile.plan import make_plan
from plitka.tile.swatch import draw_swatch

MIXES = {
    "redp50_bluep50": {"RED": 50, "BLUE": 50},
    "white": {"WHITE": 100},
    "blackp85_whitep15": {"BLACK": 85, "WHITE": 15},
}


@pytest.fixture(scope="module")
def ruler():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield pytest.importorskip("realism")
    sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Swatches of another seed, stored as photographs are."""
    folder = tmp_path_factory.mktemp("photographs")
    for name in MIXES:
        write(folder / f"{name}.jpg", swatch(name, 99))
    return folder


@pytest.fixture(scope="module")
def pairs(ruler, photographs):
    """Those and our pictures, made the same way."""
    return ruler.read_pairs(photographs, None)


def write(path, image):
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


@cache
def swatch(name, seed):
    return draw_swatch(make_plan(mix_of(**MIXES[name]), 0, "surface", seed), 1024)


def changed(photographs, folder, change):
    for path in photographs.glob("*.jpg"):
        write(folder / f"{path.stem}.png", change(swatch(path.stem, 1)))
    return folder


@pytest.mark.long
def test_pictures_made_the_same_way_are_not_distinguished(ruler, pairs):
    assert 0.3 < ruler.unseen_auc(pairs) < 0.7
    assert max(ruler.relative_distances(pairs, halves=3)) < 0.3


@pytest.mark.long
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda image: cv2.GaussianBlur(image, (0, 0), 0.6), id="a little softer"),
        pytest.param(
            lambda image: np.clip(image + np.random.default_rng(0).normal(0, 8, image.shape), 0, 255).astype(
                np.uint8
            ),
            id="grain",
        ),
    ],
)
def test_a_difference_in_fine_texture_alone_is_seen(ruler, photographs, tmp_path, change):
    pairs = ruler.read_pairs(photographs, changed(photographs, tmp_path, change))
    assert ruler.unseen_auc(pairs) > 0.75


@pytest.mark.long
def test_the_sheet_and_its_key_name_every_crop(ruler, pairs, tmp_path):
    ruler.write_sheet(pairs, tmp_path)
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == (4 * 256, 6 * 256, 3)
    key = (tmp_path / "sheet.txt").read_text().splitlines()
    assert sum(": photograph" in line for line in key) == sum(": picture" in line for line in key) == 12


def test_features_are_numbers_on_flat_and_black_and_white_patches(ruler):
    flat = np.full((96, 96, 3), 128, np.uint8)
    board = (np.indices((96, 96)).sum(0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, 2)
    for patch in (flat, board, flat * 0):
        assert np.isfinite(ruler.describe(patch)).all()
