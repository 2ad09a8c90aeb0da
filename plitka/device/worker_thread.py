"""Work done beside the drawing, in threads that last as long as the process.

OpenCV keeps about a kilobyte for every thread that has called it until the process ends (opencv/opencv#9745),
so a server that lives for weeks must not start a thread for each picture.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """Does what it is given, one after the other, in the one thread that all workers of its name share.

    Leaving its `with` drops what it has not begun and waits for what it has.
    """

    def __init__(self, name: str) -> None:
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
        wait(self._given)


@cache
def _thread(name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, name)
