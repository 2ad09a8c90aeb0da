"""Quality profiles, and every other setting of a drawing that a request may leave to its default."""

import json
from dataclasses import astuple, replace

import pytest
from hypothesis import given
from request_strategies import overrides as all_overrides

from plitka.request.drawing_settings import STANDARD_DEFAULTS, EngineDefaults, settings_for
from plitka.request.few_step import FewStep
from plitka.request.overrides import Overrides
from plitka.request.profiles import FINAL_SIZE, PREVIEW_SIZE, PROFILES, Profile
from plitka.request.tile_request import parse_request


def settings(quality="standard", defaults=STANDARD_DEFAULTS, **overrides):
    document = {"colors": [{"name": "red"}], "quality": quality, "overrides": overrides}
    return settings_for(parse_request(json.dumps(document)), defaults)


def profile(*given, **overrides):
    chosen = settings(*given, **overrides)
    return Profile(chosen.preview.steps, chosen.final.steps, chosen.guidance_scale)


@pytest.mark.parametrize(
    ("quality", "expected"),
    [("preview", Profile(35, 40, 6.5)), ("standard", Profile(35, 50, 6.5)), ("high", Profile(40, 60, 6.0))],
)
def test_each_quality_has_its_steps_and_guidance(quality, expected):
    assert profile(quality) == PROFILES[quality] == expected


def test_preview_is_512_and_final_1024_pixels():
    assert (PREVIEW_SIZE, FINAL_SIZE) == (512, 1024)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"num_inference_steps": 10}, Profile(10, 10, 6.5)),
        ({"num_inference_steps_preview": 1}, Profile(1, 50, 6.5)),
        ({"num_inference_steps_final": 100}, Profile(35, 100, 6.5)),
        ({"num_inference_steps": 10, "num_inference_steps_preview": 5}, Profile(5, 10, 6.5)),
        ({"num_inference_steps": 10, "num_inference_steps_final": 20}, Profile(10, 20, 6.5)),
        ({"guidance_scale": 1}, Profile(35, 50, 1.0)),
    ],
)
def test_overrides_win_and_the_more_special_one_wins_most(overrides, expected):
    assert profile(**overrides) == expected


def test_what_a_request_leaves_out_has_its_default():
    left_out = settings()
    assert (left_out.color_guidance, left_out.color_lock, left_out.starts_from_swatch) == (0.5, "auto", True)
    assert (left_out.output_format, left_out.scheduler) == ("png", "dpmpp_2m_karras")
    assert (left_out.controlnet, left_out.controlnet_scale, left_out.lora_scale) == ("auto", 0.8, 0.0)


def test_an_engines_own_defaults_count_where_the_request_says_nothing():
    own = EngineDefaults({"standard": Profile(4, 8, 2.0)}, lora_scale=0.75)
    assert settings(defaults=own).lora_scale == 0.75
    assert settings(defaults=own, lora_scale=0).lora_scale == 0
    assert settings(defaults=own).final.steps == 8


def test_zero_false_and_empty_are_not_taken_for_absent():
    chosen = settings(
        color_guidance=0, use_controlnet=False, negative_prompt="", controlnet_scale=0, lora_scale=0
    )
    assert (chosen.starts_from_swatch, chosen.controlnet, chosen.negative_prompt) == (False, "off", "")
    assert (chosen.controlnet_scale, chosen.preview.strength, chosen.final.strength) == (0, None, None)


@given(overrides=all_overrides)
def test_no_setting_is_left_open_and_every_given_one_is_kept(overrides):
    chosen = settings(**overrides)
    given_ones = Overrides(**overrides).model_dump(exclude_none=True)
    # Several ControlNets become settings of their own: test_several_controlnets.
    for name in (given_ones.keys() & vars(chosen).keys()) - {"controlnets"}:
        assert getattr(chosen, name) == given_ones[name]
    # No interval means guidance at every level of noise, and few steps are for one quality.
    assert None not in astuple(replace(chosen, guidance_interval=(0, 0), few_step=FewStep("lcm", 4)))
    for picture in (chosen.preview, chosen.final):
        assert (picture.strength is not None) == chosen.starts_from_swatch == (chosen.color_guidance > 0)
