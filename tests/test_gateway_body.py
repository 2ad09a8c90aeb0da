"""Bodies of predictions that people and attackers send: refused by name, or passed on as they were meant."""

import json

import local_http
import pytest
from gateway_setup import gateway
from recorder import recording, refused

from plitka.server.access import Access


@pytest.fixture(scope="module")
def send():
    with recording() as send:
        yield send


NUMBERS = ["9223372036854775807", "-9223372036854775808", "18446744073709551616", "0.1", "1e5", "1.0", "-0.0"]


@pytest.mark.parametrize("number", NUMBERS)
def test_number_arrives_as_it_was_written(send, number):
    answer, (body,) = send(f'{{"input": {{"seed": {number}}}}}'.encode())
    assert answer.status_code == 200
    arrived = json.loads(body)["input"]["seed"]
    assert (arrived, type(arrived)) == (json.loads(number), type(json.loads(number)))


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "1" + "0" * 309, "7" * 4000, "NaN", "Infinity", "-Infinity"]
)
def test_number_beyond_the_range_of_a_double_is_refused(send, number):
    answer, reached = send(f'{{"input": {{"seed": {number}}}}}'.encode())
    problems = refused(answer)
    assert reached == []
    assert "JSON" in problems.get(("body",), "JSON")
    assert "too large" in problems.get(("body", "input", "seed"), "too large")


WITHOUT_INPUT = {
    "a request in place of the body": ({"colors": "60% black"}, ("body", "colors"), "put it inside input"),
    "params_json in place of input": ({"params_json": "{}"}, ("body", "params_json"), "put it inside input"),
    "another name": ({"inputs": {"seed": 1}}, ("body", "inputs"), 'did you mean "input"?'),
    "a capital": ({"Input": {"seed": 1}}, ("body", "Input"), 'did you mean "input"?'),
    "one level deeper": ({"data": {"input": {"seed": 1}}}, ("body", "data"), "at the top"),
    "nothing": ({}, ("body", "input"), "input is missing"),
    "null in its place": ({"input": None}, ("body", "input"), "null cannot be input"),
    "a text in its place": ({"input": "60% black"}, ("body", "input"), '"60% black" cannot be input'),
    "a list in its place": ({"input": [1]}, ("body", "input"), "[1] cannot be input"),
    "a mistyped input": ({"input": {"sead": 1}}, ("body", "input", "sead"), 'did you mean "seed"?'),
    "British": ({"input": {"colours": "black"}}, ("body", "input", "colours"), 'did you mean "colors"?'),
    "of another model": ({"input": {"prompt": "x"}}, ("body", "input", "prompt"), "Allowed: params_json"),
}  # fmt: skip


@pytest.mark.each_value
@pytest.mark.parametrize("case", WITHOUT_INPUT)
@pytest.mark.parametrize(("method", "path"), [("POST", "/predictions"), ("PUT", "/predictions/abc")])
@pytest.mark.parametrize("prefer", ["respond-async", "wait"])
def test_request_that_would_draw_something_else_is_refused(send, case, method, path, prefer):
    document, place, words = WITHOUT_INPUT[case]
    answer, reached = send(json.dumps(document).encode(), path, method, Prefer=prefer)
    assert (answer.status_code, reached) == (422, [])
    assert words in refused(answer)[place]


@pytest.mark.parametrize("body", [b"null", b"[]", b"7", b'"x"', b'["../a", {}]', b"true"])
def test_body_that_is_no_object_is_refused(send, body):
    """Cog's server would take the first item of a list for the id, and null for the default tile."""
    answer, reached = send(body)
    assert (answer.status_code, reached) == (422, [])
    assert "no JSON object" in refused(answer)["body",]


@pytest.mark.parametrize("body", [b"", b" ", b"{", b'{"input": {}', b"colors=black", b"\xff"])
def test_body_that_is_no_json_is_refused(send, body):
    answer, reached = send(body)
    assert (answer.status_code, reached) == (400, [])
    assert "not valid JSON" in refused(answer)["body",]


