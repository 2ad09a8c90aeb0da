"""Texts that are no request, and requests with many problems at once."""

import json
import re

import pytest

from plitka.colors.palette import PALETTE
from plitka.errors import RequestError
from plitka.request.json_text import MAX_PARAMS_BYTES
from plitka.request.tile_request import parse_request

RED = {"name": "red", "proportion": 100}
EXAMPLE = 'one JSON object such as {"colors":'


def problems_of(text):
    with pytest.raises(RequestError) as caught:
        parse_request(text)
    return caught.value.problems


def colors(*entries):
    return {"colors": list(entries)}


def parts(*proportions):
    return colors(*({"name": name, "proportion": p} for name, p in zip(PALETTE, proportions, strict=False)))


BAD_TEXTS = {
    "nothing": ("", "is empty"),
    "whitespace": (" \n ", "is empty"),
    "a byte order mark alone": ("\ufeff", "is empty"),
    "a word": ("black", "is not valid JSON: expecting value at line 1, column 1"),
    "single quotes": (
        "{'colors': []}",
        "is not valid JSON: expecting property name enclosed in double quotes",
    ),
    "a comma too many": ('{"colors": [],}', "is not valid JSON"),
    "an open end": ('{"colors": [', "is not valid JSON: expecting value"),
    "two objects": ("{} {}", "is not valid JSON: extra data at line 1, column 4"),
    "a list": ("[]", "[] is not a JSON object"),
    "null": ("null", "null is not a JSON object"),
    "a number": ("60", "60 is not a JSON object"),
    "NaN": ("NaN", "NaN is not a JSON object"),
    "a list encoded twice": ('"[]"', "[] is not a JSON object"),
    "a list nested in itself": ('{"params_json": []}', "[] is not a JSON object"),
    "nothing nested in itself": ('{"params_json": ""}', "is empty"),
    "endless nesting": ('{"params_json":' * 120 + "{}" + "}" * 120, "is nested more than 8 levels deep"),
    "deep lists": ('{"colors": ' + "[" * 20 + "]" * 20 + "}", "is nested more than 8 levels deep"),
    "very deep lists": ("[" * 60_000, "is nested more than 8 levels deep"),
    # As deep as Python's parser goes or not, by how deep its caller is.
    "lists without end": ("[" * 990, "is nested more than 8 levels deep"),
    "full-width lists without end": ("［" * 20_000, "is nested more than 8 levels deep"),
    "full-width objects without end": ('｛"a"：' * 5000, "is nested more than 8 levels deep"),
    "very deep objects": ('{"a":' * 10_000 + "1" + "}" * 10_000, "is nested more than 8 levels deep"),
    "a long text": ('{"colors": "' + "a" * MAX_PARAMS_BYTES + '"}', "is longer than 65536 bytes"),
    "a long text in two-byte letters": (
        '"' + "я" * (MAX_PARAMS_BYTES // 2) + '"',
        "is longer than 65536 bytes",
    ),
}


@pytest.mark.parametrize(("text", "said"), BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_what_is_not_one_json_object_is_refused_as_params_json(text, said):
    (problem,) = problems_of(text)
    assert problem.field == "params_json"
    assert said in str(problem)
    assert problem.allowed.startswith(EXAMPLE) or "at most 65536 bytes" in problem.allowed
    assert len(str(problem)) < 500


def test_a_request_of_exactly_the_longest_length_is_read():
    text = json.dumps(colors(RED))
    assert parse_request(text + " " * (MAX_PARAMS_BYTES - len(text))).mix[0].id == "RED"


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        ('{"angle": 0, "angle": 45, "colors": [{"name": "red"}]}', "angle", "0 and 45 are both given"),
        ('{"colors": [{"name": "red", "name": "blue"}]}', "colors[0].name", '"red" and "blue" are both'),
        ('{"colors": [{"name": "red"}], "overrides": {"use_controlnet": true, "use_controlnet": false}}',
         "overrides.use_controlnet", "true and false are both given"),
        ('{"params_json": {}, "params_json": 1}', "params_json", "{} and 1 are both given"),
    ],
)  # fmt: skip
def test_a_key_given_twice_with_different_values_is_refused(text, field, said):
    (problem,) = problems_of(text)
    assert (problem.field, problem.allowed) == (field, "each key once")
    assert said in str(problem)


def test_every_problem_is_reported_at_once():
    text = """{"colors": [{"name": "blak", "proportion": true}, {"hex": "#A", "proportion": -3},
        {"nme": "red"}], "angle": "x", "angle": 5, "quality": "best", "seed": 1.5, "colour": 1,
        "overrides": {"lora": NaN, "lora_scale": 1e400, "layout": "bricks"}}"""
    problems = problems_of(text)
    assert {problem.field for problem in problems} == {
        "colors[0].name", "colors[0].proportion", "colors[1].hex", "colors[1].proportion", "colors[2]",
        "colors[2].nme", "angle", "quality", "seed", "colour", "overrides.lora", "overrides.lora_scale",
        "overrides.layout",
    }  # fmt: skip
    message = str(RequestError(problems))
    assert message.startswith(f"The request has {len(problems)} problems:\n- ")
    assert all(f"- {problem}" in message for problem in problems)


def test_proportions_are_checked_beside_other_bad_fields():
    fields = [problem.field for problem in problems_of(json.dumps({**parts(0, 0), "angle": "x"}))]
    assert fields == ["colors", "angle"]


def test_thousands_of_problems_stay_a_readable_message():
    with pytest.raises(RequestError) as caught:
        parse_request(json.dumps({f"key{i}": i for i in range(2000)}))
    assert len(caught.value.problems) == 2001
    assert str(caught.value).endswith("- and 1981 more.")
    assert len(str(caught.value)) < 5000


def test_only_keys_that_are_listed_are_compared_with_known_ones(monkeypatch):
    compared = []
    monkeypatch.setattr("difflib.get_close_matches", lambda key, *_, **__: compared.append(key) or [])
    problems_of(json.dumps({f"key{i}": i for i in range(2000)}))
    assert 0 < len(compared) <= 20


@pytest.mark.parametrize(
    "name", ["\u202ered", "re\u2066d", "a\nb", "\x1b[31mred", "\x7f", "\ud800", "a" * 9999]
)
def test_a_message_never_repeats_what_could_disturb_a_terminal(name):
    text = json.dumps({**colors({"name": name}), name: 1})
    for problem in problems_of(text):
        assert re.fullmatch(r"[\w\[\]\". \\…]+", problem.field)
        assert str(problem).isprintable()
        assert len(problem.value) < 80


def test_a_number_of_thousands_of_digits_is_refused_by_its_field():
    (problem,) = problems_of('{"colors": [{"name": "red"}], "seed": 1' + "0" * 5000 + "}")
    assert problem.field == "seed"
