"""What turns a plan and a prompt into pixels: the protocol that every engine follows."""

from collections.abc import Generator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from plitka.request.profiles import Profile
from plitka.request.prompt import Prompt
from plitka.request.tile_request import TileRequest
from plitka.tile.plan import TilePlan


@dataclass(frozen=True)
class Job:
    """Everything an engine needs to draw one request. `planned` may be a plan that a thread is making."""

    request: TileRequest
    prompt: Prompt
    profile: Profile
    planned: TilePlan | Future[TilePlan]

    @property
    def plan(self) -> TilePlan:
        """The plan; waits for it while it is being made."""
        return self.planned.result() if isinstance(self.planned, Future) else self.planned


@dataclass(frozen=True)
class Drawing:
    """One finished picture.

    `name` is "preview" or "final"; `image` is (size, size, 3) uint8 sRGB; `report` holds JSON-ready facts
    about how it was drawn.
    """

    name: str
    image: NDArray[np.uint8]
    report: Mapping[str, Any]


class Engine(Protocol):
    """Draws the preview and the final picture of a job; `profiles` say what each quality means for it."""

    name: str
    profiles: Mapping[str, Profile]

    def identity(self) -> dict[str, str]:
        """What draws: model ids, revisions, hashes. The same text on every run, since the PNG carries it."""
        ...

    def check(self, request: TileRequest, prompt: Prompt) -> None:
        """Refuse what this engine cannot draw before any work is done. Raises RequestError."""
        ...

    def draw(self, job: Job) -> Generator[Drawing]:
        """Yield the preview, then the final picture. Closing the generator early leaves the engine usable.

        Raises DrawingError for a picture that cannot be drawn.
        """
        ...

    def is_healthy(self) -> bool:
        """False after an error that only a new process can mend."""
        ...

    def close(self) -> None:
        """Release models and memory."""
        ...
