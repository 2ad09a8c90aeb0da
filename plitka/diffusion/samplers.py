"""What requests may ask of samplers: which of them suit the model, and where their steps end."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from plitka.choices import Scheduler
from plitka.errors import Problem
from plitka.request.drawing_settings import DrawingSettings


def sampler_problems(settings: DrawingSettings, config: Mapping[str, Any]) -> Iterator[Problem]:
    """A sampler that cannot take off the noise of a base model with this scheduler configuration."""
    # Not at the top: diffusers' schedulers bring the hub's client, which reads the environment as it is then.
    from plitka.diffusion.schedulers import unsuited

    # A few-step model's own sampler is no choice of the request.
    if settings.few_step is not None:
        return
    why = unsuited(settings.scheduler, config)
    if why is not None:
        allowed = ", ".join(f'"{name}"' for name in get_args(Scheduler) if not unsuited(name, config))
        yield Problem("overrides.scheduler", f'"{settings.scheduler}"', why, allowed)


def ends_step(call: int, calls: int, steps: int) -> bool:
    """Whether a step is done after a call of the UNet, counted from 0; the last step is after the last call.

    `calls` are those of the whole picture, in as many `steps` or fewer.
    """
    return _steps_after(call, calls, steps) > _steps_after(call - 1, calls, steps)


def _steps_after(call: int, calls: int, steps: int) -> int:
    # Rounded down by rounding up what is left: a warm-up comes first, and the last step may be shorter.
    return steps + (call + 1 - calls) * steps // calls
