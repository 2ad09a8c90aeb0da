"""The line in front of the real server: places, cancelling, its bound, restarts and the end."""

import json
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import local_http
import psutil
import pytest
from cog_server import PATIENCE_SECONDS, CogServer, field_of, pictures, small_json, wait_for


def body(seed, **more):
    return {"input": {"params_json": small_json(quality="preview", seed=seed)}, **more}


def processes(server):
    """Cog's server and the worker that draws."""
    (cog,) = psutil.Process(server.process.pid).children()
    (worker,) = cog.children()
    return cog, worker


def ask(server, method, path, **more):
    return local_http.request(method, f"{server.url}/predictions{path}", timeout=PATIENCE_SECONDS, **more)


def later(server, name, seed=1, **more):
    """A prediction whose caller does not wait."""
    prefer = {"Prefer": "respond-async"}
    return ask(server, "PUT", f"/{name}", json=body(seed, **more), headers=prefer)


def state(server, name):
    return ask(server, "GET", f"/{name}").json()


def place(server, name):
    """Its place in line and how many wait; None if it does not."""
    queue = state(server, name).get("queue")
    return (queue["position"], queue["waiting"]) if queue else None


def has_ended(server, name):
    return state(server, name).get("status") in ("succeeded", "failed", "canceled")


@contextmanager
def held(server, name="held"):
    """The server at a drawing that does not begin until the end of this."""
    worker = stopped_at(server, name)
    try:
        yield
    finally:
        worker.resume()
    wait_for(lambda: has_ended(server, name))


def stopped_at(server, name):
    """The worker, stopped before Cog's server gave it a prediction: no drawing is too short for that."""
    _, worker = processes(server)
    worker.suspend()
    assert later(server, name).status_code == 202
    wait_for(lambda: state(server, name)["status"] == "processing")
    return worker


