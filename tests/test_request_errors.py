import json

import pytest

from plitka.choices import Layout, OutputFormat, Scheduler, one_of
from plitka.colors.palette import PALETTE
from plitka.errors import RequestError
from plitka.request.tile_request import parse_request

RED = {"name": "red", "proportion": 100}
CANNY = {"kind": "canny"}
# What a list of ControlNets may not stand beside.
SINGLE = {"use_controlnet": True, "controlnet_scale": 0.5, "controlnet_start": 0.2, "controlnet_end": 0.8}
NAMES = "beige, black, blue"
RUSSIAN_NAMES = "бежевый, чёрный, синий"
PROPORTION = "percent, or fractions"
ENTRY = 'an object such as {"name": "black", "proportion": 60}'
COLORS = "a list of 1 to 8 objects"
HEX = "# and six hexadecimal digits"
ANGLE = "any finite number of degrees"
QUALITY = '"preview", "standard", "high" or "fast"'
SEED = "a whole number from 0 to 9223372036854775807, or -1"
STEPS = "a whole number from 1 to 100"
KEYS = (
    "the keys colors, angle, quality, seed, granule_mm, width_mm, height_mm, tile_mm, joint_mm, seamless, "
    "width, height, overrides, maps"
)


def problems_of(text):
    with pytest.raises(RequestError) as caught:
        parse_request(text)
    return caught.value.problems


def colors(*entries):
    return {"colors": list(entries)}


def parts(*proportions):
    return colors(*({"name": name, "proportion": p} for name, p in zip(PALETTE, proportions, strict=False)))


def override(**settings):
    return {**colors(RED), "overrides": settings}


