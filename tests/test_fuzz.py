"""A slice of `fuzz.py` through the parser and the real server, and bodies that are no requests at all."""

import json
from pathlib import Path

import local_http
import pytest
from cog_server import small_json
from fuzz import batch_of, fuzz, read_records, run_batch, summary
from request_mutations import Case
from request_oracle import check_answer, check_parser


def test_every_spoiled_request_is_refused_by_the_name_of_its_field():
    record = run_batch(0, 600, seed=2, check=check_parser)
    assert record["failures"] == []
    assert record["refused"] > 300
    assert record["valid"] > 50


def test_the_server_answers_any_input_in_the_parsers_words_and_stays_ready(render_server):
    record = run_batch(0, 20, seed=5, check=lambda case: check_answer(render_server, case))
    assert record["failures"] == []
    assert record["refused"] > 7
    assert record["valid"] > 1


def test_an_unclear_error_would_be_found(monkeypatch):
    spoiled = Case({"params_json": '{"colors": [{"name": "red"}], "angle": "x"}'}, "angle")
    assert check_parser(spoiled) == "refused"
    with pytest.raises(AssertionError, match="quality is spoiled, the error names"):
        check_parser(Case(spoiled.inputs, "quality"))
    with pytest.raises(AssertionError, match="accepted, although seed"):
        check_parser(Case({"seed": 5}, "seed"))
    with pytest.raises(AssertionError, match="angle is read as 45"):
        check_parser(Case({"angle": "45"}, means=("angle", 46)))
    with pytest.raises(AssertionError, match=r"could be 1\.08 or 1080"):
        check_parser(Case({"angle": "1,080"}, "angle", readings=(1, 1080)))
    monkeypatch.setattr("request_oracle.parse_inputs", lambda **inputs: Path("/etc/passwd").read_text())
    with pytest.raises(AssertionError, match="/etc/passwd"):
        check_parser(spoiled)


def test_a_run_that_was_broken_off_goes_on_where_it_stopped(tmp_path, monkeypatch):
    state = tmp_path / "state.jsonl"
    whole, _ = fuzz("parser", 20, 7, state)
    monkeypatch.setattr("fuzz.run_batch", lambda *given: pytest.fail("this batch is done"))
    again, seconds = fuzz("parser", 20, 7, state)
    assert again == whole == read_records(state)
    assert summary("parser", again, seconds)["cases"] == 20


@pytest.mark.parametrize("number", [0, 1])
def test_the_cases_of_a_batch_depend_on_the_seed_alone(number):
    first, second, other = (batch_of(number, 8, seed) for seed in (5, 5, 6))
    assert repr(first) == repr(second) != repr(other)


BODIES = {
    "empty": b"",
    "no JSON": b"hello",
    "a list": b"[]",
    "a list of inputs": b'{"input": []}',
    "text for inputs": b'{"input": "x"}',
    "a null input": b'{"input": {"seed": null}}',
    "a boolean number": b'{"input": {"angle": true}}',
    "NaN": b'{"input": {"angle": NaN}}',
    "a number beyond floats": b'{"input": {"angle": 1e400}}',
    "a number beyond integers": b'{"input": {"seed": 1000000000000000000000000000000}}',
    "broken UTF-8": b'{"input": {"colors": "\xff\xfe"}}',
    "a lone surrogate": b'{"input": {"colors": "\\ud800"}}',
    "lists without end": b'{"input": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "objects without end": b'{"input": {"params_json": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}}",
    "megabytes of request": json.dumps({"input": {"params_json": "x" * 3_000_000}}).encode(),
    "megabytes of colours": json.dumps({"input": {"colors": "x" * 3_000_000}}).encode(),
}


BESIDE_THE_INPUT = [
    ({"webhook": "not an address"}, 422),
    ({"webhook": "file:///etc/passwd"}, 422),
    ({"webhook": "http://127.0.0.1:1/\0", "webhook_events_filter": []}, 422),
    ({"output_file_prefix": "/tmp/plitka-was-here"}, 422),
    ({"unknown": "../.."}, 422),
    ({"webhook": "http://127.0.0.1:1/", "webhook_events_filter": []}, 200),
    ({"context": {"key": "\0"}}, 200),
    ({"version": "a" * 64, "stream": True, "created_at": "2026-11-26T00:00:00Z"}, 200),
]


@pytest.mark.parametrize(("envelope", "status"), BESIDE_THE_INPUT, ids=json.dumps)
def test_what_stands_beside_the_input_disturbs_neither_the_picture_nor_the_server(
    render_server, envelope, status
):
    answer = render_server.post({"params_json": small_json()}, **envelope)
    assert answer.status_code == status
    assert answer.json()["detail"] if status == 422 else answer.json()["status"] == "succeeded"
    assert render_server.idle_status() == "READY"
    assert not Path("/tmp/plitka-was-here").exists()


@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_is_no_request_is_refused_and_the_server_stays_ready(render_server, body):
    headers = {"Content-Type": "application/json"}
    answer = local_http.post(f"{render_server.url}/predictions", content=BODIES[body], headers=headers)
    if answer.status_code == 200:
        assert answer.json()["status"] == "failed"
    else:
        assert answer.status_code in (400, 413, 422)
    assert answer.text
    assert "Traceback" not in answer.text
    assert render_server.idle_status() == "READY"
