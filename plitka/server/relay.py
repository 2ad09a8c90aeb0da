"""Calls passed on to Cog's server, and its answers streamed back unchanged."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import httpx2
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from plitka.server.answers import RETRY_SECONDS, RefusedError
from plitka.server.body import check_path_id
from plitka.server.counting import Counting

log = logging.getLogger(__name__)

HEALTH_PATH = "/health-check"
REQUEST_HEADERS = ("accept", "prefer", "traceparent", "tracestate")
RESPONSE_HEADERS = ("content-type", "content-length", "cache-control", "retry-after")
# Seconds: to connect, and until the first byte of an answer, which for an answer in one piece comes after the
# drawing.
TIMEOUT = httpx2.Timeout(60.0, connect=5.0, read=3600.0)


class Predictions:
    """The predictions that Cog's server may be working on, as far as the gateway knows.

    Attributes:
        open: Ids of those whose callers wait for the answer, one entry per caller.
        left: Ids of those without a waiting caller: accepted ones (202), and those whose caller disconnected.
        passed_on: Rises with every prediction that is passed on.
    """

    def __init__(self) -> None:
        self.open: list[str] = []
        self.left: set[str] = set()
        self.passed_on = 0

    def begin(self, name: str) -> None:
        """Note that a prediction is passed on."""
        self.passed_on += 1
        self.open.append(name)

    def end(self, name: str, status: int | None) -> None:
        """Note that a caller no longer waits. `status` is that of its answer, None without a complete one."""
        self.open.remove(name)
        if status in (None, HTTPStatus.ACCEPTED):
            self.left.add(name)


class Upstream:
    """The gateway's client of Cog's server.

    Attributes:
        predictions: What was passed on to it.
        is_restarting: Whether it is being restarted, so that callers get status 503.
        client: Connections to it; set while the gateway runs.
        counting: Counts what becomes of its predictions.
    """

    def __init__(self, port: int, counting: Counting | None = None) -> None:
        self.port = port
        self.counting = counting or Counting()
        self.predictions = Predictions()
        self.is_restarting = False
        self.client: httpx2.AsyncClient

    def new_client(self) -> httpx2.AsyncClient:
        """A client without persistent connections: the server may have been restarted by the next request."""
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        return httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}", timeout=TIMEOUT, limits=limits, trust_env=False
        )

    async def send(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; its response, to be read and closed.

        Raises:
            RefusedError: The server cannot be reached, or closed the connection before it answered.
        """
        try:
            response = await self.client.send(request, stream=True)
        except httpx2.TransportError as error:
            raise self.refusal(error) from None
        self.is_restarting = False
        return response

    def refusal(self, error: httpx2.TransportError) -> RefusedError:
        """The error that a caller gets where the server gave no answer."""
        if self.is_restarting:
            words = "The Cog server is being started again. Try again in a few seconds."
            headers = {"Retry-After": str(RETRY_SECONDS)}
            return RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, words, headers)
        if isinstance(error, httpx2.ConnectError):
            words = "The Cog server does not answer yet: it is starting. Try again in a few seconds."
        else:
            log.warning("no answer from the Cog server: %r", error)
            words = "The Cog server broke off or gave no answer in time. Its log says more."
        return RefusedError(HTTPStatus.BAD_GATEWAY, words)


class Passage:
    """One call of Cog's server, without a body, as an ASGI application.

    Args:
        upstream: The server.
        path: Its path there, with `{id}` in place of a prediction's id.
    """

    def __init__(self, upstream: Upstream, path: str) -> None:
        self._upstream, self._path = upstream, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on unless it is refused; ends early if the caller disconnects."""
        request = Request(scope, receive)
        path_id = request.path_params.get("id")
        if path_id is not None:
            check_path_id(path_id)
        call = self._upstream.client.build_request(
            scope["method"], self._path.format(id=path_id), headers=passed_headers(request.headers)
        )
        await until_disconnect(self._exchange(call, send), receive)

    async def _exchange(self, call: httpx2.Request, send: Send) -> None:
        response = await self._upstream.send(call)
        try:
            await relay(response, send)
        finally:
            await response.aclose()


def passed_headers(headers: Headers, names: Sequence[str] = REQUEST_HEADERS) -> list[tuple[bytes, bytes]]:
    """The headers that are passed on, as bytes: HTTP allows more than ASCII in a value."""
    passed = [(name.encode(), headers[name].encode("latin-1")) for name in names if name in headers]
    return [*passed, (b"accept-encoding", b"identity")]


def no_such_path() -> RefusedError:
    """The answer for an unknown path."""
    known = "/, /health-check, /openapi.json, /predictions, /predictions/ID, /predictions/ID/cancel, /sheet"
    return RefusedError(HTTPStatus.NOT_FOUND, f"There is no such path here. Paths: {known}.")


async def relay(
    response: httpx2.Response,
    send: Send,
    pieces: AsyncIterator[bytes] | None = None,
    *,
    is_started: bool = False,
) -> bool:
    """Stream an answer to the caller, who has got its head if `is_started`.

    Its body are `pieces`, if given. False if it broke off; the caller notices that its end is missing.
    """
    headers = [
        (name.encode(), value.encode("latin-1"))
        for name in RESPONSE_HEADERS
        if (value := response.headers.get(name)) is not None
    ]
    if not is_started:
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    try:
        async for piece in pieces or response.aiter_raw():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    except httpx2.TransportError as error:
        log.warning("the Cog server broke off in the middle of an answer: %r", error)
        return False
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    return True


async def until_disconnect(call: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Await a call, but cancel it when the caller disconnects: Cog's server then cancels its prediction."""
    work, gone = asyncio.create_task(call), asyncio.create_task(_disconnected(receive))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            await work
    finally:
        for task in (work, gone):
            task.cancel()
            with suppress(asyncio.CancelledError, RefusedError):
                await task


async def _disconnected(receive: Receive) -> None:
    message: Message = {}
    while message.get("type") != "http.disconnect":
        message = await receive()
