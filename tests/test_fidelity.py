import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mixes import mix_of, random_mixes
from model_faults import softened, with_own_details, with_wrong_granules

from plitka.colors.mix import hex_mix_color
from plitka.colors.palette import hex_to_lab
from plitka.fidelity.known_light import without_light
from plitka.fidelity.measure import measure, measure_picture
from plitka.tile.colormap import draw_colormap
from plitka.tile.plan import make_plan
from plitka.tile.swatch import draw_swatch


def test_flat_colours_are_counted_to_the_pixel():
    mix = mix_of(RED=30, BLUE=70)
    plan = make_plan(mix, 0, "surface", 1)
    fidelity = measure(draw_colormap(plan, 1024), mix, plan)
    assert [c.measured for c in fidelity.colors] == pytest.approx([0.3, 0.7], abs=1e-4)
    assert max(c.delta_e for c in fidelity.colors) < 0.5


def test_a_missing_colour_is_reported():
    mix = mix_of(RED=50, BLUE=50)
    fidelity = measure(draw_swatch(make_plan(mix_of(RED=100), 0, "surface", 1), 512), mix)
    assert fidelity.worst_error_pp > 49
    red, blue = fidelity.colors
    assert red.measured > 0.99 and blue.measured < 0.01


def test_a_colour_without_pixels_has_no_difference():
    mix = mix_of(RED=50, BLUE=50)
    only_red = np.full((64, 64, 3), (193, 72, 60), np.uint8)
    assert measure(only_red, mix).colors[1].delta_e is None


@pytest.mark.long
def test_joints_do_not_count_as_granules_where_the_plan_is_known():
    mix = mix_of(BLACK=50, WHITE=50)
    plan = make_plan(mix, 45, "brick", 3)
    picture = draw_swatch(plan, 1024)
    inside, outside = measure(picture, mix, plan), measure(picture, mix)
    assert inside.worst_error_pp < 1.0 < outside.worst_error_pp < 4.0


@pytest.mark.long
@given(st.integers(0, 10**6), st.sampled_from([512, 1024]))
@settings(max_examples=4, deadline=None)
def test_the_plans_shares_are_read_off_its_swatch(seed, size):
    (mix,) = random_mixes(1, seed)
    plan = make_plan(mix, 30, "brick", seed)
    fidelity = measure(draw_swatch(plan, size), mix, plan)
    assert fidelity.worst_error_pp < 1.5
    assert sum(color.measured for color in fidelity.colors) == pytest.approx(1, abs=1e-5)


@pytest.mark.long
@pytest.mark.parametrize(
    ("codes", "size"),
    [
        (("GRAY", "LTGRAY"), 512),
        (("BLACK", "DKGRAY"), 1024),
        (("WHITE", "PEARL"), 512),
        (("BEIGE", "SAND"), 1024),
    ],
)
def test_colours_as_alike_as_light_and_shade_are_distinguished_where_the_light_is_known(codes, size):
    plan = make_plan(mix_of(**dict(zip(codes, (60, 40), strict=True))), 30, "brick", 5)
    drawn = with_wrong_granules(plan, 0.3)
    for shown in (plan, drawn):
        measured = [c.measured for c in measure(draw_swatch(shown, size), plan.mix, plan).colors]
        assert measured == pytest.approx(shown.shares(size).tolist(), abs=0.02)


@pytest.mark.parametrize("codes", [("GRAY", "LTGRAY"), ("BLACK", "DKGRAY"), ("WHITE", "PEARL")])
def test_they_are_distinguished_where_a_model_keeps_the_light_of_granules_but_not_their_details(codes):
    plan = make_plan(mix_of(**dict(zip(codes, (65, 35), strict=True))), 0, "surface", 5)
    drawn = with_wrong_granules(plan, 0.3)
    picture = with_own_details(draw_swatch(drawn, 512), plan.labels(512))
    measured = [c.measured for c in measure(picture, plan.mix, plan).colors]
    assert measured == pytest.approx(drawn.shares(512).tolist(), abs=0.02)


def test_light_that_is_not_the_plans_is_left_in_the_picture():
    mix = mix_of(RED=50, WHITE=50)
    plan, other = (make_plan(mix, 0, "surface", seed) for seed in (1, 2))
    picture = draw_swatch(other, 512)
    assert without_light(picture, plan) is picture
    assert without_light(draw_swatch(plan, 512), plan) is not picture


@pytest.mark.parametrize("size", [512, 1024])
def test_granules_drawn_in_another_colour_are_counted_as_what_they_show(size):
    mix = mix_of(RED=50, YELLOW=30, BLUE=20)
    plan = make_plan(mix, 0, "surface", 2)
    drawn = with_wrong_granules(plan, 0.3)
    shares = [color.measured for color in measure(draw_swatch(drawn, size), mix, plan).colors]
    assert shares == pytest.approx(drawn.shares(size).tolist(), abs=0.01)


def test_a_soft_edge_between_black_and_white_is_not_grey():
    mix = mix_of(BLACK=50, WHITE=40, GRAY=10)
    plan = make_plan(mix, 0, "surface", 1)
    soft = softened(draw_swatch(plan, 1024))
    assert measure(soft, mix, plan).worst_error_pp < 1
    assert measure(soft, mix).worst_error_pp < 7


@pytest.mark.long
def test_without_a_plan_joints_count_as_the_colour_they_look_like():
    mix = mix_of(BLACK=50, WHITE=50)
    plan = make_plan(mix, 45, "brick", 3)
    measured = measure_picture(draw_swatch(plan, 1024), mix, plan)
    black_inside, black_outside = (f.colors[0].measured for f in (measured.plan, measured.unguided))
    assert black_inside < black_outside
    assert measured.fidelity is measured.plan


def test_a_picture_is_measured_alike_in_one_go_and_one_by_one():
    mix = mix_of(RED=50, BLUE=50)
    plan = make_plan(mix, 45, "brick", 3)
    picture = draw_swatch(plan, 512)
    measured = measure_picture(picture, mix, plan)
    assert (measured.plan, measured.unguided) == (measure(picture, mix, plan), measure(picture, mix))
    assert measure_picture(picture, mix, None).plan is None


def test_the_mean_colour_is_reported_as_hex():
    mix = (hex_mix_color("#A63437"),)
    flat = np.full((64, 64, 3), (0xA6, 0x34, 0x37), np.uint8)
    (color,) = measure(flat, mix).colors
    assert color.hex == "#A63437"
    assert hex_to_lab(color.hex) == pytest.approx(mix[0].lab)


def test_colours_of_small_shares_do_not_count_for_the_worst_difference():
    mix = mix_of(RED=97, WHITE=3)
    picture = np.full((64, 64, 3), (193, 72, 60), np.uint8)
    picture[:4] = 128
    fidelity = measure(picture, mix)
    assert fidelity.colors[1].delta_e > 10 > fidelity.worst_delta_e


def test_a_shifted_hue_shows_in_the_difference():
    mix = mix_of(RED=100)
    redder = draw_swatch(make_plan(mix, 0, "surface", 1), 512)
    orange = redder.copy()
    orange[..., 1] = np.minimum(255, orange[..., 1].astype(int) + 40)
    assert measure(redder, mix).colors[0].delta_e < 1 < 8 < measure(orange, mix).colors[0].delta_e


def test_the_report_is_json():
    mix = mix_of(RED=50, BLUE=50)
    report = measure(draw_swatch(make_plan(mix, 0, "surface", 1), 512), mix).as_dict()
    assert json.loads(json.dumps(report)) == report
