"""An empty request: the default tile is drawn, with a notice."""

import json
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack

import httpx
import local_http
import pytest
from local_predictor import DEFAULTS, LocalPredictor
from thorough import one_in

from plitka.cli.request_input import read_request
from plitka.errors import RequestError
from plitka.request.http_inputs import INPUT_TYPES, refuse_null
from plitka.request.tile_request import DEFAULT_COLORS, DEFAULT_NOTICE, parse_inputs, parse_request
from plitka.server.cog_process import held_port
from plitka.server.schema_file import SCHEMA_FILE
from plitka.server.serve import ROOT, server_environment

SECONDS = 300


class BareServer:
    """Cog's server as the container starts it: nothing in front, and no schema unless it is given one."""

    def __init__(self, folder, schema):
        shutil.copy(ROOT / "predict.py", folder)
        if schema:
            (folder / SCHEMA_FILE).parent.mkdir()
            shutil.copy(ROOT / SCHEMA_FILE, folder / SCHEMA_FILE)
        self.held = ExitStack()
        port = self.held.enter_context(held_port())
        self.url = f"http://127.0.0.1:{port}"
        environment = server_environment(port, "render", 1)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cog.server.http", "--host", "127.0.0.1"],
            cwd=folder,
            env=environment | {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait_until_ready(self):
        """Started, and no prediction running: Cog answers a moment before it can take the next one."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            try:
                if local_http.get(f"{self.url}/health-check").json()["status"] == "READY":
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.3)
        raise AssertionError("the server is not ready")

    def send(self, body):
        self.wait_until_ready()
        headers = {"Content-Type": "application/json"}
        return local_http.post(f"{self.url}/predictions", content=body, headers=headers, timeout=SECONDS)


@pytest.fixture(scope="module", params=["with a schema", "without a schema"])
def bare_server(request, tmp_path_factory):
    server = BareServer(tmp_path_factory.mktemp("bare"), request.param == "with a schema")
    server.has_schema = request.param == "with a schema"
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait(SECONDS)
        server.held.close()


NO_INPUT = [
    "{}",
    '{"colors": "100% red"}',
    '{"input": {}}',
    '{"inputs": {"colors": "red"}}',
    '{"input": null}',
    '{"data": {"input": {"colors": "red"}}}',
    '{"input": {"seed": 7, "angle": 45}}',
]


@pytest.mark.parametrize("body", one_in(4, NO_INPUT))
def test_a_body_without_colours_draws_the_default_tile_with_a_notice(bare_server, body):
    prediction = bare_server.send(body).json()
    assert prediction["status"] == "succeeded"
    assert DEFAULT_NOTICE in prediction["metrics"]["notices"]
    assert f"note: {DEFAULT_NOTICE}" in prediction["logs"].splitlines()


def test_a_body_with_an_unknown_input_is_no_silent_default(bare_server):
    prediction = bare_server.send('{"input": {"colour": "100% red"}}').json()
    if bare_server.has_schema:
        assert f"note: {DEFAULT_NOTICE}" in prediction["logs"].splitlines()
    else:
        assert "colour" in prediction["error"]


def test_a_request_with_colours_has_no_such_line_and_every_other_notice_is_in_the_log(bare_server):
    prediction = bare_server.send('{"input": {"colors": "3% red", "angle": 405}}').json()
    notices = prediction["metrics"]["notices"]
    assert len(notices) == 2
    assert DEFAULT_NOTICE not in notices
    assert [line for line in prediction["logs"].splitlines() if line.startswith("note: ")] == [
        f"note: {notice}" for notice in notices
    ]


@pytest.mark.parametrize("name", INPUT_TYPES)
def test_null_is_refused_in_the_same_words_with_and_without_a_schema(bare_server, name):
    answer = bare_server.send(json.dumps({"input": {name: None}}))
    said = f'null is not of type "{INPUT_TYPES[name]}"'
    if bare_server.has_schema:
        assert answer.status_code == 422
        assert (["body", "input", name], said) in [
            (detail["loc"], detail["msg"]) for detail in answer.json()["detail"]
        ]
    else:
        assert answer.json()["status"] == "failed"
        assert f"{name}: {said}. Allowed: " in answer.json()["error"]


def test_the_types_are_those_of_the_schema():
    schemas = json.loads((ROOT / SCHEMA_FILE).read_text())["components"]["schemas"]
    inputs = schemas["Input"]["properties"]
    types = {name: schemas.get(name, field)["type"] for name, field in inputs.items()}
    # None stands for no photograph: where there is no schema, null is that.
    assert types == INPUT_TYPES | {"photo": "string"}


def test_every_null_is_named_at_once():
    with pytest.raises(RequestError) as caught:
        refuse_null(params_json=None, colors="red", angle=None, quality=None, seed=None)
    assert [problem.field for problem in caught.value.problems] == ["params_json", "angle", "quality", "seed"]
    assert all(problem.allowed for problem in caught.value.problems)


def test_the_predictor_refuses_null_before_anything_is_drawn(tmp_path):
    with pytest.raises(RequestError, match='angle: null is not of type "number"'):
        LocalPredictor(tmp_path).run("", **{**DEFAULTS, "angle": None})


def test_none_stands_for_an_input_that_is_not_given():
    request = parse_inputs(None, None, None, None, 1)
    assert request == parse_inputs("", DEFAULT_COLORS, 0.0, "standard", 1)
    params = json.dumps({"colors": [{"name": "red"}], "seed": 1})
    assert parse_inputs(params, None, None, None, None) == parse_request(params)
    assert parse_inputs(None, "red", None, None, 1) == parse_request(params)


@pytest.mark.parametrize("value", [5, True, {}, [], {"colors": [{"name": "red"}]}])
@pytest.mark.parametrize("name", ["params_json", "colors"])
def test_what_is_no_text_is_refused_by_the_name_of_its_input(name, value):
    with pytest.raises(RequestError) as caught:
        parse_inputs(**{"params_json": "", **DEFAULTS, name: value})
    (problem,) = caught.value.problems
    assert (problem.field, problem.reason) == (name, "is not text")


@pytest.mark.parametrize(
    "options",
    [
        (None, DEFAULT_COLORS, None, None, None),
        (None, "black", None, None, None),
        (json.dumps({"colors": [{"name": "red"}]}), None, None, None, None),
    ],
)
def test_the_command_line_draws_what_was_asked_for_without_that_notice(options):
    assert DEFAULT_NOTICE not in read_request(*options).notices


def test_the_notice_is_true_whether_or_not_the_colours_were_given():
    given, left_out = (parse_inputs("", colors, 0, "standard", 1) for colors in (DEFAULT_COLORS, None))
    assert given.notices == left_out.notices == (DEFAULT_NOTICE,)
    assert "given" not in DEFAULT_NOTICE
