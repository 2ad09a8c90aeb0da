"""The mean colour of a picture that starts from noise.

A sampler told to begin at less noise than the model's schedule ends with (`sigma_max`) begins where a
picture's mean still shows through the noise (Lin et al. 2023, https://arxiv.org/abs/2305.08891). Of noise
alone a model would see there that the picture is gray on the whole, and would draw dark mixes too light, pale
ones too dark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from plitka.diffusion.pipeline_inputs import Stage
from plitka.engine.protocol import Job
from plitka.tile.swatch import cached_swatch

if TYPE_CHECKING:
    from plitka.diffusion.pipelines import Pipelines


def starts_with_mean(pipelines: Pipelines, stage: Stage) -> bool:
    """Whether a picture starts from noise, and its base model begins where the mean shows."""
    # A decoder of its own has no place for latents either.
    takes_latents = pipelines.family.decode is None
    begins_low = pipelines.scheduler_config.get("sigma_max") is not None
    return stage.settings.strength is None and begins_low and takes_latents


def noise_with_mean(
    pipelines: Pipelines, pipeline: Any, job: Job, stage: Stage, generator: torch.Generator
) -> torch.Tensor:
    """(1, channels, height / scale, width / scale): what a pipeline takes as `latents` in place of its noise.

    The noise is the one that the pipeline would draw from the generator; to it comes the mean of the swatch's
    latents, as strong as the first noise level lets it through.
    """
    # The preview's swatch: the mean is next to the same at every size.
    swatch = Image.fromarray(cached_swatch(job.plan, job.plan.canvas.preview[0]))
    mean = pipelines.encode(swatch).mean((2, 3), keepdim=True)
    scale = pipelines.base.vae_scale_factor
    shape = (1, mean.shape[1], stage.height // scale, stage.width // scale)
    noise = torch.randn(shape, generator=generator, dtype=pipelines.dtype).to(mean.device)
    scheduler = pipeline.scheduler
    scheduler.set_timesteps(stage.settings.steps, device=mean.device)
    start: torch.Tensor = scheduler.add_noise(mean.to(noise).expand(shape), noise, scheduler.timesteps[:1])
    return start / scheduler.init_noise_sigma
