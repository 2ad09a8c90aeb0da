"""The gateway in front of a server in place of Cog's that says what reached it."""

import http.server
import json
import socket
import threading
from contextlib import contextmanager

import httpx
import pytest
from cog_server import PATIENCE_SECONDS

from plitka.server.gateway import Gateway
from plitka.server.relay import Upstream
from plitka.server.serve import input_names

PAGE = b"<!doctype html>the page"


class EchoHandler(http.server.BaseHTTPRequestHandler):
    """Says what reached it; `stream` sends events, `slow` waits until the caller goes away."""

    protocol_version = "HTTP/1.1"
    release = threading.Event()
    waiting = threading.Event()
    gone = threading.Event()
    reached = 0

    def do_GET(self):
        type(self).reached += 1
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/predictions/stream":
            self.stream()
        elif self.path == "/predictions/slow":
            self.waiting.set()
            if not self.connection.recv(1):
                self.gone.set()
        elif self.path.startswith("/predictions/later"):
            self.waiting.set()
            self.release.wait(PATIENCE_SECONDS)
            self.answer(body)
        elif self.path == "/predictions/broken":
            self.close_connection = True
        elif self.path == "/predictions/cut":
            self.close_connection = True
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"half of it")
        else:
            self.answer(body)

    do_POST = do_PUT = do_HEAD = do_GET  # noqa: N815  # as http.server looks them up

    def answer(self, body):
        said = {"method": self.command, "path": self.path, "headers": dict(self.headers)}
        answer = json.dumps(said | {"body": body.decode(errors="replace")}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    def stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b"event: start\ndata: {}\n\n")
        self.release.wait(PATIENCE_SECONDS)
        self.wfile.write(b"event: completed\ndata: {}\n\n")
        self.close_connection = True

    def log_message(self, *args):
        pass


@contextmanager
def echo_server():
    """The port of a server in place of Cog's."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), EchoHandler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def gateway(cog_port, host="127.0.0.1", **options):
    """A gateway in front of a port, to be entered."""
    return Gateway(host, 0, Upstream(cog_port), PAGE, input_names(), **options)


@contextmanager
def connection(running_gateway, *pieces):
    """A bare connection on which something was sent."""
    with socket.create_connection(("127.0.0.1", running_gateway.port), timeout=PATIENCE_SECONDS) as raw:
        for piece in pieces:
            raw.sendall(piece)
        yield raw


def everything(raw):
    """All that comes on a connection until it is closed, even by force."""
    pieces = []
    try:
        while piece := raw.recv(65536):
            pieces.append(piece)
    except ConnectionError:
        pass
    return b"".join(pieces)


def put(name, body=b'{"input": {}}', headers=""):
    """A whole request, as bytes."""
    head = (
        f"PUT /predictions/{name} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@pytest.fixture(scope="module")
def behind():
    """The port of a server that says what reached it, for a gateway to stand in front of."""
    with echo_server() as port:
        yield port


@pytest.fixture(scope="module")
def running_gateway(behind):
    """A gateway before it, with the usual limits."""
    with gateway(behind) as running:
        yield running


@pytest.fixture
def client(running_gateway):
    """A caller of the gateway."""
    address = f"http://127.0.0.1:{running_gateway.port}"
    with httpx.Client(base_url=address, timeout=PATIENCE_SECONDS, verify=False) as client:
        yield client
