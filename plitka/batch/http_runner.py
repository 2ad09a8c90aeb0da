"""The runner over HTTP: so many predictions at a time, from a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import suppress

import httpx2

from plitka.batch.http_calls import CallError, Calls
from plitka.batch.runner import Begun, Event, Finished, Note, Task
from plitka.batch.services import Service
from plitka.errors import CatalogueError

DEFAULT_CONCURRENCY, DEFAULT_PATIENCE = 4, 600.0
# Seconds to connect, to send and for an answer in one piece, which a long line may delay.
_CONNECT_SECONDS, _SEND_SECONDS, _ANSWER_SECONDS = 10, 60, 3600
# Seconds for telling the service that nobody waits any more.
_CANCEL_SECONDS = 3


class HttpRunner:
    """Draws by calls of a service.

    Args:
        service: What draws.
        token: For the header Authorization; None for none. Only the service's own host gets it.
        host: The service's host.
        concurrency: Predictions at a time.
        patience: Seconds for which a call that is refused or lost is tried again.
        price: Of a second that the service charges for.
    """

    engine: str | None = None

    def __init__(
        self,
        service: Service,
        *,
        token: str | None,
        host: str,
        concurrency: int = DEFAULT_CONCURRENCY,
        patience: float = DEFAULT_PATIENCE,
        price: float | None = None,
    ) -> None:
        self._service, self._token, self._host = service, token, host
        self._concurrency, self._patience, self._price = concurrency, patience, price

    def run(self, tasks: Iterable[Task]) -> Generator[Event]:
        """Yield what becomes of each task; see `Runner.run`."""
        waiting = deque(tasks)
        events: queue.SimpleQueue[Event | BaseException | None] = queue.SimpleQueue()
        loop = asyncio.new_event_loop()
        work = loop.create_task(self._all(waiting, events))
        # The main thread only waits: a signal must be able to break off whatever it does.
        thread = threading.Thread(target=_run_loop, args=(loop, work, events), name="http", daemon=True)
        thread.start()
        try:
            while (event := events.get()) is not None:
                if isinstance(event, BaseException):
                    raise event
                yield event
        finally:
            # The loop may be closed already.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(work.cancel)
            thread.join()

    async def _all(
        self, waiting: deque[Task], events: queue.SimpleQueue[Event | BaseException | None]
    ) -> None:
        timeout = httpx2.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS, write=_SEND_SECONDS, pool=None)
        limits = httpx2.Limits(max_connections=self._concurrency + 1)
        async with httpx2.AsyncClient(
            timeout=timeout, limits=limits, auth=self._authorization, follow_redirects=False
        ) as client:
            calls = Calls(client, self._patience, lambda text: events.put(Note(text)))
            callers = [self._caller(waiting, calls, events) for _ in range(self._concurrency)]
            async with asyncio.TaskGroup() as group:
                for caller in callers:
                    group.create_task(caller)

    def _authorization(self, request: httpx2.Request) -> httpx2.Request:
        """Add the token for the service's own host, and for no other, such as one that keeps files."""
        if self._token is not None and request.url.host == self._host:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    async def _caller(
        self, waiting: deque[Task], calls: Calls, events: queue.SimpleQueue[Event | BaseException | None]
    ) -> None:
        while waiting:
            task = waiting.popleft()
            try:
                events.put(await self._finished(task, calls, events))
            except asyncio.CancelledError:
                # It may cost money, and nobody would fetch it.
                with suppress(CallError, CatalogueError, TimeoutError):
                    async with asyncio.timeout(_CANCEL_SECONDS):
                        await self._service.cancel(task, calls)
                raise

    async def _finished(
        self, task: Task, calls: Calls, events: queue.SimpleQueue[Event | BaseException | None]
    ) -> Finished:
        try:
            data, seconds = await self._service.draw(
                task, calls, lambda address: events.put(Begun(task.hash, address))
            )
        except CallError as error:
            return Finished(task.hash, None, None, str(error))
        cost = None if seconds is None or self._price is None else seconds * self._price
        return Finished(task.hash, data, seconds, cost=cost)


def _run_loop(
    loop: asyncio.AbstractEventLoop,
    work: asyncio.Task[None],
    events: queue.SimpleQueue[Event | BaseException | None],
) -> None:
    """Run everything in this thread; at the end the reader gets None, or first what went wrong."""
    try:
        loop.run_until_complete(work)
    except asyncio.CancelledError:
        pass
    except BaseExceptionGroup as errors:
        events.put(_first(errors))
    except BaseException as error:
        events.put(error)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        events.put(None)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """One error of a group: those of several callers are alike."""
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
