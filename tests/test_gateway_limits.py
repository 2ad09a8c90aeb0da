"""Callers that take their time, or all the connections: the server goes on answering and lets them go."""

import json
import resource
import socket
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from http.client import HTTPResponse

import h11
import httpx
import local_http
import psutil
import pytest
from cog_server import PATIENCE_SECONDS, CogServer, small_json, wait_for
from gateway_setup import EchoHandler, connection, everything, gateway

from plitka.server.gateway import Gateway
from plitka.server.limits import MAX_SMALL_PIECES, Limits, affordable_connections
from plitka.server.relay import Upstream

HEAD = b"POST /predictions HTTP/1.1\r\nHost: localhost\r\n"
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
QUICK = Limits(connections=8, header_seconds=0.5, body_seconds=0.5, linger_seconds=0.5, answer_seconds=1.0)
PATIENT = Limits(connections=8, header_seconds=600, body_seconds=600, linger_seconds=600, answer_seconds=600)


@pytest.fixture(scope="module")
def quick(behind):
    with gateway(behind, limits=QUICK) as running:
        yield running


@pytest.fixture
def patient(behind):
    with gateway(behind, limits=PATIENT) as running:
        yield running


def page_of(running_gateway):
    """The page's answer; None where this caller was slower than the limits, as on a busy machine."""
    try:
        return local_http.get(f"http://127.0.0.1:{running_gateway.port}/")
    except httpx.TransportError:
        return None


def answers(running_gateway):
    """The status of the page, likewise."""
    answer = page_of(running_gateway)
    return answer and answer.status_code


def drip(raw, text):
    """Send a byte at a time until the other side has had enough; whether it had."""
    try:
        for byte in text:
            raw.sendall(bytes([byte]))
            time.sleep(0.1)
    except ConnectionError:
        return True
    return False


STARTS = {
    "nothing": b"",
    "half a header": b"GET / HTTP/1.1\r\nHo",
    "a header without its end": b"GET / HTTP/1.1\r\nHost: localhost\r\n",
    "half a body": HEAD + b"Content-Length: 1000\r\n\r\n{",
    "half a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
    "a body nobody reads": b"POST /none HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{",
    "a request and nothing more": GET,
    "a request and half of another": GET + b"GET / HT",
    "two requests at once": GET + GET,
}


@pytest.mark.parametrize("start", STARTS)
def test_connection_on_which_nothing_more_comes_is_closed(quick, start):
    with connection(quick, STARTS[start]) as raw:
        everything(raw)
    wait_for(lambda: answers(quick) == 200)


@pytest.mark.parametrize("start", [*STARTS])
def test_a_byte_now_and_then_keeps_no_connection(quick, start):
    with connection(quick, STARTS[start]) as raw:
        assert drip(raw, b"x" * 100)


def test_body_that_does_not_arrive_in_time_is_answered_in_words(behind):
    # What this caller itself must do in time is not limited.
    limits = replace(PATIENT, body_seconds=0.5)
    with gateway(behind, limits=limits) as running, connection(running, STARTS["half a body"]) as raw:
        answer = everything(raw)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert "in time" in json.loads(answer.partition(b"\r\n\r\n")[2])["detail"]


def is_served(raw):
    """Whether the gateway, which runs in this process, still has its end of a connection."""
    ends = raw.getpeername(), raw.getsockname()
    return ends in [(item.laddr, item.raddr) for item in psutil.Process().net_connections() if item.raddr]


def test_caller_that_never_takes_its_answer_is_let_go(behind):
    page = b"x" * 30_000_000
    limits = Limits(answer_seconds=0.5)
    with Gateway("127.0.0.1", 0, Upstream(behind), page, (), limits=limits) as running_gateway:
        with connection(running_gateway, GET) as raw:
            raw.recv(1)
            wait_for(lambda: not is_served(raw))
            assert len(everything(raw)) < len(page)
        wait_for(lambda: (answer := page_of(running_gateway)) and answer.content == page)


@pytest.mark.parametrize("start", STARTS)
def test_connections_that_ask_for_nothing_make_room(patient, start):
    with ExitStack() as opened:
        silent = [opened.enter_context(connection(patient, STARTS[start])) for _ in range(50)]
        # Until their own requests are answered, there may be none to make room.
        wait_for(lambda: answers(patient) == 200)
        wait_for(lambda: sum(map(is_closed, silent)) >= 50 - PATIENT.connections)


def is_closed(raw):
    """Whether the other side has closed a connection; what had come on it is read."""
    raw.settimeout(0.01)
    try:
        everything(raw)
    except TimeoutError:
        return False
    return True


