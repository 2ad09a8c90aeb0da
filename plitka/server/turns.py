"""Passing predictions on to Cog's server, one after the other, each in its turn.

Cog's server is always asked for a stream of events: so it says at once whether it takes the prediction (200),
has no place for it (409) or refuses it (422), and the end of the stream is the end of the drawing.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from itertools import count
from typing import Any

import httpx2

from plitka.server.answers import RETRY_SECONDS, RefusedError
from plitka.server.body import Prediction
from plitka.server.line import LeftLineError, Line, Ticket
from plitka.server.photographs import PhotoPlace
from plitka.server.relay import HEALTH_PATH, Upstream

EVENT_STREAM = "text/event-stream"
# Seconds between two attempts to pass on the first in line: the first pause, and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
# Attempts on which it breaks off without an answer.
_BROKEN_TRIES = 3
# Busy; not ready; and, while Cog 0.23.1 starts and has not read its schema, "does not support streaming".
_NOT_NOW = (HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.NOT_ACCEPTABLE)
_END_OF_EVENT, _COMPLETED = b"\n\n", b"event: completed\ndata: "


@dataclass(frozen=True)
class Turn:
    """A prediction in line and the request that passes it on.

    Attributes:
        prediction: The prediction.
        request: The request to Cog's server.
        ticket: Its place.
        photo: Its room in memory for a photograph, given back when it has ended.
    """

    prediction: Prediction
    request: httpx2.Request
    ticket: Ticket
    photo: PhotoPlace


class Turns:
    """Takes one prediction after the other out of the line and passes it on.

    Args:
        line: The line.
        upstream: Cog's server.
    """

    def __init__(self, line: Line, upstream: Upstream) -> None:
        self._line, self._upstream = line, upstream
        self._has_taken_one = False

    @asynccontextmanager
    async def drawn(self, turn: Turn) -> AsyncIterator[httpx2.Response]:
        """The answer of Cog's server to a prediction, once its turn has come; within it, nobody else's comes.

        Raises:
            LeftLineError: It left the line without being drawn.
            RefusedError: It may not wait, or Cog's server gave no answer.
        """
        with self._upstream.counting.prediction() as seen:
            async with self._passed_on(turn) as response:
                seen.taken(response)
                yield response

    @asynccontextmanager
    async def _passed_on(self, turn: Turn) -> AsyncIterator[httpx2.Response]:
        predictions, name = self._upstream.predictions, turn.ticket.id
        status = None
        predictions.begin(name)
        try:
            response = await self._admitted(turn)
            predictions.passed_on += 1
            try:
                yield response
                # Not reached if the answer was not read to its end: the server may be at work on it still.
                status = response.status_code
            finally:
                await response.aclose()
        finally:
            predictions.end(name, status)
            self._line.leave(turn.ticket)
            turn.photo.release()

    async def _admitted(self, turn: Turn) -> httpx2.Response:
        attempts, end = asyncio.create_task(self._attempts(turn)), turn.ticket.end
        try:
            waited_for: set[asyncio.Future[Any]] = {attempts, end}
            await asyncio.wait(waited_for, timeout=self._line.seconds, return_when=asyncio.FIRST_COMPLETED)
            if attempts.done():
                return attempts.result()
            raise end.result() if end.done() else self._line.too_late()
        except BaseException:
            attempts.cancel()
            with suppress(asyncio.CancelledError, RefusedError, LeftLineError):
                await (await attempts).aclose()
            raise

    async def _attempts(self, turn: Turn) -> httpx2.Response:
        """Pass a prediction on once it is the first, and again until Cog's server takes or refuses it."""
        ticket, pause, tries = turn.ticket, _FIRST_PAUSE, count(1)
        while True:
            await self._line.until_first(ticket)
            try:
                response = await self._attempt(turn)
            except httpx2.TransportError as error:
                # A server that is being killed breaks off; but the prediction itself may be what kills it.
                if not self._has_taken_one or next(tries) == _BROKEN_TRIES:
                    raise self._upstream.refusal(error) from None
                response = None
            if response is not None:
                self._has_taken_one = True
                self._line.begin(ticket)
                return response
            self._line.must_wait(ticket)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _attempt(self, turn: Turn) -> httpx2.Response | None:
        """The answer of Cog's server; None if it may take the prediction later.

        A server that has never taken one is not waited for: it may not be able to start.

        Raises:
            httpx2.TransportError: It broke off before it answered.
            LeftLineError: It could not be started again.
        """
        try:
            response = await self._upstream.client.send(turn.request, stream=True)
        except httpx2.ConnectError:
            if self._has_taken_one or self._upstream.is_restarting:
                return None
            raise
        status = response.status_code
        if status not in _NOT_NOW or (status == HTTPStatus.SERVICE_UNAVAILABLE and not self._has_taken_one):
            self._upstream.is_restarting = False
            return response
        await response.aclose()
        if status != HTTPStatus.CONFLICT:
            await self._check_start()
        return None

    async def _check_start(self) -> None:
        """Raise if Cog's server is starting for the first time, or was started again in vain."""
        with suppress(httpx2.TransportError, ValueError, AttributeError):
            health = (await self._upstream.client.get(HEALTH_PATH)).json()
            if not self._has_taken_one:
                words = f"The Cog server cannot draw yet: {health.get('status')}. Try again in a few seconds."
                headers = {"Retry-After": str(RETRY_SECONDS)}
                raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, words, headers)
            if health.get("status") in ("SETUP_FAILED", "DEFUNCT"):
                words = "The Cog server could not be started again. Its log says more."
                raise LeftLineError("failed", words, "not_started")


def is_event_stream(response: httpx2.Response) -> bool:
    """Whether an answer is a stream of events: the prediction was taken."""
    return bool(response.headers.get("content-type", "").startswith(EVENT_STREAM))


async def whole_answer(response: httpx2.Response) -> bytes:
    """The whole prediction as JSON, from the last event of a stream.

    Raises:
        httpx2.TransportError: The stream broke off.
    """
    answer, pending = b"", bytearray()
    async for piece in response.aiter_raw():
        searched = max(0, len(pending) - len(_END_OF_EVENT) + 1)
        pending += piece
        while (end := pending.find(_END_OF_EVENT, searched)) >= 0:
            if pending.startswith(_COMPLETED):
                answer = bytes(pending[len(_COMPLETED) : end])
            del pending[: end + len(_END_OF_EVENT)]
            searched = 0
    if not answer:
        raise httpx2.RemoteProtocolError("the stream of events ended without the event completed")
    return answer


class ReadAhead:
    """The body of an answer, read as fast as it comes and passed on as fast as it is taken."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._pieces: asyncio.Queue[bytes | httpx2.TransportError | None] = asyncio.Queue()

    async def read(self) -> None:
        """Read to the end. Raises httpx2.TransportError, as `received` then does, if it broke off."""
        try:
            async for piece in self._response.aiter_raw():
                self._pieces.put_nowait(piece)
        except httpx2.TransportError as error:
            self._pieces.put_nowait(error)
            raise
        self._pieces.put_nowait(None)

    async def received(self) -> AsyncIterator[bytes]:
        """The pieces in order."""
        while (piece := await self._pieces.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            yield piece
