"""The web page and, on the same address, the paths of a Cog server behind it.

A browser lets a page speak to the address that it came from and, without CORS headers, to no other; Cog's
server sends none. So the page and the server share one address here: `GET /` is the page, what stands in
ROUTES is passed on to one fixed Cog server and back, byte by byte as it comes, and nothing else is answered.
"""

import http.client
import ipaddress
import json
import logging
import re
import select
import socket
import socketserver
import sys
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from plitka.errors import shown

log = logging.getLogger(__name__)

PAGE_PATH = "/"
# An id goes into the request line that is passed on, and Cog makes a folder of that name: `..` and `/` would
# choose where, and after a name that no folder can have the server would never be free again.
_ID = r"[A-Za-z0-9_-]{1,64}"
ROUTES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("GET", re.compile(r"/health-check")),
    ("GET", re.compile(r"/openapi\.json")),
    ("POST", re.compile(r"/predictions")),
    ("PUT", re.compile(rf"/predictions/{_ID}")),
    ("POST", re.compile(rf"/predictions/{_ID}/cancel")),
)
REQUEST_HEADERS = ("Content-Type", "Accept", "Prefer", "Traceparent", "Tracestate")
RESPONSE_HEADERS = ("Content-Type", "Cache-Control")
PAGE_HEADERS: Mapping[str, str] = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
# A request of the largest allowed size, every character of it escaped twice, is well below this.
MAX_BODY_BYTES = 2**20
# Seconds: for a browser to send its request or take what it is sent, for the server to take a connection, and
# for it to say anything at all, which for an answer in one piece is as long as the drawing takes.
CLIENT_SECONDS = 60.0
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 3600.0
_PIECE_BYTES = 64 * 1024


class Gateway(ThreadingHTTPServer):
    """Listens on `host` and `port` and answers with `page` or with what the Cog server on `cog_port` says.

    Raises:
        OSError: The address cannot be listened on.
    """

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, host: str, port: int, cog_port: int, page: bytes) -> None:
        self.cog_port = cog_port
        self.page = page
        self.is_local = _is_loopback(host)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind without the name lookup of http.server, which takes seconds where there is no name server."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of an answer is no error; anything else is one of ours."""
        is_gone = isinstance(sys.exception(), ConnectionError | TimeoutError)
        log.log(logging.DEBUG if is_gone else logging.ERROR, "an answer broke off", exc_info=True)


class _RefusedError(Exception):
    """An answer of the gateway's own: words, or the problems of a body as Cog's schema has them."""

    def __init__(self, status: HTTPStatus, detail: str | list[dict[str, Any]]) -> None:
        self.status, self.detail = status, detail
        super().__init__(detail)


