"""Any number in any spelling is read alike wherever it is given, or refused with its readings named."""

import json
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from number_spellings import (
    DEGREE_SIGNS,
    FIELDS,
    Spelling,
    expected,
    readings_in,
    shares_of,
    spelling,
    two_amounts,
    unclear_amounts,
)
from thorough import examples, one_in

from plitka.cli.request_input import read_request
from plitka.errors import RequestError
from plitka.request.tile_request import parse_inputs, parse_request

many = examples(150)
sources = st.randoms(use_true_random=False)
RED = [{"name": "red"}]


def outcome(read, *given):
    """What a channel makes of its input: a request, or its reasons by field."""
    try:
        return read(*given)
    except RequestError as error:
        return {problem.field: problem.reason for problem in error.problems}


def document_with(field, value):
    """A request with a value in a field, and a seed of its own unless that is the field."""
    parent, _, key = field.rpartition(".")
    document = {"colors": RED, "seed": 1}
    return {**document, parent: {key: value}} if parent else {**document, key: value}


def json_channels(field, text):
    """The request as JSON text, in the wrappings of web forms."""
    plain = json.dumps(document_with(field, text))
    pretty = json.dumps(document_with(field, text), indent=2, ensure_ascii=False)
    yield plain
    yield from (json.dumps(plain), json.dumps(plain)[1:-1], json.dumps({"params_json": pretty}))
    yield from (json.dumps(pretty)[1:-1], json.dumps(json.dumps(pretty))[1:-1])


def channels(field, text):
    """What every channel makes of a text in a field."""
    for params in json_channels(field, text):
        yield outcome(parse_request, params)
        yield outcome(read_request, params, None, None, None, None)
    simple = {"angle": (text, "1"), "seed": ("0", text)}.get(field)
    if simple and text.strip():
        yield outcome(parse_inputs, "", "red", simple[0], "standard", simple[1])
        yield outcome(read_request, None, "red", simple[0], "standard", simple[1])


def value_of(request, field):
    parent, _, key = field.rpartition(".")
    return getattr(request.overrides if parent else request, key)


def check(result, field, meaning):
    """A result is what was expected of it."""
    if isinstance(meaning, tuple):
        assert isinstance(result, dict), f"read as {value_of(result, field)}"
        assert list(result) == [field]
        if meaning:
            assert [Fraction(text) for text in readings_in(result[field])] == list(meaning)
    else:
        assert not isinstance(result, dict), result
        value = float(meaning) % 360 % 360 if field == "angle" else meaning
        assert value_of(result, field) == (value if field == "seed" else float(value))


def is_drawn_seed(field, meaning):
    return field == "seed" and meaning == -1


@many
@given(sources, st.sampled_from(list(FIELDS)))
def test_a_number_means_the_same_in_every_channel_or_is_refused_in_the_same_words(source, field):
    suffixes = DEGREE_SIGNS if field == "angle" else ()
    number = spelling(source, suffixes)
    meaning = expected(number, field, suffixes)
    results = list(channels(field, number.text))
    if is_drawn_seed(field, meaning):
        assert not any(isinstance(result, dict) for result in results)
        return
    check(results[0], field, meaning)
    assert all(result == results[0] for result in results)


@many
@given(sources, st.sampled_from(list(FIELDS)))
def test_a_bare_number_is_what_json_says(source, field):
    number = spelling(source)
    text = number.bare()
    if text is None:
        return
    params = json.dumps(document_with(field, "HERE")).replace('"HERE"', text)
    meaning = expected(number, field, is_bare=True)
    if not is_drawn_seed(field, meaning):
        check(outcome(parse_request, params), field, meaning)


def mix_channels(first, second):
    """What every channel makes of black and white in two amounts, given as text."""
    colors = [{"name": "black", "proportion": first}, {"name": "white", "proportion": second}]
    yield outcome(parse_request, json.dumps({"colors": colors, "seed": 1}))
    other_keys = [{"color": "black", "share": first}, {"colour": "white", "proportion": second}]
    result = outcome(parse_request, json.dumps({"colors": other_keys, "seed": 1}))
    is_refused = isinstance(result, dict)
    yield {key.replace("share", "proportion"): result[key] for key in result} if is_refused else result
    for text in (
        f"black {first}, white {second}",
        f"{first} black, {second} white",
        f"black: {first}\nwhite: {second}",
        f"black ({first}) + white ({second})",
        f"black-{first}; white—{second}",
        f"чёрный‑{first} и белый – {second}",
    ):
        yield outcome(parse_inputs, "", text, 0.0, "standard", 1)
        yield outcome(read_request, None, text, None, None, "1")


@many
@given(sources, st.booleans())
@example(None, True)
def test_an_amount_means_the_same_in_every_channel_or_is_refused_in_the_same_words(source, is_whole):
    first, second = (
        (Spelling(whole="33", mark=",", rest="333"), Spelling(whole="66", mark=",", rest="667"))
        if source is None
        else two_amounts(source, is_whole)
    )
    results = list(mix_channels(first.text, second.text))
    assert all(result == results[0] for result in results)
    check_amounts(results[0], first, second)


def check_amounts(result, first, second):
    """Amounts are divided by their sum; one with two readings is refused unless decimals make 100."""
    unclear = unclear_amounts(first, second)
    if unclear:
        assert {field: tuple(map(Fraction, readings_in(text))) for field, text in result.items()} == unclear
    elif isinstance(result, dict):
        assert all("sum to 0" in text or "percent sign" in text for text in result.values())
    else:
        assert [color.share for color in result.mix] == pytest.approx(shares_of(first, second), abs=1e-4)


@pytest.mark.parametrize("angle", one_in(3, ["-45", "−45", "–45º", "—45", "－４５", "315˚"]))
def test_the_command_itself_takes_numbers_in_these_spellings(invoke, angle):
    result = invoke(
        "plan", "--size", "512", "--colors", "red-60%, blue—40", "--angle", angle, "--seed", "４２"
    )
    assert result.exit_code == 0, result.stderr
    assert "seed 42" in result.stderr
    assert angle.startswith("315") or "The angle -45 is taken as 315 degrees." in result.stderr


@pytest.mark.parametrize(
    "option", ["--angle=1,080", "--seed=12,000", "--seed=12.000", "--colors=red 1,000, blue 1"]
)
def test_the_command_itself_names_both_readings(invoke, option):
    result = invoke("plan", "--size", "512", option)
    assert result.exit_code == 2
    assert "could be" in result.stderr
