"""What `plitka serve` answers itself, and what it lets through to the server behind it."""

import http.client
import json
import logging
import socket

import httpx
import local_http
import pytest
from cog_server import PATIENCE_SECONDS, small_json
from gateway_setup import PAGE as SHOWN
from gateway_setup import EchoHandler, connection, everything, gateway, put

from plitka.server.cog_process import held_port
from plitka.server.page_palette import page_in_use
from plitka.server.relay import REQUEST_HEADERS
from plitka.server.serve import PAGE
from plitka.weights.qualities import WITHOUT_FEW_STEP

BODY = b'{"input": {}}'
EVENTS = {"Accept": "text/event-stream"}


@pytest.mark.parametrize("path", ["/", "/?lang=ru"])
def test_page_is_served_at_the_root_and_no_other_site_may_frame_it(client, path):
    answer = client.get(path)
    assert answer.content == SHOWN
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "server" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/health-check"])
def test_head_is_answered_as_get_without_the_body(client, path):
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/health-check", b""),
        ("GET", "/openapi.json", b""),
        ("POST", "/predictions/abc-1_Z/cancel", b""),
        ("POST", "/predictions", b'{"id": "abc", "input": {}}'),
        ("PUT", "/predictions/abc", b'{"id": "abc", "input": {}}'),
    ],
)
def test_paths_of_a_prediction_are_passed_on_with_their_body(client, method, path, body):
    said = client.request(method, f"{path}?x=1", content=body, headers={"Prefer": "respond-async"}).json()
    assert (said["method"], said["path"]) == (method, path)
    if body:
        assert json.loads(said["body"]) == json.loads(body)
    else:
        assert (said["body"], said["headers"]["prefer"]) == ("", "respond-async")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/shutdown", 404),
        ("POST", "/trainings", 404),
        ("GET", "/web_examples.html", 404),
        ("GET", "/../README.md", 404),
        ("GET", "http://example.com/", 403),
        ("PUT", "/predictions/a/b", 404),
        ("PUT", "/predictions/..%2fshutdown", 404),
        ("PUT", f"/predictions/{'a' * 65}", 422),
        ("PUT", "/predictions/a%0d%0aX", 422),
        ("POST", "/predictions/tile.1/cancel", 422),
        ("POST", "/predictions/", 404),
        ("GET", "/predictions", 405),
        ("GET", "/predictions/tile.1", 422),
        ("GET", "/predictions/unknown", 404),
        ("GET", "/predictions/a/cancel", 405),
        ("POST", "/", 405),
        ("DELETE", "/predictions/abc", 405),
        ("OPTIONS", "/predictions", 405),
        ("HEAD", "/predictions", 405),
        ("ZZZ", "/predictions", 405),
    ],
)
def test_nothing_else_is_passed_on(running_gateway, method, path, status):
    before = EchoHandler.reached
    caller = http.client.HTTPConnection("127.0.0.1", running_gateway.port, timeout=PATIENCE_SECONDS)
    caller.request(method, path)
    answer = caller.getresponse()
    assert answer.status == status
    if method != "HEAD":
        assert json.loads(answer.read())["detail"]
    caller.close()
    assert EchoHandler.reached == before


def test_id_in_the_path_that_is_none_is_named(client):
    (problem,) = client.put("/predictions/tile.1", content=BODY).json()["detail"]
    assert problem["loc"] == ["path", "id"]
    assert problem["msg"].startswith('"tile.1" is no prediction id.')


@pytest.mark.parametrize("name", REQUEST_HEADERS)
@pytest.mark.parametrize("value", [b"caf\xe9", b"\xff", "\u00fc".encode()])
def test_header_beyond_ascii_is_passed_on_as_it_is(client, name, value):
    answer = client.get("/health-check", headers=[(name.encode(), value)])
    passed_on = {key.lower(): text for key, text in answer.json()["headers"].items()}
    assert passed_on[name].encode("latin-1") == value


def test_headers_that_are_nobodys_business_stay_behind(client):
    secrets = {"cookie": "a=b", "authorization": "Bearer x"}
    passed_on = client.get("/health-check", headers=secrets).json()["headers"]
    assert not set(secrets) & {name.lower() for name in passed_on}