class Streamed:
    """A caller that reads the events of its prediction, in a thread of its own."""

    def __init__(self, server, name, seed=1):
        self.events, self._address = [], f"{server.url}/predictions/{name}"
        self._body = body(seed)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        call = {"json": self._body, "headers": {"Accept": "text/event-stream"}, "timeout": PATIENCE_SECONDS}
        with local_http.stream("PUT", self._address, **call) as answer:
            name = None
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: "):
                    self.events.append((name, json.loads(line[6:])))

    def named(self, name):
        return [data for event, data in list(self.events) if event == name]

    def completed(self):
        self._thread.join(PATIENCE_SECONDS)
        (prediction,) = self.named("completed")
        return prediction


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The real server, with a line of two."""
    server = CogServer.start(tmp_path_factory.mktemp("line"), "render", PLITKA_QUEUE=2)
    try:
        assert server.wait_until_started()["status"] == "READY"
        yield server
    finally:
        server.stop()


def test_places_in_line_are_told_and_beyond_its_bound_a_request_is_refused_with_429(server):
    with held(server):
        first = Streamed(server, "first", seed=11)
        wait_for(lambda: first.named("queue"))
        assert first.events[0] == (
            "queue",
            {"id": "first", "status": "starting", "queue": {"position": 1, "waiting": 1}},
        )
        second = later(server, "second", seed=12)
        assert second.status_code == 202
        assert second.json()["queue"] == {"position": 2, "waiting": 2}
        refused = ask(server, "POST", "", json=body(13))
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert "line is full" in refused.json()["detail"]
        assert place(server, "second") == (2, 2)
        # The same again makes no second one.
        assert later(server, "second", seed=12).json() == second.json()
        assert ask(server, "POST", "", json=body(12, id="second")).status_code == 409
        assert place(server, "second") == (2, 2)
        assert ask(server, "POST", "/first/cancel").status_code == 200
        assert first.completed()["status"] == "canceled"
        assert place(server, "second") == (1, 1)
        assert later(server, "third", seed=14).status_code == 202
    for name, seed in (("second", 12), ("third", 14)):
        wait_for(lambda name=name: has_ended(server, name))
        assert {field_of(picture, "seed") for picture in pictures(state(server, name))} == {str(seed)}
    assert ask(server, "GET", "/first").status_code == 404


def test_several_pages_at_once_get_their_own_pictures(server):
    seeds = (21, 22, 23)
    with ThreadPoolExecutor() as pool:
        streams = list(pool.map(lambda seed: Streamed(server, f"page-{seed}", seed), seeds))
        drawn = list(pool.map(Streamed.completed, streams))
    for seed, prediction, stream in zip(seeds, drawn, streams, strict=True):
        assert {field_of(picture, "seed") for picture in pictures(prediction)} == {str(seed)}
        places = [told["queue"]["position"] for told in stream.named("queue")]
        assert places == sorted(places, reverse=True)


def test_caller_that_hangs_up_leaves_the_line(server):
    sent = json.dumps(body(31))
    head = f"PUT /predictions/gone HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(sent)}\r\n\r\n{sent}"
    host, port = server.url.removeprefix("http://").split(":")
    with held(server):
        with socket.create_connection((host, int(port))) as caller:
            caller.sendall(head.encode())
            wait_for(lambda: place(server, "gone") == (1, 1))
        wait_for(lambda: ask(server, "GET", "/gone").status_code == 404)


def test_what_is_refused_only_in_its_turn_is_kept_as_failed(server):
    wrong = {"input": {"seed": "x"}}
    prefer = {"Prefer": "respond-async"}
    at_once = ask(server, "PUT", "/wrong", json=wrong, headers=prefer)
    assert (at_once.status_code, at_once.json()["detail"][0]["loc"][-1]) == (422, "seed")
    with held(server):
        assert ask(server, "PUT", "/wrong", json=wrong, headers=prefer).status_code == 202
    wait_for(lambda: has_ended(server, "wrong"))
    assert state(server, "wrong")["error"].startswith("seed: ")


@contextmanager
def webhook_receiver():
    """An address, and the predictions that were sent to it."""
    received = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}/", received
        listening.shutdown()


def test_webhook_of_a_prediction_that_leaves_the_line_is_told(server):
    with webhook_receiver() as (address, received), held(server):
        later(server, "told", webhook=address)
        later(server, "untold", webhook=address, webhook_events_filter=["start"])
        for name in ("untold", "told"):
            ask(server, "POST", f"/{name}/cancel")
        wait_for(lambda: received)
    assert [(sent["id"], sent["status"]) for sent in received] == [("told", "canceled")]


@pytest.mark.long
@pytest.mark.parametrize("victim", ["cog", "worker"])
def test_restart_of_the_server_behind_loses_nobody_in_line(tmp_path, victim):
    server = CogServer.start(tmp_path, "render")
    try:
        assert server.wait_until_started()["status"] == "READY"
        cog, _ = processes(server)
        worker = stopped_at(server, "lost")
        stream = Streamed(server, "stream", seed=41)
        wait_for(lambda: stream.named("queue"))
        assert later(server, "patient", seed=42).json()["queue"]["position"] == 2
        {"cog": cog, "worker": worker}[victim].kill()
        assert {field_of(picture, "seed") for picture in pictures(stream.completed())} == {"41"}
        wait_for(lambda: has_ended(server, "patient"))
        assert {field_of(picture, "seed") for picture in pictures(state(server, "patient"))} == {"42"}
        assert state(server, "lost")["status"] == "failed"
        assert "it is started again" in server.log.read_text()
    finally:
        server.stop()


@pytest.mark.long
def test_who_waits_when_the_server_ends_is_told_at_once(tmp_path):
    server = CogServer.start(tmp_path, "render")
    try:
        assert server.wait_until_started()["status"] == "READY"
        with webhook_receiver() as (address, received), ThreadPoolExecutor() as pool:
            stopped_at(server, "held")
            whole = pool.submit(ask, server, "PUT", "/whole", json=body(1))
            wait_for(lambda: place(server, "whole"))
            stream = Streamed(server, "stream")
            wait_for(lambda: stream.named("queue"))
            later(server, "later", webhook=address)
            server.process.send_signal(signal.SIGTERM)
            assert whole.result().status_code == 503
            assert "ending" in whole.result().json()["detail"]
            assert stream.completed()["status"] == "failed"
            assert server.process.wait(PATIENCE_SECONDS) == 0
            assert [sent["id"] for sent in received] == ["later"]
    finally:
        server.stop()
