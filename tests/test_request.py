import json
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plitka.colors.palette import PALETTE
from plitka.errors import RequestError
from plitka.request.fields import MAX_SEED
from plitka.request.overrides import Overrides
from plitka.request.tile_request import parse_request

DOCUMENT = {
    "colors": [{"name": "black", "proportion": 60}, {"name": "white", "proportion": 40}],
    "angle": 45,
    "quality": "high",
    "seed": 42,
    "overrides": {"lora_scale": 0.5},
}
PLAIN = json.dumps(DOCUMENT)


def parse(*colors, **rest):
    return parse_request(json.dumps({"colors": colors, "seed": 1, **rest}))


def shares(request):
    return {color.id: color.share for color in request.mix}


def test_the_documented_request_is_read_as_it_is_written():
    request = parse_request(PLAIN)
    assert shares(request) == {"BLACK": 0.6, "WHITE": 0.4}
    assert (request.angle, request.quality, request.seed) == (45.0, "high", 42)
    assert request.overrides == Overrides(lora_scale=0.5)
    assert request.notices == ()


def escaped(text, times):
    for _ in range(times):
        text = json.dumps(text)
    return text


LEGACY_FORMS = {
    "whitespace around": f" \r\n\t{PLAIN}\n\n",
    "no-break spaces around": f"\u00a0{PLAIN}\u00a0",
    "byte order mark": f"\ufeff{PLAIN}",
    "byte order mark after whitespace": f"\n\ufeff {PLAIN}",
    "indented": json.dumps(DOCUMENT, indent=4),
    "nested as object": json.dumps({"params_json": DOCUMENT}),
    "nested as string": json.dumps({"params_json": PLAIN}),
    "nested as string with a byte order mark": json.dumps({"params_json": f"\ufeff{PLAIN} "}),
    "nested twice": json.dumps({"params_json": json.dumps({"params_json": DOCUMENT})}),
    "encoded twice": escaped(PLAIN, 1),
    "encoded three times": escaped(PLAIN, 2),
    "encoded twice and nested": escaped(json.dumps({"params_json": PLAIN}), 1),
    "quotes left escaped": escaped(PLAIN, 1)[1:-1],
    "quotes left escaped twice": escaped(PLAIN, 2)[3:-3],
    "nested as string with quotes left escaped": json.dumps({"params_json": escaped(PLAIN, 1)[1:-1]}),
    "upper case": PLAIN.replace("black", "BLACK").replace("white", "WHITE").replace("high", "HIGH"),
    "fractions": PLAIN.replace("60", "0.6").replace("40", "0.4"),
    "numeric strings": PLAIN.replace("60", '"60"').replace("40", '"40"').replace(": 45", ': "45"'),
    "percent strings": PLAIN.replace("60", '"60 %"').replace("40", '" 40%"'),
    "fraction strings": PLAIN.replace("60", '"0.6"').replace("40", '"0,4"'),
    "a key twice with the same value": PLAIN[:-1] + ', "angle": 45}',
    "seed as string": PLAIN.replace(": 42", ': "42"'),
    "seed with a decimal point": PLAIN.replace(": 42", ": 42.0"),
}


@pytest.mark.parametrize("text", LEGACY_FORMS.values(), ids=LEGACY_FORMS)
def test_every_form_that_web_forms_send_is_the_same_request(text):
    assert parse_request(text) == parse_request(PLAIN)


def test_null_stands_for_a_key_that_is_not_given():
    color = {"name": "red", "hex": None, "proportion": None}
    request = parse(color, angle=None, quality=None, overrides={"layout": None})
    assert request == parse({"name": "red"})
    assert parse({"name": "red"}, overrides=None) == request


def test_what_is_left_out_has_its_default():
    request = parse({"name": "red", "proportion": 100})
    assert (request.angle, request.quality, request.overrides) == (0.0, "standard", Overrides())
    assert request.layout == "surface"


@pytest.mark.parametrize("color", PALETTE.values(), ids=PALETTE)
def test_code_prompt_word_and_russian_name_mean_the_same_colour(color):
    request = parse({"name": color.code})
    assert request.mix[0].id == color.code
    assert request == parse({"name": color.prompt_word}) == parse({"name": color.russian})


