"""Bounds on time, bytes and number of connections.

uvicorn limits neither the time of a header nor that of a body, and does not count connections without a
request: a few hundred idle ones would use up every file descriptor. Here each has a deadline, and where there
are too many, the oldest one without a complete request is closed.
"""

import asyncio
import json
import resource
import socket
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from plitka.server.answers import RETRY_SECONDS
from plitka.server.counting import Counting

MAX_CONNECTIONS = 256
# How many connections wait in the system until the server accepts them, and how many it accepts in one turn
# of the event loop. One that has to make room is closed three turns after the one in its place was accepted.
_BACKLOG, _ACCEPTED_AT_ONCE = 32, 8
# Files that the process itself has open, and connections that are not ended yet.
_RESERVED_FILES = 32 + 4 * _ACCEPTED_AT_ONCE
# Pieces of a body below this size are small, and there may be so many: each costs the same at any size.
_SMALL_BYTES, MAX_SMALL_PIECES = 256, 4096
# Seconds until, and between, checks whether a half-closed connection still receives.
_FIRST_PROBE_SECONDS, _PROBE_SECONDS = 0.1, 1.0


def affordable_connections() -> int:
    """Half of the file descriptors left, since each connection may need another one to Cog's server."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(8, min(MAX_CONNECTIONS, (files - _RESERVED_FILES) // 2))


@dataclass(frozen=True)
class Limits:
    """Bounds on time (seconds), bytes and connections.

    Attributes:
        connections: Open at the same time.
        header_seconds: From the connection, or the previous answer, to the end of the next header.
        body_seconds: From the header to the end of the body.
        linger_seconds: How long the rest of a refused body is still read, so that the answer is not lost.
        answer_seconds: Without any progress in sending an answer.
        header_bytes: Of request line and headers.
        body_bytes: Of the body. A request of the largest allowed size, every character of it escaped twice,
            is well below this.
    """

    connections: int = field(default_factory=affordable_connections)
    header_seconds: float = 15.0
    body_seconds: float = 30.0
    linger_seconds: float = 2.0
    answer_seconds: float = 60.0
    header_bytes: int = 32 * 1024
    body_bytes: int = 2**20


class _CountingConnection(h11.Connection):
    """Refuses a body in too many small pieces, which would slow down every other caller."""

    refusal = ""
    _pieces = 0

    def next_event(self) -> Any:
        """The next event. Raises h11.RemoteProtocolError, and sets `refusal`, for a piece too many."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._pieces = 0
        elif isinstance(event, h11.Data) and len(event.data) < _SMALL_BYTES:
            self._pieces += 1
            if self._pieces > MAX_SMALL_PIECES:
                self.refusal = f"The body comes in too many pieces of less than {_SMALL_BYTES} bytes."
                raise h11.RemoteProtocolError(self.refusal)
        return event


class BoundedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with deadlines, a bound on connections, and answers for callers that half-close."""

    def __init__(self, *args: Any, limits: Limits, counting: Counting, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limits, self._counting = limits, counting
        self.conn: _CountingConnection = _CountingConnection(h11.SERVER, limits.header_bytes)
        self._deadline: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._probe: asyncio.TimerHandle | None = None
        self._since = 0.0
        self._is_surplus = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        """Accept a connection, if necessary in place of the oldest one without a complete request."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._expect(self.limits.header_seconds)
        others = [other for other in self.connections if not other.transport.is_closing()]
        if len(others) <= self.limits.connections:
            return
        unfinished = [
            other
            for other in others
            if isinstance(other, BoundedProtocol) and other is not self and not other.has_request()
        ]
        if unfinished:
            self._counting.connection("displaced")
            min(unfinished, key=lambda other: other._since).transport.abort()
        else:
            self._is_surplus = True

    def data_received(self, data: bytes) -> None:
        """Handle data; a surplus connection gets its refusal here, since before any data it would be lost."""
        if self._is_surplus:
            self._counting.connection("surplus")
            words = "This server has as many connections as it can take. Try again in a few seconds."
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, words, f"Retry-After: {RETRY_SECONDS}\r\n")
        else:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel every timer."""
        for timer in (self._deadline, self._stall, self._probe):
            if timer:
                timer.cancel()
        super().connection_lost(exc)

    def has_request(self) -> bool:
        """Whether a whole request has come whose answer is not complete."""
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    def handle_events(self) -> None:
        """Handle events: after a header the deadline is that of the body, after the body there is none."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before and not self.cycle.response_complete:
            self._expect(self.limits.body_seconds)
        if self.has_request() and self._deadline and not self.transport.is_closing():
            self._deadline.cancel()
            self._deadline = None

    def on_response_complete(self) -> None:
        """Set the deadline of the next request, of the rest of a refused one, or of a closing connection."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._expect(self.limits.answer_seconds)
        elif self.cycle.response_complete:
            self._since = self.loop.time()
            is_refused = self.conn.their_state is h11.SEND_BODY
            self._expect(self.limits.linger_seconds if is_refused else self.limits.header_seconds)

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn's returns None
        """A caller that closes its side after the request still gets the answer, if it receives."""
        if not self.has_request():
            return False
        self.cycle.keep_alive = False
        # Once an answer has started, sending its next piece shows that; HTTP/1.0 has no interim responses.
        if not self.cycle.response_started and self.scope["http_version"] != "1.0":
            self._probe_caller()
        return True

    def pause_writing(self) -> None:
        """The caller receives more slowly than data is sent."""
        super().pause_writing()
        self._stall = self.loop.call_later(self.limits.answer_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The caller has received most of the buffered data."""
        super().resume_writing()
        if self._stall:
            self._stall.cancel()

    def send_400_response(self, msg: str) -> None:
        """Refuse malformed HTTP, in the same JSON form as every other refusal."""
        self._counting.connection("malformed")
        self._refuse(HTTPStatus.BAD_REQUEST, self.conn.refusal or msg)

    def _refuse(self, status: HTTPStatus, words: str, headers: str = "") -> None:
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        body = json.dumps({"detail": words})
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n{headers}"
        self.transport.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
        self.transport.close()
        self._expect(self.limits.answer_seconds)

    def _expect(self, seconds: float) -> None:
        if self._deadline:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self._expire)

    def _expire(self) -> None:
        """Close a connection whose deadline has passed; buffered data gets one more deadline."""
        if self.transport.is_closing():
            self.transport.abort()
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self._counting.connection("late")
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "The request did not arrive in time.")
        self.transport.close()
        self._expect(self.limits.answer_seconds)

    def _probe_caller(self) -> None:
        """Send an interim response, which every client must skip and which fails on a closed connection.

        Half-closed and closed look alike until something is sent.
        """
        if self.transport.is_closing() or not self.has_request() or self.cycle.response_started:
            return
        self.transport.write(self.conn.send(h11.InformationalResponse(status_code=100, headers=[])))
        seconds = _PROBE_SECONDS if self._probe else _FIRST_PROBE_SECONDS
        self._probe = self.loop.call_later(seconds, self._probe_caller)


class BoundedServer(uvicorn.Server):
    """uvicorn, accepting few connections at a time: more would take every file before the oldest are closed.

    asyncio has one number for that and for the queue in the system, which may be longer.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        config.backlog = _ACCEPTED_AT_ONCE
        super().__init__(config)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen. Raises SystemExit if the application does not start."""
        await super().startup(sockets)
        for listening in sockets or []:
            listening.listen(_BACKLOG)
