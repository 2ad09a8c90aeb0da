"""Work done beside the drawing, in threads that last as long as the process.

OpenCV keeps about a kilobyte for every thread that has called it until the process ends (opencv/opencv#9745),
so a server that lives for weeks must not start a thread for each picture.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from threading import current_thread
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

# Seconds. Cog cancels by an exception that a thread sees when it next runs Python, not while it waits.
TURN = 0.05

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """Does what it is given, one after the other, in the one thread that all workers of its name share.

    Leaving its `with` drops what it has not begun and waits for what it has.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread = _thread(name)
        self._given: list[Future[Any]] = []

    def submit(self, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> Future[T]:
        """Do `work` as soon as the thread is free."""
        future = self._thread.submit(work, *given, **named)
        self._given.append(future)
        return future

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for future in self._given:
            future.cancel()
        # A generator that was given up may be cleared away in any thread, and none can wait for itself.
        if not current_thread().name.startswith(self._name):
            wait(self._given)


def result_of(future: Future[T]) -> T:
    """What the future returns or raises; an exception that is sent to the waiting thread ends the waiting."""
    while not wait([future], TURN).done:
        pass
    return future.result()


@cache
def _thread(name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, name)
