"""How far a catalogue is: one line on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections import deque
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress, TextColumn

from plitka.cli.report import print_lines

# Seconds between two lines where nobody sits at a terminal.
_LINE_SECONDS = 30.0
# The rate is that of so many pictures.
_WINDOW = 60


class CatalogueProgress:
    """Counts pictures and shows count, rate, time left and cost. A context manager.

    Args:
        console: Where it is shown.
        total: Pictures of the catalogue.
        there: Of these, how many need not be drawn.
    """

    def __init__(self, console: Console, total: int, there: int) -> None:
        self._console, self._total = console, total
        self.done, self.failed, self._there = there, 0, there
        self.cost: float | None = None
        self._times = deque([time.monotonic()], maxlen=_WINDOW)
        self._printed = time.monotonic()
        self._noted: set[str] = set()
        column = TextColumn("{task.description}", markup=False)
        self._bar = Progress(column, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task(self.text(), total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def finished(self, *, is_drawn: bool, cost: float | None) -> None:
        """A task is over."""
        self.done += is_drawn
        self.failed += not is_drawn
        self.cost = self.cost if cost is None else (self.cost or 0.0) + cost
        self._times.append(time.monotonic())
        self._bar.update(self._task, description=self.text())
        if not self._console.is_terminal and time.monotonic() - self._printed >= _LINE_SECONDS:
            self._printed = time.monotonic()
            print_lines(self._console, self.text())

    def note(self, text: str) -> None:
        """Print a sentence, each once."""
        if text not in self._noted:
            self._noted.add(text)
            print_lines(self._console, text, style="yellow")

    def text(self) -> str:
        """Such as ``128 of 2000 tiles, 9.4 a second, 3:19 left``."""
        said = [f"{self.done} of {self._total} tiles"]
        seconds = self._times[-1] - self._times[0]
        if len(self._times) > 1 and seconds > 0:
            rate = (len(self._times) - 1) / seconds
            left = (self._total - self.done - self.failed) / rate
            said += [f"{rate:.1f} a second" if rate >= 1 else f"{60 * rate:.1f} a minute", _left(left)]
        said += [f"{self.failed} failed"] if self.failed else []
        said += [f"cost so far {self.cost:.4g}"] if self.cost is not None else []
        return ", ".join(said)


def _left(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} left" if hours else f"{minutes}:{rest:02} left"
