"""The diffusion engine: models of the known families that turn plan and prompt into photographs.

diffusers and transformers are imported by `DiffusionEngine.load`, after it is known whether the hub is needed
at all.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from plitka.choices import FAST
from plitka.device.select import DeviceInfo, optimize_for_device, select_best_device
from plitka.device.worker_thread import Worker
from plitka.diffusion.acceleration import Acceleration, acceleration_for
from plitka.diffusion.adapters.load import load_adapters
from plitka.diffusion.adapters.prompt_words import with_words
from plitka.diffusion.checkpoints.read_ahead import read_ahead, start_device
from plitka.diffusion.denoise import Denoised, denoise, denoise_in_tiles
from plitka.diffusion.detail import tiles_of
from plitka.diffusion.drawings import drawing_of
from plitka.diffusion.gpu_errors import is_fatal
from plitka.diffusion.granule_size import size_problems
from plitka.diffusion.hints import guidance, guidance_problems
from plitka.diffusion.identity import identities_of, identity_of, identity_of_acceleration
from plitka.diffusion.memory_fallback import with_fallback
from plitka.diffusion.offload import low_memory_for
from plitka.diffusion.pipeline_inputs import (
    control_inputs,
    hint_inputs,
    inputs_of_several,
    stages_of,
    start_inputs,
)
from plitka.diffusion.progress import timed_phase
from plitka.diffusion.prompt_embeddings import length_of, prompt_embeddings
from plitka.diffusion.routing import Route
from plitka.diffusion.samplers import sampler_problems
from plitka.diffusion.upscale import Run, enlarged, runs_of, scaled_inputs, together
from plitka.diffusion.warm_up import RECORDING_SECONDS, warm_up
from plitka.engine.protocol import Drawing, Job
from plitka.errors import RequestError
from plitka.request.adapter import unlisted
from plitka.request.drawing_settings import EngineDefaults, settings_for
from plitka.request.few_step import quality_problems
from plitka.request.profiles import FINAL_SIZE, PREVIEW_SIZE
from plitka.request.prompt import MAX_CHUNKS, Prompt, check_prompt
from plitka.request.tile_request import TileRequest
from plitka.weights.adapter_list import check_archives, listed_adapters
from plitka.weights.archive import opened_weights
from plitka.weights.few_step import find_few_step
from plitka.weights.find_adapters import find_adapters
from plitka.weights.locate import find_files
from plitka.weights.remedies import NO_FEW_STEP

if TYPE_CHECKING:
    from plitka.diffusion.adapters.lora import Lora
    from plitka.diffusion.adapters.switch import AdapterSwitch
    from plitka.diffusion.pipelines import Pipelines

log = logging.getLogger(__name__)


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
        few_step_identity: str = "",
    ) -> None:
        self.name = name
        self.device = pipelines.device_info
        self.defaults = defaults
        self.pipelines = pipelines
        self.adapters = adapters
        self._identity = {name: dict(parts) for name, parts in identity.items()}
        self._sizes = sizes
        self._few_step_identity = few_step_identity
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
                named = find_few_step(files.models, files.folder)
                listed = listed_adapters()
                archives = check_archives(listed)
                read_ahead(files.loaded_at_setup)
                own = identity_of(name, device_info, files, adapters) | identity_of_acceleration(acceleration)
            with phase("libraries"):
                # Imported here, so that the libraries' time is a phase of its own.
                from plitka.diffusion.checkpoints.few_step import few_step_model
                from plitka.diffusion.pipelines import Pipelines
            with phase("base"):
                pipelines = Pipelines(files, device_info, acceleration, low_memory)
                few_step = few_step_model(files, pipelines.base, pipelines.family, named)
            loaded = load_adapters(pipelines, files, adapters, weights is None, phase, listed, named)
        identity = identities_of(own, listed, archives, loaded.scales)
        profiles = files.models.quality_profiles(pipelines.family.profiles)
        defaults = EngineDefaults(profiles, loaded.lora_scale, loaded.scales, few_step)
        said = named.identity if named else few_step.kind if few_step else ""
        engine = cls(name, pipelines, identity, loaded.switch, defaults, (preview_size, final_size), said)
        engine._accelerate(phase)
        return engine

    @property
    def lora(self) -> Lora | None:
        """The LoRA that is in the weights."""
        return self.adapters.lora

    @property
    def tokens(self) -> tuple[str, ...]:
        """What the engine's own embeddings are called."""
        return self.adapters.words[None].tokens

    @property
    def native_size(self) -> int:
        """Pixels on a side that the base model draws at once, in proportion to the engine's sizes."""
        return self.pipelines.family.native_size * self._sizes[1] // FINAL_SIZE

    def identity(self, adapter: str | None = None, quality: str | None = None) -> dict[str, str]:
        """Model ids with revisions or hashes, library versions, device; with an adapter's in their place.

        Of the few-step model only at the quality that is drawn with it.
        """
        parts = dict(self._identity.get(adapter, self._identity[None]))
        return parts | ({"few_step": self._few_step_identity} if quality == FAST else {})

    def check(self, request: TileRequest, prompt: Prompt) -> None:
        """Raise RequestError for its adapter, sampler, scale or ControlNets, or a prompt that is too long."""
        settings = settings_for(request, self.defaults)
        problems = [
            *quality_problems(request, self.defaults.few_step, NO_FEW_STEP),
            *size_problems(request, settings, self.pipelines.family.native_size),
            *sampler_problems(settings, self.pipelines.scheduler_config),
            *guidance_problems(request, settings, self.pipelines),
        ]
        if request.adapter not in self.adapters.words:
            listed = tuple(name for name in self.adapters.words if name is not None)
            problems.insert(0, unlisted(str(request.adapter), listed))
        if problems:
            raise RequestError(problems)
        self._check_prompt(self.prompt_for(prompt, request.adapter), request.adapter)

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

    def _accelerate(self, phase: Callable[[str], AbstractContextManager[None]]) -> None:
        """Have the models accelerated, and draw once what is compiled or recorded by the first picture."""
        self.pipelines.accelerate()
        is_compiled = self.pipelines.acceleration.compile != "off"
        if is_compiled or self.pipelines.recordings.is_on:
            with phase("warm-up"):
                warm_up(self, math.inf if is_compiled else RECORDING_SECONDS)

    def _draw(self, job: Job) -> Generator[Drawing]:
        # Swatches and edges are drawn in a thread while the device encodes the prompt and denoises.
        with Worker("plitka-inputs") as worker:
            yield from self._pictures(job, worker)

    def _pictures(self, job: Job, worker: Worker) -> Generator[Drawing]:
        chosen = guidance(job.request, job.settings, self.pipelines)
        stages = [stage for stage in stages_of(job, self._sizes) if stage.name in job.pictures]
        runs = [runs_of(job, stage, self.native_size, self._sizes[1]) for stage in stages]
        inputs = [[worker.submit(self._inputs, run, chosen) for run in passes] for passes in runs]
        embeddings, retries = with_fallback(self.pipelines, partial(self._prepare, job))
        for stage, passes, given in zip(stages, runs, inputs, strict=True):
            denoised, more = self._picture(passes, chosen, embeddings, given)
            retries += more
            lora_scale = self.lora.scale if self.lora else None
            yield drawing_of(self.pipelines, lora_scale, job, chosen, stage, denoised, retries)

    def _prepare(self, job: Job) -> Mapping[str, torch.Tensor]:
        """Bring the adapter and its LoRA's scale into the models, text encoders too; encode the prompt."""
        if self.adapters.changes_weights or job.request.adapter is not None:
            self.pipelines.bring_home()
        few_step = job.settings.few_step is not None
        self.adapters.use(job.request.adapter, job.settings.lora_scale, few_step=few_step)
        prompt = self.prompt_for(job.prompt, job.request.adapter)
        models = self.pipelines
        models.make_ready(models.base)
        device = torch.device(models.device_info.device)
        return prompt_embeddings(models.base, models.family, prompt, device, job.request.seed, job.pace.check)

    def _inputs(self, run: Run, chosen: Route) -> dict[str, Any]:
        """What one pass over a picture starts from and what guides it."""
        job, stage = run.job, run.plan_stage
        inputs = start_inputs(job, stage)
        if self.pipelines.family.hinted:
            inputs |= hint_inputs(job, stage, chosen.controls)
        elif not chosen.is_usual:
            inputs |= inputs_of_several(job, stage, chosen.controls)
        else:
            for control in chosen.controls:
                inputs |= control_inputs(job, stage, control, self.pipelines.controlnets.mode(control.kind))
        return inputs if run.stage == stage else scaled_inputs(inputs, run.stage)

    def _picture(
        self,
        passes: Sequence[Run],
        chosen: Route,
        embeddings: Mapping[str, torch.Tensor],
        given: Sequence[Future[dict[str, Any]]],
    ) -> tuple[Denoised, tuple[str, ...]]:
        """Draw one picture, in one pass or two; also returns a sentence for each lack of memory."""
        denoised, retries = self._run(passes[0], chosen, embeddings, given[0].result())
        for run, future in zip(passes[1:], given[1:], strict=True):
            inputs, is_ring = future.result(), run.job.request.scale.seamless
            is_led = passes[0].job.settings.starts_from_swatch
            start = enlarged(denoised.image, inputs["image"], is_ring, is_led)
            drawn, more = self._run(run, chosen, embeddings, inputs | {"image": start})
            denoised, retries = together(denoised, drawn), (*retries, *more)
        return denoised, retries

    def _run(
        self, run: Run, chosen: Route, embeddings: Mapping[str, torch.Tensor], inputs: Mapping[str, Any]
    ) -> tuple[Denoised, tuple[str, ...]]:
        """One pass, whole or in tiles."""
        models, job, stage = self.pipelines, run.job, run.stage
        tiles = tiles_of(stage.width, stage.height, self.native_size, job.request.scale.seamless)
        if tiles is not None and job.settings.starts_from_swatch:
            return denoise_in_tiles(models, job, chosen, embeddings, stage, inputs, tiles)
        return with_fallback(models, partial(denoise, models, job, chosen, embeddings, stage, inputs))

    def _check_prompt(self, prompt: Prompt, adapter: str | None) -> None:
        family, tokenizers = self.pipelines.family, self.adapters.words[adapter].tokenizers
        length = partial(length_of, tokenizers=tokenizers, limit=family.token_limit)
        # A first stage of its own reads one chunk, and every word of it alike.
        whole = family.embed is None
        check_prompt(prompt, length, MAX_CHUNKS if whole else 1, reads_weights=whole)

    def prompt_for(self, prompt: Prompt, adapter: str | None = None) -> Prompt:
        """The prompt with an adapter's own trigger, and its tokens: one, two or more, or none."""
        return with_words(prompt, self.adapters.words[adapter])
