"""Keys, wrappings and separators as people and other programs write them: the same request each time."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from request_strategies import documents
from thorough import examples

from plitka.colors.palette import PALETTE
from plitka.errors import RequestError
from plitka.request.characters import plain
from plitka.request.fields import SYNONYMS
from plitka.request.tile_request import parse_inputs, parse_request

many = examples(100)


def problems_of(*entries):
    with pytest.raises(RequestError) as caught:
        parse_request(json.dumps({"colors": list(entries)}))
    return caught.value.problems


def shares(*entries):
    request = parse_request(json.dumps({"colors": list(entries), "seed": 1}))
    return {color.id: color.share for color in request.mix}


# Synonyms of keys


@many
@given(documents, st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=8, max_size=8))
def test_other_words_for_the_same_keys_are_the_same_request(document, choices):
    names = ("name", *SYNONYMS["name"])
    renamed = [
        {
            {"name": names[first], "proportion": ("proportion", "share")[second]}.get(key, key): value
            for key, value in entry.items()
        }
        for entry, (first, second) in zip(document["colors"], choices, strict=False)
    ]
    request = parse_request(json.dumps(document | {"seed": 1}))
    assert parse_request(json.dumps(document | {"seed": 1, "colors": renamed})) == request


@many
@given(documents, st.sampled_from(["percent", "percentage"]))
def test_a_key_named_percent_is_read_like_a_percent_sign(document, key):
    def parse(rename):
        colors = [rename({**entry, "proportion": str(entry["proportion"])}) for entry in document["colors"]]
        request = parse_request(json.dumps(document | {"seed": 1, "colors": colors}))
        return request, request.notices

    with_sign = parse(lambda entry: {**entry, "proportion": f"{entry['proportion']} %"})
    assert (
        parse(lambda entry: {key if name == "proportion" else name: entry[name] for name in entry})
        == with_sign
    )


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([{"name": "red", "percent": 0.5}, {"name": "blue", "percentage": 99.5}], [0.005, 0.995]),
        ([{"name": "red", "percent": 0.6}, {"name": "blue", "percent": 0.4}], [0.6, 0.4]),
        ([{"name": "red", "share": 0.6}, {"name": "blue", "share": 0.4}], [0.6, 0.4]),
        ([{"name": "red", "share": 60}, {"color": "blue", "proportion": 40}], [0.6, 0.4]),
        (
            [{"hex": "#A63437", "percent": "33,333"}, {"colour": "blue", "percent": "66,667"}],
            [0.33333, 0.66667],
        ),
        ([{"name": None, "color": "red", "percent": 3, "proportion": None}], [1]),
    ],
)
def test_amounts_under_other_keys_mean_what_the_keys_say(entries, expected):
    assert list(shares(*entries).values()) == pytest.approx(expected)


SAME_MEANING = [(first, second) for field in SYNONYMS for first in (field, *SYNONYMS[field]) for second in
                (field, *SYNONYMS[field]) if first != second]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), SAME_MEANING)
@pytest.mark.parametrize("is_same", [True, False])
def test_two_keys_of_one_meaning_are_an_error_that_names_both(first, second, is_same):
    values = ["red", "red"] if first in ("name", *SYNONYMS["name"]) else [60, 60]
    entry = {first: values[0], second: values[1] if is_same else "blue" if values[0] == "red" else 40}
    (problem,) = problems_of({"name": "red", **entry} if values[0] == 60 else {"proportion": 1, **entry})
    assert {first, second} == {problem.field.rpartition(".")[2], problem.reason.split('"')[1]}
    assert "means the same" in problem.reason
    assert first in problem.allowed
    assert second in problem.allowed


def test_a_bad_value_under_another_key_is_named_by_that_key():
    problems = problems_of(
        {"color": "blak", "percent": "much"}, {"colour": 5, "share": -1}, {"name": "red", "percentage": None}
    )
    assert [problem.field for problem in problems] == [
        "colors[0].color", "colors[0].percent", "colors[1].colour", "colors[1].share",
    ]  # fmt: skip
    assert all(problem.allowed for problem in problems)
    (problem,) = problems_of({"name": "red", "share": "1,000"}, {"name": "blue", "share": 3})
    assert problem.field == "colors[0].share"


@pytest.mark.parametrize(("key", "hint"), [("Color", "name"), ("percnt", "proportion"), ("nmae", "name")])
def test_a_misspelt_key_of_a_colour_gets_a_hint(key, hint):
    problem = next(problem for problem in problems_of({key: "red"}) if problem.field == f"colors[0].{key}")
    assert f'did you mean "{hint}"?' in problem.reason


# Wrappings


def nested_as_text(text):
    return json.dumps({"params_json": text})


def quotes_left_escaped(text):
    return json.dumps(text)[1:-1]


WRAPPINGS = [
    json.dumps,
    lambda text: json.dumps(text, ensure_ascii=False),
    quotes_left_escaped,
    nested_as_text,
    lambda text: f"\ufeff\n {text}\u00a0\n",
    lambda text: f"\n{text}\n",
]


@many
@given(
    documents,
    st.sampled_from([None, 1, "\t"]),
    st.booleans(),
    st.lists(st.sampled_from(WRAPPINGS), max_size=3),
)
def test_a_request_is_the_same_in_any_wrappings_and_layout(document, indent, is_ascii, wrappings):
    document = document | {"seed": 1}
    text = json.dumps(document, indent=indent, ensure_ascii=is_ascii)
    for wrap in wrappings:
        text = wrap(text)
    assert parse_request(text) == parse_request(json.dumps(document))


def nested_as_object(text):
    return f'{{"params_json": {text}}}'


@pytest.mark.parametrize("wrap", [json.dumps, nested_as_object, nested_as_text])
def test_a_request_may_be_wrapped_as_often_as_fits(wrap):
    text = json.dumps({"colors": [{"name": "red"}], "seed": 1})
    request = parse_request(text)
    for _ in range(10):
        text = wrap(text)
        assert parse_request(text) == request


PRETTY = json.dumps(
    {
        "colors": [{"name": "чёрный", "proportion": 60}, {"name": "white", "proportion": 40}],
        "angle": 45,
        "seed": 7,
    },
    indent=2,
    ensure_ascii=False,
)


@pytest.mark.parametrize(
    "text",
    [
        PRETTY.replace("\n", "\\n"),
        PRETTY.replace("\n", "\\r\\n"),
        PRETTY.replace("\n", "\\n").replace('"', '\\"'),
        PRETTY.replace("\n", "\\\\n").replace('"', '\\\\\\"'),
        PRETTY.replace('"', '\\"'),
        "\\n" + PRETTY.replace("\n", "\\n").replace('"', '\\"') + "\\n",
        PRETTY.replace("45", "４５").replace("60", "６０"),
        PRETTY.replace("  ", "\u00a0\u3000"),
        PRETTY.replace(":", "：").replace(",", "，"),
    ],
)
def test_pretty_printed_json_that_lost_a_layer_of_escapes_is_read(text):
    assert parse_request(text) == parse_request(PRETTY)


def test_a_bare_minus_sign_or_dash_is_a_minus():
    for sign in "−－–‐":
        assert parse_request(PRETTY.replace("45", f"{sign}45")).angle == 315


def test_what_stands_in_strings_is_left_as_it_is():
    said = "１２，−\\n “x” \\\\n"
    text = json.dumps(
        {"colors": [{"name": "red"}], "overrides": {"negative_prompt": said}}, ensure_ascii=False
    )
    assert parse_request(text).overrides.negative_prompt == said


def test_a_run_of_backslashes_costs_no_time():
    with pytest.raises(RequestError):
        parse_request("{" + "\\" * 60_000)


# The simple form

NAMES = [name for color in PALETTE.values() for name in color.names]
BEFORE_THE_AMOUNT = ["-", "\u2010", "\u2011", "–", "—", " - ", " – ", " — ", ": ", "=", " ", " (", "−"]


@many
@given(
    st.sampled_from(NAMES),
    st.sampled_from(BEFORE_THE_AMOUNT),
    st.sampled_from(["60", "60%", "60 %", "60,5%"]),
)
@example("чёрный", "-", "60%")
def test_a_name_and_its_amount_may_be_joined_by_a_hyphen_or_a_dash(name, between, amount):
    end = ")" if "(" in between else ""
    request = parse_inputs("", f"{name}{between}{amount}{end}, #123456{between}40{end}", 0, "standard", 1)
    expected = parse_inputs("", f"{amount} {name}, 40 #123456", 0, "standard", 1)
    assert request == expected


@pytest.mark.parametrize(
    "text", ["-60% black, 40% white", "black -60%, white 160%", "−60 black, 40 white", "black: -5"]
)
def test_a_negative_amount_stays_one(text):
    with pytest.raises(RequestError) as caught:
        parse_inputs("", text, 0, "standard", 1)
    assert caught.value.problems[0].reason == "is negative"


@pytest.mark.parametrize("hyphen", ["-", "\u2010", "\u2011"])
def test_a_name_may_have_any_hyphen(hyphen):
    (color,) = parse_inputs("", f"тёмно{hyphen}зелёный", 0, "standard", 1).mix
    assert color.id == "DKGREEN"


@given(st.characters(codec=None))
def test_no_character_but_a_full_width_digit_becomes_a_digit(char):
    digits = [digit for digit in plain(char) if digit in "0123456789"]
    assert not digits or char in "0123456789０１２３４５６７８９"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("6² black", 'cannot be read at "²"'),
        ("60% black²", 'cannot be read at "²"'),
        ("½ black", 'cannot be read at "½"'),
        ("① black", 'cannot be read at "①"'),
        ("𝟔𝟎 black", '"𝟔𝟎" is not a number'),
        ("٦٠% black", '"٦٠%" is not a number'),
        ("60% #A6343²", "is not a hex colour"),
    ],
)
def test_raised_circled_and_other_digits_are_no_digits_in_the_simple_form(text, said):
    with pytest.raises(RequestError) as caught:
        parse_inputs("", text, 0, "standard", 1)
    assert said in str(caught.value)