def test_a_hex_colour_is_drawn_as_given_and_named_after_its_neighbour():
    (color,) = parse({"hex": "#a63437", "proportion": 100}).mix
    assert (color.id, color.hex, color.prompt_word) == ("#A63437", "#A63437", "red")


def test_a_name_and_the_hex_of_the_same_granule_merge():
    request = parse({"name": "black", "proportion": 30}, {"hex": "#313131", "proportion": 70})
    assert shares(request) == {"BLACK": 1.0}


def test_synonyms_merge_and_the_merge_is_reported():
    request = parse(
        {"name": "gray", "proportion": 30},
        {"name": "red", "proportion": 40},
        {"name": "серый", "proportion": 30},
    )
    assert shares(request) == {"GRAY": 0.6, "RED": 0.4}
    assert request.notices == ("gray is given 2 times; its proportions are added.",)


@pytest.mark.parametrize(
    ("proportions", "expected", "is_reported"),
    [
        ([60, 40], [0.6, 0.4], False),
        ([0.7, 0.3], [0.7, 0.3], False),
        ([0.1] * 3 + [0.7], [0.1, 0.1, 0.1, 0.7], False),
        ([0.333] * 3, [1 / 3] * 3, True),
        ([0.33] * 3, [1 / 3] * 3, True),
        ([0.17] * 6, [1 / 6] * 6, True),
        ([33.3] * 3, [1 / 3] * 3, True),
        ([33.3, 33.3, 33.4], [0.333, 0.333, 0.334], False),
        ([1, 1], [0.5, 0.5], True),
        ([0.5, 0.7], [5 / 12, 7 / 12], True),
        ([30, 60], [1 / 3, 2 / 3], True),
        (["0.5 %", "0.5 %"], [0.5, 0.5], True),
        (["99.5 %", "0.5 %"], [0.995, 0.005], False),
        (["99,5", "0,5"], [0.995, 0.005], False),
        (["99 %", 1], [0.99, 0.01], False),
        ([99.99, 0.01], [0.9999, 0.0001], False),
        ([5e-324, 5e-324], [0.5, 0.5], True),
        ([1_000_000, 1_000_000], [0.5, 0.5], True),
        ([1.0], [1.0], False),
        ([100], [1.0], False),
        ([37], [1.0], True),
    ],
)
def test_proportions_become_shares_of_one(proportions, expected, is_reported):
    names = list(PALETTE)
    request = parse(*({"name": name, "proportion": p} for name, p in zip(names, proportions, strict=False)))
    assert [color.share for color in request.mix] == pytest.approx(expected, abs=1e-12)
    assert bool(request.notices) == is_reported


@pytest.mark.parametrize(
    ("proportions", "notice"),
    [
        ([0.333] * 3, "sum to 0.999, not 1;"),
        ([0.9, 0.9], "sum to 1.8, not 1;"),
        ([0.5], "sum to 0.5, not 1;"),
        ([90], "sum to 90 %, not 100 %;"),
        ([2, 1], "sum to 3 %, not 100 %;"),
        (["0.5 %", "0.4 %"], "sum to 0.9 %, not 100 %;"),
    ],
)
def test_a_sum_other_than_the_whole_is_reported_in_its_own_unit(proportions, notice):
    request = parse(*({"name": n, "proportion": p} for n, p in zip(PALETTE, proportions, strict=False)))
    assert notice in request.notices[0]


def test_a_colour_of_no_share_is_left_out_and_reported():
    request = parse({"name": "red", "proportion": 100}, {"name": "blue", "proportion": 0})
    assert shares(request) == {"RED": 1.0}
    assert request.notices == ("blue has no visible share and is left out.",)


def test_a_single_colour_needs_no_proportion():
    assert shares(parse({"name": "red"})) == {"RED": 1.0}


