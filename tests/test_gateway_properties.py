"""Any body at all: refused in words, or passed on with the same meaning and nothing else."""

import json
import math
import re
import urllib.parse

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from recorder import recording, refused
from thorough import examples

from plitka.server.serve import input_names

ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
KEYS = ["id", "input", "context", "webhook", "webhook_events_filter"]
WITHOUT_EFFECT = ["version", "stream", "created_at"]


@pytest.fixture(scope="module")
def send():
    with recording() as send:
        yield send


def same(a, b):
    """Equal, with -0.0 and 0, and 1 and 1.0 alike, but true and 1 not."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def is_well_formed(document):
    """Whether a document is what the gateway must let through."""
    return (
        isinstance(document, dict)
        and set(document) <= {*KEYS, *WITHOUT_EFFECT}
        and isinstance(document.get("input"), dict)
        and set(document["input"]) <= set(input_names())
    )


numbers = st.one_of(
    st.integers(),
    st.sampled_from([2**63 - 1, 2**63, 2**64, -(2**63), 10**300, 10**400, -(10**400)]),
    st.floats(),
)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=20)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
input_keys = st.sampled_from([*input_names(), "sead", "Colors", "prompt", ""]) | st.text(max_size=8)
# A photograph is no scalar: `test_photo_call` has what is one and what is none.
scalar_names = st.sampled_from([name for name in input_names() if name != "photo"])
inputs = st.dictionaries(scalar_names, scalars, max_size=4)
ids = st.text("abcXYZ019-_", min_size=1, max_size=64)
webhooks = st.sampled_from(["http://127.0.0.1:9/x", "https://user@example.com", "http://[::1]/"])
events = st.lists(st.sampled_from(["start", "output", "logs", "completed"]), max_size=4)
good = st.fixed_dictionaries(
    {"input": inputs},
    optional={
        "id": ids | st.none(),
        "webhook": webhooks | st.none(),
        "webhook_events_filter": events,
        "context": st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
        "version": st.text(max_size=5),
        "stream": st.booleans(),
    },
)
documents = st.one_of(
    good,
    st.dictionaries(st.sampled_from([*KEYS, "inputs", "colors", "data"]) | st.text(max_size=8), values),
    st.fixed_dictionaries({"input": st.dictionaries(input_keys, values, max_size=4)}),
    values,
)
texts = documents.map(lambda value: json.dumps(value).encode()) | documents.map(
    lambda value: json.dumps(value, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")
)


@st.composite
def damaged(draw):
    """A body with something cut out, doubled or put in."""
    text = draw(texts)
    start = draw(st.integers(0, len(text)))
    end = min(len(text), start + draw(st.integers(0, 20)))
    middle = draw(
        st.sampled_from(
            [b"", text[start:end] * 2, b"\xff", b"\x00", b"[" * 5000, b"NaN", b"1e999", b'"\\ud800"']
        )
        | st.binary(max_size=5)
    )
    return text[:start] + middle + text[end:]


bodies = texts | damaged() | st.binary(max_size=200)
HIDDEN = [
    b'{"x": "\xff", "id": "../a", "input": {}}',
    b'{"x": ' + b"[" * 5000 + b"]" * 5000 + b', "id": "../a", "input": {}}',
    b'{"x": ' + b"[" * 120 + b"]" * 120 + b', "id": "../a", "input": {}}',
    b'{"id": "../a", "id": "a", "input": {}}',
    b'{"\\u0069d": "../a", "input": {}}',
    b'{"input": {"seed": %s}, "id": "../a"}' % (b"7" * 5000),
    b'["../a", {}]',
    b'{"id": "a", "input": {}}{"id": "../a", "input": {}}',
    b'\xef\xbb\xbf{"id": "../a", "input": {}}',
    '{"id": "../a", "input": {}}'.encode("utf-16"),
    '{"id": "../a", "input": {}}'.encode("utf-32"),
]


def with_examples(test):
    for body in HIDDEN:
        test = example(body=body)(test)
    return test


@with_examples
@examples(50)
@given(body=bodies)
def test_whatever_comes_is_refused_in_words_or_passed_on_with_its_meaning(send, body):
    answer, reached = send(body)
    if answer.status_code != 200:
        assert reached == []
        refused(answer)
        return
    (passed_on,) = map(json.loads, reached)
    sent = json.loads(body)
    assert is_well_formed(sent)
    assert set(passed_on) <= set(KEYS)
    assert ID.fullmatch(passed_on["id"])
    expected = {key: value for key, value in sent.items() if key in KEYS and value is not None}
    assert same(passed_on, {"id": passed_on["id"]} | expected)


@examples(20)
@given(document=good)
def test_every_good_request_is_passed_on(send, document):
    numbers_fit = all(
        not isinstance(value, float | int)
        or (math.isfinite(value) if isinstance(value, float) else abs(value) < 10**308)
        for value in document["input"].values()
    )
    answer, reached = send(json.dumps(document).encode())
    assert (answer.status_code == 200) == (len(reached) == 1) == numbers_fit


@examples(20)
@given(text=st.text("htps:/\\@.#?[]x1 \t\n%"))
def test_webhook_that_is_passed_on_has_a_scheme_and_a_host(send, text):
    for webhook in (text, f"http://{text}"):
        answer, reached = send(json.dumps({"input": {}, "webhook": webhook}).encode())
        if answer.status_code == 200:
            assert json.loads(reached[0])["webhook"] == webhook
            url = urllib.parse.urlsplit(webhook)
            assert (url.scheme, bool(url.hostname)) == ("http", True)
        else:
            assert ("body", "webhook") in refused(answer)
