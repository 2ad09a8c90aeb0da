"""Samplers by the names that a request may give them."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
)

from plitka.diffusion.checkpoints.noise_schedule import REMEDY
from plitka.errors import ModelFileError, remedied
from plitka.weights.files import in_one_line

# Class, and what it is given beside the base model's own scheduler configuration. Each calls the UNet once a
# step and draws its noise, if any, from the generator it is given, so that the seed decides all of it.
SCHEDULERS: Mapping[str, tuple[Any, Mapping[str, Any]]] = MappingProxyType(
    {
        # Lu et al. 2022, https://arxiv.org/abs/2211.01095, on the noise levels of Karras et al. 2022,
        # https://arxiv.org/abs/2206.00364.
        "dpmpp_2m_karras": (
            DPMSolverMultistepScheduler,
            {"algorithm_type": "dpmsolver++", "use_karras_sigmas": True},
        ),
        "dpmpp_sde_karras": (
            DPMSolverMultistepScheduler,
            {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True},
        ),
        # Song et al. 2020, https://arxiv.org/abs/2010.02502. Clipping is for pixels, not for latents.
        "ddim": (DDIMScheduler, {"clip_sample": False, "set_alpha_to_one": False}),
        "euler": (EulerDiscreteScheduler, {}),
        "euler_a": (EulerAncestralDiscreteScheduler, {}),
    }
)

# As few and as many as a request may ask for.
TRIAL_STEPS = (1, 100)


def make_scheduler(name: str, config: Mapping[str, Any]) -> Any:
    """A fresh sampler with no state from earlier pictures; `config` is the base model's.

    With zero terminal SNR the samplers on Karras' levels take the model's own: from pure noise on, a third
    of Karras' fall on the first of a thousand timesteps.
    """
    scheduler_class, settings = SCHEDULERS[name]
    if config.get("rescale_betas_zero_snr") and "use_karras_sigmas" in settings:
        settings = {**settings, "use_karras_sigmas": False}
    scheduler = scheduler_class.from_config(config, **settings)
    scheduler.set_timesteps = partial(_set_timesteps, scheduler, scheduler.set_timesteps)
    return scheduler


def _set_timesteps(scheduler: Any, original: Callable[..., None], *given: Any, **named: Any) -> None:
    """diffusers' own, without the step below zero that its rounding adds to 61 trailing ones."""
    original(*given, **named)
    if scheduler.timesteps[-1] < 0:
        scheduler.timesteps = scheduler.timesteps[:-1]
        scheduler.num_inference_steps = len(scheduler.timesteps)
        if hasattr(scheduler, "sigmas"):
            scheduler.sigmas = torch.cat([scheduler.sigmas[:-2], scheduler.sigmas[-1:]])


@remedied(REMEDY)
def base_scheduler(settings: Mapping[str, Any], name: str) -> Any:
    """The base model's own scheduler, from what `noise_schedule` makes of its configuration.

    Raises ModelFileError, naming the model, unless every sampler can be made from it.
    """
    own = EulerDiscreteScheduler.from_config(dict(settings))
    for sampler in SCHEDULERS:
        try:
            for steps in TRIAL_STEPS:
                _try_out(make_scheduler(sampler, own.config), steps)
        except (ValueError, IndexError, NotImplementedError) as error:
            problem = f"the sampler {sampler} cannot take off its noise ({in_one_line(error)})"
            raise ModelFileError(name, problem) from error
    return own


def _try_out(scheduler: Any, steps: int) -> None:
    """Raise ValueError for noise levels at which the sampler would fail in the middle of a picture."""
    scheduler.set_timesteps(steps)
    timesteps = scheduler.timesteps.tolist()
    if not 0 <= min(timesteps) <= max(timesteps) < scheduler.config.num_train_timesteps:
        raise ValueError(f"its timesteps go from {timesteps[0]:g} to {timesteps[-1]:g}")
    # diffusers finds the first step by its timestep, and takes the second of two.
    if timesteps.count(timesteps[0]) > 1:
        raise ValueError(f"{steps} steps begin twice at timestep {timesteps[0]:g}")
