"""What `plitka serve` answers itself, and what it lets through to the server behind it."""

import http.client
import http.server
import json
import socket
import threading

import httpx
import pytest
from cog_server import as_json

from plitka import gateway
from plitka.serve import PAGE, ROOT, free_port


class Behind(http.server.BaseHTTPRequestHandler):
    """A server in place of Cog's that says what reached it."""

    protocol_version = "HTTP/1.1"
    release = threading.Event()
    gone = threading.Event()

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/predictions/stream":
            self.stream()
        elif self.path == "/predictions/slow":
            if not self.connection.recv(1):
                self.gone.set()
        else:
            said = {"method": self.command, "path": self.path, "headers": dict(self.headers)}
            answer = json.dumps(said | {"body": body.decode(errors="replace")}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    do_POST = do_PUT = do_GET  # noqa: N815  # as http.server looks them up

    def stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b"event: start\ndata: {}\n\n")
        self.release.wait(30)
        self.wfile.write(b"event: completed\ndata: {}\n\n")
        self.close_connection = True

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def behind():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Behind) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def running(cog_port):
    server = gateway.Gateway("127.0.0.1", 0, cog_port, b"<!doctype html>the page")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="module")
def front(behind):
    with running(behind) as server:
        yield server
        server.shutdown()


@pytest.fixture
def client(front):
    with httpx.Client(base_url=f"http://127.0.0.1:{front.server_port}", timeout=30) as client:
        yield client


def test_page_is_served_at_the_root_and_no_other_site_may_frame_it(client):
    answer = client.get("/")
    assert answer.text == "<!doctype html>the page"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/health-check"),
        ("GET", "/openapi.json"),
        ("POST", "/predictions"),
        ("PUT", "/predictions/abc-1_Z"),
        ("POST", "/predictions/abc-1_Z/cancel"),
    ],
)
def test_paths_of_a_prediction_are_passed_on_with_their_body(client, method, path):
    said = client.request(method, path, content=b'{"input": {}}', headers={"Prefer": "respond-async"}).json()
    assert (said["method"], said["path"], said["body"]) == (method, path, '{"input": {}}')
    assert said["headers"]["Prefer"] == "respond-async"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/shutdown", 404),
        ("POST", "/trainings", 404),
        ("GET", "/web_examples.html", 404),
        ("GET", "/../README.md", 404),
        ("GET", "http://example.com/", 403),
        ("PUT", "/predictions/a/b", 404),
        ("PUT", f"/predictions/{'a' * 65}", 404),
        ("PUT", "/predictions/a%0d%0aX", 404),
        ("POST", "/predictions?x=1", 404),
        ("GET", "/predictions", 405),
        ("POST", "/", 404),
        ("DELETE", "/predictions/abc", 405),
        ("OPTIONS", "/predictions", 405),
    ],
)
def test_nothing_else_is_passed_on(front, method, path, status):
    connection = http.client.HTTPConnection("127.0.0.1", front.server_port, timeout=30)
    connection.request(method, path)
    assert connection.getresponse().status == status
    connection.close()


def test_headers_that_are_nobodys_business_stay_behind(client):
    secrets = {"Cookie": "a=b", "Authorization": "Bearer x"}
    passed_on = client.get("/health-check", headers=secrets).json()["headers"]
    assert not set(secrets) & set(passed_on)


def test_body_beyond_the_limit_is_refused_before_it_is_read(front):
    with socket.create_connection(("127.0.0.1", front.server_port), timeout=30) as raw:
        raw.sendall(
            b"POST /predictions HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: %d\r\n\r\n" % (gateway.MAX_BODY_BYTES + 1)
        )
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert str(gateway.MAX_BODY_BYTES).encode() in answer


@pytest.mark.parametrize("header", ["Transfer-Encoding: chunked", "Content-Length: -1", "Content-Length: x"])
def test_body_of_unknown_length_is_refused(front, header):
    with socket.create_connection(("127.0.0.1", front.server_port), timeout=30) as raw:
        raw.sendall(f"POST /predictions HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n".encode())
        assert raw.recv(65536).startswith(b"HTTP/1.1 411 ")


BAD_IDS = [
    "",
    ".",
    "..",
    "a/b",
    "/etc/a",
    "../../a",
    "a b",
    "a\n",
    "a\0",
    "é",
    "%2e",
    "a" * 65,
    "a" * 9999,
]


