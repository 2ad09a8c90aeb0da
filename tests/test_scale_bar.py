"""The scale bar: true in length, crisp, readable on any tile, and nowhere but on the pictures."""

import io
import json

import numpy as np
import pytest
from command_line import request_in
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from plitka.engines import load_engine
from plitka.generation import generate
from plitka.output.scale_bar import bar_mm, with_scale_bar
from plitka.request.tile_request import parse_request

REQUEST = {
    "colors": [{"name": "black", "proportion": 60}, {"name": "white", "proportion": 40}],
    "seed": 3,
    "width": 256,
    "width_mm": 47,
    "maps": ["height"],
}
INK = (30, 30, 30)
sides = st.integers(64, 900)


def results_of(**changes):
    request = parse_request({**REQUEST, **changes})
    return {result.name: result for result in generate(request, load_engine("render"))}


@pytest.fixture(scope="module")
def plain():
    return results_of()


@pytest.fixture(scope="module")
def with_bar():
    return results_of(overrides={"scale_bar": True})


def longest_run(image):
    """Pixels of the longest run of ink in a row."""
    best = 0
    for row in np.all(image == INK, axis=2):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row.view(np.int8), [0]])))
        best = max([best, *(edges[1::2] - edges[::2])])
    return best


@given(rows=sides, columns=sides, width_mm=st.floats(10, 10_000), level=st.integers(0, 255))
def test_the_bar_has_its_length_to_half_a_pixel_and_stands_out_on_any_grey(rows, columns, width_mm, level):
    if level == INK[0]:
        level += 1
    image = np.full((rows, columns, 3), level, np.uint8)
    drawn = with_scale_bar(image, width_mm)
    assert abs(longest_run(drawn) - bar_mm(width_mm) / width_mm * columns) <= 0.5
    added = np.any(drawn != image, axis=2)
    assert (drawn[added] == INK).all(1).any()
    # Ink stands on its own pale plate: the pixels beside the bar's ends are not the tile's.
    assert (drawn[added].min(1) > 240).any()
    assert added.mean() < 0.5


def test_edges_of_the_bar_are_edges_of_pixels():
    drawn = with_scale_bar(np.full((1024, 1024, 3), 120, np.uint8), 94)
    inked = np.all(drawn == INK, axis=2)
    bar = drawn[inked.argmax(1).nonzero()[0][-1]]
    colors = {tuple(map(int, color)) for color in bar}
    assert colors == {INK, (248, 248, 248), (120, 120, 120)}


def test_a_picture_too_narrow_for_a_label_stays_as_it_was():
    image = np.random.default_rng(1).integers(0, 256, (512, 24, 3), np.uint8)
    assert np.array_equal(with_scale_bar(image, 94), image)


@given(st.floats(10, 10_000))
def test_length_is_round_and_a_good_part_of_the_picture(width_mm):
    length = bar_mm(width_mm)
    assert float(f"{length:.0e}") == length
    assert f"{length:e}"[0] in "125"
    assert 0.12 <= length / width_mm <= 0.3


def test_only_the_pictures_have_it_and_only_where_it_stands(plain, with_bar):
    assert [name for name in plain if not np.array_equal(plain[name].image, with_bar[name].image)] == [
        "preview",
        "final",
    ]
    for name in ("preview", "final"):
        changed = np.any(plain[name].image != with_bar[name].image, axis=2)
        rows, columns = changed.nonzero()
        height, width = changed.shape
        # The lower left corner.
        assert rows.min() > height * 0.6
        assert columns.max() < width * 0.6


def test_nothing_that_is_measured_knows_of_it(plain, with_bar):
    for name in ("preview", "final"):
        assert plain[name].fidelity == with_bar[name].fidelity
        assert np.array_equal(plain[name].colors.image, with_bar[name].colors.image)


def test_the_file_is_the_picture_with_its_bar_and_says_so(with_bar):
    picture = Image.open(io.BytesIO(with_bar["final"].data))
    assert np.array_equal(np.asarray(picture), with_bar["final"].image)
    assert json.loads(picture.info["plitka:request"])["overrides"] == {"scale_bar": True}


def test_false_is_a_picture_without(plain):
    assert np.array_equal(results_of(overrides={"scale_bar": False})["final"].image, plain["final"].image)


def test_the_command_line_can_ask_for_it(invoke, tmp_path):
    arguments = ("-p", json.dumps(REQUEST | {"maps": []}), "--scale-bar", "-o", "tile.png")
    assert invoke("generate", *arguments).exit_code == 0
    assert request_in(tmp_path / "tile.png")["overrides"] == {"scale_bar": True}
    again = invoke("generate", "--from", "tile.png", "-o", "again.png")
    assert again.exit_code == 0, again.output
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "tile.png").read_bytes()