HEAD = b"POST /predictions HTTP/1.1\r\nHost: localhost\r\n"
NOT_HTTP = {
    "two lengths": HEAD + b"Content-Length: 13\r\nContent-Length: 14\r\n\r\n" + BODY,
    "length and chunks": HEAD + b"Content-Length: 13\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\n",
    "a length in words": HEAD + b"Content-Length: x\r\n\r\n",
    "unknown coding": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    "a header without an end": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 70_000,
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("case", NOT_HTTP)
def test_what_is_no_clear_http_is_refused_in_words(running_gateway, case):
    before = EchoHandler.reached
    with connection(running_gateway, NOT_HTTP[case]) as raw:
        answer = everything(raw)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 "))
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["detail"]
    assert EchoHandler.reached == before


def test_missing_cog_server_is_reported_in_words():
    with held_port() as nobody, gateway(nobody) as running:
        url = f"http://127.0.0.1:{running.port}"
        post = local_http.post(f"{url}/predictions", json={"input": {}})
        for answer in (local_http.get(f"{url}/health-check"), post):
            assert answer.status_code == 502
            assert "does not answer yet" in answer.json()["detail"]
        assert local_http.get(f"{url}/health-check").json()["status"] == "STARTING"
        assert local_http.get(f"{url}/").status_code == 200


def test_cog_server_that_breaks_off_is_reported_in_words(client, caplog):
    with caplog.at_level(logging.WARNING, "plitka"):
        answer = client.put("/predictions/broken", content=BODY)
    assert answer.status_code == 502
    assert "broke off" in answer.json()["detail"]
    assert "no answer from the Cog server" in caplog.text


def test_answer_that_breaks_off_does_not_look_whole(client):
    with pytest.raises(httpx.RemoteProtocolError):
        client.put("/predictions/cut", content=BODY)
    assert client.get("/health-check").status_code == 200


def test_events_reach_the_browser_while_the_server_is_still_at_work(client):
    EchoHandler.release.clear()
    with client.stream("PUT", "/predictions/stream", content=BODY, headers=EVENTS) as answer:
        pieces = answer.iter_text()
        assert next(pieces).startswith("event: start")
        EchoHandler.release.set()
        assert "event: completed" in "".join(pieces)


def test_browser_that_goes_away_ends_its_prediction(running_gateway):
    EchoHandler.gone.clear()
    EchoHandler.waiting.clear()
    with connection(running_gateway, put("slow")):
        # Who leaves before the request is read leaves nothing to be ended.
        assert EchoHandler.waiting.wait(PATIENCE_SECONDS)
        assert not EchoHandler.gone.wait(0.2)
    assert EchoHandler.gone.wait(PATIENCE_SECONDS)


def test_browser_that_leaves_a_stream_ends_it(running_gateway, client):
    EchoHandler.release.clear()
    with client.stream("PUT", "/predictions/stream", content=BODY, headers=EVENTS) as answer:
        next(answer.iter_text())
    EchoHandler.release.set()
    assert client.get("/health-check").status_code == 200


@pytest.mark.parametrize("name", ["abc", "later", "stream"])
def test_caller_that_half_closes_after_its_request_gets_its_answer(running_gateway, name):
    EchoHandler.release.clear()
    EchoHandler.waiting.clear()
    with connection(running_gateway, put(name)) as raw:
        raw.shutdown(socket.SHUT_WR)
        if name == "later":
            assert EchoHandler.waiting.wait(PATIENCE_SECONDS)
            assert not EchoHandler.release.wait(0.5)
        EchoHandler.release.set()
        answer = everything(raw)
    while answer.startswith(b"HTTP/1.1 100 "):
        answer = answer.partition(b"\r\n\r\n")[2]
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith((b"}", b"0\r\n\r\n"))


def test_caller_that_half_closes_in_the_middle_of_its_answer_gets_the_rest(running_gateway):
    EchoHandler.release.clear()
    with connection(running_gateway, put("stream", headers="Accept: text/event-stream\r\n")) as raw:
        answer = b""
        while b"event: start" not in answer:
            answer += raw.recv(4096)
        raw.shutdown(socket.SHUT_WR)
        assert not EchoHandler.release.wait(0.3)
        EchoHandler.release.set()
        assert everything(raw).endswith(b"0\r\n\r\n")


def test_served_page_is_the_one_in_the_repository_with_the_qualities_that_are_drawn(render_server):
    expected = page_in_use(PAGE.read_bytes(), qualities=WITHOUT_FEW_STEP, controlnets=())
    assert local_http.get(f"{render_server.url}/").content == expected


def test_real_server_streams_its_pictures_one_by_one(render_server):
    call = {"json": {"input": {"params_json": small_json()}}, "headers": {"Accept": "text/event-stream"}}
    with local_http.stream("PUT", f"{render_server.url}/predictions/streamed", **call) as answer:
        events = [line[7:] for line in answer.iter_lines() if line.startswith("event: ")]
    assert events[0] == "start"
    assert events[-1] == "completed"
    assert events.count("output") == 3
    assert events.index("output") < events.index("metric", events.index("output"))
