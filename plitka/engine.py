"""What turns a plan and a prompt into pixels: the protocol of every engine, and the one without weights."""

from collections.abc import Generator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from plitka.plan import TilePlan
from plitka.profiles import FINAL_SIZE, PREVIEW_SIZE, PROFILES, Profile
from plitka.prompt import Prompt
from plitka.request import TileRequest
from plitka.swatch import draw_swatch


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


class DrawingError(RuntimeError):
    """A picture could not be drawn, for a reason that can be told in a sentence."""


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


class RenderEngine:
    """Draws swatches of the plan: no weights, no torch."""

    name = "render"
    profiles = PROFILES

    def identity(self) -> dict[str, str]:
        """The engine's name alone: the code is its only model."""
        return {"engine": self.name}

    def check(self, request: TileRequest, prompt: Prompt) -> None:
        """Every valid request can be drawn."""

    def draw(self, job: Job) -> Generator[Drawing]:
        """Yield swatches of the plan at 512 and 1024 pixels."""
        report = {
            "pipeline": "swatch",
            "controlnet": None,
            "reason": "the render engine draws the plan itself and needs no ControlNet",
            "steps_run": 0,
        }
        for name, size in (("preview", PREVIEW_SIZE), ("final", FINAL_SIZE)):
            yield Drawing(name, draw_swatch(job.plan, size), report)

    def is_healthy(self) -> bool:
        """Always true: there is no device to lose."""
        return True

    def close(self) -> None:
        """Nothing is held."""
