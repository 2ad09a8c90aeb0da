import json

import pytest

from plitka.errors import RequestError
from plitka.request.tile_request import (
    DEFAULT_ANGLE,
    DEFAULT_COLORS,
    DEFAULT_QUALITY,
    DEFAULT_SEED,
    parse_inputs,
    parse_request,
)

DOCUMENT = {"colors": [{"name": "black", "proportion": 60}, {"name": "white", "proportion": 40}], "seed": 42}
PLAIN = json.dumps({**DOCUMENT, "angle": 45, "quality": "high"})


def parse_colors(text):
    request = parse_inputs("", text, DEFAULT_ANGLE, DEFAULT_QUALITY, 1)
    return {color.id: color.share for color in request.mix}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (DEFAULT_COLORS, {"BLACK": 0.6, "WHITE": 0.4}),
        ("black", {"BLACK": 1.0}),
        ("black 60, white 40", {"BLACK": 0.6, "WHITE": 0.4}),
        ("60%black,40%white", {"BLACK": 0.6, "WHITE": 0.4}),
        ("60 % black; 40 % white;", {"BLACK": 0.6, "WHITE": 0.4}),
        ("black: 60%\r\nwhite: 40%\r\n", {"BLACK": 0.6, "WHITE": 0.4}),
        ("black=60 white=40", {"BLACK": 0.6, "WHITE": 0.4}),
        ("60 black 40 white", {"BLACK": 0.6, "WHITE": 0.4}),
        ("black (60%) + white (40%)", {"BLACK": 0.6, "WHITE": 0.4}),
        ("60% black and 40% white", {"BLACK": 0.6, "WHITE": 0.4}),
        ("0.6 black, 0.4 white", {"BLACK": 0.6, "WHITE": 0.4}),
        ("0,6 black, .4 white", {"BLACK": 0.6, "WHITE": 0.4}),
        ("#A63437 30%, white 70%", {"#A63437": 0.3, "WHITE": 0.7}),
        ("30% #a63437,70% DKGREEN", {"#A63437": 0.3, "DKGREEN": 0.7}),
        ("60,5% чёрного и 39,5% белого", {"BLACK": 0.605, "WHITE": 0.395}),
        ("Тёмно-зелёный – 60%; голубой — 40%", {"DKGREEN": 0.6, "SKYBLUE": 0.4}),
        ("20% green apple, 30% white-green, 50% grass green", {"GRNAPL": 0.2, "WHTGRN": 0.3, "GRSGRN": 0.5}),
        ("60 black,,40 white", {"BLACK": 0.6, "WHITE": 0.4}),
        ("60 black ,40 white", {"BLACK": 0.6, "WHITE": 0.4}),
        ("60％ black，40％ white", {"BLACK": 0.6, "WHITE": 0.4}),
    ],
)
def test_the_simple_form_is_read_as_people_write_it(text, expected):
    assert parse_colors(text) == pytest.approx(expected)


def test_the_simple_form_and_the_json_form_are_the_same_request():
    simple = parse_inputs("", "60% black, 40% white", "45", "HIGH", "42")
    assert simple == parse_request(PLAIN)


@pytest.mark.parametrize("empty", ["", "  \n", "\ufeff"])
def test_an_empty_params_json_leaves_the_request_to_the_simple_inputs(empty):
    assert parse_inputs(empty, "red", 90.0, "preview", 7) == parse_request(
        '{"colors": [{"name": "red"}], "angle": 90, "quality": "preview", "seed": 7}'
    )


@pytest.mark.parametrize(
    "simple",
    [
        (DEFAULT_COLORS, DEFAULT_ANGLE, DEFAULT_QUALITY, DEFAULT_SEED),
        (f" {DEFAULT_COLORS} ", "0", "STANDARD", "-1"),
        ("", 0, "", -1),
    ],
)
def test_params_json_is_taken_when_the_simple_inputs_are_as_they_were(simple):
    assert parse_inputs(PLAIN, *simple) == parse_request(PLAIN)


BAD_SIMPLE_COLORS = {
    "": ("colors", "names no colour"),
    " , ; ": ("colors", "names no colour"),
    "60%": ("colors", 'cannot be read at "60%"'),
    "60% black / 40% white": ("colors", 'cannot be read at "/"'),
    "60% black, 40%": ("colors", 'cannot be read at "40%"'),
    "black 60% white": ("colors", 'cannot be read at "black 60% white"'),
    "60% black 40 50 white": ("colors", "each colour needs one name and one amount"),
    "black 60,40% white": ("colors", 'cannot be read at "black 60,40% white"'),
    ",6 black, ,40 white": ("colors", 'cannot be read at ",6", which could be 0.6 or 6'),
    "60 black; ,4 white": ("colors", 'cannot be read at ",4", which could be 0.4 or 4'),
    "0,6 black and ,40 white": ("colors", 'cannot be read at ",40", which could be 0.40 or 40'),
    '{"colors": []}': ("colors", "cannot be read at"),
    "1. black": ("colors", 'cannot be read at "."'),
    "60% blak, 40% white": ("colors[0].name", 'did you mean "black"?'),
    "black white": ("colors[0].name", '"black white" is not a known colour'),
    "black, white": ("colors[0].proportion", "is missing"),
    "-60% black, 40% white": ("colors[0].proportion", '"-60%" is negative'),
    "0% black": ("colors", "sum to 0"),
    "50% black, 0.5 white": (
        "colors[1].proportion",
        '"0.5" stands beside amounts with a percent sign and could be a fraction or a percentage',
    ),
    "#A634 50%, white 50%": ("colors[0].hex", '"#A634" is not a hex colour'),
    ", ".join(["10% red"] * 9): ("colors", "has too many entries"),
    "red " * 2000: ("colors", "is longer than 4096 characters"),
}


@pytest.mark.parametrize(
    ("text", "field", "said"), [(text, *rest) for text, rest in BAD_SIMPLE_COLORS.items()]
)
def test_simple_colours_that_cannot_be_read_are_refused(text, field, said):
    with pytest.raises(RequestError) as caught:
        parse_inputs("", text, DEFAULT_ANGLE, DEFAULT_QUALITY, DEFAULT_SEED)
    problem = caught.value.problems[0]
    assert problem.field == field
    assert said in str(problem)
    assert problem.allowed


def test_every_bad_simple_input_is_reported_at_once():
    with pytest.raises(RequestError) as caught:
        parse_inputs("", "60% black / white", "steep", "best", "x")
    assert [problem.field for problem in caught.value.problems] == ["colors", "angle", "quality", "seed"]
    assert "60% black, 40% white" in caught.value.problems[0].allowed


@pytest.mark.parametrize(
    ("changed", "value"),
    [("colors", "red"), ("angle", 45.0), ("angle", "x"), ("quality", "high"), ("seed", 7), ("seed", 10**400)],
)
def test_params_json_together_with_a_changed_input_names_both(changed, value):
    simple = {
        "colors": DEFAULT_COLORS,
        "angle": DEFAULT_ANGLE,
        "quality": DEFAULT_QUALITY,
        "seed": DEFAULT_SEED,
    }
    with pytest.raises(RequestError) as caught:
        parse_inputs(PLAIN, **{**simple, changed: value})
    (problem,) = caught.value.problems
    assert problem.field == changed
    assert "is given together with params_json" in str(problem)


def test_all_changed_inputs_are_named_together():
    with pytest.raises(RequestError) as caught:
        parse_inputs(PLAIN, "red", 45.0, "high", 7)
    assert [problem.field for problem in caught.value.problems] == ["colors", "angle", "quality", "seed"]
