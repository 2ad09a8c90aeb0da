"""Samplers by the names that a request may give them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
)

# Class, and what it is given beside the base model's own scheduler configuration. Each calls the UNet once a
# step and draws its noise, if any, from the generator it is given, so that a seed says everything.
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


def make_scheduler(name: str, config: Mapping[str, Any]) -> Any:
    """A fresh sampler with no state from earlier pictures; `config` is the base model's."""
    scheduler_class, settings = SCHEDULERS[name]
    return scheduler_class.from_config(config, **settings)