class _Handler(BaseHTTPRequestHandler):
    server: Gateway
    protocol_version = "HTTP/1.1"
    server_version = "plitka"
    sys_version = ""
    timeout = CLIENT_SECONDS

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PUT = do_GET  # noqa: N815  # as http.server looks them up

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what http.server refuses by itself, such as a method that it has never heard of."""
        is_method = code == HTTPStatus.NOT_IMPLEMENTED
        status = HTTPStatus.METHOD_NOT_ALLOWED if is_method else HTTPStatus(code)
        self.close_connection = True
        headers = {"Content-Type": "application/json", "Connection": "close"}
        self._send(status, headers, json.dumps({"detail": message or status.phrase}).encode())

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)

    def _answer(self) -> None:
        try:
            self._check_sender()
            if (self.command, self.path) == ("GET", PAGE_PATH):
                self._send(HTTPStatus.OK, PAGE_HEADERS, self.server.page)
            else:
                self._check_route()
                body = self._body()
                _check_id(body)
                self._pass_on(body)
        except _RefusedError as refusal:
            # What is left of the request is not read, so the connection cannot be used again.
            self.close_connection = True
            answer = {"detail": refusal.detail}
            if self.path == "/health-check" and refusal.status == HTTPStatus.BAD_GATEWAY:
                answer["status"] = "STARTING"
            headers = {"Content-Type": "application/json", "Connection": "close"}
            self._send(refusal.status, headers, json.dumps(answer).encode())

    def _check_sender(self) -> None:
        """On a server of this machine alone, refuse what other web sites send through the user's browser.

        They could point a name of theirs at this machine (DNS rebinding), or post a form and never read the
        answer. JSON from elsewhere a browser does not send before it has asked, which is refused.
        """
        if not self.server.is_local:
            return
        host = self.headers.get("Host", "")
        if not _is_loopback(re.sub(r":\d*$", "", host).strip("[]")):
            words = "This server listens on this machine alone: open it as http://127.0.0.1 or localhost."
            raise _RefusedError(HTTPStatus.FORBIDDEN, words)
        origin = self.headers.get("Origin")
        is_own = origin in (None, f"http://{host}")
        if not is_own and self.headers.get_content_type() != "application/json":
            words = f"A request from another page, here {origin:.100}, must be application/json."
            raise _RefusedError(HTTPStatus.FORBIDDEN, words)

    def _check_route(self) -> None:
        methods = [method for method, path in ROUTES if path.fullmatch(self.path)]
        if not methods:
            known = "/, /health-check, /openapi.json, /predictions, /predictions/ID, /predictions/ID/cancel"
            raise _RefusedError(HTTPStatus.NOT_FOUND, f"There is no such path here. Paths: {known}.")
        if self.command not in methods:
            words = f"This path takes {' or '.join(methods)}, not {self.command}."
            raise _RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, words)

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not re.fullmatch(r"[0-9]{1,18}", length):
            raise _RefusedError(HTTPStatus.LENGTH_REQUIRED, "A request needs a Content-Length in bytes.")
        if int(length) > MAX_BODY_BYTES:
            words = f"The request is too large: {length} bytes. Allowed: {MAX_BODY_BYTES} bytes."
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words)
        return self.rfile.read(int(length))

    def _pass_on(self, body: bytes) -> None:
        headers = {name: self.headers[name] for name in REQUEST_HEADERS if name in self.headers}
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.cog_port, timeout=CONNECT_SECONDS)
        try:
            upstream.connect()
            upstream.request(self.command, self.path, body or None, headers)
            if not self._wait_for_answer(upstream.sock):
                self.close_connection = True
                return
            upstream.sock.settimeout(SILENCE_SECONDS)
            self._relay(upstream.getresponse())
        except ConnectionRefusedError:
            words = "The Cog server does not answer yet: it is starting. Try again in a few seconds."
            raise _RefusedError(HTTPStatus.BAD_GATEWAY, words) from None
        except (TimeoutError, http.client.HTTPException) as error:
            log.warning("no answer from the Cog server: %r", error)
            words = "The Cog server broke off or gave no answer in time. Its log says more."
            raise _RefusedError(HTTPStatus.BAD_GATEWAY, words) from None
        finally:
            upstream.close()

    def _wait_for_answer(self, upstream: socket.socket) -> bool:
        """Wait for the server's first byte. False if the browser went away: its prediction ends."""
        readable, _, _ = select.select([upstream, self.connection], [], [], SILENCE_SECONDS)
        if self.connection in readable and self.connection.recv(1, socket.MSG_PEEK):
            # Its next request is here already; from now on its going away cannot be seen.
            readable, _, _ = select.select([upstream], [], [], SILENCE_SECONDS)
        if not readable:
            raise TimeoutError
        return upstream in readable

    def _relay(self, response: http.client.HTTPResponse) -> None:
        headers = {
            name: value for name in RESPONSE_HEADERS if (value := response.headers.get(name)) is not None
        }
        if response.length is not None:
            self._send(HTTPStatus(response.status), headers, response.read())
            return
        self.send_response(response.status)
        for name, value in (headers | {"Transfer-Encoding": "chunked"}).items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for piece in _pieces(response):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        except (TimeoutError, http.client.HTTPException):
            # Without the last, empty piece the browser knows that the answer is not whole.
            self.close_connection = True

    def _send(self, status: HTTPStatus, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _check_id(body: bytes) -> None:
    """Refuse an id that could not stand in a path, and a body that hides one: Cog's server takes lists too.

    What is no JSON is left to Cog's server to refuse.
    """
    try:
        # No number is of interest, and Python refuses to convert long ones that others take.
        document = json.loads(body, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return
    if not isinstance(document, dict):
        raise _unprocessable(["body"], "The body is no JSON object. Allowed: an object with input in it.")
    given = document.get("id")
    if isinstance(given, str) and not re.fullmatch(_ID, given):
        words = f"{shown(given)} is no prediction id. Allowed: 1 to 64 Latin letters, digits, - and _."
        raise _unprocessable(["body", "id"], words)


def _unprocessable(place: list[str], words: str) -> _RefusedError:
    return _RefusedError(
        HTTPStatus.UNPROCESSABLE_ENTITY, [{"loc": place, "msg": words, "type": "value_error"}]
    )


def _pieces(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while piece := response.read1(_PIECE_BYTES):
        yield piece


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
