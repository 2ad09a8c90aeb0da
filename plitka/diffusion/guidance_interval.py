"""Guidance at some noise levels alone: at all others a model sees the prompt only, half of its usual batch.

Kynkäänniemi et al. 2024, https://arxiv.org/abs/2404.07724: guidance at the most noise costs variety, and at
the least noise it changes little. It is an approximation: another picture, in less time.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch


class GuidedSteps:
    """Counts the calls of the UNet for one picture, and says at which of them there is guidance."""

    def __init__(self, interval: tuple[float, float]) -> None:
        self._low, self._high = interval
        self.calls = 0
        self.guided = 0

    def has_guidance(self, level: float) -> bool:
        """Whether there is guidance at a noise level: above the interval's first number, up to its second."""
        return self._low < level <= self._high

    def count(self, level: float) -> None:
        """The UNet was called at this noise level."""
        self.calls += 1
        self.guided += self.has_guidance(level)

    def approximations(self, steps: int) -> tuple[str, ...]:
        """What was left out of a picture in `steps` steps, in a sentence.

        Nothing if every step had guidance, or none would have had it.
        """
        if self.guided == self.calls:
            return ()
        levels = f"above {self._low:g} and up to {self._high:g}"
        counted = "steps" if self.calls == steps else "calls of the UNet"
        return (f"guidance only at noise levels {levels}: {self.guided} of {self.calls} {counted}",)


@contextmanager
def guided_within(pipeline: Any, interval: tuple[float, float] | None) -> Iterator[GuidedSteps]:
    """Within, UNet and ControlNet of a pipeline take the prompt alone wherever there is no guidance.

    The pipeline's formula for guidance then gets the same prediction twice, and gives it back as it is.
    """
    steps = GuidedSteps(interval or (0.0, math.inf))
    with ExitStack() as hooks:
        if interval is not None:
            controlnet = getattr(pipeline, "controlnet", None)
            for model in filter(None, (controlnet, pipeline.unet)):
                for hook in _hooks(model, pipeline, steps):
                    hooks.callback(hook.remove)
        yield steps


def noise_level(scheduler: Any, timestep: torch.Tensor) -> float:
    """The noise level σ of the step that a sampler is about to take, noise being added to a signal of 1.

    Samplers without a list of levels (DDIM) have σ = √((1 - ᾱ) / ᾱ) at a timestep.
    """
    if not hasattr(scheduler, "sigmas"):
        kept = float(scheduler.alphas_cumprod[int(timestep)])
        return math.sqrt((1 - kept) / kept)
    index = scheduler.step_index
    if index is None:
        # Before the first step, as the sampler itself will find it.
        index = scheduler.begin_index
    if index is None:
        index = scheduler.index_for_timestep(timestep)
    return float(scheduler.sigmas[index])


def _hooks(model: Any, pipeline: Any, steps: GuidedSteps) -> Iterator[Any]:
    """Register what halves the inputs of `model` and doubles its results; yields the handles."""
    halved = False

    def before(
        model: Any, given: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        nonlocal halved
        halved = False
        if not pipeline.do_classifier_free_guidance:
            return None
        level = noise_level(pipeline.scheduler, given[1])
        if model is pipeline.unet:
            steps.count(level)
        halved = not steps.has_guidance(level)
        if not halved:
            return None
        batch = len(given[0])

        def conditional(tensor: torch.Tensor) -> torch.Tensor:
            # The pipelines put the negative prompt first.
            return tensor[batch // 2 :] if tensor.ndim and len(tensor) == batch else tensor

        return _mapped(given, conditional), _mapped(named, conditional)

    def after(model: Any, given: tuple[Any, ...], output: Any) -> Any:
        return _mapped(output, lambda tensor: torch.cat((tensor, tensor))) if halved else None

    yield model.register_forward_pre_hook(before, with_kwargs=True)
    yield model.register_forward_hook(after)


def _mapped(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """The same nesting of lists, tuples and dictionaries with every tensor changed."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _mapped(part, change) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_mapped(part, change) for part in value)
    return value