@pytest.mark.parametrize(
    ("angle", "degrees", "laying_angle"),
    [
        (0, 0, 0),
        (-0.0, 0, 0),
        (-1e-20, 0, 0),
        (45, 45, 45),
        ("45", 45, 45),
        (" 45° ", 45, 45),
        ("22,5", 22.5, 22.5),
        (180, 180, 0),
        (225, 225, 45),
        (360, 0, 0),
        (405, 45, 45),
        (-45, 315, 135),
        (-360.0, 0, 0),
        (1e300, 1e300 % 360, 1e300 % 180),
        (10**200, float(10**200) % 360, float(10**200) % 180),
    ],
)
def test_angle_is_taken_modulo_360_and_laid_modulo_180(angle, degrees, laying_angle):
    request = parse({"name": "red"}, angle=angle)
    assert (request.angle, request.laying_angle) == (degrees, laying_angle)
    assert str(request.angle)[0] != "-"


def test_an_angle_outside_the_circle_is_reported():
    assert parse({"name": "red"}, angle=405).notices == ("The angle 405 is taken as 45 degrees.",)


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(-5e-324)
@example(359.99999999999994)
def test_any_finite_angle_lands_on_the_circle(angle):
    request = parse({"name": "red"}, angle=angle)
    assert 0 <= request.angle < 360
    assert 0 <= request.laying_angle < 180


@pytest.mark.parametrize(
    ("angle", "layout"), [(0, "surface"), (180, "surface"), (45, "brick"), (-90, "brick")]
)
def test_joints_appear_when_the_tile_is_turned(angle, layout):
    assert parse({"name": "red"}, angle=angle).layout == layout
    assert parse({"name": "red"}, angle=angle, overrides={"layout": "grid"}).layout == "grid"


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (0, 0),
        ("0", 0),
        (42.0, 42),
        ("42", 42),
        (2**53 + 1, 2**53 + 1),
        (MAX_SEED, MAX_SEED),
        (str(MAX_SEED), MAX_SEED),
    ],
)
def test_a_given_seed_is_kept_to_the_last_digit(seed, expected):
    request = parse({"name": "red"}, seed=seed)
    assert request.seed == expected
    assert parse_request(request.to_json()).seed == expected


@pytest.mark.parametrize("seed", [2.0**53, f"{2**53 + 1}.0", f"-{2**53 + 1}.0", "9007199254740993e0"])
def test_a_decimal_that_may_have_lost_a_digit_is_no_seed(seed):
    with pytest.raises(RequestError, match="too large to be exact as a decimal number"):
        parse({"name": "red"}, seed=seed)


@pytest.mark.parametrize("seed", [-1, "-1", -1.0, None])
def test_an_open_seed_is_drawn_anew_each_time_within_53_bits(seed):
    seeds = {parse({"name": "red"}, seed=seed).seed for _ in range(20)}
    assert len(seeds) == 20
    assert all(0 <= seed < 2**53 for seed in seeds)
    assert max(seeds) > 2**40


def test_an_override_may_be_a_numeric_string_and_a_choice_in_any_case():
    request = parse(
        {"name": "red"},
        overrides={
            "lora_scale": "0,5",
            "num_inference_steps": "30",
            "layout": " Grid ",
            "output_format": "WEBP",
        },
    )
    assert request.overrides == Overrides(
        lora_scale=0.5, num_inference_steps=30, layout="grid", output_format="webp"
    )
    assert request.layout == "grid"


def test_overrides_of_zero_and_false_are_not_taken_for_absent():
    overrides = parse(
        {"name": "red"}, overrides={"color_guidance": 0, "use_controlnet": False, "negative_prompt": ""}
    ).overrides
    assert (overrides.color_guidance, overrides.use_controlnet, overrides.negative_prompt) == (0.0, False, "")


def test_line_breaks_in_the_negative_prompt_become_spaces():
    request = parse({"name": "red"}, overrides={"negative_prompt": " blurry,\r\n flat\t "})
    assert request.overrides.negative_prompt == "blurry, flat"


def test_reading_requests_needs_no_heavy_library():
    code = (
        "import sys, plitka.request.tile_request, plitka.request.prompt, plitka.request.profiles; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'cv2', 'diffusers')))"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
