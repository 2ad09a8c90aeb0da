"""Sizes in a request: millimetres of granules, tiles, joints and of what the picture shows."""

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mixes import mix_of
from thorough import examples, one_in

from plitka.choices import Layout
from plitka.engines import load_engine
from plitka.errors import RequestError
from plitka.generation import generate
from plitka.output.metrics import request_metrics
from plitka.request.scale import Dimensions, scale_of
from plitka.request.tile_request import parse_request
from plitka.tile.plan import make_plan

RED = {"colors": [{"name": "red"}], "seed": 1}
HALVES = {
    "colors": [{"name": "red", "proportion": 50}, {"name": "beige", "proportion": 50}],
    "seed": 1,
}


def refused(**given):
    with pytest.raises(RequestError) as caught:
        parse_request(json.dumps(RED | given))
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "granule", "width"),
    [
        ({}, 2.0, 94.0),
        ({"granule_mm": "coarse"}, 3.0, 141.0),
        ({"granule_mm": " Fine "}, 1.0, 47.0),
        ({"granule_mm": "2,5"}, 2.5, 117.5),
        ({"width_mm": 300}, 2.0, 300.0),
        ({"height_mm": 300}, 2.0, 300.0),
        ({"angle": 30}, 2.0, 170.0),
        ({"angle": 30, "granule_mm": 4}, 4.0, 340.0),
    ],
)
def test_a_request_says_how_large_its_picture_is(given, granule, width):
    scale = parse_request(json.dumps(RED | given)).scale
    assert (scale.granule_mm, scale.width_mm, scale.height_mm) == (granule, width, width)


def test_what_is_not_said_has_its_default():
    scale = parse_request(json.dumps(RED | {"angle": 30})).scale
    assert (scale.tile_mm, scale.joint_mm, scale.seamless) == ((200, 100), 2, False)
    assert parse_request(json.dumps(RED)).scale.tile_mm is None


@given(
    st.sampled_from(["surface", "grid", "brick", "herringbone", "hexagon", "puzzle"]),
    st.floats(0.5, 10),
    st.floats(10, 100),
    st.tuples(st.floats(60, 1000), st.floats(60, 1000)),
    st.floats(0.2, 30),
)
@examples(12)
def test_a_request_with_sizes_reads_back_equal(layout, granule, granules, tile, joint):
    document = RED | {"granule_mm": granule, "width_mm": granule * max(granules, 20.01)}
    document["overrides"] = {"layout": layout}
    if layout != "surface":
        document |= {"tile_mm": sorted(tile, reverse=True), "joint_mm": joint}
    request = parse_request(json.dumps(document))
    again = parse_request(request.to_json())
    assert again == request and again.scale == request.scale


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"granule_mm": 0.4}, ("granule_mm: 0.4", "0.5 to 10", '"fine", "medium" or "coarse"')),
        ({"granule_mm": "dust"}, ('granule_mm: "dust"', "is not one of the gradings")),
        ({"width_mm": 9}, ("width_mm: 9", "10 to 10000")),
        ({"width_mm": 30}, ("width_mm: 30", "at least 20 granules, 40 mm")),
        (
            {"width_mm": 300, "height_mm": 200, "width": 512, "height": 512},
            ("height_mm: 200", "512 x 512 pixels and a width of 300 mm", "Allowed: 300"),
        ),
        ({"width_mm": 300, "height_mm": 200}, ("height_mm: 200", "1024 x 680 pixels", "Allowed: 199.219")),
        ({"width": 1000, "height_mm": 40, "width_mm": 400}, ("height: 96", "256 to 8192")),
        ({"width": 900}, ("width: 900", "is not a multiple of 8", "256 to 8192, in multiples of 8")),
        ({"height": 8200}, ("height: 8200", "256 to 8192")),
        ({"angle": 30, "tile_mm": 100}, ("tile_mm: 100", "a list of two numbers")),
        ({"angle": 30, "tile_mm": [100, 5]}, ("tile_mm: [100, 5]", "10 to 10000")),
        ({"angle": 30, "joint_mm": 60}, ("joint_mm: 60", "half the tile's shorter side, here 50 mm")),
        ({"angle": 30, "joint_mm": 0}, ("joint_mm: 0", "0.2 to 100")),
        ({"tile_mm": [200, 100]}, ("tile_mm: [200.0, 100.0]", "a surface, which has no joints")),
        ({"seamless": "yes"}, ('seamless: "yes"', "true or false")),
        ({"granule": 3}, ("granule: 3", 'did you mean "granule_mm"')),
    ],
)
def test_a_size_that_cannot_be_is_refused_by_field_value_and_what_is_allowed(given, words):
    message = refused(**given)
    assert all(word in message for word in words), message


def test_every_size_that_does_not_fit_is_named_at_once():
    message = refused(angle=30, joint_mm=80, width_mm=20)
    assert "joint_mm: 80" in message and "width_mm: 20" in message


def test_granule_size_alone_changes_no_pixel():
    """A picture shows the same number of granules, whatever their size, unless a width is asked for."""
    mix = mix_of(RED=50, BLACK=50)
    usual = make_plan(mix, 0, "surface", 5)
    for granule in (0.7, 3.3, 10):
        plan = make_plan(mix, 0, "surface", 5, scale_of("surface", Dimensions(granule_mm=granule)))
        assert plan.relief.facets.tobytes() == usual.relief.facets.tobytes()
        assert plan.extent_mm == (47 * granule, 47 * granule)
        assert plan.pitch_mm == pytest.approx(granule * 47 / 62)


@pytest.mark.long
@pytest.mark.parametrize("width_mm", one_in(2, [60, 300, 800]))
def test_every_extent_is_drawn_with_exact_shares_and_left_as_it_is(width_mm):
    results = list(generate(parse_request(HALVES | {"width_mm": width_mm}), load_engine("render")))
    for result in results[:2]:
        assert result.fidelity.worst_error_pp < 0.1 or width_mm == 60
        assert not result.colors.corrected
    assert [result.image.shape[0] for result in results] == [512, 1024, 1024]


@pytest.mark.parametrize(
    ("given", "size", "preview"),
    [
        ({"width": 600, "height": 304}, (600, 304), (304, 152)),
        ({"width": 256, "height": 1600, "width_mm": 60}, (256, 1600), (80, 512)),
        ({"height": 512, "angle": 30, "overrides": {"layout": "hexagon"}}, (512, 512), (256, 256)),
        ({"width_mm": 100, "height_mm": 75}, (1024, 768), (512, 384)),
    ],
)
def test_pictures_have_the_size_asked_for_and_exact_shares(given, size, preview):
    results = list(generate(parse_request(HALVES | given), load_engine("render")))
    shapes = [result.image.shape[1::-1] for result in results]
    assert shapes == [preview, size, size]
    assert all(result.fidelity.worst_error_pp < 0.1 for result in results[:2])


@pytest.mark.parametrize("layout", get_args(Layout))
def test_metrics_are_of_types_that_cog_takes(layout):
    def plain(value):
        if isinstance(value, dict):
            return all(isinstance(key, str) and plain(part) for key, part in value.items())
        if isinstance(value, list):
            return all(plain(part) for part in value)
        return value is None or type(value) in (str, int, float, bool)

    request = parse_request({"colors": [{"name": "red"}], "overrides": {"layout": layout}})
    assert [
        name for name, value in request_metrics(request, load_engine("render")).items() if not plain(value)
    ] == []
