"""`plitka catalogue` drawn by servers: the real one behind its gateway, and the API of Replicate."""

import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest
from catalogues import COMMON, MIXES, index_of, table_of
from cog_server import CogServer, small_json
from small import SMALL

from plitka.batch import services
from plitka.batch.folder import CatalogueFolder
from plitka.batch.http_calls import retry_after
from plitka.batch.http_runner import HttpRunner
from plitka.batch.make import draw
from plitka.batch.plan import plan_catalogue, request_hash
from plitka.batch.runner import Begun, Finished, Note, Task
from plitka.batch.services import CogService, ReplicateService
from plitka.batch.table import Row
from plitka.batch.worker import draw_task
from plitka.engines import load_engine
from plitka.errors import CatalogueError
from plitka.request.tile_request import parse_request

TOKEN = "r8_secret"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The real one, without a line, still starting."""
    server = CogServer.start(tmp_path_factory.mktemp("server"), "render", PLITKA_QUEUE=0)
    yield server
    server.stop()


def test_a_server_that_starts_is_waited_for_and_draws(invoke, tmp_path, server):
    table = table_of(tmp_path / "mixes.csv", [*MIXES[:4], "gren"])
    options = ("--runner", "cog", "--url", server.url, "--workers", 3, "--price", 0.5, "--json")
    result = invoke("catalogue", table, *COMMON, *options, "-o", "out")
    assert result.exit_code == 2, result.output
    assert "waits: " in result.stderr
    report = json.loads(result.stdout)
    assert (report["drawn"], report["failed"], len(report["bad"])) == (4, [], 1)
    rows = index_of(tmp_path / "out")
    assert [row["engine"] for row in rows] == ["render"] * 4
    cost = sum(float(row["cost"]) for row in rows)
    assert report["cost"] == pytest.approx(cost)
    assert cost == pytest.approx(0.5 * sum(float(row["seconds"]) for row in rows))
    assert "cost so far" in result.stderr


def test_a_server_that_is_busy_is_asked_again(server):
    """It has no line, so it answers 429 to the second caller as long as it draws for the first."""
    server.wait_until_started()
    (cog,) = psutil.Process(server.process.pid).children()
    (worker,) = cog.children()
    worker.suspend()
    said = []
    try:
        calls = HttpRunner(CogService(server.url), token=None, host="127.0.0.1", concurrency=2)
        for event in calls.run([task(1), task(2)]):
            said.append(event)
            if isinstance(event, Note) and "answers 429: The line is full" in event.text:
                worker.resume()
    finally:
        worker.resume()
    assert any(isinstance(event, Note) for event in said)
    assert [event.problem for event in said if isinstance(event, Finished)] == ["", ""]


def test_a_server_that_does_not_come_costs_patience_and_the_rows(invoke, tmp_path):
    options = ("--runner", "cog", "--url", "http://127.0.0.1:9", "--patience", 0)
    result = invoke("catalogue", table_of(tmp_path / "mixes.csv", MIXES[:1]), *options)
    assert result.exit_code == 1
    assert "given up after 0 seconds: http://127.0.0.1:9" in result.stderr
    assert "Traceback" not in result.stderr


class Replicate(BaseHTTPRequestHandler):
    """What its documentation says of the API, drawn by `render`; files are on another host."""

    protocol_version = "HTTP/1.1"
    calls, tokens, pictures, looks = [], {}, {}, {}

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or b"null")
        self.seen()
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.answer(401, {"detail": "Unauthenticated"})
        if self.path.endswith("/cancel"):
            return self.answer(200, {"status": "canceled"})
        if len(self.pictures) == 1 and "refused" not in self.looks:
            self.looks["refused"] = True
            return self.answer(429, {"detail": "Request was throttled."}, {"Retry-After": "0"})
        name = f"p{len(self.pictures)}"
        task = Task("", body["input"]["params_json"])
        self.pictures[name] = draw_task(task, load_engine("render")).data
        return self.answer(201, self.prediction(name, "starting"))

    def do_GET(self):
        self.seen()
        name = self.path.rpartition("/")[2]
        if self.path.startswith("/files/"):
            return self.answer(200, self.pictures[name])
        if name not in self.pictures:
            return self.answer(404, {"detail": "Not found"})
        self.looks[name] = self.looks.get(name, 0) + 1
        return self.answer(200, self.prediction(name, "processing" if self.looks[name] < 2 else "succeeded"))

    def prediction(self, name, status):
        port = self.server.server_port
        found = {"id": name, "status": status}
        found["urls"] = {"get": f"http://127.0.0.1:{port}/v1/predictions/{name}"}
        if status == "succeeded":
            file = f"http://localhost:{port}/files/{name}"
            found |= {"output": [file, file, file], "metrics": {"predict_time": 2.0}}
        return found

    def seen(self):
        self.calls.append(f"{self.command} {self.path}")
        self.tokens[self.path] = self.headers.get("Authorization")

    def answer(self, status, body, headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **dict(headers)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


@contextmanager
def replicate():
    """Its address, and a runner on it."""
    for kept in (Replicate.calls, Replicate.tokens, Replicate.pictures, Replicate.looks):
        kept.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Replicate) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def runner(api, token=TOKEN, **options):
    service = ReplicateService("owner/name", api)
    return HttpRunner(service, token=token, host="127.0.0.1", concurrency=1, price=0.1, **options)


def task(seed, prediction=None):
    request = parse_request(small_json(seed=seed))
    return Task(request_hash(request), request.to_json(), prediction)


@pytest.fixture(autouse=True)
def short_looks(monkeypatch):
    monkeypatch.setattr(services, "_FIRST_LOOK", 0.01)


def test_replicate_draws_every_tile_and_its_token_goes_to_nobody_else():
    with replicate() as api:
        events = list(runner(api).run([task(1), task(2)]))
    finished = [event for event in events if isinstance(event, Finished)]
    assert [(event.problem, event.seconds, event.cost) for event in finished] == [("", 2.0, 0.2)] * 2
    assert [event.data for event in finished] == list(Replicate.pictures.values())
    assert len([event for event in events if isinstance(event, Begun)]) == 2
    for path, token in Replicate.tokens.items():
        assert token == (None if path.startswith("/files/") else f"Bearer {TOKEN}"), path


def test_what_an_earlier_run_began_is_fetched_and_not_paid_for_again():
    with replicate() as api:
        first = task(1)
        for event in (events := runner(api).run([first])):
            if isinstance(event, Begun):
                break
        events.close()
        Replicate.calls.clear()
        drawn = list(runner(api).run([task(1, event.prediction), task(2, f"{api}/v1/predictions/gone")]))
    assert [event.problem for event in drawn if isinstance(event, Finished)] == ["", ""]
    assert len([call for call in Replicate.calls if call == "POST /v1/models/owner/name/predictions"]) == 2
    assert Replicate.calls.index("GET /v1/predictions/p0") < Replicate.calls.index(
        "POST /v1/models/owner/name/predictions"
    )


def test_a_run_that_is_left_early_cancels_what_it_would_not_fetch():
    with replicate() as api:
        Replicate.looks["p0"] = -10_000
        for event in (events := runner(api).run([task(1)])):
            if isinstance(event, Begun):
                break
        events.close()
    assert "POST /v1/predictions/p0/cancel" in Replicate.calls


def test_a_wrong_token_ends_it_at_once_and_is_not_shown():
    with replicate() as api, pytest.raises(CatalogueError, match="token is missing or wrong") as caught:
        list(runner(api, token="r8_wrong").run([task(1), task(2)]))
    assert "r8_wrong" not in str(caught.value)


def test_a_picture_of_another_request_is_not_taken(tmp_path):
    (item,) = plan_catalogue([Row(1, "", {"colors": "red"})], SMALL).items

    class Confused(HttpRunner):
        def run(self, tasks):
            for event in super().run([task(6)]):
                yield replace(event, hash=item.hash) if isinstance(event, Finished) else event

    with replicate() as api, CatalogueFolder(tmp_path / "out") as folder:
        service = ReplicateService("owner/name", api)
        confused = Confused(service, token=TOKEN, host="127.0.0.1", price=0.1)
        events = [event for event, _ in draw([item], folder, confused)]
        assert not folder.picture(item).exists()
    (finished,) = (event for event in events if isinstance(event, Finished))
    assert (finished.data, finished.cost) == (None, 0.2)
    assert "another request" in finished.problem


def test_an_address_that_is_no_cog_server_is_said_to_be_none():
    with replicate() as api, pytest.raises(CatalogueError, match="not the address"):
        list(HttpRunner(CogService(f"{api}/x"), token=None, host="127.0.0.1", patience=0).run([task(1)]))


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("7", 7, 7), ("Fri, 01 Jan 2100 00:00:00 GMT", 1e8, 1e10), ("Thu, 01 Jan 1970 00:00:00 GMT", 0, 0)],
)
def test_retry_after_is_seconds_or_a_date(header, least, most):
    assert least <= retry_after(header) <= most


@pytest.mark.long
@pytest.mark.parametrize("header", ["", "soon", "-1", "٣"])
def test_another_retry_after_is_none(header):
    assert retry_after(header) is None
