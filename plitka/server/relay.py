"""Requests passed on to Cog's server, and its answers streamed back unchanged."""

import asyncio
import logging
import re
from collections.abc import Coroutine
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import httpx2
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Scope, Send

from plitka.server.answers import RETRY_SECONDS, RefusedError
from plitka.server.body import BodyReader, Prediction, check_path_id

log = logging.getLogger(__name__)

REQUEST_HEADERS = ("accept", "prefer", "traceparent", "tracestate")
RESPONSE_HEADERS = ("content-type", "content-length", "cache-control", "retry-after")
_JSON_TYPE = re.compile(r"application/([\w.-]+\+)?json", re.IGNORECASE)
# Seconds: to connect, and until the first byte of an answer, which for an answer in one piece comes after the
# drawing.
TIMEOUT = httpx2.Timeout(60.0, connect=5.0, read=3600.0)


class Predictions:
    """The predictions that Cog's server may be working on, as far as the gateway knows.

    Attributes:
        open: Ids of those whose callers wait for the answer, one entry per caller.
        left: Ids of those without a waiting caller: accepted ones (202), and those whose caller disconnected.
        passed_on: How many calls have been passed on so far.
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
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.predictions = Predictions()
        self.is_restarting = False
        self.client: httpx2.AsyncClient

    def new_client(self) -> httpx2.AsyncClient:
        """A client without persistent connections: the server may have been restarted by the next request."""
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        return httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}", timeout=TIMEOUT, limits=limits, trust_env=False
        )

    async def exchange(self, request: httpx2.Request, send: Send) -> int | None:
        """Send a request and stream its answer to the caller; its status, None if it broke off.

        Raises:
            RefusedError: The server cannot be reached, or closed the connection before it answered.
        """
        try:
            response = await self.client.send(request, stream=True)
        except httpx2.TransportError as error:
            raise self._refusal(error) from None
        self.is_restarting = False
        try:
            return response.status_code if await _relay(response, send) else None
        finally:
            await response.aclose()

    def _refusal(self, error: httpx2.TransportError) -> RefusedError:
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
    """One call of Cog's server as an ASGI application.

    Args:
        upstream: The server.
        path: Its path there, with `{id}` in place of a prediction's id.
        reader: Reads the body, if the call has one.
        body_bytes: The largest body.
    """

    def __init__(self, upstream: Upstream, path: str, reader: BodyReader | None, body_bytes: int) -> None:
        self._upstream, self._path = upstream, path
        self._reader, self._body_bytes = reader, body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on unless it is refused; ends early if the caller disconnects."""
        request = Request(scope, receive)
        path_id = request.path_params.get("id")
        if path_id is not None:
            check_path_id(path_id)
        prediction = None
        if self._reader:
            try:
                prediction = self._reader.read(await self._body(request), path_id)
            except ClientDisconnect:
                return
        path = self._path.format(id=path_id)
        call = self._call(scope["method"], path, request.headers, prediction, send)
        await _until_disconnect(call, receive)

    async def _body(self, request: Request) -> bytes:
        kind = request.headers.get("content-type")
        if kind is not None and not _JSON_TYPE.fullmatch(kind.partition(";")[0].strip()):
            words = f"The body must be application/json, not {kind:.100}."
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, words)
        length = request.headers.get("content-length", "0")
        self._check_size(int(length))
        body = bytearray()
        async for piece in request.stream():
            body += piece
            self._check_size(len(body))
        return bytes(body)

    def _check_size(self, size: int) -> None:
        if size > self._body_bytes:
            words = f"The request is too large. Allowed: {self._body_bytes} bytes."
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words)

    async def _call(
        self, method: str, path: str, headers: Headers, prediction: Prediction | None, send: Send
    ) -> None:
        upstream = self._upstream
        # As bytes: HTTP allows more than ASCII in a value.
        passed = [
            (name.encode(), headers[name].encode("latin-1")) for name in REQUEST_HEADERS if name in headers
        ]
        passed.append((b"accept-encoding", b"identity"))
        if prediction:
            passed.append((b"content-type", b"application/json"))
        request = upstream.client.build_request(
            method, path, headers=passed, content=prediction.body if prediction else None
        )
        if prediction is None:
            await upstream.exchange(request, send)
            return
        status = None
        upstream.predictions.begin(prediction.id)
        try:
            status = await upstream.exchange(request, send)
        finally:
            upstream.predictions.end(prediction.id, status)


def no_such_path() -> RefusedError:
    """The answer for an unknown path."""
    known = "/, /health-check, /openapi.json, /predictions, /predictions/ID, /predictions/ID/cancel"
    return RefusedError(HTTPStatus.NOT_FOUND, f"There is no such path here. Paths: {known}.")


async def _relay(response: httpx2.Response, send: Send) -> bool:
    """Stream an answer to the caller. False if it broke off; the caller notices that its end is missing."""
    headers = [
        (name.encode(), value.encode("latin-1"))
        for name in RESPONSE_HEADERS
        if (value := response.headers.get(name)) is not None
    ]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    try:
        async for piece in response.aiter_raw():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    except httpx2.TransportError as error:
        log.warning("the Cog server broke off in the middle of an answer: %r", error)
        return False
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    return True


async def _until_disconnect(call: Coroutine[Any, Any, None], receive: Receive) -> None:
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
