"""What must hold for any input: a request that can be drawn, or one error that names its field."""

import contextlib
import functools
import json
import math
import sys
from fractions import Fraction

import jsonschema
import local_http
import pytest
from cog_server import ANSWER_SECONDS, field_of, pictures
from number_spellings import readings_in

from plitka.colors.mix import percentages
from plitka.errors import RequestError
from plitka.request.drawing_settings import settings_for
from plitka.request.fields import MAX_SEED
from plitka.request.prompt import build_prompt
from plitka.request.tile_request import (
    DEFAULT_ANGLE,
    DEFAULT_COLORS,
    DEFAULT_QUALITY,
    DEFAULT_SEED,
    parse_inputs,
    parse_request,
)
from plitka.server.schema_file import SCHEMA_FILE
from plitka.server.serve import ROOT

DEFAULTS = {
    "params_json": "",
    "colors": DEFAULT_COLORS,
    "angle": DEFAULT_ANGLE,
    "quality": DEFAULT_QUALITY,
    "seed": DEFAULT_SEED,
    "adapter": "",
}
MAX_MESSAGE = 20_000
# What a parser has no business with, by the names of Python's audit events.
REACHING_OUT = (
    "open",
    "os.",
    "socket.",
    "subprocess.",
    "urllib.",
    "shutil.",
    "import",
    "exec",
    "compile",
    "pickle.",
)

SCHEMAS = json.loads((ROOT / SCHEMA_FILE).read_text())["components"]["schemas"]
INPUT_SCHEMA = {**SCHEMAS["Input"], "components": {"schemas": SCHEMAS}}
_watched = []


def _audit(event, given):
    if _watched and event.startswith(REACHING_OUT):
        _watched.append((event, given))


@functools.cache
def _install_audit():
    """Once, since such a hook stays; whatever the libraries load on first use is loaded before."""
    for params in ('{"colors": [{"name": "red"}]}', "{}"):
        with contextlib.suppress(RequestError):
            parse_request(params)
    sys.addaudithook(_audit)


def parse(case):
    """Parse a case as the predictor does; AssertionError if that touches a file, a module or the network."""
    _install_audit()
    _watched.append("watching")
    try:
        return parse_inputs(**{**DEFAULTS, **case.inputs})
    finally:
        reached = _watched[1:]
        _watched.clear()
        assert not reached, reached


def check_parser(case):
    """Parse a case: "valid" or "refused". AssertionError if the outcome is neither, or not clear."""
    try:
        request = parse(case)
    except RequestError as error:
        check_error(error, case)
        return "refused"
    assert not case.spoiled, f"accepted, although {case.spoiled} is spoiled: {request}"
    check_request(request)
    if case.means:
        check_meaning(request, *case.means)
    return "valid"


def check_meaning(request, path, meaning):
    """A field holds what was written into it; a seed of -1 is drawn."""
    if path == "mix":
        assert [color.share for color in request.mix] == pytest.approx(meaning, abs=1e-4)
        return
    parent, _, key = path.rpartition(".")
    value = getattr(request.overrides if parent else request, key)
    if path == "angle":
        meaning = float(meaning) % 360 % 360
    if (path, meaning) != ("seed", -1):
        assert value == (meaning if isinstance(value, int) else float(meaning)), f"{path} is read as {value}"


def check_request(request):
    """A valid request can be drawn, and reads back as itself."""
    assert 1 <= len(request.mix) <= 8
    assert math.isclose(math.fsum(color.share for color in request.mix), 1, abs_tol=1e-9)
    assert all(0 < color.share <= 1 for color in request.mix)
    assert 0 <= request.angle < 360
    assert 0 <= request.seed <= MAX_SEED
    assert sum(percentages(request.mix)) == 100
    assert build_prompt(request.mix, "").positive
    assert parse_request(request.to_json()) == request


def check_error(error, case):
    """The error is one readable message, names the fields it is about, and only those."""
    message = str(error)
    message.encode()
    assert all(char.isprintable() or char == "\n" for char in message), "unprintable"
    assert len(message) <= MAX_MESSAGE, f"{len(message)} characters"
    assert "Traceback" not in message
    assert error.problems
    for problem in error.problems:
        assert problem.field, "no field"
        assert problem.reason, "no reason"
        assert problem.allowed, "nothing allowed"
    fields = [problem.field for problem in error.problems]
    if case.spoiled:
        assert case.spoiled in fields, f"{case.spoiled} is spoiled, the error names {fields}"
        named = next(p.reason for p in error.problems if p.field == case.spoiled)
        if case.readings:
            assert [Fraction(text) for text in readings_in(named)] == list(case.readings), named
        strangers = [name for name in fields if not name.startswith(case.spoiled)]
        assert not (case.alone and strangers), f"only {case.spoiled} is spoiled, not {strangers}"


def check_answer(server, case):
    """Send a case to a server: "valid" or "refused", as the parser says. AssertionError otherwise."""
    body = json.dumps({"input": case.inputs})
    answer = local_http.post(
        f"{server.url}/predictions",
        content=body,
        headers={"Content-Type": "application/json"},
        timeout=ANSWER_SECONDS,
    )
    assert "Traceback" not in answer.text
    if answer.status_code == 200:
        verdict = _check_prediction(answer.json(), case)
    else:
        check_refusal(answer, case)
        verdict = "refused"
    assert server.idle_status() == "READY"
    return verdict


def _check_prediction(prediction, case):
    """A prediction that was taken on ends as the parser says: in the same words, or with its pictures."""
    try:
        request = parse(case)
    except RequestError as error:
        check_error(error, case)
        assert prediction["status"] == "failed", prediction["status"]
        assert prediction["error"].endswith(str(error)), (prediction["error"][:300], str(error)[:300])
        assert not prediction.get("output")
        assert prediction["logs"] == ""
        return "refused"
    final = pictures(prediction)[1]
    if settings_for(request).output_format == "png":
        drawn = parse_request(field_of(final, "request"))
        assert drawn.mix == request.mix
        assert (drawn.angle, drawn.overrides) == (request.angle, request.without_sheet().overrides)
        assert prediction["metrics"]["seed"] == str(drawn.seed)
        # A seed that was given is kept; one that was left open is drawn anew by every parser.
        assert drawn.seed == request.seed or parse(case).seed != request.seed
    return "valid"


def check_refusal(answer, case):
    """What the server itself refuses is no JSON that it reads, or against the schema; it names the input."""
    assert answer.status_code in (400, 422), (answer.status_code, answer.text[:300])
    if answer.status_code == 422:
        locations = [tuple(detail["loc"]) for detail in answer.json()["detail"]]
        assert locations
        assert all(location[:2] == ("body", "input") and location[2] in DEFAULTS for location in locations), (
            locations
        )
    assert not is_valid_by_schema(case.inputs), answer.text[:300]


def is_valid_by_schema(inputs):
    """True if the committed schema takes the inputs, written as JSON that every reader takes.

    The server reads numbers as floats and refuses a body with a larger one, by the name of its input.
    """
    if any(isinstance(value, int) and abs(value) > sys.float_info.max for value in inputs.values()):
        return False
    try:
        json.dumps(inputs, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, UnicodeEncodeError):
        return False
    return jsonschema.Draft7Validator(INPUT_SCHEMA).is_valid(inputs)
