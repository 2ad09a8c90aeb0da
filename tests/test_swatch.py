import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mixes import mix_of, random_mixes

from plitka.fidelity import measure
from plitka.mix import hex_mix_color
from plitka.palette import PALETTE, delta_e00
from plitka.plan import JOINT, make_plan
from plitka.swatch import draw_swatch


def lab_of(image):
    return cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)


@pytest.mark.parametrize("size", [512, 1024])
@pytest.mark.parametrize("code", PALETTE)
def test_a_tile_of_one_colour_has_the_photographed_mean(code, size):
    image = draw_swatch(make_plan(mix_of(**{code: 100}), 0, "surface", 1), size)
    mean = tuple(float(v) for v in lab_of(image).reshape(-1, 3).mean(0))
    assert delta_e00(mean, PALETTE[code].lab) < 1.0


@pytest.mark.parametrize("layout", ["grid", "brick"])
def test_joints_do_not_change_the_colour_of_the_granules(layout):
    plan = make_plan(mix_of(SAND=100), 30, layout, 1)
    granules = lab_of(draw_swatch(plan, 1024))[plan.labels(1024) != JOINT]
    assert delta_e00(tuple(float(v) for v in granules.mean(0)), PALETTE["SAND"].lab) < 1.0


@pytest.mark.parametrize("code", ["BLACK", "WHITE", "RED", "YELLOW", "BLUE"])
def test_granules_are_lit_and_shaded_as_on_photographs(code):
    lightness = lab_of(draw_swatch(make_plan(mix_of(**{code: 100}), 0, "surface", 1), 1024))[..., 0]
    low, high = np.percentile(lightness, [5, 95])
    assert (low, high) == pytest.approx(PALETTE[code].lightness_range, abs=4.0)


@given(st.tuples(*[st.integers(0, 255)] * 3))
@settings(max_examples=15)
def test_any_hex_colour_keeps_its_mean(rgb):
    color = hex_mix_color("#" + bytes(rgb).hex(), 1.0)
    mean = lab_of(draw_swatch(make_plan((color,), 0, "surface", 1), 512)).reshape(-1, 3).mean(0)
    # At the edge of the gamut light and shade cannot keep full chroma.
    assert delta_e00(tuple(float(v) for v in mean), color.lab) < 6.0


def test_an_outsider_counts_the_requested_shares():
    errors = [
        measure(draw_swatch(make_plan(mix, 0, "surface", seed), 1024), mix).worst_error_pp
        for seed, mix in enumerate(random_mixes(12, seed=5))
    ]
    assert np.median(errors) < 1.0
    assert max(errors) < 3.5


def test_joints_are_dark_and_straight_to_the_eye():
    plan = make_plan(mix_of(WHITE=100), 30, "brick", 2)
    lightness = lab_of(draw_swatch(plan, 1024))[..., 0]
    inside = cv2.erode((plan.labels(1024) == JOINT).astype(np.uint8), np.ones((3, 3))) > 0
    assert lightness[inside].mean() < 25 < lightness[~inside].mean()


def test_the_same_plan_gives_the_same_picture():
    mix = mix_of(RED=30, BLUE=70)
    first, second = (draw_swatch(make_plan(mix, 45, "brick", 7), 512).tobytes() for _ in range(2))
    assert first == second


def test_the_preview_looks_like_the_final_picture():
    plan = make_plan(mix_of(RED=30, BLUE=70), 0, "surface", 7)
    preview = lab_of(draw_swatch(plan, 512))
    shrunk = lab_of(cv2.resize(draw_swatch(plan, 1024), (512, 512), interpolation=cv2.INTER_AREA))
    assert np.corrcoef(preview[..., 1].ravel(), shrunk[..., 1].ravel())[0, 1] > 0.9
    assert np.corrcoef(preview[..., 0].ravel(), shrunk[..., 0].ravel())[0, 1] > 0.5
