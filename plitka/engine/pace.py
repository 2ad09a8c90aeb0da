"""What lets an engine draw one picture while the reader still has the one before."""

import concurrent.futures.thread  # noqa: F401  # before what is registered below
import sys
import threading
from concurrent.futures import CancelledError
from types import TracebackType
from typing import Any, Self

# Set when the interpreter begins to end, which then waits for its threads. `concurrent.futures.thread`, once
# imported, is called in the same way and waits for its own; whoever registered last is called first.
_program_ends = threading.Event()
threading._register_atexit(_program_ends.set)  # type: ignore[attr-defined]


class HeldText:
    """Standard error, for progress that may have to wait: what is written while it is held comes later."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: list[str] | None = None

    def write(self, text: str) -> int:
        """Write the text, now or with `release`."""
        with self._lock:
            if self._held is None:
                sys.stderr.write(text)
            else:
                self._held.append(text)
        return len(text)

    def hold(self) -> None:
        """From now on, keep what is written."""
        with self._lock:
            self._held = self._held or []

    def release(self) -> None:
        """Write what was kept, and from now on everything at once."""
        with self._lock:
            held, self._held = self._held, None
            if held:
                sys.stderr.write("".join(held))
                sys.stderr.flush()

    def drop(self) -> None:
        """Forget what was kept, and keep what is still written."""
        with self._lock:
            self._held = []

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


class Pace:
    """Tells an engine in another thread whether its picture is still wanted.

    Leaving its `with` says that none is.

    Attributes:
        output: Where the engine shows its progress.
    """

    def __init__(self) -> None:
        self.output = HeldText()
        self._is_over = threading.Event()

    def check(self) -> None:
        """Raise CancelledError if nobody waits for the picture any more; to be called between steps."""
        if self._is_over.is_set() or _program_ends.is_set():
            raise CancelledError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self.output.drop()