def test_connections_at_work_are_kept_and_the_next_gets_status_503(patient):
    EchoHandler.release.clear()
    with ExitStack() as opened:
        working = [opened.enter_context(at_work(patient)) for _ in range(PATIENT.connections)]
        wait_for(lambda: answers(patient) == 503)
        with connection(patient, GET) as raw:
            refused = everything(raw)
        assert b"Retry-After: " in refused
        assert json.loads(refused.partition(b"\r\n\r\n")[2])["detail"]
        EchoHandler.release.set()
        for raw in working:
            assert raw.recv(65536).startswith(b"HTTP/1.1 200 ")
    wait_for(lambda: answers(patient) == 200)


@contextmanager
def at_work(running_gateway):
    """A connection whose request has come to the server behind: a slow gateway takes it for none before."""
    before = EchoHandler.reached
    # Of predictions, one alone is passed on at a time.
    later = b"POST /predictions/later/cancel HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
    with connection(running_gateway, later) as raw:
        wait_for(lambda: EchoHandler.reached > before)
        yield raw


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_body_beyond_the_limit_is_refused_and_the_answer_arrives(patient, framing):
    size = PATIENT.body_bytes + 1
    with connection(patient) as raw:
        if framing == "length":
            raw.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % size + b" " * size)
        else:
            raw.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % size + b" " * size + b"\r\n")
        # What comes until the connection is closed takes as long as the server is patient.
        answer = HTTPResponse(raw)
        answer.begin()
        said = answer.read()
    assert answer.status == 413
    assert str(PATIENT.body_bytes).encode() in said


@pytest.mark.parametrize("size", [PATIENT.body_bytes + 1, 20 * PATIENT.body_bytes])
def test_client_that_sends_it_all_reads_why_it_was_refused(patient, size):
    answer = local_http.post(f"http://127.0.0.1:{patient.port}/predictions", content=b" " * size)
    assert answer.status_code == 413


def test_body_in_chunks_is_taken(patient):
    answer = local_http.post(
        f"http://127.0.0.1:{patient.port}/predictions", content=iter([b'{"input"', b": {}}"])
    )
    assert json.loads(answer.json()["body"])["input"] == {}


@pytest.mark.parametrize("data", [b" ", b"0", b" " * 7])
def test_body_in_crumbs_is_not_handled_to_its_end(patient, monkeypatch, data):
    handled = []
    event = h11.Data.__init__
    monkeypatch.setattr(
        h11.Data, "__init__", lambda *given, **more: handled.append(1) or event(*given, **more)
    )
    chunk = b"%x\r\n%b\r\n" % (len(data), data)
    with connection(patient, HEAD + b"Transfer-Encoding: chunked\r\n\r\n") as raw:
        with suppress(ConnectionError):
            raw.sendall(chunk * 100_000)
        answer = everything(raw)
    assert len(handled) < 10_000
    assert answer.startswith(b"HTTP/1.1 400 ") or not answer
    assert answers(patient) == 200


def test_the_refusal_of_a_body_in_small_pieces_names_the_reason(patient):
    crumbs = b"1\r\n \r\n" * (MAX_SMALL_PIECES + 1)
    with connection(patient, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + crumbs) as raw:
        assert "pieces" in json.loads(everything(raw).partition(b"\r\n\r\n")[2])["detail"]


def test_client_that_waits_to_be_asked_for_its_body_is_asked(patient):
    with connection(patient, HEAD + b"Expect: 100-continue\r\nContent-Length: 13\r\n\r\n") as raw:
        assert raw.recv(65536).startswith(b"HTTP/1.1 100 ")
        raw.sendall(b'{"input": {}}')
        assert raw.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("files", "connections"), [(64, 8), (128, 32), (1024, 256), (resource.RLIM_INFINITY, 256)]
)
def test_there_are_never_more_connections_than_files_for_them(monkeypatch, files, connections):
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (files, files))
    assert affordable_connections() == connections


@pytest.mark.long
def test_hundreds_of_silent_connections_take_neither_all_files_nor_a_core(tmp_path):
    """The real server, allowed 128 open files."""
    server = CogServer.start(tmp_path, "render", wrapper=["sh", "-c", 'ulimit -n 128; exec "$@"', "sh"])
    try:
        assert server.wait_until_started()["status"] == "READY"
        host, port = server.url.removeprefix("http://").split(":")
        process = psutil.Process(server.process.pid)
        with ExitStack() as opened:
            # While it stands still, so many come that its queue in the system is full when it goes on.
            process.suspend()
            try:
                for _ in range(100):
                    calling = opened.enter_context(socket.socket())
                    calling.setblocking(False)
                    calling.connect_ex((host, int(port)))
            finally:
                process.resume()
            for _ in range(200):
                opened.enter_context(socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS))
            for _ in range(5):
                assert server.idle_status() == "READY"
            before = sum(process.cpu_times()[:2])
            time.sleep(2.0)
            assert sum(process.cpu_times()[:2]) - before < 1.0
            assert process.num_fds() < 128
            assert "out of system resource" not in server.log.read_text()
            assert server.predict(params_json=small_json())["status"] == "succeeded"
    finally:
        server.stop()
