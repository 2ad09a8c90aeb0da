import json

import numpy as np
import pytest
from mixes import mix_of

from plitka.colormap import draw_colormap
from plitka.fidelity import measure
from plitka.plan import make_plan
from plitka.swatch import draw_swatch


def test_flat_colours_are_counted_to_the_pixel():
    mix = mix_of(RED=30, BLUE=70)
    fidelity = measure(draw_colormap(make_plan(mix, 0, "surface", 1), 1024), mix)
    assert [c.measured for c in fidelity.colors] == pytest.approx([0.3, 0.7], abs=1e-4)
    assert max(c.delta_e for c in fidelity.colors) < 0.5


def test_a_missing_colour_is_told():
    mix = mix_of(RED=50, BLUE=50)
    fidelity = measure(draw_swatch(make_plan(mix_of(RED=100), 0, "surface", 1), 512), mix)
    assert fidelity.worst_error_pp > 49
    red, blue = fidelity.colors
    assert red.measured > 0.99 and blue.measured < 0.01


def test_a_colour_without_pixels_has_no_difference():
    mix = mix_of(RED=50, BLUE=50)
    only_red = np.full((64, 64, 3), (193, 72, 60), np.uint8)
    assert measure(only_red, mix).colors[1].delta_e is None


def test_joints_do_not_count_as_granules_where_the_plan_is_known():
    mix = mix_of(BLACK=50, WHITE=50)
    plan = make_plan(mix, 45, "brick", 3)
    picture = draw_swatch(plan, 1024)
    inside, outside = measure(picture, mix, plan), measure(picture, mix)
    assert inside.worst_error_pp < 1.0 < outside.worst_error_pp < 4.0


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
