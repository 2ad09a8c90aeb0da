import json

import pytest

from plitka.request.profiles import FINAL_SIZE, PREVIEW_SIZE, PROFILES, Profile, profile_for
from plitka.request.tile_request import parse_request


def profile(quality="standard", **overrides):
    document = {"colors": [{"name": "red"}], "quality": quality, "overrides": overrides}
    return profile_for(parse_request(json.dumps(document)))


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
