"""Samplers by the names that a request may give them."""

import functools
from collections.abc import Callable, Mapping
from functools import partial
from inspect import signature
from types import MappingProxyType
from typing import Any

import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    LCMScheduler,
    TCDScheduler,
    UniPCMultistepScheduler,
)

from plitka.diffusion.checkpoints.noise_schedule import REMEDY
from plitka.diffusion.multistep import LinearMultistepScheduler, PseudoLinearScheduler
from plitka.errors import ModelFileError, remedied
from plitka.weights.files import in_one_line

# Class, and what it is given beside the base model's own scheduler configuration. Each draws its noise, if
# any, from the generator it is given, so that the seed decides all of it.
SCHEDULERS: Mapping[str, tuple[Any, Mapping[str, Any]]] = MappingProxyType(
    {
        # Lu et al. 2022, https://arxiv.org/abs/2211.01095, on the noise levels of Karras et al. 2022,
        # https://arxiv.org/abs/2206.00364.
        "dpmpp_2m_karras": (
            DPMSolverMultistepScheduler,
            {"algorithm_type": "dpmsolver++", "use_karras_sigmas": True},
        ),
        "dpmpp_2m": (DPMSolverMultistepScheduler, {"algorithm_type": "dpmsolver++"}),
        "dpmpp_sde_karras": (
            DPMSolverMultistepScheduler,
            {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True},
        ),
        # Song et al. 2020, https://arxiv.org/abs/2010.02502. Clipping is for pixels, not for latents.
        "ddim": (DDIMScheduler, {"clip_sample": False, "set_alpha_to_one": False}),
        "euler": (EulerDiscreteScheduler, {}),
        "euler_a": (EulerAncestralDiscreteScheduler, {}),
        # Zhao et al. 2023, https://arxiv.org/abs/2302.04867.
        "unipc": (UniPCMultistepScheduler, {}),
        # Algorithm 1 of Karras et al. 2022; without noise added, and with the UNet called twice a step.
        "heun": (HeunDiscreteScheduler, {"clip_sample": False}),
        "lms": (LinearMultistepScheduler, {}),
        # Its warm-up calls the UNet once more.
        "pndm": (PseudoLinearScheduler, {"skip_prk_steps": True, "set_alpha_to_one": False}),
    }
)
# Those of few-step models, which no request names. Trailing: a model for n steps has learned the timesteps
# that end each of n equal parts of the schedule, the first of them the noisiest of all. LCM's and TCD's own
# take theirs from the 50 steps of their training, and add noise between them.
FEW_STEP_SCHEDULERS: Mapping[str, tuple[Any, Mapping[str, Any]]] = MappingProxyType(
    {
        "lcm": (LCMScheduler, {"clip_sample": False, "set_alpha_to_one": False}),
        "tcd": (TCDScheduler, {"clip_sample": False, "set_alpha_to_one": False}),
        "euler_trailing": (EulerDiscreteScheduler, {"timestep_spacing": "trailing"}),
        "euler_a_trailing": (EulerAncestralDiscreteScheduler, {"timestep_spacing": "trailing"}),
        "ddim_trailing": (
            DDIMScheduler,
            {"clip_sample": False, "set_alpha_to_one": False, "timestep_spacing": "trailing"},
        ),
    }
)
# Half precision would round what these compute from several predictions; the others change over on their own.
IN_FLOAT = ("unipc", "heun", "lms", "pndm", "lcm", "tcd")
# They average predictions at two noise levels over the step between, which from pure noise on is a long one.
NOT_FROM_PURE_NOISE = ("heun", "pndm")

# As few and as many as a request may ask for.
TRIAL_STEPS = (1, 100)


def make_scheduler(name: str, config: Mapping[str, Any], skipped: int = 0) -> Any:
    """A fresh sampler with no state from earlier pictures; `config` is the base model's.

    `skipped` steps at the beginning of the schedule are not run. With zero terminal SNR the samplers on
    Karras' levels take the model's own: from pure noise on, a third of Karras' fall on the first of a
    thousand timesteps.
    """
    scheduler_class, settings = {**SCHEDULERS, **FEW_STEP_SCHEDULERS}[name]
    if config.get("rescale_betas_zero_snr") and "use_karras_sigmas" in settings:
        settings = {**settings, "use_karras_sigmas": False}
    scheduler = scheduler_class.from_config(config, **settings)
    if isinstance(scheduler, PseudoLinearScheduler):
        scheduler.first = skipped
    else:
        scheduler.set_timesteps = partial(_set_timesteps, scheduler, scheduler.set_timesteps)
    if name in IN_FLOAT:
        scheduler.step = _in_float(scheduler.step)
    return scheduler


def suits(name: str, config: Mapping[str, Any]) -> bool:
    """Whether a sampler can draw with a base model of this scheduler configuration."""
    return unsuited(name, config) is None


def unsuited(name: str, config: Mapping[str, Any]) -> str | None:
    """Why a sampler cannot draw with a base model of this scheduler configuration; None if it can."""
    if config.get("rescale_betas_zero_snr") and name in NOT_FROM_PURE_NOISE:
        return (
            "weighs two noise levels against each other at every step, and this base model begins at pure "
            "noise (zero terminal SNR), of which no level is a part"
        )
    if config.get("thresholding") and "thresholding" not in signature(SCHEDULERS[name][0]).parameters:
        return "does not limit what the base model predicts, as its configuration asks (thresholding)"
    return None


def _set_timesteps(scheduler: Any, original: Callable[..., None], *given: Any, **named: Any) -> None:
    """diffusers' own, without the step below zero that its rounding adds to 61 trailing ones."""
    original(*given, **named)
    if scheduler.timesteps[-1] < 0:
        calls = scheduler.order
        scheduler.timesteps = scheduler.timesteps[:-calls]
        scheduler.num_inference_steps = (len(scheduler.timesteps) + calls - 1) // calls
        if hasattr(scheduler, "sigmas"):
            scheduler.sigmas = torch.cat([scheduler.sigmas[: -1 - calls], scheduler.sigmas[-1:]])


def _in_float(step: Callable[..., Any]) -> Callable[..., Any]:
    """A sampler's `step` that computes in single precision and gives latents as wide as it got them."""

    @functools.wraps(step)
    def in_float(prediction: torch.Tensor, timestep: Any, sample: torch.Tensor, **named: Any) -> Any:
        result = step(prediction.float(), timestep, sample.float(), **named)
        if isinstance(result, tuple):
            return tuple(part.to(sample.dtype) for part in result)
        result.prev_sample = result.prev_sample.to(sample.dtype)
        return result

    return in_float


@remedied(REMEDY)
def base_scheduler(settings: Mapping[str, Any], name: str) -> Any:
    """The base model's own scheduler, from what `noise_schedule` makes of its configuration.

    Raises ModelFileError, naming the model, unless every sampler that suits it can be made from it.
    """
    own = EulerDiscreteScheduler.from_config(dict(settings))
    for sampler in SCHEDULERS:
        if unsuited(sampler, own.config):
            continue
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
