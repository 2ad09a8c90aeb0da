"""The web page and, on the same address, the paths of a Cog server behind it.

A browser lets a page send requests to its own origin and, without CORS headers, to no other; Cog's server
sends none. So the page and the server share one origin here: `GET /` is the page, five calls are passed on to
one fixed Cog server, and every other path is refused.
"""

import asyncio
import functools
import ipaddress
import logging
import re
import socket
import threading
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from plitka.server.answers import RefusedError
from plitka.server.body import BodyReader
from plitka.server.limits import BACKLOG, BoundedProtocol, Limits
from plitka.server.relay import Passage, Upstream, no_such_path

log = logging.getLogger(__name__)

PAGE_HEADERS: Mapping[str, str] = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
HEALTH_PATH = "/health-check"
# Seconds for unfinished answers when the gateway ends.
STOP_SECONDS = 2


class Gateway:
    """Listens on `host` and `port` and answers with `page` or with the answers of Cog's server.

    A context manager: within the `with` it answers, from a thread of its own.

    Args:
        host: A name or an address of this machine.
        port: 0 takes any that is free.
        upstream: Cog's server.
        page: The web page.
        inputs: The names of the predictor's inputs.
        allow_webhooks: Whether a request may have its answer sent to an address.
        limits: Bounds on time, bytes and connections of a caller.

    Raises:
        OSError: The address cannot be bound.
    """

    def __init__(
        self,
        host: str,
        port: int,
        upstream: Upstream,
        page: bytes,
        inputs: Iterable[str],
        *,
        allow_webhooks: bool = True,
        limits: Limits | None = None,
    ) -> None:
        limits = limits or Limits()
        self._socket = listen(host, port)
        self.port: int = self._socket.getsockname()[1]
        is_local = is_loopback(self._socket.getsockname()[0])
        guard = Middleware(SenderGuard, names=frozenset({"localhost", host.lower()}) if is_local else None)
        reader = BodyReader(inputs, allow_webhooks=allow_webhooks)
        app = _application(upstream, page, reader, limits, guard)
        self._server = uvicorn.Server(_configuration(app, limits))
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def is_running(self) -> bool:
        """False if its thread has ended, which is a failure."""
        return self._thread.is_alive()

    def _run(self) -> None:
        asyncio.run(self._server.serve([self._socket]))


class SenderGuard:
    """Refuses, on a server that only this machine reaches, requests of other web sites through its browsers.

    They could point a name of theirs at this machine (DNS rebinding), or post a form without reading the
    answer. JSON of another origin needs a preflight request, which is refused. A request with two body
    lengths is refused on every server.

    Args:
        app: The application behind it.
        names: The names of this machine, besides its addresses; None for a server that others may reach.
    """

    def __init__(self, app: ASGIApp, names: frozenset[str] | None) -> None:
        self._app, self._names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a refusal or pass the request to the application."""
        is_request = scope["type"] == "http"
        refusal = self._refusal(scope["method"], Headers(scope=scope)) if is_request else None
        await (refusal.answer() if refusal else self._app)(scope, receive, send)

    def _refusal(self, method: str, headers: Headers) -> RefusedError | None:
        if "content-length" in headers and "transfer-encoding" in headers:
            words = "A request has a Content-Length or a Transfer-Encoding, not both."
            return RefusedError(HTTPStatus.BAD_REQUEST, words, {"Connection": "close"})
        if self._names is None:
            return None
        host = headers.get("host", "")
        name = re.sub(r":\d*$", "", host).strip("[]").lower()
        if name not in self._names and not is_loopback(name):
            words = "This server listens on this machine alone: open it as http://127.0.0.1 or localhost."
            return RefusedError(HTTPStatus.FORBIDDEN, words)
        origin = headers.get("origin")
        is_own = origin in (None, f"http://{host}")
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if not is_own and method != "OPTIONS" and kind != "application/json":
            words = f"A request from another page, here {origin:.100}, must be application/json."
            return RefusedError(HTTPStatus.FORBIDDEN, words)
        return None


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError, also if `host` is empty or not a name."""
    if not host:
        raise OSError(0, "the host is empty; 0.0.0.0 listens on every address")
    try:
        (family, _, _, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except UnicodeError as error:
        raise OSError(0, "the host is no name: a part between its dots is empty or too long") from error
    everywhere = address[0] == "::" and socket.has_dualstack_ipv6()
    return socket.create_server(address[:2], family=family, backlog=BACKLOG, dualstack_ipv6=everywhere)


def is_loopback(host: str) -> bool:
    """Whether an address is a loopback address, or the name `localhost`."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _configuration(app: ASGIApp, limits: Limits) -> uvicorn.Config:
    protocol: Any = functools.partial(BoundedProtocol, limits=limits)
    return uvicorn.Config(
        app,
        loop="asyncio",
        http=protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level=logging.CRITICAL,  # errors of the server are logged here, those of callers are not
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=int(limits.header_seconds) + 1,
        timeout_graceful_shutdown=STOP_SECONDS,
        h11_max_incomplete_event_size=limits.header_bytes,
    )


def _application(
    upstream: Upstream, page: bytes, reader: BodyReader, limits: Limits, guard: Middleware
) -> Starlette:
    async def show_page(request: Request) -> Response:
        return Response(page, headers=PAGE_HEADERS)

    def passing_on(method: str, path: str, *, has_body: bool = False) -> Route:
        passage = Passage(upstream, path, reader if has_body else None, limits.body_bytes)
        return Route(path, passage, methods=[method])

    @asynccontextmanager
    async def connected(app: Starlette) -> AsyncIterator[None]:
        async with upstream.new_client() as upstream.client:
            yield

    app = Starlette(
        routes=[
            Route("/", show_page),
            passing_on("GET", HEALTH_PATH),
            passing_on("GET", "/openapi.json"),
            passing_on("POST", "/predictions", has_body=True),
            passing_on("PUT", "/predictions/{id}", has_body=True),
            passing_on("POST", "/predictions/{id}/cancel"),
        ],
        middleware=[guard],
        exception_handlers={
            RefusedError: _answer_refused,
            HTTPException: _answer_unrouted,
            Exception: _answer_failed,
        },
        lifespan=connected,
    )
    app.router.redirect_slashes = False
    return app


async def _answer_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    is_down = error.status in (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE)
    more = {"status": "STARTING"} if is_down and request.url.path == HEALTH_PATH else {}
    return error.answer(**more)


async def _answer_unrouted(request: Request, error: Exception) -> Response:
    """Answer for an unknown path, or a method that the path does not have."""
    assert isinstance(error, HTTPException)
    if error.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
        return no_such_path().answer()
    allowed = (error.headers or {}).get("Allow", "")
    words = f"This path takes {allowed}, not {request.method}."
    return RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, words, {"Allow": allowed}).answer()


async def _answer_failed(request: Request, error: Exception) -> Response:
    log.error("an answer failed", exc_info=error)
    return RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed. Its log says more.").answer()
