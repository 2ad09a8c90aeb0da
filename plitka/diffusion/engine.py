"""The diffusion engine: SDXL-format models that turn plan and prompt into photographs.

diffusers and transformers are imported by `DiffusionEngine.load`, after it is known whether the hub is needed
at all.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from plitka.device.select import DeviceInfo, optimize_for_device, select_best_device
from plitka.device.worker_thread import Worker
from plitka.diffusion.acceleration import Acceleration, acceleration_for
from plitka.diffusion.adapters.load import load_adapters
from plitka.diffusion.adapters.prompt_budget import TRIGGER_TOKENS, TRIGGER_WORD
from plitka.diffusion.checkpoints.read_ahead import read_ahead, start_device
from plitka.diffusion.denoise import Denoised, denoise, denoise_in_tiles
from plitka.diffusion.detail import tiles_of
from plitka.diffusion.gpu_errors import is_fatal
from plitka.diffusion.granule_size import size_problems
from plitka.diffusion.identity import identity_of, identity_of_adapter
from plitka.diffusion.memory_fallback import with_fallback
from plitka.diffusion.offload import low_memory_for
from plitka.diffusion.pipeline_inputs import Stage, control_inputs, inputs_of_several, start_inputs
from plitka.diffusion.progress import timed_phase
from plitka.diffusion.routing import Route, control_problems, route
from plitka.diffusion.samplers import sampler_problems
from plitka.diffusion.warm_up import RECORDING_SECONDS, warm_up
from plitka.engine.protocol import ControlUse, Denoising, Drawing, Job
from plitka.errors import RequestError
from plitka.request.adapter import unlisted
from plitka.request.drawing_settings import EngineDefaults, settings_for
from plitka.request.profiles import FINAL_SIZE, PREVIEW_SIZE
from plitka.request.prompt import TOKEN_LIMIT, Prompt, check_token_budget
from plitka.request.tile_request import TileRequest
from plitka.tile.canvas import canvas_for
from plitka.weights.adapter_list import check_archives, listed_adapters
from plitka.weights.archive import opened_weights
from plitka.weights.locate import find_adapters, find_files

if TYPE_CHECKING:
    from plitka.diffusion.adapters.lora import Lora
    from plitka.diffusion.adapters.switch import AdapterSwitch
    from plitka.diffusion.pipelines import Pipelines

log = logging.getLogger(__name__)

_TRIGGER = re.compile(f"{re.escape(TRIGGER_TOKENS)}|{re.escape(TRIGGER_WORD)}")


class DiffusionEngine:
    """Draws with a base model, a LoRA, embeddings and ControlNets. Implements `Engine`."""

    def __init__(
        self,
        name: str,
        pipelines: Pipelines,
        identity: Mapping[str | None, Mapping[str, str]],
        adapters: AdapterSwitch,
        defaults: EngineDefaults,
        sizes: tuple[int, int],
    ) -> None:
        self.name = name
        self.device = pipelines.device_info
        self.defaults = defaults
        self.pipelines = pipelines
        self.adapters = adapters
        self._identity = {name: dict(parts) for name, parts in identity.items()}
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
        setting of the device that is not allowed, AdapterListError for the adapters of `PLITKA_ADAPTERS`.
        """
        phase = partial(timed_phase, on_phase)
        with phase("device"):
            device_info = device_info or select_best_device()
            acceleration = acceleration or acceleration_for(device_info)
            low_memory = low_memory_for(device_info)
            optimize_for_device(device_info)
            start_device(device_info)
        with opened_weights(weights) as weights_folder:
            with phase("files"):
                files = find_files(name)
                adapters = find_adapters(files.models, files.folder, weights_folder)
                listed = listed_adapters()
                archives = check_archives(listed)
                read_ahead(files.loaded_at_setup)
                own = identity_of(name, device_info, files, adapters)
            with phase("libraries"):
                # Imported here, so that the libraries' time is a phase of its own.
                from plitka.diffusion.pipelines import Pipelines
            with phase("base"):
                pipelines = Pipelines(files, device_info, acceleration, low_memory)
            loaded = load_adapters(pipelines, files, adapters, weights is None, phase, listed)
        identity: dict[str | None, dict[str, str]] = {None: own}
        for key, archive in archives.items():
            identity[key] = own | identity_of_adapter(listed[key], archive, loaded.scales[key])
        defaults = EngineDefaults(files.models.quality_profiles(), loaded.lora_scale, loaded.scales)
        engine = cls(name, pipelines, identity, loaded.switch, defaults, (preview_size, final_size))
        pipelines.accelerate()
        if acceleration.compile != "off" or pipelines.recordings.is_on:
            with phase("warm-up"):
                warm_up(engine, math.inf if acceleration.compile != "off" else RECORDING_SECONDS)
        return engine

    @property
    def lora(self) -> Lora | None:
        """The LoRA that is in the weights."""
        return self.adapters.lora

    @property
    def tokens(self) -> tuple[str, ...]:
        """What the engine's own embeddings are called."""
        return self.adapters.words[None].tokens

    def identity(self, adapter: str | None = None) -> dict[str, str]:
        """Model ids with revisions or hashes, library versions, device; with an adapter's in their place."""
        return dict(self._identity.get(adapter, self._identity[None]))

    def check(self, request: TileRequest, prompt: Prompt) -> None:
        """Raise RequestError for its adapter, sampler, scale or ControlNets, or for its prompt.

        A prompt must be one that the text encoders can read whole.
        """
        settings = settings_for(request, self.defaults)
        problems = [
            *size_problems(request, settings),
            *sampler_problems(settings, self.pipelines.scheduler_config),
            *control_problems(request, self.pipelines.controlnets.kinds),
        ]
        if request.adapter not in self.adapters.words:
            listed = tuple(name for name in self.adapters.words if name is not None)
            problems.insert(0, unlisted(str(request.adapter), listed))
        if problems:
            raise RequestError(problems)
        words = self.adapters.words[request.adapter]
        check_token_budget(self.prompt_for(prompt, request.adapter), words.count_tokens, TOKEN_LIMIT)

    def draw(self, job: Job) -> Generator[Drawing]:
        """Yield the preview, then the final picture, or the one of them that the job wants.

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
        """False after an error of the GPU from which only a new process recovers."""
        return self._healthy

    def close(self) -> None:
        """Release the models and their memory."""
        self.adapters.close()
        self.pipelines.close()

    def _draw(self, job: Job) -> Generator[Drawing]:
        # Swatches and edges are drawn in a thread while the device encodes the prompt and denoises.
        with Worker("plitka-inputs") as worker:
            yield from self._pictures(job, worker)

    def _pictures(self, job: Job, worker: Worker) -> Generator[Drawing]:
        chosen = route(job.request, job.settings)
        stages = [stage for stage in self._stages(job) if stage.name in job.pictures]
        inputs = [worker.submit(self._inputs, job, chosen, stage) for stage in stages]
        embeddings, retries = with_fallback(self.pipelines, partial(self._prepare, job))
        for stage, given in zip(stages, inputs, strict=True):
            denoised, more = self._picture(job, chosen, embeddings, stage, given)
            retries += more
            yield self._drawing(job, chosen, stage, denoised, retries)

    def _stages(self, job: Job) -> tuple[Stage, Stage]:
        """Preview and final picture; of smaller ones than usual, sizes in proportion."""
        canvas, (preview_size, final_size) = canvas_for(job.request.scale), self._sizes
        preview = canvas.preview[0] * preview_size // PREVIEW_SIZE
        final = canvas.width * final_size // FINAL_SIZE
        return (
            Stage("preview", preview, canvas.shape(preview)[0], job.settings.preview),
            Stage("final", final, canvas.shape(final)[0], job.settings.final),
        )

    def _prepare(self, job: Job) -> dict[str, torch.Tensor]:
        """Bring the adapter and its LoRA's scale into the models, text encoders too; encode the prompt."""
        if self.lora is not None or job.request.adapter is not None:
            self.pipelines.bring_home()
        self.adapters.use(job.request.adapter, job.settings.lora_scale)
        return self._encode(self.prompt_for(job.prompt, job.request.adapter))

    def _inputs(self, job: Job, chosen: Route, stage: Stage) -> dict[str, Any]:
        """What one picture starts from and what guides it."""
        inputs = start_inputs(job, stage)
        if not chosen.is_usual:
            return inputs | inputs_of_several(job, stage, chosen.controls)
        for control in chosen.controls:
            mode = self.pipelines.controlnets.mode(control.kind)
            inputs |= control_inputs(job, stage, control, mode)
        return inputs

    def _picture(
        self,
        job: Job,
        chosen: Route,
        embeddings: Mapping[str, torch.Tensor],
        stage: Stage,
        inputs: Future[dict[str, Any]],
    ) -> tuple[Denoised, tuple[str, ...]]:
        """Draw one picture, whole or in tiles; also returns a sentence for each lack of memory."""
        models, is_ring = self.pipelines, job.request.scale.seamless
        tiles = tiles_of(stage.width, stage.height, self._sizes[1], is_ring)
        if tiles is not None and job.settings.starts_from_swatch:
            return denoise_in_tiles(models, job, chosen, embeddings, stage, inputs.result(), tiles)

        def whole() -> Denoised:
            return denoise(models, job, chosen, embeddings, stage, inputs.result())

        return with_fallback(models, whole)

    def _drawing(
        self, job: Job, chosen: Route, stage: Stage, denoised: Denoised, retries: tuple[str, ...]
    ) -> Drawing:
        settings = job.settings
        denoising = Denoising(
            control=chosen.control,
            scheduler=settings.scheduler,
            steps=stage.settings.steps,
            strength=stage.settings.strength,
            color_guidance=settings.color_guidance,
            guidance_scale=settings.guidance_scale,
            controlnet_scale=chosen.controls[0].scale if len(chosen.controls) == 1 else None,
            lora_scale=self.lora.scale if self.lora else None,
            offload=self.pipelines.offload_level,
            retries=retries,
            recordings=self.pipelines.recordings.report(),
            guidance_interval=settings.guidance_interval,
            approximations=denoised.approximations,
            detail=denoised.detail,
            unet_calls=denoised.unet_calls,
            controls=tuple(
                ControlUse(one.kind, one.scale, one.start, one.end, calls)
                for one, calls in zip(chosen.controls, denoised.control_calls, strict=True)
            ),
        )
        return Drawing(
            stage.name,
            denoised.image,
            denoised.pipeline,
            denoised.controlnet,
            chosen.reason,
            denoised.steps_run,
            denoising,
        )

    @torch.no_grad()
    def _encode(self, prompt: Prompt) -> dict[str, torch.Tensor]:
        """Prompt embeddings for every pipeline, by the names of their arguments."""
        base = self.pipelines.base
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

    def prompt_for(self, prompt: Prompt, adapter: str | None = None) -> Prompt:
        """The prompt with an adapter's own trigger, and its tokens: one, two or more, or none."""
        words = self.adapters.words[adapter]
        tokens = "".join(words.tokens)

        put = {TRIGGER_TOKENS: tokens, TRIGGER_WORD: words.trigger}

        # In one pass: a token may be called like the word.
        def said(text: str) -> str:
            return _TRIGGER.sub(lambda found: put[found[0]], text)

        # Without embeddings a template that begins with their tokens would begin with a comma.
        return Prompt(said(prompt.positive).removeprefix(", "), prompt.negative, said(prompt.own))
