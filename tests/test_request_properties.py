import json

from hypothesis import example, given
from hypothesis import strategies as st
from request_mutations import Case
from request_oracle import check_parser
from request_strategies import PLAIN, any_text, documents, objects, simple_inputs
from thorough import examples

from plitka.request.tile_request import parse_request

many = examples(100)


@many
@given(documents)
def test_a_request_written_and_read_back_is_the_same_to_the_bit(document):
    request = parse_request(json.dumps(document))
    written = request.to_json()
    assert written.isascii()
    again = parse_request(written)
    assert again == request
    assert hash(again) == hash(request)
    assert again.notices == ()
    assert again.to_json() == written


def assert_request_or_error(text):
    check_parser(Case({"params_json": text}))


@many
@given(any_text)
def test_any_text_is_a_request_or_a_request_error(text):
    assert_request_or_error(text)


@many
@given(objects)
@example({"colors": [{"name": "red"}] * 20_000})
@example({"colors": [{"name": "\ud800", "\ud800": "\ud800"}], "quality": "\ud800"})
@example({"colors": [{"name": "red"}], "overrides": {"negative_prompt": "\ud800", "layout": "\ud800"}})
@example({f"key{i}": i for i in range(3000)})
def test_any_json_object_is_a_request_or_a_request_error(document):
    assert_request_or_error(json.dumps(document))


@given(st.integers(0, len(PLAIN) - 1), st.text(st.characters(codec=None), max_size=3))
def test_a_request_damaged_anywhere_is_a_request_or_a_request_error(position, damage):
    assert_request_or_error(PLAIN[:position] + damage + PLAIN[position + 1 :])


@given(simple_inputs)
@example({"colors": "60% black, 40% white", "angle": 10**5000, "quality": "high", "seed": 10**5000})
def test_any_simple_inputs_are_a_request_or_a_request_error(inputs):
    check_parser(Case(inputs))
