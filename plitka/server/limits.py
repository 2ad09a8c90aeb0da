"""How long and how much a connection may take before it has asked for anything.

uvicorn bounds neither the time of a header nor that of a body, and counts no connection that says nothing: a
handful of silent ones would hold every file descriptor. Here each has a deadline, and where there are too
many, one that has not finished its request makes room for the next.
"""

import asyncio
import json
import resource
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from plitka.server.answers import RETRY_SECONDS

MAX_CONNECTIONS = 256
# Connections that the system takes in at once before the first of them is counted.
BACKLOG = 32
# Files that the process itself has open, and the backlog.
_RESERVED_FILES = 32 + BACKLOG
# Small pieces of one body, and how many there may be: handling one costs the same whatever it holds.
_SMALL_BYTES, MAX_SMALL_PIECES = 256, 4096
# How soon and how often a caller that has stopped sending is asked whether it still listens.
_FIRST_PROBE_SECONDS, _PROBE_SECONDS = 0.1, 1.0


def affordable_connections() -> int:
    """Half of the file descriptors left: each connection may have one to the server behind."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(8, min(MAX_CONNECTIONS, (files - _RESERVED_FILES) // 2))


@dataclass(frozen=True)
class Limits:
    """Bounds on what one caller may take; seconds and bytes.

    Attributes:
        connections: Open at the same time.
        header_seconds: From the connection, or the answer before, to the end of the next header.
        body_seconds: From the header to the end of the body.
        linger_seconds: For which the rest of a refused body is still read, so that the answer is not lost.
        answer_seconds: Without any progress of a caller that is sent an answer.
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
    """Refuses a body in too many small pieces, whose handling would keep every other caller waiting."""

    complaint = ""
    _pieces = 0

    def next_event(self) -> Any:
        """The next event. Raises h11.RemoteProtocolError, and sets `complaint`, for a piece too many."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._pieces = 0
        elif isinstance(event, h11.Data) and len(event.data) < _SMALL_BYTES:
            self._pieces += 1
            if self._pieces > MAX_SMALL_PIECES:
                self.complaint = f"The body comes in too many pieces of less than {_SMALL_BYTES} bytes."
                raise h11.RemoteProtocolError(self.complaint)
        return event


class BoundedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with deadlines, a bound on connections, and answers for callers that half-close."""

    def __init__(self, *args: Any, limits: Limits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limits = limits
        self.conn: _CountingConnection = _CountingConnection(h11.SERVER, limits.header_bytes)
        self._deadline: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._probe: asyncio.TimerHandle | None = None
        self._since = 0.0
        self._is_surplus = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, if need be in place of the oldest one that has not finished its request."""
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
            min(unfinished, key=lambda other: other._since).transport.abort()
        else:
            self._is_surplus = True

    def data_received(self, data: bytes) -> None:
        """Read on; a connection too many is told so once it has spoken, or the answer would be lost."""
        if self._is_surplus:
            words = "This server has as many connections as it can take. Try again in a few seconds."
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, words, f"Retry-After: {RETRY_SECONDS}\r\n")
        else:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget every deadline."""
        for timer in (self._deadline, self._stall, self._probe):
            if timer:
                timer.cancel()
        super().connection_lost(exc)

    def has_request(self) -> bool:
        """Whether a whole request has come whose answer is not complete."""
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    def handle_events(self) -> None:
        """Read on; with each new header the deadline becomes that of its body, and then none."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before and not self.cycle.response_complete:
            self._expect(self.limits.body_seconds)
        if self.has_request() and self._deadline and not self.transport.is_closing():
            self._deadline.cancel()
            self._deadline = None

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of a refused one; a closed connection must empty."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._expect(self.limits.answer_seconds)
        elif self.cycle.response_complete:
            self._since = self.loop.time()
            is_refused = self.conn.their_state is h11.SEND_BODY
            self._expect(self.limits.linger_seconds if is_refused else self.limits.header_seconds)

    def eof_received(self) -> bool:  # type: ignore[override]
        """A caller that has sent its request and no more still gets the answer, if it listens."""
        if not self.has_request():
            return False
        self.cycle.keep_alive = False
        # Of an answer under way, the next piece finds out; HTTP/1.0 knows no interim answers.
        if not self.cycle.response_started and self.scope["http_version"] != "1.0":
            self._ask_whether_there()
        return True

    def pause_writing(self) -> None:
        """The caller takes its answer slower than it comes."""
        super().pause_writing()
        self._stall = self.loop.call_later(self.limits.answer_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The caller has taken most of what waited for it."""
        super().resume_writing()
        if self._stall:
            self._stall.cancel()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in the same form as everything else."""
        self._refuse(HTTPStatus.BAD_REQUEST, self.conn.complaint or msg)

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
        """End a connection whose time is up; what waits to be sent has one more deadline."""
        if self.transport.is_closing():
            self.transport.abort()
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "The request did not arrive in time.")
        self.transport.close()
        self._expect(self.limits.answer_seconds)

    def _ask_whether_there(self) -> None:
        """Send an interim answer, which every client must skip and a closed connection refuses.

        Half-closed and closed look alike until something is sent.
        """
        if self.transport.is_closing() or not self.has_request() or self.cycle.response_started:
            return
        self.transport.write(self.conn.send(h11.InformationalResponse(status_code=100, headers=[])))
        seconds = _PROBE_SECONDS if self._probe else _FIRST_PROBE_SECONDS
        self._probe = self.loop.call_later(seconds, self._ask_whether_there)
