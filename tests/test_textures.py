"""What a request shows as a texture: seamless where it can be, sharp, and never other than asked."""

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from thorough import examples

from plitka.choices import Layout
from plitka.request.textures import as_texture
from plitka.request.tile_request import parse_request

ANGLES = st.one_of(st.sampled_from([0, 45, 90, 135, 30, 60, 26.565051177]), st.floats(0, 180))
SIDES = st.sampled_from([10, 50, 97.3, 200, 500, 9000])


def request_of(layout="surface", angle=0, **keys):
    return parse_request(
        {"colors": [{"name": "red"}], "seed": 1, "angle": angle, "overrides": {"layout": layout}, **keys}
    )


@examples(40)
@given(
    layout=st.sampled_from(get_args(Layout)),
    angle=ANGLES,
    granule=st.sampled_from([0.5, 1, 2, 10]),
    length=SIDES,
    height=SIDES,
)
def test_every_texture_is_a_request_that_can_be_read_again(layout, angle, granule, length, height):
    keys = {"granule_mm": granule, "width_mm": None}
    if layout != "surface":
        keys |= {"tile_mm": [max(length, height), min(length, height)]}
    request = request_of(layout, angle, **keys)
    texture, problem = as_texture(request)
    assert texture.scale.seamless == (problem is None)
    assert parse_request(texture.to_json()) == texture
    assert 1024 <= max(texture.scale.width, texture.scale.height) < 4096
    if problem:
        assert texture.scale.width_mm == request.scale.width_mm
        assert (problem.field, texture.dimensions.seamless) == ("seamless", None)


@pytest.mark.parametrize(
    ("layout", "angle", "shown", "pixels"),
    [
        ("surface", 0, (94, 94), (1024, 1024)),
        ("grid", 0, (500, 500), (2048, 2048)),
        ("brick", 0, (200, 200), (1024, 1024)),
        ("brick", 45, (141.4214, 141.4214), (1024, 1024)),
        ("herringbone", 0, (200, 200), (1024, 1024)),
        ("hexagon", 0, (160, 138.5641), (1024, 888)),
        ("puzzle", 90, (500, 500), (2048, 2048)),
    ],
)
def test_joints_repeat_as_near_to_the_usual_extent_as_they_can(layout, angle, shown, pixels):
    texture, problem = as_texture(request_of(layout, angle))
    scale = texture.scale
    assert problem is None and scale.seamless
    assert (scale.width_mm, scale.height_mm) == pytest.approx(shown, abs=0.001)
    assert (scale.width, scale.height) == pixels


@pytest.mark.parametrize(
    "keys",
    [
        {"seamless": False, "width_mm": 300, "width": 512},
        {"seamless": True, "width_mm": 400, "height_mm": 200, "width": 4096},
        {"seamless": False, "height": 256},
    ],
)
def test_what_the_request_says_stays(keys):
    request = request_of("brick", **keys)
    texture, problem = as_texture(request)
    assert problem is None
    assert texture == request


def test_given_width_stays_and_the_height_fits_it():
    texture, problem = as_texture(request_of("hexagon", width_mm=400, tile_mm=[200, 230.9401]))
    assert problem is None
    assert (texture.scale.width_mm, texture.scale.height_mm) == pytest.approx((400, 346.4102), abs=0.001)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"angle": 30}, "an angle such as 0 or 90"),
        ({"width_mm": 300}, "width_mm a multiple of 200"),
        ({"width": 512, "height": 256, "width_mm": 300, "height_mm": 150}, "width_mm a multiple of 200"),
    ],
)
def test_joints_that_do_not_repeat_leave_the_request_as_it_is_and_say_what_would(keys, words):
    request = request_of("brick", **keys)
    texture, problem = as_texture(request)
    assert words in problem.allowed
    assert json.loads(texture.to_json()) == json.loads(request.to_json())