# The request, the field that is named, what is said about its value, and what is allowed.
BAD_REQUESTS = [
    ({}, "colors", "is missing", COLORS),
    ({"colors": None}, "colors", "null is not a list", COLORS),
    ({"colors": []}, "colors", "[] is empty", COLORS),
    ({"colors": {"black": 60}}, "colors", '{"black": 60} is not a list', COLORS),
    ({"colors": "60% black"}, "colors", '"60% black" is not a list', COLORS),
    (colors(*[RED] * 9), "colors", "has too many entries", COLORS),
    (colors("red"), "colors[0]", '"red" is not an object', ENTRY),
    (colors(RED, None), "colors[1]", "null is not an object", ENTRY),
    (colors({"proportion": 3}), "colors[0]", '{"proportion": 3} has neither a name nor a hex', ENTRY),
    (colors({"name": "blak"}), "colors[0].name", 'known colour; did you mean "black"?', NAMES),
    (colors({"name": "ТЁМНОЗЕЛЁНЙ"}), "colors[0].name", 'did you mean "тёмно-зелён', RUSSIAN_NAMES),
    (colors({"color": "кирпичный"}), "colors[0].color", 'did you mean "терракот" or', RUSSIAN_NAMES),
    (colors({"name": "octarine"}), "colors[0].name", '"octarine" is not a known colour.', NAMES),
    (colors({"name": ""}), "colors[0].name", '"" is not a known colour', NAMES),
    (colors({"name": 5}), "colors[0].name", "5 is not text", NAMES),
    (colors({"name": True}), "colors[0].name", "true is not text", NAMES),
    (colors({"name": "#A63437"}), "colors[0].name", 'give it as "hex"', NAMES),
    (colors({"hex": "#A634"}), "colors[0].hex", '"#A634" is not a hex colour', HEX),
    (colors({"hex": "red"}), "colors[0].hex", '"red" is not a hex colour', HEX),
    (colors({"hex": 11}), "colors[0].hex", "11 is not text", HEX),
    (colors({"name": "red", "hex": "#A63437"}), "colors[0].hex", "stands beside a name", HEX),
    (colors({"nmae": "red", "name": "red"}), "colors[0].nmae", 'did you mean "name"?', "the keys name, hex"),
    (colors({**RED, "amount": 5}), "colors[0].amount", "5 is given for an unknown key", "proportion"),
    (colors({**RED, "percent": 5}), "colors[0].percent", '5 stands beside "proportion"', "percent, share"),
    (parts("1,000", 1), "colors[0].proportion", '"1,000" could be 1 or 1000; write it as one of', PROPORTION),
    (parts(60, -40), "colors[1].proportion", "-40 is negative", PROPORTION),
    (parts(60, True), "colors[1].proportion", "true is not a number", PROPORTION),
    (parts(60, "much"), "colors[1].proportion", '"much" is not a number', PROPORTION),
    (parts(60, ""), "colors[1].proportion", '"" is not a number', PROPORTION),
    (parts(60, "%"), "colors[1].proportion", '"%" is not a number', PROPORTION),
    (parts(60, "4 0"), "colors[1].proportion", '"4 0" is not a number', PROPORTION),
    (parts(60, "0x10"), "colors[1].proportion", '"0x10" is not a number', PROPORTION),
    (parts(60, "nan"), "colors[1].proportion", '"nan" is not a number', PROPORTION),
    (parts(60, "1e999"), "colors[1].proportion", '"1e999" is not finite', PROPORTION),
    (parts(60, float("nan")), "colors[1].proportion", "NaN is not finite", PROPORTION),
    (parts(60, float("inf")), "colors[1].proportion", "Infinity is not finite", PROPORTION),
    (parts(60, 1e300), "colors[1].proportion", "1e+300 is too large", "from 0 to 1000000"),
    (parts(60, [40]), "colors[1].proportion", "[40] is not a number", PROPORTION),
    (parts(60, None), "colors[1].proportion", ": is missing", PROPORTION),
    (colors(RED, {"name": "blue"}), "colors[1].proportion", ": is missing", PROPORTION),
    (parts("50 %", 0.5), "colors[1].proportion", "0.5 stands beside amounts with a percent sign", PROPORTION),
    (parts("99 %", 0.01), "colors[1].proportion", "could be a fraction or a percentage", PROPORTION),
    (parts(0, 0), "colors", "has proportions that sum to 0", "their proportions not all 0"),
    (parts("0 %"), "colors", "has proportions that sum to 0", "their proportions not all 0"),
    ({**colors(RED), "angle": "steep"}, "angle", '"steep" is not a number', ANGLE),
    ({**colors(RED), "angle": False}, "angle", "false is not a number", ANGLE),
    ({**colors(RED), "angle": float("-inf")}, "angle", "-Infinity is not finite", ANGLE),
    ({**colors(RED), "angle": "1e400"}, "angle", '"1e400" is not finite', ANGLE),
    ({**colors(RED), "angle": "1,080"}, "angle", '"1,080" could be 1.08 or 1080', ANGLE),
    ({**colors(RED), "angle": [45]}, "angle", "[45] is not a number", ANGLE),
    ({**colors(RED), "quality": "best"}, "quality", '"best" is not one of the choices', QUALITY),
    ({**colors(RED), "quality": 1}, "quality", "1 is not one of the choices", QUALITY),
    ({**colors(RED), "seed": -2}, "seed", "-2 is too small", SEED),
    ({**colors(RED), "seed": 2**63}, "seed", "9223372036854775808 is too large", SEED),
    ({**colors(RED), "seed": 1.5}, "seed", "1.5 is not a whole number", SEED),
    ({**colors(RED), "seed": True}, "seed", "true is not a number", SEED),
    ({**colors(RED), "seed": "x"}, "seed", '"x" is not a number', SEED),
    ({**colors(RED), "seed": 1e18}, "seed", "write all its digits", SEED),
    ({**colors(RED), "seed": "12,000"}, "seed", '"12,000" could be 12 or 12000', SEED),
    ({**colors(RED), "seed": "12.000"}, "seed", '"12.000" could be 12 or 12000', SEED),
    ({**colors(RED), "seed": "42,0"}, "seed", '"42,0" has a comma, and a whole number', SEED),
    ({**colors(RED), "seed": "9" * 500}, "seed", "has too many digits", SEED),
    ({**colors(RED), "overrides": []}, "overrides", "[] is not an object", "use_controlnet, guidance_scale"),
    (
        override(use_controlnet="yes"),
        "overrides.use_controlnet",
        '"yes" is not true or false',
        "true or false",
    ),
    (override(use_controlnet=1), "overrides.use_controlnet", "1 is not true or false", "true or false"),
    (override(guidance_scale=0.5), "overrides.guidance_scale", "0.5 is too small", "from 1 to 20"),
    (override(guidance_scale=21), "overrides.guidance_scale", "21 is too large", "from 1 to 20"),
    (override(guidance_scale=float("nan")), "overrides.guidance_scale", "NaN is not finite", "from 1 to 20"),
    (override(num_inference_steps=0), "overrides.num_inference_steps", "0 is too small", STEPS),
    (override(num_inference_steps=101), "overrides.num_inference_steps", "101 is too large", STEPS),
    (override(num_inference_steps=2.5), "overrides.num_inference_steps", "2.5 is not a whole", STEPS),
    (override(num_inference_steps="50,000"), "overrides.num_inference_steps", "50 or 50000", STEPS),
    (override(num_inference_steps_preview="x"), "overrides.num_inference_steps_preview", '"x" is not', STEPS),
    (override(num_inference_steps_final=-1), "overrides.num_inference_steps_final", "-1 is too small", STEPS),
    (override(negative_prompt=5), "overrides.negative_prompt", "5 is not text", "at most 1000 characters"),
    (override(negative_prompt="a" * 1001), "overrides.negative_prompt", "is too long", "at most 1000"),
    (override(negative_prompt="a\0b"), "overrides.negative_prompt", "control characters", "at most 1000"),
    (override(negative_prompt="\ud800"), "overrides.negative_prompt", "broken Unicode", "at most 1000"),
    (override(lora_scale=2.1), "overrides.lora_scale", "2.1 is too large", "from 0 to 2"),
    (override(controlnet_scale=-0.1), "overrides.controlnet_scale", "-0.1 is too small", "from 0 to 2"),
    (override(controlnet_start=1), "overrides.controlnet_start", "1 leaves no step", "below the end"),
    (
        override(controlnet_end=0),
        "overrides.controlnet_end",
        "0 is not above the start, 0",
        "above the start",
    ),
    (
        override(controlnet_start=0.6, controlnet_end="0,5"),
        "overrides.controlnet_end",
        '"0,5" is not above the start, 0.6',
        "above the start",
    ),
    (override(controlnets=[]), "overrides.controlnets", "[] is empty", "a list of 1 to 3 objects"),
    (override(controlnets={"kind": "canny"}), "overrides.controlnets", "is not a list", "a list of 1 to 3"),
    (
        override(controlnets=[CANNY, {"kind": "CANNY"}]),
        "overrides.controlnets[1]",
        "has canny a second time",
        "each of another kind",
    ),
    (
        override(controlnets=[CANNY, 5]),
        "overrides.controlnets[1]",
        "5 is not an object",
        '{"kind": "canny", ',
    ),
    (override(controlnets=[{}]), "overrides.controlnets[0].kind", "is missing", '"depth" or "normal"'),
    (
        override(controlnets=[{"kind": "sketch"}]),
        "overrides.controlnets[0].kind",
        '"sketch" is not one of the choices',
        '"canny", "softedge"',
    ),
    (
        override(controlnets=[{**CANNY, "scale": 2.1}]),
        "overrides.controlnets[0].scale",
        "2.1 is too large",
        "from 0 to 2",
    ),
    (
        override(controlnets=[{**CANNY, "start": 0.6, "end": 0.6}]),
        "overrides.controlnets[0].end",
        "0.6 is not above the start, 0.6",
        "above the start",
    ),
    (
        override(controlnets=[{**CANNY, "strength": 1}]),
        "overrides.controlnets[0].strength",
        "unknown key",
        "the keys kind, scale, start, end",
    ),
    *(
        (override(controlnets=[CANNY], **{name: value}), "overrides.controlnets", f"stands beside {name}", "")
        for name, value in SINGLE.items()
    ),
    (override(guidance_interval=0.28), "overrides.guidance_interval", "0.28 is not a list", "two numbers"),
    (override(guidance_interval=[1]), "overrides.guidance_interval", "is not a list of two", "two numbers"),
    (
        override(guidance_interval=[5, 1]),
        "overrides.guidance_interval",
        "[5, 1] does not",
        "smaller one first",
    ),
    (override(guidance_interval=[2, 2]), "overrides.guidance_interval", "smaller number first", "0 to 10000"),
    (override(guidance_interval=[-1, 2]), "overrides.guidance_interval", "is too small", "0 to 10000"),
    (override(guidance_interval=["a", 2]), "overrides.guidance_interval", "is not a number", "0 to 10000"),
    (override(color_guidance=1.1), "overrides.color_guidance", "1.1 is too large", "from 0 to 1"),
    (override(layout="bricks"), "overrides.layout", '"bricks" is not one', one_of(Layout)),
    (override(output_format="gif"), "overrides.output_format", '"gif" is not one', one_of(OutputFormat)),
    (override(scheduler="plms"), "overrides.scheduler", '"plms" is not one', one_of(Scheduler)),
    (override(lora=1), "overrides.lora", 'did you mean "lora_scale"?', "the keys use_controlnet"),
    (
        {**colors(RED), "colours": []},
        "colours",
        '[] is given for an unknown key; did you mean "colors"?',
        KEYS,
    ),
    ({**colors(RED), "color": [RED]}, "color", 'did you mean "colors"?', KEYS),
    ({**colors(RED), "Angle": 5}, "Angle", 'did you mean "angle"?', KEYS),
    ({**colors(RED), "steps": 5}, "steps", 'did you mean "overrides.num_inference_steps"?', KEYS),
    ({**colors(RED), "lora_scale": 1}, "lora_scale", 'did you mean "overrides.lora_scale"?', KEYS),
    ({**colors(RED), "xyzzy": None}, "xyzzy", "null is given for an unknown key.", KEYS),
    ({"params_json": colors(RED), "seed": 3}, "params_json", 'stands beside "seed"', "either params_json"),
]


@pytest.mark.parametrize(("request_", "field", "said", "allowed"), BAD_REQUESTS)
def test_a_bad_field_is_named_with_its_value_and_what_is_allowed(request_, field, said, allowed):
    (problem,) = problems_of(json.dumps(request_))
    assert problem.field == field
    assert said in str(problem)
    assert allowed in problem.allowed
    assert str(problem).startswith(f"{field}: ")
    assert str(problem).endswith(".")


def test_a_lock_on_colours_that_no_plan_guides_is_refused():
    (problem,) = problems_of(json.dumps(override(color_guidance="0", color_lock="Always")))
    assert problem.field == "overrides.color_lock"
    assert problem.value == '"Always"'
    assert "color_guidance 0" in problem.reason
    assert problem.allowed == '"auto" or "off", or "always" with color_guidance above 0'


@pytest.mark.parametrize("settings", [{"color_guidance": 0}, {"color_lock": "always"}])
def test_a_lock_is_refused_only_without_guidance(settings):
    parse_request(json.dumps(override(**settings)))


def test_a_lock_is_one_of_three_words():
    (problem,) = problems_of(json.dumps(override(color_guidance=0, color_lock="never")))
    assert (problem.field, problem.reason) == ("overrides.color_lock", "is not one of the choices")