@pytest.mark.parametrize("given", BAD_IDS)
@pytest.mark.parametrize(("method", "path"), [("POST", "/predictions"), ("PUT", "/predictions/abc")])
def test_id_that_could_lead_anywhere_is_refused_by_name(client, method, path, given):
    answer = client.request(method, path, json={"id": given, "input": {}})
    assert answer.status_code == 422
    (problem,) = answer.json()["detail"]
    assert problem["loc"] == ["body", "id"]
    assert "Allowed: 1 to 64 Latin letters, digits, - and _" in problem["msg"]
    assert problem["msg"].isprintable()
    assert len(problem["msg"]) < 200


PASSED_ON = [
    b'{"id": "abc-1_Z", "input": {}}',
    b'{"id": null}',
    b'{"input": {"id": "../a"}}',
    # What the server behind refuses in its own words.
    b'{"id": 7}',
    b'{"id": "../a"',
    b"[" * 100_000,
    b"\xff",
    b"",
]


@pytest.mark.parametrize("body", PASSED_ON)
def test_any_other_body_is_the_business_of_the_server_behind(client, body):
    assert client.post("/predictions", content=body).status_code == 200


@pytest.mark.parametrize("body", [b'["../a", {}]', b"[]", b'"../a"', b"7", b"null"])
def test_body_that_is_no_object_is_refused(client, body):
    """Cog's server would take the first item of a list for the id."""
    answer = client.post("/predictions", content=body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body"]


def test_a_number_too_long_for_python_hides_no_id(client):
    body = b'{"input": {"seed": %s}, "id": "../a"}' % (b"7" * 5000)
    assert client.post("/predictions", content=body).status_code == 422


HOSTS = {"localhost:5000": 200, "127.0.0.1": 200, "[::1]:5000": 200, "evil.example": 403, "10.0.0.1": 403}


@pytest.mark.parametrize(("host", "status"), HOSTS.items())
def test_server_of_this_machine_alone_answers_only_under_its_own_name(client, host, status):
    assert client.get("/", headers={"Host": host}).status_code == status


POSTS = [
    ({}, 200),
    ({"Origin": "http://localhost:5000"}, 200),
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": "http://evil.example", "Content-Type": "text/plain"}, 403),
    # A tunnel's page: another address, but JSON, which a browser lets no stranger's page send.
    ({"Origin": "https://tunnel.example", "Content-Type": "application/json"}, 200),
]


@pytest.mark.parametrize(("headers", "status"), POSTS)
def test_forms_on_other_web_sites_draw_nothing_on_this_machine(client, headers, status):
    given = {"Host": "localhost:5000"} | headers
    answer = client.post("/predictions", headers=given, content=b'{"input": {}}')
    assert answer.status_code == status


def test_browser_may_not_ask_to_send_json_from_elsewhere(client):
    assert client.options("/predictions", headers={"Origin": "http://evil.example"}).status_code == 405


def test_server_behind_that_is_not_there_is_said_in_words():
    with running(free_port()) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        for answer in (httpx.get(f"{url}/health-check"), httpx.post(f"{url}/predictions", json={})):
            assert answer.status_code == 502
            assert "does not answer yet" in answer.json()["detail"]
        assert httpx.get(f"{url}/health-check").json()["status"] == "STARTING"
        assert httpx.get(f"{url}/").status_code == 200
        server.shutdown()


def test_events_reach_the_browser_while_the_server_is_still_at_work(client):
    Behind.release.clear()
    with client.stream("PUT", "/predictions/stream") as answer:
        pieces = answer.iter_text()
        assert next(pieces).startswith("event: start")
        Behind.release.set()
        assert "event: completed" in "".join(pieces)


def test_browser_that_goes_away_ends_its_prediction(front):
    Behind.gone.clear()
    with socket.create_connection(("127.0.0.1", front.server_port), timeout=30) as raw:
        raw.sendall(b"PUT /predictions/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        assert not Behind.gone.wait(0.2)
    assert Behind.gone.wait(30)


def test_served_page_is_the_one_in_the_repository(render_server):
    assert httpx.get(f"{render_server.url}/", timeout=30).content == (ROOT / PAGE).read_bytes()


def test_real_server_streams_its_pictures_one_by_one(render_server):
    call = {"json": {"input": {"params_json": as_json()}}, "headers": {"Accept": "text/event-stream"}}
    with httpx.stream("PUT", f"{render_server.url}/predictions/streamed", timeout=120, **call) as answer:
        events = [line[7:] for line in answer.iter_lines() if line.startswith("event: ")]
    assert events[0] == "start"
    assert events[-1] == "completed"
    assert events.count("output") == 3
    assert events.index("output") < events.index("metric", events.index("output"))
