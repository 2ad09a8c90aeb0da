import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plitka.diffusion.routing import Route, route
from plitka.request.drawing_settings import settings_for
from plitka.request.tile_request import parse_request


def routed(angle=0, **overrides) -> Route:
    document = {"colors": [{"name": "red"}], "angle": angle, "overrides": overrides}
    request = parse_request(json.dumps(document))
    return route(request, settings_for(request))


@pytest.mark.parametrize(
    ("angle", "kind"),
    [
        (45, "softedge"),
        (135, "softedge"),
        (90, "canny"),
        (30, "lineart"),
        (44.9, "lineart"),
        (179, "lineart"),
    ],
)
def test_each_angle_has_its_kind_of_edge(angle, kind):
    assert routed(angle).control == kind
    assert routed(angle + 180).control == kind
    assert routed(angle - 180).control == kind


@pytest.mark.parametrize("angle", [0, 180, 360, -180, "0"])
def test_a_plain_surface_needs_no_controlnet(angle):
    assert routed(angle).control is None


@pytest.mark.parametrize("layout", ["grid", "brick"])
def test_joints_at_angle_0_get_a_canny_controlnet(layout):
    chosen = routed(0, layout=layout)
    assert chosen.control == "canny"
    assert layout in chosen.reason


def test_a_surface_at_another_angle_keeps_its_controlnet():
    chosen = routed(45, layout="surface")
    assert chosen.control == "softedge"
    assert "joints" not in chosen.reason


@pytest.mark.parametrize("angle", [0, 45, 90, 17])
def test_use_controlnet_false_wins_everywhere(angle):
    chosen = routed(angle, use_controlnet=False, layout="grid")
    assert chosen.control is None
    assert "use_controlnet" in chosen.reason


def test_use_controlnet_true_works_on_a_plain_surface_too():
    chosen = routed(0, use_controlnet=True)
    assert chosen.control == "canny"
    assert "use_controlnet" in chosen.reason


@given(
    angle=st.floats(-1e6, 1e6),
    layout=st.sampled_from([None, "surface", "grid", "brick"]),
    use_controlnet=st.sampled_from([None, True, False]),
)
def test_every_request_has_one_route_and_a_reason(angle, layout, use_controlnet):
    chosen = routed(angle, layout=layout, use_controlnet=use_controlnet)
    assert "base pipeline" in chosen.reason if chosen.control is None else chosen.control in chosen.reason
    assert chosen.reason
    assert chosen == routed(angle + 0.0, layout=layout, use_controlnet=use_controlnet)
