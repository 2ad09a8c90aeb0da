import json
import logging

import numpy as np
import pytest
from model_faults import drawn_badly

from plitka.fidelity.color_lock import measure_and_correct
from plitka.request.drawing_settings import settings_for
from plitka.request.tile_request import parse_request
from plitka.tile.plan import plan_for
from plitka.tile.swatch import draw_swatch

COLORS = [{"name": "red", "proportion": 60}, {"name": "white", "proportion": 40}]


def request_of(**overrides):
    document = {"colors": COLORS, "angle": 45, "seed": 3, "width_mm": 94, "overrides": overrides}
    return parse_request(json.dumps(document))


@pytest.fixture(scope="module")
def plan():
    return plan_for(request_of())


@pytest.fixture(scope="module")
def bad(plan):
    return drawn_badly(plan, 512)


def measured(picture, plan, **overrides):
    return measure_and_correct("final", picture, plan, settings_for(request_of(**overrides)))


def test_a_good_picture_stays_to_the_byte(plan):
    picture = draw_swatch(plan, 512)
    result = measured(picture, plan)
    assert not result.corrected
    assert result.image is picture
    assert result.measured.plan.worst_error_pp < 0.7


def test_a_picture_that_misses_is_corrected_and_measured_again(plan, bad):
    result = measured(bad, plan)
    assert result.corrected
    assert "pp off" in result.reason or "ΔE00" in result.reason
    assert result.measured.plan.worst_error_pp < 0.7 < result.before.plan.worst_error_pp
    assert result.measured.plan.worst_delta_e < 3 < result.before.plan.worst_delta_e
    assert result.measured.unguided != result.before.unguided


def test_off_measures_and_leaves_the_picture(plan, bad):
    result = measured(bad, plan, color_lock="off")
    assert not result.corrected
    assert np.array_equal(result.image, bad)
    assert result.measured.plan.worst_delta_e > 3


def test_always_corrects_a_good_picture_too(plan):
    result = measured(draw_swatch(plan, 512), plan, color_lock="always")
    assert result.corrected
    assert result.measured.plan.worst_error_pp < 0.7


def test_without_guidance_the_picture_is_measured_by_the_mix_alone(plan, bad):
    result = measured(bad, plan, color_guidance=0)
    assert not result.corrected
    assert result.measured.plan is None
    assert result.measured.fidelity is result.measured.unguided
    assert "color_guidance 0" in result.reason
    assert result.measured.as_dict()["against"] == "mix"


def test_a_picture_that_cannot_be_corrected_is_logged_and_not_tried_again(plan, bad, monkeypatch, caplog):
    tries = []
    monkeypatch.setattr("plitka.fidelity.color_lock.correct", lambda image, plan: tries.append(1) or image)
    with caplog.at_level(logging.WARNING):
        result = measured(bad, plan)
    assert tries == [1]
    assert not result.corrected
    assert "did not help" in result.reason
    assert "final" in caplog.text


def test_what_still_misses_after_correction_is_in_the_log(plan, bad, monkeypatch, caplog):
    monkeypatch.setattr("plitka.fidelity.color_lock.correct", lambda image, plan: image)
    with caplog.at_level(logging.WARNING):
        assert measured(bad, plan, color_lock="always").corrected
    assert "still" in caplog.text


def test_the_report_is_json_with_the_measurements_before_and_after(plan, bad):
    result = measured(bad, plan)
    report = json.loads(json.dumps(result.correction(), allow_nan=False))
    assert (report["color_lock"], report["color_guidance"], report["corrected"]) == ("auto", 0.5, True)
    assert report["before"]["worst_error_pp"] > result.measured.as_dict()["worst_error_pp"]
    keys = {"against", "worst_error_pp", "worst_delta_e", "colors", "unguided", "outsider"}
    assert set(report["before"]) == keys
