"""The diffusion engine: SDXL-format models that turn plan and prompt into photographs.

The libraries are imported by `DiffusionEngine.load`, after it is known whether the hub is needed at all.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from plitka.device.select import DeviceInfo, manage_gpu_memory, optimize_for_device, select_best_device
from plitka.device.worker_thread import Helper
from plitka.diffusion.acceleration import Acceleration, acceleration_for
from plitka.diffusion.adapters.load import (
    LoadedAdapters,
    identity_of,
    load_adapters,
    opened_weights,
    timed_phase,
)
from plitka.diffusion.checkpoints.read_ahead import read_ahead
from plitka.diffusion.gpu_errors import is_fatal, is_out_of_memory
from plitka.diffusion.pipeline_inputs import (
    CONDITIONING_SIZE,
    Stage,
    control_inputs,
    controlnet_scale,
    start_inputs,
    swatch_strength,
)
from plitka.diffusion.progress import bar_options
from plitka.diffusion.routing import Route, route
from plitka.engine.protocol import Drawing, Job
from plitka.errors import GpuMemoryError
from plitka.request.profiles import FINAL_SIZE, PREVIEW_SIZE, Profile
from plitka.request.prompt import TOKEN_LIMIT, TRIGGER, Prompt, build_prompt, check_token_budget
from plitka.request.tile_request import TileRequest, parse_request
from plitka.tile.plan import plan_for
from plitka.weights.locate import find_adapters, find_files

if TYPE_CHECKING:
    from plitka.diffusion.adapters.lora import Lora
    from plitka.diffusion.pipelines import Pipelines

# The prompt's words for the embeddings, as the prompt is built for two vectors.
PROMPT_TOKENS = TRIGGER.partition(" ")[2]
GIB = 1024**3
# Any mix will do; one step of each picture is enough.
WARM_UP_COLORS = [{"name": "black"}]
# From noise, and from the swatch.
WARM_UP_COLOR_GUIDANCE = (0.0, 0.5)
WARM_UP_PROFILE = Profile(steps_preview=1, steps_final=1, guidance_scale=6.5)

T = TypeVar("T")
log = logging.getLogger(__name__)


class DiffusionEngine:
    """Draws with a base model, a LoRA, embeddings and ControlNets. Implements `Engine`."""

    def __init__(
        self,
        name: str,
        pipelines: Pipelines,
        identity: Mapping[str, str],
        adapters: LoadedAdapters,
        profiles: Mapping[str, Profile],
        sizes: tuple[int, int],
    ) -> None:
        self.name = name
        self.pipelines = pipelines
        self.lora: Lora | None = adapters.lora
        self.default_lora_scale = adapters.lora_scale
        self.tokens = adapters.tokens
        self.profiles = profiles
        self._identity = dict(identity)
        self._sizes = sizes
        self._healthy = True

    @classmethod
    def load(
        cls,
        name: str,
        weights: Path | None = None,
        on_phase: Callable[[str, float], None] | None = None,
        *,
        device_info: DeviceInfo | None = None,
        acceleration: Acceleration | None = None,
        preview_size: int = PREVIEW_SIZE,
        final_size: int = FINAL_SIZE,
    ) -> DiffusionEngine:
        """Load an engine of the manifest onto the best device; no ControlNet yet.

        `weights` is a folder, `.tar` or `.zip` with a LoRA and embeddings, in place of the model folder's
        own; `acceleration` replaces what the environment asks for. `on_phase(phase, seconds)` is called as
        each phase ends. Raises ModelFileError if a file is missing, broken or does not fit, DeviceError for a
        setting of the device that is not allowed.
        """
        phase = partial(timed_phase, on_phase)
        with phase("device"):
            device_info = device_info or select_best_device()
            acceleration = acceleration or acceleration_for(device_info)
            optimize_for_device(device_info)
        with opened_weights(weights) as weights_folder:
            with phase("files"):
                files = find_files(name)
                adapters = find_adapters(files.models, files.folder, weights_folder)
                read_ahead(files.loaded_at_setup)
                identity = identity_of(name, device_info, files, adapters)
            with phase("libraries"):
                # The first two for `load_adapters`, so that their libraries count here.
                from plitka.diffusion.pipelines import Pipelines
            with phase("base"):
                pipelines = Pipelines(files, device_info, acceleration)
            learned = load_adapters(pipelines.base, files, adapters, weights is None, phase)
        engine = cls(
            name, pipelines, identity, learned, files.models.quality_profiles(), (preview_size, final_size)
        )
        pipelines.accelerate()
        if acceleration.compile != "off" or acceleration.graphs:
            with phase("warm-up"):
                engine.warm_up()
        return engine

    def identity(self) -> dict[str, str]:
        """Model ids with revisions or hashes, library versions, device."""
        return dict(self._identity)

    def check(self, request: TileRequest, prompt: Prompt) -> None:
        """Raise RequestError if a prompt is longer than the text encoders read, by their own tokenizers."""
        check_token_budget(self._spoken(prompt), self._count_tokens, TOKEN_LIMIT)

    def draw(self, job: Job) -> Generator[Drawing]:
        """Yield the preview, then the final picture.

        Raises GpuMemoryError if the memory does not suffice one offload level further, NonFiniteImageError
        for a picture that overflowed, ModelFileError if a ControlNet does not load.
        """
        try:
            yield from self._draw(job)
        except Exception as error:
            if is_fatal(error):
                log.critical("the GPU is lost to this process: %s", error)
                self._healthy = False
            raise

    def is_healthy(self) -> bool:
        """False after an error of the GPU that only a new process can mend."""
        return self._healthy

    def close(self) -> None:
        """Release the models and their memory."""
        self.lora = None
        self.pipelines.close()

    def warm_up(self) -> None:
        """Draw one step at each size: what is compiled or recorded by the first picture is ready then."""
        for guidance in WARM_UP_COLOR_GUIDANCE:
            document = {"colors": WARM_UP_COLORS, "seed": 0, "overrides": {"color_guidance": guidance}}
            request = parse_request(json.dumps(document))
            for _ in self.draw(Job(request, build_prompt(request), WARM_UP_PROFILE, plan_for(request))):
                pass

    def _draw(self, job: Job) -> Generator[Drawing]:
        # Swatches and edges are drawn in a thread while the device encodes the prompt and denoises.
        with Helper("plitka-inputs") as helper:
            yield from self._pictures(job, helper)

    def _pictures(self, job: Job, helper: Helper) -> Generator[Drawing]:
        chosen = route(job.request)
        preview_size, final_size = self._sizes
        stages = (
            Stage("preview", preview_size, job.profile.steps_preview),
            Stage("final", final_size, job.profile.steps_final),
        )
        inputs = [helper.submit(self._inputs, job, chosen, stage) for stage in stages]
        retries: list[str] = []
        if self.lora is not None:
            scale = job.request.overrides.lora_scale
            self.lora.apply(self.default_lora_scale if scale is None else scale)
        embeddings = self._with_fallback(partial(self._encode, job.prompt), retries)
        for stage, given in zip(stages, inputs, strict=True):
            picture = partial(self._picture, job, chosen, embeddings, stage, given)
            drawing = self._with_fallback(picture, retries)
            memory = {"offload": self.pipelines.offload_level, "retries": list(retries)}
            yield Drawing(stage.name, drawing.image, {**drawing.report, **memory})

    def _inputs(self, job: Job, chosen: Route, stage: Stage) -> dict[str, Any]:
        """What one picture starts from and what holds it."""
        inputs = start_inputs(job, stage)
        if chosen.control is not None:
            inputs |= control_inputs(
                job, stage, chosen.control, self.pipelines.controlnets.mode(chosen.control)
            )
        return inputs

    def _picture(
        self,
        job: Job,
        chosen: Route,
        embeddings: Mapping[str, torch.Tensor],
        stage: Stage,
        inputs: Future[dict[str, Any]],
    ) -> Drawing:
        """Denoise and decode one picture."""
        request, guidance_scale = job.request, job.profile.guidance_scale
        strength = swatch_strength(request.color_guidance, stage.steps)
        pipeline, controlnet = self.pipelines.get(chosen.control, strength is not None, request.scheduler)
        pipeline.set_progress_bar_config(**bar_options(f"{stage.name} {stage.size}x{stage.size}"))
        latents = pipeline(
            **embeddings,
            **inputs.result(),
            num_inference_steps=stage.steps,
            guidance_scale=guidance_scale,
            generator=torch.Generator("cpu").manual_seed(request.seed),
            original_size=CONDITIONING_SIZE,
            target_size=CONDITIONING_SIZE,
            output_type="latent",
        ).images
        report = {
            "pipeline": type(pipeline).__name__,
            "controlnet": controlnet.name if controlnet else None,
            "control": chosen.control,
            "reason": chosen.reason,
            "scheduler": request.scheduler,
            "steps": stage.steps,
            "steps_run": pipeline.num_timesteps,
            "strength": strength,
            "color_guidance": request.color_guidance,
            "guidance_scale": guidance_scale,
            "controlnet_scale": controlnet_scale(job) if controlnet else None,
            "lora_scale": self.lora.scale if self.lora else None,
        }
        return Drawing(stage.name, self.pipelines.decode(latents), report)

    @torch.no_grad()
    def _encode(self, prompt: Prompt) -> dict[str, torch.Tensor]:
        """Prompt embeddings for every pipeline, by the names of their arguments."""
        prompt, base = self._spoken(prompt), self.pipelines.base
        self.pipelines.make_ready(base)
        names = (
            "prompt_embeds",
            "negative_prompt_embeds",
            "pooled_prompt_embeds",
            "negative_pooled_prompt_embeds",
        )
        embeddings = base.encode_prompt(
            prompt.positive,
            negative_prompt=prompt.negative,
            device=torch.device(self.pipelines.device_info.device),
            num_images_per_prompt=1,
            do_classifier_free_guidance=True,
        )
        return dict(zip(names, embeddings, strict=True))

    def _spoken(self, prompt: Prompt) -> Prompt:
        """The prompt with the tokens that were loaded: one, two or more, or none without embeddings."""
        return Prompt(prompt.positive.replace(PROMPT_TOKENS, "".join(self.tokens)), prompt.negative)

    def _count_tokens(self, text: str) -> int:
        tokenizers = (self.pipelines.base.tokenizer, self.pipelines.base.tokenizer_2)
        return max(len(tokenizer(text)["input_ids"]) for tokenizer in tokenizers)

    def _with_fallback(self, work: Callable[[], T], retries: list[str]) -> T:
        """Run; out of memory, free it, go one offload level further and run once more.

        Raises GpuMemoryError with numbers if that is not enough.
        """
        for may_retry in (True, False):
            try:
                return work()
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                failure = str(error)
            # Only out here has the exception let go of the frames that hold the tensors.
            level = self.pipelines.offload_level
            if not (may_retry and self.pipelines.lower()):
                break
            retries.append(f"out of memory at offload '{level}', again at '{self.pipelines.offload_level}'")
            log.warning("%s: %s", retries[-1], failure)
        raise GpuMemoryError(self._memory_report(failure))

    def _memory_report(self, failure: str) -> str:
        device = self.pipelines.device_info
        status = manage_gpu_memory(device, "clear")
        return (
            f"out of memory on {device.name} at offload '{self.pipelines.offload_level}': "
            f"{status.free / GIB:.1f} GiB free of {status.total / GIB:.1f} GiB, "
            f"{status.allocated / GIB:.1f} GiB held by this process ({failure})"
        )
