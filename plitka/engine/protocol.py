"""What turns a plan and a prompt into pixels: the protocol that every engine follows."""

from collections.abc import Generator
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from plitka.choices import ControlKind
from plitka.device.select import DeviceInfo
from plitka.engine.pace import Pace
from plitka.request.drawing_settings import DrawingSettings, EngineDefaults, prompt_of, settings_for
from plitka.request.prompt import Prompt
from plitka.request.tile_request import TileRequest
from plitka.tile.plan import TilePlan, plan_for

PictureName = Literal["preview", "final"]


@dataclass(frozen=True)
class Job:
    """Everything an engine needs to draw one request.

    `planned` may be a plan that a thread is making; `pace` tells the engine whether to go on. `pictures` are
    those to be drawn; `variant` says which of how many variants of a tile this is, for the progress.
    """

    request: TileRequest
    settings: DrawingSettings
    prompt: Prompt
    planned: TilePlan | Future[TilePlan]
    pace: Pace = field(default_factory=Pace, compare=False)
    pictures: tuple[PictureName, ...] = get_args(PictureName)
    variant: tuple[int, int] = (1, 1)

    @property
    def plan(self) -> TilePlan:
        """The plan; waits for it while it is being made."""
        return self.planned.result() if isinstance(self.planned, Future) else self.planned


def job_for(request: TileRequest, defaults: EngineDefaults) -> Job:
    """The job of a request for an engine with these defaults, its tile planned."""
    settings = settings_for(request, defaults)
    return Job(request, settings, prompt_of(request, settings), plan_for(request))


@dataclass(frozen=True)
class ModelRecording:
    """What is recorded of a model's work on the GPU, to be replayed, since the engine was loaded.

    Attributes:
        model: The model: "unet", "vae.decoder", "controlnet.canny" and so on.
        recordings: How many are kept: one for each size and kind of picture so far.
        error: The largest difference of a first replay from the plain run of the same inputs: the norm of the
            difference by the norm of the plain result; 0 for equal bytes, None before the first recording.
        off: Why nothing is recorded any more; None while it is.
    """

    model: str
    recordings: int
    error: float | None = None
    off: str | None = None


@dataclass(frozen=True)
class Detail:
    """A picture larger than its model draws at once, drawn in tiles that overlap.

    Attributes:
        tiles: How many.
        tile_width: Of each, pixels.
        tile_height: Of each, pixels.
        seam_contrast: The contrast of fine detail where tiles blend into each other, by that everywhere else,
            compared with the plan's picture: 1 where the seams have as much detail.
    """

    tiles: int
    tile_width: int
    tile_height: int
    seam_contrast: float


@dataclass(frozen=True)
class ControlUse:
    """How a ControlNet guided a picture.

    Attributes:
        kind: The kind of control image that it got.
        scale: Weight of its residuals.
        start: The part of the steps after which it began.
        end: The part of the steps after which it ended.
        calls: How often it was computed, for all tiles together; the UNet was `Denoising.unet_calls` times.
    """

    kind: ControlKind
    scale: float
    start: float
    end: float
    calls: int


@dataclass(frozen=True)
class Denoising:
    """How a model drew a picture.

    Attributes:
        control: The kinds of control images that guided it, with " + " between them; None without one.
        scheduler: The sampler.
        steps: Denoising steps of the whole noise schedule.
        strength: The part of the schedule that was run; None where the picture started from noise.
        color_guidance: How much the plan's colours led it, 0 to 1.
        guidance_scale: Classifier-free guidance.
        controlnet_scale: Weight of the ControlNet's residuals; None without one, or with several.
        lora_scale: Scale of the LoRA; None without one.
        offload: Where the models wait between uses.
        retries: A sentence for every time that the GPU's memory ran out, up to this picture.
        recordings: What is recorded of each model, when this picture is finished; empty if nothing is to be.
        guidance_interval: Noise levels between which there was guidance; None for all of them.
        approximations: A sentence for everything that was left out to be faster.
        detail: The tiles of a picture that was drawn in several; None for one that was drawn at once.
        unet_calls: How often the UNet was called, which some samplers do more than once a step.
        controls: Each ControlNet that guided it; empty without one.
        few_step: The kind of few-step model that drew it; None where none did.
    """

    control: str | None
    scheduler: str
    steps: int
    strength: float | None
    color_guidance: float
    guidance_scale: float
    controlnet_scale: float | None
    lora_scale: float | None
    offload: str
    retries: tuple[str, ...]
    recordings: tuple[ModelRecording, ...] = ()
    guidance_interval: tuple[float, float] | None = None
    approximations: tuple[str, ...] = ()
    detail: Detail | None = None
    unet_calls: int = 0
    controls: tuple[ControlUse, ...] = ()
    few_step: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON-ready values."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }


@dataclass(frozen=True)
class Drawing:
    """One finished picture and how it was drawn.

    Attributes:
        name: "preview" or "final".
        image: (height, width, 3) uint8 sRGB.
        pipeline: What drew it.
        controlnet: The ControlNet's id; None without one.
        reason: Why that ControlNet, or why none, in words for the operator.
        steps_run: Denoising steps that were run; 0 without a model.
        denoising: How a model drew it; None without a model.
    """

    name: PictureName
    image: NDArray[np.uint8]
    pipeline: str
    controlnet: str | None
    reason: str
    steps_run: int
    denoising: Denoising | None = None


class Engine(Protocol):
    """Draws the preview and the final picture of a job.

    Attributes:
        name: What `plitka.choices.EngineName` calls it.
        device: The device it draws on.
        defaults: What a request's settings are where it gives none.
    """

    name: str
    device: DeviceInfo
    defaults: EngineDefaults

    def identity(self, adapter: str | None = None, quality: str | None = None) -> dict[str, str]:
        """What draws with this adapter, or without, at this quality: model ids, revisions, hashes.

        The same text on every run, since the PNG carries it.
        """
        ...

    def check(self, request: TileRequest, prompt: Prompt) -> None:
        """Refuse what this engine cannot draw before any work is done. Raises RequestError."""
        ...

    def draw(self, job: Job) -> Generator[Drawing]:
        """Yield the preview, then the final picture, or the one of them that the job wants.

        Closing the generator early leaves the engine usable. A final picture is the same, to the byte, with
        and without its preview. Raises DrawingError for a picture that cannot be drawn. An engine that takes
        seconds calls `job.pace.check` as it goes and shows its progress on `job.pace.output`.
        """
        ...

    def is_healthy(self) -> bool:
        """False after an error from which only a new process recovers."""
        ...

    def close(self) -> None:
        """Release models and memory."""
        ...
