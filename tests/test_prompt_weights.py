"""Weights in a prompt, read as users of compel and of A1111's web UI write them."""

import re

import pytest
from compel import Compel
from hypothesis import assume, given
from hypothesis import strategies as st

from plitka.errors import RequestError
from plitka.request.prompt_weights import Fragment, escaped, joined, read_weights, weight_problem
from plitka.request.tile_request import parse_request

SPECIAL = r"\()[]:|+-"
# What writes a weight around a text, and what it multiplies with.
SPELLINGS = {
    "({})1.3": 1.3,
    "({})0.5": 0.5,
    "({}),5": 0.5,
    "({})++": 1.21,
    "({})-": 0.9,
    "({}:1.3)": 1.3,
    "({}: 0,7 )": 0.7,
    "({})": 1.1,
    "[{}]": 1 / 1.1,
}
words = st.text(st.sampled_from("abя9 ,.;%<>\"'" + SPECIAL), min_size=1, max_size=8)
trees = st.recursive(
    words,
    lambda inner: st.lists(st.tuples(st.sampled_from(list(SPELLINGS)), inner) | words, max_size=3),
    max_leaves=8,
)


def written(tree):
    """A tree of texts and weights as somebody writes it, and what it means: an oracle that parses nothing."""
    if isinstance(tree, str):
        return "".join(f"\\{one}" if one in SPECIAL else one for one in tree), [(tree, 1.0)]
    if isinstance(tree, tuple):
        spelling, inner = tree
        text, meaning = written(inner)
        # A space, so that no word begins within the weight.
        weighted = [(part, weight * SPELLINGS[spelling]) for part, weight in meaning]
        return spelling.format(text) + " ", [*weighted, (" ", 1.0)]
    both = [written(part) for part in tree]
    return "".join(text for text, _ in both), [part for _, meaning in both for part in meaning]


def characters(parts):
    """Each character with its weight, whatever the parts are called."""
    return [(character, pytest.approx(weight, abs=1e-4)) for text, weight in parts for character in text]


@given(trees)
def test_what_is_written_is_what_is_read(tree):
    text, meaning = written(tree)
    assume(all(weight <= 2 for _, weight in meaning))
    reading = read_weights(text)
    assert reading.problems == ()
    assert [(c, w) for part, w in reading.fragments for c in part] == characters(meaning)


@given(st.text(max_size=40))
def test_an_escaped_text_has_no_weights(text):
    assert read_weights(escaped(text)) == (joined([Fragment(text, 1.0)]), ())


@given(st.text(st.sampled_from("ab ()[]:|+-.,19\\<"), max_size=30))
def test_any_text_is_read_whole_or_refused_at_a_column_in_it(text):
    reading = read_weights(text)
    assert all(
        first.weight != second.weight
        for first, second in zip(reading.fragments, reading.fragments[1:], strict=False)
    )
    columns = [int(column) for problem in reading.problems for column in re.findall(r"column (\d+)", problem)]
    assert len(columns) >= len(reading.problems)
    assert all(1 <= column <= len(text) for column in columns)
    assert (weight_problem(text) is None) == (not reading.problems)


@pytest.mark.parametrize(
    "text",
    [
        "(detailed texture)1.3, tile",
        "(blurry)-",
        "(blurry)--, low quality",
        "texture++ of rubber",
        "texture- of (wet (rubber)1.2)0.5",
        "state-of-the-art -- wet",
    ],
)
def test_compel_reads_the_same(text):
    (theirs,) = Compel.parse_prompt_string(text).prompts
    ours = read_weights(text).fragments
    said = [(part.text.replace(" ", ""), pytest.approx(part.weight)) for part in theirs.children]
    assert [(part.text.replace(" ", ""), part.weight) for part in ours] == said


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("rubber (EPDM)", [("rubber ", 1), ("EPDM", 1.1)]),
        (r"rubber \(EPDM\)", [("rubber (EPDM)", 1)]),
        ("(EPDM)60%, (ultra)-fine", [("EPDM", 1.1), ("60%, ", 1), ("ultra", 1.1), ("-fine", 1)]),
        ("(ratio 1:2)", [("ratio 1", 2)]),
        (r"(ratio 1\:2)", [("ratio 1:2", 1.1)]),
        ("[(wet)]", [("wet", 1)]),
        ("(wet:1.0) tile", [("wet tile", 1)]),
        (r"C++, C\+\+", [("C", 1.21), (", C++", 1)]),
        ("<s0><s1>++ a", [("<s0><s1>", 1.21), (" a", 1)]),
        (r"a\b", [(r"a\b", 1)]),
    ],
)
def test_brackets_and_signs_that_could_be_text(text, read):
    assert read_weights(text) == (tuple((part, pytest.approx(weight)) for part, weight in read), ())


@pytest.mark.parametrize("piece", ["+", "/+", "+ ", "-+", "[+", "(", "([)]"])
def test_no_text_of_brackets_and_signs_takes_long(piece):
    # Five times as long as a request's: a reading of cubic time takes minutes.
    text = piece * (5000 // len(piece))
    reading = read_weights(text)
    assert reading.problems or "".join(part for part, _ in reading.fragments) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wet (glossy", 'has "(" at column 5 without its ")"'),
        ("wet\n\n glossy)", 'has ")" at column 13 without its "("'),
        ("(wet]", 'closes "(" at column 1 with "]" at column 5'),
        ("a, (wet:2.5)", 'gives "wet" at column 5 the weight 2.5'),
        ("((wet:1.5) glossy:1.5)", 'gives "wet" at column 3 the weight 2.25'),
        ("a (wet:1e3)", 'gives the bracket at column 3 the weight "1e3"'),
        ("(wet:\u0661)", "gives the bracket at column 1 the weight"),
        ("(wet:nan)", 'gives the bracket at column 1 the weight "nan"'),
        ("(wet)-1", 'gives "wet" at column 2 the weight -1'),
        ("(wet:1.2)++", 'gives the bracket at column 1 a second weight, "++"'),
        ("[wet:dry:0.5]", "asks in the bracket at column 1 for words that change between steps"),
        ("[wet|dry]", "asks in the bracket at column 1 for words that change between steps"),
        ('("wet", "dry").blend(1, 1)', 'has ".blend()" at column 15'),
        ("[a] b " * 21, "has 21 parts lighter than 1 instead of 20 at most"),
        ("(a (b [c d) ((((", "and 4 more mistakes"),
    ],
)
@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
def test_mistakes_are_refused_by_field_and_column(field, text, said):
    with pytest.raises(RequestError) as caught:
        parse_request({"colors": [{"name": "red"}], "overrides": {field: text, "guidance_scale": 99}})
    problem, other = sorted(caught.value.problems, key=lambda one: one.field.endswith("guidance_scale"))
    assert problem.field == f"overrides.{field}"
    assert said in problem.reason
    assert "weights from 0 to 2, brackets in pairs" in problem.allowed
    assert other.field == "overrides.guidance_scale"
