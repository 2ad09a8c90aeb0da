"""The web page and, on the same address, the paths of a Cog server behind it.

A browser lets a page send requests to its own origin and, without CORS headers, to no other; Cog's server
sends none. So the page and the server share one origin here: `GET /` is the page, calls about predictions,
health and schema are for one fixed Cog server, sheets and matches are made here, and every other path is
refused.
"""

import asyncio
import functools
import logging
import socket
import threading
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from plitka.server.access import OWN_PAGE_ALONE, Access, SenderGuard, is_loopback
from plitka.server.answers import RefusedError
from plitka.server.body import BodyReader
from plitka.server.counting import Counting
from plitka.server.limits import BoundedProtocol, BoundedServer, Limits
from plitka.server.line import Line
from plitka.server.matches import MatchCalls
from plitka.server.photographs import PhotoRoom
from plitka.server.predicting import PredictionCalls
from plitka.server.relay import HEALTH_PATH, Passage, Upstream, no_such_path
from plitka.server.sheets import SheetCalls

log = logging.getLogger(__name__)

PAGE_HEADERS: Mapping[str, str] = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
PASSED_PATHS = (HEALTH_PATH, "/openapi.json")
_ENDING = "The server is ending. Send the prediction again when it is back."
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
        access: What callers may ask for.
        limits: Bounds on time, bytes and connections of a caller.
        line: Where predictions wait for their turn.

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
        access: Access = OWN_PAGE_ALONE,
        limits: Limits | None = None,
        line: Line | None = None,
    ) -> None:
        limits = limits or Limits()
        self.line = Line() if line is None else line  # an empty one is false
        # Somebody must still get in to ask or to cancel.
        self.line.places = min(self.line.places, limits.connections // 2)
        self._socket = listen(host, port)
        self.port: int = self._socket.getsockname()[1]
        is_local = is_loopback(self._socket.getsockname()[0])
        names = frozenset({"localhost", host.lower()}) if is_local else None
        guard = Middleware(SenderGuard, names=names, origins=access.origins)
        reader = BodyReader(inputs, allow_webhooks=access.allow_webhooks)
        photos = PhotoRoom()
        self._calls = PredictionCalls(upstream, self.line, reader, limits.body_bytes, photos)
        self._matches = MatchCalls(photos)
        self._loop: asyncio.AbstractEventLoop | None = None
        app = self._application(upstream, page, [*access.middleware(), guard])
        self._server = bounded_server(app, limits, upstream.counting)
        upstream.counting.watch(
            lambda: len(self.line), self.line.places, lambda: len(self._server.server_state.connections)
        )
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close_line()
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def is_running(self) -> bool:
        """False if its thread has ended, which is a failure."""
        return self._thread.is_alive()

    def close_line(self) -> None:
        """Send everybody in line away, and let nobody in. From any thread."""
        if self._loop is not None and self._thread.is_alive():
            with suppress(RuntimeError):  # the loop has just ended
                self._loop.call_soon_threadsafe(self.line.close, _ENDING)

    def _run(self) -> None:
        asyncio.run(self._server.serve([self._socket]))

    def _application(self, upstream: Upstream, page: bytes, middleware: Sequence[Middleware]) -> Starlette:
        async def show_page(request: Request) -> Response:
            return Response(page, headers=PAGE_HEADERS)

        @asynccontextmanager
        async def connected(app: Starlette) -> AsyncIterator[None]:
            self._loop = asyncio.get_running_loop()
            async with upstream.new_client() as upstream.client:
                yield
                await self._calls.answering.close()

        calls = self._calls
        app = Starlette(
            routes=[
                Route("/", show_page),
                *(Route(path, Passage(upstream, path), methods=["GET"]) for path in PASSED_PATHS),
                Route("/predictions", _Call(calls.make), methods=["POST"]),
                Route("/predictions/{id}", _Call(calls.one), methods=["GET", "PUT"]),
                Route("/predictions/{id}/cancel", _Call(calls.cancel), methods=["POST"]),
                Route("/sheet", _Call(SheetCalls().make), methods=["POST"]),
                Route("/match", _Call(self._matches.make), methods=["POST"]),
            ],
            middleware=middleware,
            exception_handlers={
                RefusedError: _answer_refused,
                HTTPException: _answer_unrouted,
                Exception: _answer_failed,
            },
            lifespan=connected,
        )
        app.router.redirect_slashes = False
        app.state.counting = upstream.counting
        return app


class _Call:
    """A method that is an ASGI application: Starlette takes a bare one for a function of a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


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
    return socket.create_server(address[:2], family=family, dualstack_ipv6=everywhere)


def bounded_server(app: ASGIApp, limits: Limits, counting: Counting) -> BoundedServer:
    """A server of an application within limits."""
    protocol: Any = functools.partial(BoundedProtocol, limits=limits, counting=counting)
    configuration = uvicorn.Config(
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
        timeout_keep_alive=int(limits.header_seconds) + 1,
        timeout_graceful_shutdown=STOP_SECONDS,
        h11_max_incomplete_event_size=limits.header_bytes,
    )
    return BoundedServer(configuration)


async def _answer_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    request.app.state.counting.refused(error.status)
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
