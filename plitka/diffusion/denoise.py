"""One run of a pipeline: from what a picture, or a tile of one, starts from to its pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from plitka.diffusion.detail import (
    Mosaic,
    NoiseField,
    Span,
    Tiles,
    cut_inputs,
    noise_from,
    seam_contrast,
)
from plitka.diffusion.guidance_interval import guided_within
from plitka.diffusion.lost_detail import loses_detail, with_lost_detail
from plitka.diffusion.mean_color import noise_with_mean, starts_with_mean
from plitka.diffusion.memory_fallback import with_fallback
from plitka.diffusion.pipeline_inputs import Stage
from plitka.diffusion.progress import bar_options
from plitka.diffusion.routing import Route
from plitka.diffusion.samplers import ends_step
from plitka.engine.protocol import Detail, Job
from plitka.request.drawing_settings import DrawingSettings

if TYPE_CHECKING:
    from plitka.diffusion.controlnets import LoadedControlNet
    from plitka.diffusion.pipelines import Pipelines


class Denoised(NamedTuple):
    """A picture as it comes from a pipeline: (height, width, 3) uint8, the pipeline, its ControlNets' ids.

    `unet_calls` counts predictions, of which some samplers take several a step, `control_calls` those of each
    ControlNet. `approximations` says what
    was left out; `detail` is None for a picture that was drawn in one pass.
    """

    image: NDArray[np.uint8]
    pipeline: str
    controlnet: str | None
    steps_run: int
    unet_calls: int
    approximations: tuple[str, ...]
    control_calls: tuple[int, ...] = ()
    detail: Detail | None = None


class Tile(NamedTuple):
    """A tile, the noise of the whole picture, and what is called after every step."""

    place: tuple[Span, Span]
    noise: NoiseField
    on_step: Callable[[], Any]


def denoise(
    pipelines: Pipelines,
    job: Job,
    chosen: Route,
    embeddings: Mapping[str, torch.Tensor],
    stage: Stage,
    inputs: Mapping[str, Any],
    tile: Tile | None = None,
) -> Denoised:
    """Denoise and decode one picture, or one tile of it."""
    settings = job.settings
    job.pace.check()
    pipeline, controlnet = _pipeline_for(pipelines, chosen, settings, stage)
    bar = bar_options(_name(job, stage), job.pace.output)
    pipeline.set_progress_bar_config(**bar, disable=tile is not None)
    is_ring = job.request.scale.seamless and tile is None
    edges = pipelines.seamless(controlnet) if is_ring else nullcontext()
    scale = pipelines.base.vae_scale_factor
    noise = noise_from(pipeline.scheduler, tile.noise, tile.place, scale) if tile else nullcontext()
    generator = torch.Generator("cpu").manual_seed(job.request.seed)
    with edges, noise, guided_within(pipeline, settings.guidance_interval) as guided:
        if starts_with_mean(pipelines, stage):
            inputs = {**inputs, "latents": noise_with_mean(pipelines, pipeline, job, stage, generator)}
        latents = pipeline(
            **embeddings,
            **inputs,
            **pipelines.family.conditioning,
            num_inference_steps=stage.settings.steps,
            guidance_scale=settings.guidance_scale,
            **({"eta": settings.few_step.eta} if settings.few_step else {}),
            generator=generator,
            output_type="latent",
            callback_on_step_end=partial(_check_pace, job, tile, stage.steps_run),
            callback_on_step_end_tensor_inputs=[],
        ).images
        image = pipelines.decode(latents)
        if stage.settings.strength is not None and loses_detail(job.plan, stage.width):
            image = with_lost_detail(pipelines, image, inputs["image"])
    name = controlnet.name if controlnet else None
    calls = pipeline.num_timesteps
    left_out = guided.approximations(stage.steps_run)
    control_calls = (calls,) * len(chosen.controls)
    if controlnet and not chosen.is_usual:
        control_calls = tuple(controlnet.model.calls)
    return Denoised(image, type(pipeline).__name__, name, stage.steps_run, calls, left_out, control_calls)


def _pipeline_for(
    pipelines: Pipelines, chosen: Route, settings: DrawingSettings, stage: Stage
) -> tuple[Any, LoadedControlNet | None]:
    kinds = tuple(control.kind for control in chosen.controls)
    given = settings.starts_from_swatch, settings.scheduler, stage.settings.steps - stage.steps_run
    if chosen.is_usual:
        return pipelines.get(kinds[0] if kinds else None, *given)
    pipeline, controlnet = pipelines.get_several(kinds, *given)
    controlnet.model.begin()
    return pipeline, controlnet


def denoise_in_tiles(
    pipelines: Pipelines,
    job: Job,
    chosen: Route,
    embeddings: Mapping[str, torch.Tensor],
    stage: Stage,
    inputs: Mapping[str, Any],
    tiles: Tiles,
) -> tuple[Denoised, tuple[str, ...]]:
    """Denoise and decode a picture tile by tile; also returns a sentence for each lack of memory."""
    scale = pipelines.base.vae_scale_factor
    channels = pipelines.base.vae.config.latent_channels
    noise = NoiseField(job.request.seed, channels, stage.height // scale, stage.width // scale)
    mosaic = Mosaic(tiles)
    retries: tuple[str, ...] = ()
    with tqdm(total=len(tiles) * stage.steps_run, **bar_options(_name(job, stage), job.pace.output)) as bar:
        for number, place in enumerate(tiles):
            tile = Tile(place, noise, bar.update)
            given = cut_inputs(dict(inputs), place)
            run = partial(denoise, pipelines, job, chosen, embeddings, stage, given, tile)

            def again(run: Callable[[], Denoised] = run, number: int = number) -> Denoised:
                # A tile whose memory ran out begins anew.
                bar.n = number * stage.steps_run
                return run()

            drawn, more = with_fallback(pipelines, again)
            mosaic.add(place, drawn.image)
            retries += more
    image = mosaic.picture()
    contrast = seam_contrast(image, np.asarray(inputs["image"]), tiles)
    across, down = tiles.spans
    steps, calls = drawn.steps_run * len(tiles), drawn.unet_calls * len(tiles)
    control_calls = tuple(calls * len(tiles) for calls in drawn.control_calls)
    detail = Detail(len(tiles), across[0].length, down[0].length, contrast)
    whole = drawn._replace(image=image, steps_run=steps, unet_calls=calls, control_calls=control_calls)
    return whole._replace(detail=detail), retries


def _name(job: Job, stage: Stage) -> str:
    """What a picture is called where its progress is shown."""
    number, count = job.variant
    which = f" {number} of {count}" if count > 1 and stage.name == "final" else ""
    return f"{stage.name}{which} {stage.width}x{stage.height}"


def _check_pace(
    job: Job, tile: Tile | None, steps: int, pipeline: Any, call: int, *given: Any
) -> dict[str, Any]:
    """End the drawing after a call of the UNet if nobody wants it any more; changes nothing otherwise."""
    job.pace.check()
    if tile is not None and ends_step(call, pipeline.num_timesteps, steps):
        tile.on_step()
    return {}
