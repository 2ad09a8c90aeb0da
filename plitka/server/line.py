"""The line of predictions that wait for Cog's server, which draws one at a time.

A bounded first-in, first-out queue. Nothing here speaks HTTP; everything runs on the gateway's event loop.
"""

import asyncio
import math
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

from plitka.server.answers import RETRY_SECONDS, RefusedError

DEFAULT_PLACES, MAX_PLACES = 16, 100
DEFAULT_SECONDS, MIN_SECONDS, MAX_SECONDS = 600, 1, 3600
# Retry-After is the time that the latest drawing took, within these bounds in seconds.
_RETRY_BOUNDS = (1, 60)


LeavingCause = Literal["canceled", "too_late", "ending", "not_started"]


class LeftLineError(Exception):
    """A prediction left the line without being drawn.

    Attributes:
        status: Its status: `canceled` by a caller, or `failed`.
        words: Why, as a sentence.
        cause: The same as a word for counting.
    """

    def __init__(self, status: Literal["canceled", "failed"], words: str, cause: LeavingCause) -> None:
        self.status, self.words, self.cause = status, words, cause
        super().__init__(words)

    def refusal(self) -> RefusedError:
        """The refusal for a caller that waits for an answer in one piece."""
        headers = {"Retry-After": str(RETRY_SECONDS)}
        return RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, self.words, headers)


@dataclass(eq=False)
class Ticket:
    """The place of one prediction.

    Attributes:
        id: The id of the prediction.
        is_trying: Whether it is about to be passed on for the first time: it has not had to wait yet.
        end: Gets the reason if it leaves the line without being drawn.
    """

    id: str
    is_trying: bool
    end: asyncio.Future[LeftLineError] = field(default_factory=asyncio.Future)


class Line:
    """Who waits, in order, and who is being drawn.

    Args:
        places: How many may wait.
        seconds: How long each may wait.
    """

    def __init__(self, places: int = DEFAULT_PLACES, seconds: float = DEFAULT_SECONDS) -> None:
        self.places, self.seconds = places, seconds
        self._waiting: list[Ticket] = []
        self._drawn: Ticket | None = None
        self._since = 0.0
        self._retry_seconds = RETRY_SECONDS
        self._changed = asyncio.Event()
        self._closed: LeftLineError | None = None

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting) - self._first_is_trying()

    def join(self, name: str) -> Ticket:
        """Take a place at the end.

        Raises:
            RefusedError: With status 429 if as many wait as may, 503 if the server is ending.
        """
        if self._closed:
            raise self._closed.refusal()
        is_free = self._drawn is None and not self._waiting
        if not is_free and len(self) >= self.places:
            raise self._full()
        ticket = Ticket(name, is_trying=is_free)
        self._waiting.append(ticket)
        return ticket

    def must_wait(self, ticket: Ticket) -> None:
        """Cog's server has no place for the first one yet. Raises RefusedError, 429, if it may not wait."""
        if not ticket.is_trying:
            return
        if not self.places:
            raise self._full()
        ticket.is_trying = False
        self._tell()

    async def until_first(self, ticket: Ticket) -> None:
        """Wait until nobody is before this one and nothing is being drawn."""
        while self._drawn is not None or self._waiting[0] is not ticket:
            await self.next_change().wait()

    def next_change(self) -> asyncio.Event:
        """Is set when somebody comes, goes or moves up; another one then takes its place."""
        return self._changed

    def begin(self, ticket: Ticket) -> None:
        """Cog's server has taken the first one."""
        self._waiting.remove(ticket)
        self._drawn, self._since = ticket, time.monotonic()
        self._tell()

    def leave(self, ticket: Ticket) -> None:
        """A prediction has ended, drawn or not."""
        if ticket is self._drawn:
            low, high = _RETRY_BOUNDS
            self._retry_seconds = max(low, min(high, math.ceil(time.monotonic() - self._since)))
            self._drawn = None
        elif ticket in self._waiting:
            self._waiting.remove(ticket)
        self._tell()

    def is_drawn(self, name: str) -> bool:
        """Whether Cog's server is drawing this prediction."""
        return self._drawn is not None and self._drawn.id == name

    def find(self, name: str) -> Ticket | None:
        """The place of a prediction that has not been taken by Cog's server; None if there is none."""
        return next((ticket for ticket in self._waiting if ticket.id == name), None)

    def state(self, ticket: Ticket) -> dict[str, Any]:
        """What its caller gets: id, status, and of one that waits its place, from 1, and how many wait."""
        if ticket is self._drawn:
            return {"id": ticket.id, "status": "processing"}
        if ticket not in self._waiting or ticket.is_trying:
            return {"id": ticket.id, "status": "starting"}
        position = self._waiting.index(ticket) + 1 - self._first_is_trying()
        return {
            "id": ticket.id,
            "status": "starting",
            "queue": {"position": position, "waiting": len(self)},
        }

    def cancel(self, name: str) -> bool:
        """Take a prediction out of the line. False if it does not wait."""
        ticket = self.find(name)
        if ticket is None:
            return False
        self._end(
            ticket, LeftLineError("canceled", "The prediction was canceled while it waited.", "canceled")
        )
        return True

    def close(self, words: str) -> None:
        """Everybody leaves, and nobody is let in."""
        self._closed = LeftLineError("failed", words, "ending")
        for ticket in self._waiting:
            self._end(ticket, self._closed)

    def too_late(self) -> LeftLineError:
        """The reason of one that has waited too long."""
        words = f"The prediction has waited in line for {self.seconds:g} seconds, the longest allowed."
        return LeftLineError("failed", words, "too_late")

    def _end(self, ticket: Ticket, reason: LeftLineError) -> None:
        if not ticket.end.done():
            ticket.end.set_result(reason)

    def _first_is_trying(self) -> bool:
        return bool(self._waiting) and self._waiting[0].is_trying

    def _full(self) -> RefusedError:
        many = f"{self.places} predictions wait" if self.places else "a prediction is being drawn"
        words = f"The line is full: {many}. Try again in {self._retry_seconds} seconds."
        return RefusedError(HTTPStatus.TOO_MANY_REQUESTS, words, {"Retry-After": str(self._retry_seconds)})

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
