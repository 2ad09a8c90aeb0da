"""The engine without weights: it draws the plan itself, lit and seen through a lens."""

from collections.abc import Generator

from plitka.device.select import cpu_device
from plitka.engine.protocol import Drawing, Job, PictureName
from plitka.errors import Problem, RequestError, shown
from plitka.request.drawing_settings import EngineDefaults
from plitka.request.few_step import quality_problems
from plitka.request.prompt import Prompt
from plitka.request.scale import LARGE_SIDE
from plitka.request.tile_request import TileRequest
from plitka.tile.swatch import draw_swatch

PIPELINE = "swatch"
NO_FEW_STEP = "the render engine draws the plan without any model"
REASON = "the render engine draws the plan itself and needs no ControlNet"


class RenderEngine:
    """Draws swatches of the plan: no weights, no torch. Implements `Engine`."""

    name = "render"

    def __init__(self) -> None:
        self.device = cpu_device()
        self.defaults = EngineDefaults()

    def identity(self, adapter: str | None = None, quality: str | None = None) -> dict[str, str]:
        """The engine's name alone: the code is its only model."""
        return {"engine": self.name}

    def check(self, request: TileRequest, prompt: Prompt) -> None:
        """Refuse `fast`, a LoRA, and a correction of pictures that are too large; the rest can be drawn."""
        scale, problems = request.scale, list(quality_problems(request, None, NO_FEW_STEP))
        if request.adapter is not None:
            reason = "names a LoRA, and the render engine draws the plan without any model"
            problems.append(
                Problem("adapter", shown(request.adapter), reason, "no adapter, or another engine")
            )
        if scale.is_large and request.overrides.color_lock == "always":
            reason = f"takes too much memory for a picture of {scale.width} x {scale.height} pixels"
            allowed = f"auto or off; always up to {LARGE_SIDE} x {LARGE_SIDE} pixels"
            problems.append(Problem("overrides.color_lock", '"always"', reason, allowed))
        if problems:
            raise RequestError(problems)

    def draw(self, job: Job) -> Generator[Drawing]:
        """Yield swatches of the plan, the preview at half its size or less."""
        canvas = job.plan.canvas
        sizes: tuple[tuple[PictureName, int], ...] = (("preview", canvas.preview[0]), ("final", canvas.width))
        for name, size in sizes:
            if name not in job.pictures:
                continue
            yield Drawing(name, draw_swatch(job.plan, size), PIPELINE, None, REASON, steps_run=0)

    def is_healthy(self) -> bool:
        """Always true: there is no device to lose."""
        return True

    def close(self) -> None:
        """Nothing to release."""
