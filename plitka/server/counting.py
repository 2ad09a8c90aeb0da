"""What the server counts of its own work: the calls, and a counter that counts nothing."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import httpx2

from plitka.server.event_reader import EventReader

RefusedConnection = Literal["surplus", "displaced", "late", "malformed"]
RestartReason = Literal["stuck", "ended"]


class Seen:
    """What passed by of one prediction.

    Attributes:
        waited: Seconds until Cog's server took it; None if it did not.
        http_status: The status of the answer of Cog's server; None without one.
    """

    waited: float | None = None
    http_status: int | None = None

    def taken(self, response: httpx2.Response) -> None:
        """Cog's server has answered; its answer is read by others."""


class Counting:
    """Counts nothing; `plitka.server.figures` has one that counts."""

    @contextmanager
    def prediction(self) -> Iterator[Seen]:
        """The life of one prediction in the gateway, however it ends."""
        yield Seen()

    def refused(self, status: int) -> None:
        """A request was answered with this HTTP status by the gateway itself."""

    def connection(self, reason: RefusedConnection) -> None:
        """A connection was refused or closed early."""

    def restarted(self, reason: RestartReason) -> None:
        """Cog's server is started again."""

    def watch(self, waiting: Callable[[], int], places: int, connections: Callable[[], int]) -> None:
        """Where to look up what stands in line and what is connected."""


class SeenEvents(Seen):
    """Reads the events of a prediction as they pass by.

    Args:
        wanted: The beginnings of the names of metrics.
        on_error: Called with an error in reading, after which nothing more is read.
    """

    def __init__(self, wanted: tuple[str, ...], on_error: Callable[[], None]) -> None:
        self.events = EventReader(wanted)
        self._on_error, self._is_reading = on_error, True
        self._begun = time.monotonic()

    def age(self) -> float:
        """Seconds since the prediction came."""
        return time.monotonic() - self._begun

    def taken(self, response: httpx2.Response) -> None:
        """Read along with whoever reads this answer."""
        self.waited = self.age()
        self.http_status = response.status_code
        response.stream = _ReadAlong(response.stream, self.read)  # type: ignore[arg-type]  # it is asynchronous

    def read(self, piece: bytes) -> None:
        """Read a piece of the answer. Raises nothing."""
        if self._is_reading:
            try:
                self.events.read(piece)
            except Exception:
                self._is_reading = False
                self._on_error()


class _ReadAlong(httpx2.AsyncByteStream):
    """The pieces of a stream, each shown to `show` on its way."""

    def __init__(self, stream: httpx2.AsyncByteStream, show: Callable[[bytes], None]) -> None:
        self._stream, self._show = stream, show

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            self._show(piece)
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
