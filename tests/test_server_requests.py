"""Requests through the real server: every documented form is taken, every bad one refused by its field."""

import json

import pytest
from cog_server import MIX, REQUEST, as_json, field_of, pictures, small_json
from small import SMALL


@pytest.fixture(scope="module")
def canonical(render_server):
    """The request of `small_json()` as its final picture has it."""
    return json.loads(field_of(pictures(render_server.predict(params_json=small_json()))[1], "request"))


@pytest.mark.parametrize(
    "inputs",
    {
        "percentages": {"params_json": small_json()},
        "fractions": {
            "params_json": small_json(
                colors=[{"name": "black", "proportion": 0.6}, {"name": "white", "proportion": 0.4}]
            )
        },
        "upper case": {
            "params_json": small_json(
                colors=[{"name": "BLACK", "proportion": 60}, {"name": "White", "proportion": 40}]
            )
        },
        "numbers as text": {
            "params_json": small_json(
                colors=[{"name": "black", "proportion": "60 %"}, {"name": "white", "proportion": "40"}],
                angle="0",
            )
        },
        "Russian": {
            "params_json": small_json(
                colors=[{"name": "чёрный", "proportion": 60}, {"name": "белый", "proportion": 40}]
            )
        },
        "nested object": {"params_json": json.dumps({"params_json": REQUEST | SMALL})},
        "nested string": {"params_json": json.dumps({"params_json": small_json()})},
        "encoded twice": {"params_json": json.dumps(small_json())},
        "byte order mark and spaces": {"params_json": f"\ufeff \n{small_json()}\n "},
        "quality in capitals": {"params_json": small_json(quality="STANDARD")},
        "the web form": {
            "params_json": "",
            "colors": "60% black, 40% white",
            "angle": 0,
            "quality": "standard",
            "seed": 42,
        },
        "the web form with a request in it": {
            "params_json": small_json(),
            "colors": "60% black, 40% white",
            "angle": 0,
            "quality": "standard",
            "seed": -1,
        },
    }.items(),
    ids=lambda item: item[0],
)
def test_documented_form_of_the_request_gives_the_same_tile(render_server, canonical, inputs):
    asked = json.loads(field_of(pictures(render_server.predict(**inputs[1]))[1], "request"))
    # The form has no fields for the size.
    assert (asked if inputs[1]["params_json"] else asked | SMALL) == canonical


BAD_REQUESTS = {
    "unknown colour": (as_json(colors=[{"name": "blakc", "proportion": 1}]), ["colors[0].name", "black"]),
    "bad hex": (as_json(colors=[{"hex": "#12345", "proportion": 1}]), ["colors[0].hex", "12345"]),
    "name and hex": (
        as_json(colors=[{"name": "red", "hex": "#FF0000", "proportion": 1}]),
        ["colors[0]", "hex"],
    ),
    "no name": (as_json(colors=[{"proportion": 1}]), ["colors[0]", "name"]),
    "no proportion": (as_json(colors=[MIX[0], {"name": "red"}]), ["colors[1].proportion"]),
    "negative share": (as_json(colors=[{"name": "red", "proportion": -5}]), ["colors[0].proportion", "-5"]),
    "shares of 0": (as_json(colors=[{"name": "red", "proportion": 0}]), ["colors"]),
    "boolean share": (as_json(colors=[{"name": "red", "proportion": True}]), ["colors[0].proportion"]),
    "share in words": (as_json(colors=[{"name": "red", "proportion": "half"}]), ["half"]),
    "NaN share": ('{"colors": [{"name": "red", "proportion": NaN}]}', ["colors[0].proportion"]),
    "no colours": (as_json(colors=[]), ["colors", "1 to 8"]),
    "nine colours": (as_json(colors=[{"name": "red", "proportion": 1}] * 9), ["colors", "1 to 8"]),
    "angle in words": (as_json(angle="north"), ["angle", "north"]),
    "unknown quality": (as_json(quality="ultra"), ["quality", "ultra", "high"]),
    "seed too large": (as_json(seed=2**63), ["seed", str(2**63)]),
    "unknown key": (as_json(anlge=45), ["anlge", "angle"]),
    "unknown override": (as_json(overrides={"guidance": 7}), ["overrides.guidance", "guidance_scale"]),
    "guidance out of range": (as_json(overrides={"guidance_scale": 21}), ["overrides.guidance_scale", "21"]),
    "steps out of range": (as_json(overrides={"num_inference_steps": 0}), ["num_inference_steps", "100"]),
    "unknown layout": (as_json(overrides={"layout": "chevron"}), ["overrides.layout", "brick"]),
    "duplicate key": ('{"colors": [{"name": "red", "proportion": 1}], "angle": 1, "angle": 2}', ["angle"]),
    "no JSON": ("60% black", ["params_json"]),
    "a list": ("[1, 2]", ["params_json"]),
    "deep nesting": ("[" * 5000 + "]" * 5000, ["params_json"]),
    "too long": (as_json(overrides={"negative_prompt": "x" * 70000}), ["params_json", "65536"]),
}


@pytest.mark.parametrize("case", BAD_REQUESTS)
def test_bad_request_is_refused_with_its_field_and_the_server_stays_healthy(render_server, case):
    params_json, expected = BAD_REQUESTS[case]
    prediction = render_server.predict(params_json=params_json)
    assert prediction["status"] == "failed"
    assert not prediction.get("output")
    for text in expected:
        assert text in prediction["error"]
    for leak in ("Traceback", 'File "', "pydantic"):
        assert leak not in prediction["error"] + prediction["logs"]
    assert render_server.idle_status() == "READY"


def test_every_problem_of_a_request_is_named_at_once(render_server):
    params = as_json(colors=[{"name": "blakc", "proportion": -1}], angle="x", seed="y", overrides={"foo": 1})
    error = render_server.predict(params_json=params)["error"]
    for field in ("colors[0].name", "colors[0].proportion", "angle", "seed", "overrides.foo"):
        assert field in error


def test_request_and_changed_simple_inputs_together_are_refused_by_name(render_server):
    error = render_server.predict(params_json=as_json(), angle=45)["error"]
    assert "angle" in error
    assert "params_json" in error


@pytest.mark.parametrize(
    ("inputs", "field"),
    [
        ({"quality": "ultra"}, "quality"),
        ({"angle": "north"}, "angle"),
        ({"seed": "7"}, "seed"),
        ({"params_json": {"colors": MIX}}, "params_json"),
    ],
)
def test_wrong_type_of_an_input_is_refused_by_the_schema(render_server, inputs, field):
    answer = render_server.post(inputs)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "input", field]
