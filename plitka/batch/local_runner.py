"""The local runner: processes of this machine, one core each; on a GPU one process with one engine."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from plitka.batch.runner import Event, Finished, Note, Task
from plitka.batch.worker import work
from plitka.engines import RENDER
from plitka.errors import CatalogueError

# Tasks that a process has at a time: one to draw and one so that it need not wait for the next.
_AHEAD = 2
# So often in a row may processes end by themselves before the run is given up.
_MOST_DEATHS = 4
# Seconds for a process to end by itself. It writes no files, so that force does no harm.
_END_SECONDS = 5
# They are the parent's to take: the processes end with it.
_HELD_SIGNALS = tuple(signal.Signals[name] for name in ("SIGINT", "SIGHUP") if hasattr(signal, name))


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class LocalRunner:
    """Draws in processes of its own, which end with it, even if it is killed.

    Args:
        engine: The engine's name.
        weights: As `load_engine` takes them.
        workers: How many processes at most; None for one a core.
    """

    def __init__(self, engine: str, weights: Path | None = None, workers: int | None = None) -> None:
        self.engine: str | None = engine
        self._start = (engine, weights, 1)
        self._is_render = engine == RENDER
        self._most = usable_cores() if workers is None else workers
        self._is_chosen = workers is not None

    def run(self, tasks: Iterable[Task]) -> Generator[Event]:
        """Yield what becomes of each task; see `Runner.run`."""
        waiting = deque(tasks)
        tried: set[str] = set()
        processes: list[_Process] = []
        deaths = 0
        try:
            # A model is loaded once before it is known whether there is a GPU, which takes one process alone.
            self._add(processes, self._most if self._is_render else 1, waiting)
            while waiting or any(process.tasks for process in processes):
                for process in _ready(processes):
                    try:
                        said = process.connection.recv()
                    except (EOFError, ConnectionError):
                        processes.remove(process)
                        deaths += 1
                        yield from self._bury(process, waiting, tried, deaths)
                        self._add(processes, len(processes) + 1, waiting)
                        continue
                    if isinstance(said, Finished):
                        deaths = 0
                        process.tasks.popleft()
                        process.fill(waiting)
                        yield said
                    elif isinstance(said, str):
                        raise CatalogueError(said)
                    else:
                        process.fill(waiting)
                        self._add(processes, 1 if said and not self._is_chosen else self._most, waiting)
        finally:
            for process in processes:
                process.tell_to_end()
            for process in processes:
                process.end()

    def _add(self, processes: list[_Process], count: int, waiting: deque[Task]) -> None:
        """Start processes until there are so many, or as many as there are tasks."""
        busy = sum(len(process.tasks) for process in processes)
        while len(processes) < min(count, self._most, max(len(waiting) + busy, 1)):
            processes.append(_Process(self._start))

    def _bury(self, process: _Process, waiting: deque[Task], tried: set[str], deaths: int) -> Iterator[Event]:
        """Give the tasks of a process that has ended by itself to others; the first one once more."""
        reason = process.how_it_ended()
        if deaths > _MOST_DEATHS:
            raise CatalogueError(f"the processes that draw end by themselves, the last one {reason}")
        first = process.tasks[0] if process.tasks else None
        if first is not None and first.hash in tried:
            process.tasks.popleft()
            yield Finished(first.hash, None, None, f"its process has ended twice, now {reason}")
        else:
            tried |= {first.hash} if first is not None else set()
            yield Note(f"a process that draws has ended by itself, {reason}, and another one is started")
        waiting.extendleft(reversed(process.tasks))


class _Process:
    """A process, what it has been given, and the connection to it."""

    def __init__(self, arguments: tuple[str, Path | None, int]) -> None:
        # A fork of a process with threads may hang; a new one has none, and no open files of the parent's.
        context = multiprocessing.get_context("spawn")
        self.connection, far = context.Pipe()
        self.tasks: deque[Task] = deque()
        self._process: Any = context.Process(target=work, args=(far, *arguments), daemon=True)
        with _signals_held():
            self._process.start()
        # Only the process itself has this end now: when it ends, reading here ends too.
        far.close()

    def fill(self, waiting: deque[Task]) -> None:
        """Give it what it may have."""
        while waiting and len(self.tasks) < _AHEAD:
            try:
                self.connection.send(waiting[0])
            except OSError:
                # It has ended: reading from it says so.
                return
            self.tasks.append(waiting.popleft())

    def tell_to_end(self) -> None:
        """Have it end: without a connection one that waits does so by itself, one that draws at a signal."""
        self.connection.close()
        if self.tasks:
            self._process.terminate()

    def end(self) -> None:
        """End it, by force if it must be."""
        self.tell_to_end()
        self._process.join(_END_SECONDS)
        self._process.kill()
        self._process.join()

    def how_it_ended(self) -> str:
        """How a process ended by itself, in words."""
        self._process.join(_END_SECONDS)
        status = self._process.exitcode
        self.end()
        if status is None:
            return "without an answer"
        return f"by signal {-status}" if status < 0 else f"with status {status}"


def _ready(processes: list[_Process]) -> list[_Process]:
    """The processes that have something to say, or have ended; waits for one."""
    connections: list[Connection] = [process.connection for process in processes]
    heard = wait(connections)
    return [process for process in processes if process.connection in heard]


@contextmanager
def _signals_held() -> Iterator[None]:
    """Start a process that Ctrl-C does not reach, which goes to every process of the terminal."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
