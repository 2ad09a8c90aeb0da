"""The engine without weights: it draws the plan itself, lit and seen through a lens."""

from collections.abc import Generator

from plitka.engine.protocol import Drawing, Job
from plitka.request.profiles import FINAL_SIZE, PREVIEW_SIZE, PROFILES
from plitka.request.prompt import Prompt
from plitka.request.tile_request import TileRequest
from plitka.tile.swatch import draw_swatch


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