def test_empty_input_means_the_default_request(send):
    answer, (body,) = send(b'{"input": {}}')
    assert (answer.status_code, json.loads(body)["input"]) == (200, {})


BAD_IDS = [
    "", ".", "..", "a/b", "/etc/a", "../../a", "a b", "a\n", "a\0", "é", "%2e", "a" * 65, "a" * 9999, 7, True,
    ["a"],
]  # fmt: skip


@pytest.mark.parametrize("given", BAD_IDS)
@pytest.mark.parametrize(("method", "path"), [("POST", "/predictions"), ("PUT", "/predictions/abc")])
def test_id_that_could_lead_anywhere_is_refused_by_name(send, method, path, given):
    answer, reached = send(json.dumps({"id": given, "input": {}}).encode(), path, method)
    assert (answer.status_code, reached) == (422, [])
    assert "Allowed: 1 to 64 Latin letters, digits, - and _" in refused(answer)["body", "id"]


@pytest.mark.parametrize("given", [{}, {"id": None}])
def test_prediction_without_an_id_gets_one_or_that_of_its_path(send, given):
    body = json.dumps({"input": {}} | given).encode()
    first, second = (json.loads(send(body)[1][0])["id"] for _ in range(2))
    assert first != second
    assert json.loads(send(body, "/predictions/abc", "PUT")[1][0])["id"] == "abc"


BAD_WEBHOOKS = [
    "", "zzz", "/path", "file:///etc/passwd", "ftp://example.com/", "gopher://example.com", "http://", "https:///x",
    "http:// example.com", "http://exa mple.com", "http://example.com\\@evil", "javascript:alert(1)",
    "http://[::1", "http://example.com:99999/", "http://example.com\n", 7, ["http://example.com"], {},
]  # fmt: skip


@pytest.mark.parametrize("webhook", BAD_WEBHOOKS)
def test_webhook_that_is_no_web_address_is_refused(send, webhook):
    answer, reached = send(json.dumps({"input": {}, "webhook": webhook}).encode())
    assert (answer.status_code, reached) == (422, [])
    assert "Allowed: an http or https address" in refused(answer)["body", "webhook"]


@pytest.mark.parametrize("events", ["completed", ["done"], [1], {}, ["start", "Completed"]])
def test_events_that_do_not_exist_are_refused(send, events):
    body = {"input": {}, "webhook": "http://127.0.0.1:9/", "webhook_events_filter": events}
    answer, _ = send(json.dumps(body).encode())
    problems = refused(answer)
    assert all(place[:2] == ("body", "webhook_events_filter") for place in problems)
    assert "start, output, logs, completed" in next(iter(problems.values()))


def test_operator_can_forbid_webhooks():
    with gateway(9, access=Access(allow_webhooks=False)) as running_gateway:
        body = {"input": {}, "webhook": "http://127.0.0.1:9/"}
        answer = local_http.post(f"http://127.0.0.1:{running_gateway.port}/predictions", json=body)
    assert "leave webhook out" in refused(answer)["body", "webhook"]


def test_every_problem_is_named_at_once_and_a_thousand_are_cut_short(send):
    wrong = {"id": "a/b", "input": {"sead": 1, "angel": 2}, "webhook": "zzz", "foo": 1}
    places = refused(send(json.dumps(wrong).encode())[0])
    assert {place[1] for place in places} == {"id", "input", "webhook", "foo"}
    assert len(places) == 5
    many = {"input": {f"x{number}": number for number in range(1000)} | {"y" * 100_000: 1}}
    assert len(send(json.dumps(many).encode())[0].content) < 20_000


def test_key_given_twice_with_different_values_is_refused(send):
    answer, reached = send(b'{"input": {"seed": 1, "seed": 2}}')
    assert (answer.status_code, reached) == (422, [])
    assert "1 and 2 are both given" in refused(answer)["body", "input.seed"]
