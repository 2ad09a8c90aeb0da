"""What draws the pictures of a catalogue: the interface of every runner."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Task:
    """A picture to be drawn.

    Attributes:
        hash: Of the request.
        request: The canonical request, JSON.
        prediction: The address of a prediction that an earlier run began and did not fetch; None without one.
    """

    hash: str
    request: str
    prediction: str | None = None


@dataclass(frozen=True)
class Begun:
    """A service has begun to draw a task and charges for it: the prediction's address."""

    hash: str
    prediction: str


@dataclass(frozen=True)
class Finished:
    """A task that is over.

    Attributes:
        hash: Of the request.
        data: The file of the final picture; None if it was not drawn.
        seconds: That it took to draw; None where that is not known.
        problem: Why it was not drawn, a sentence; empty if it was.
        cost: What a service asks for it; None where that is not known.
    """

    hash: str
    data: bytes | None
    seconds: float | None
    problem: str = ""
    cost: float | None = None


@dataclass(frozen=True)
class Note:
    """A sentence for the user about the run as a whole, such as what it waits for."""

    text: str


Event = Begun | Finished | Note


class Runner(Protocol):
    """Draws tasks, several at a time.

    Attributes:
        engine: The name of the engine that draws; None where that is the server's own affair.
    """

    engine: str | None

    def run(self, tasks: Iterable[Task]) -> Generator[Event]:
        """Yield a `Finished` for every task, in any order.

        What one task fails of is in its `Finished`. Closing the generator ends every process and call of the
        run. Raises CatalogueError for what no task would get past.
        """
        ...
