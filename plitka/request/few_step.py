"""Few-step models, which `quality: "fast"` draws with: their kinds, and what a request may ask of each.

Such a model has learned to take off all noise in a few steps, with a sampler of its own, and mostly with its
guidance inside. Consistency models: Luo et al. 2023, https://arxiv.org/abs/2310.04378, as a LoRA
https://arxiv.org/abs/2311.05556; TCD: Zheng et al. 2024, https://arxiv.org/abs/2402.19159; Lightning: Lin
et al. 2024, https://arxiv.org/abs/2402.13929; Hyper-SD: Ren et al. 2024, https://arxiv.org/abs/2404.13686;
Turbo: Sauer et al. 2023, https://arxiv.org/abs/2311.17042.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from plitka.choices import FAST, FewStepKind, FewStepSampler
from plitka.errors import Problem, shown

if TYPE_CHECKING:
    from plitka.request.overrides import Overrides
    from plitka.request.tile_request import TileRequest

NO_GUIDANCE = (1.0, 1.0)
# Of a UNet that has guidance as an input (LCM).
EMBEDDED_GUIDANCE, EMBEDDED_DEFAULT = (3.0, 13.0), 8.0
STEPS = ("num_inference_steps", "num_inference_steps_preview", "num_inference_steps_final")


@dataclass(frozen=True)
class Kind:
    """What is published of a kind of few-step models.

    Attributes:
        sampler: Its sampler.
        steps: The steps that models of this kind are for. From 2 on: of a picture that starts from the
            plan's swatch, a part of them is run.
        any_steps: Whether one model is for all of them; else each model is for one number.
        guidance: The least and the most guidance, by the steps for which there are models with guidance.
        always_guided: Steps for which there are no models without.
        eta: How much noise its sampler adds at each step, 0 to 1; None where that cannot be set.
    """

    sampler: FewStepSampler
    steps: tuple[int, ...]
    any_steps: bool
    guidance: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    always_guided: tuple[int, ...] = ()
    eta: float | None = None


_CFG_LORA = (5.0, 8.0)
KINDS: Mapping[FewStepKind, Kind] = MappingProxyType(
    {
        "lcm": Kind("lcm", tuple(range(2, 9)), True, dict.fromkeys(range(2, 9), (1.0, 2.0))),
        "tcd": Kind("tcd", tuple(range(2, 9)), True, eta=0.3),
        "lightning": Kind("euler_trailing", (2, 4, 8), False),
        "hyper_sd": Kind("ddim_trailing", (2, 4, 8, 12), False, {8: _CFG_LORA, 12: _CFG_LORA}, (12,)),
        "turbo": Kind("euler_a_trailing", (2, 3, 4), True),
    }
)


@dataclass(frozen=True)
class FewStep:
    """The few-step model of an engine.

    Attributes:
        kind: Its kind.
        steps: Steps of the whole noise schedule where a request names none.
        guidance_scale: Classifier-free guidance likewise; 1 for none.
        guidance_allowed: The least and the most that a request may ask for.
        eta: Noise that its sampler adds at each step, 0 to 1.
        is_base: Whether the base model itself is one; else it is a LoRA beside the engine's own.
    """

    kind: FewStepKind
    steps: int
    guidance_scale: float = 1.0
    guidance_allowed: tuple[float, float] = NO_GUIDANCE
    eta: float = 0.0
    is_base: bool = False

    @property
    def sampler(self) -> FewStepSampler:
        """The sampler of its kind."""
        return KINDS[self.kind].sampler

    @property
    def steps_allowed(self) -> tuple[int, int]:
        """The fewest and the most steps that a request may ask for."""
        kind = KINDS[self.kind]
        return (kind.steps[0], kind.steps[-1]) if kind.any_steps else (self.steps, self.steps)

    @property
    def adds_noise(self) -> bool:
        """Whether its sampler adds noise at every step."""
        return self.sampler in ("lcm", "euler_a_trailing") or self.eta > 0


def swatch_strength_at(color_guidance: float, steps: int) -> float | None:
    """The part of so few steps that is run when a picture starts from the swatch; None at 0, from noise.

    1 - color_guidance in whole steps, at least one, and all but one at most: run from pure noise on, nothing
    of the swatch would be left.
    """
    if color_guidance == 0:
        return None
    return max(1, min(steps - 1, round(steps * (1 - color_guidance)))) / steps


def quality_problems(request: TileRequest, few_step: FewStep | None, remedy: str) -> Iterator[Problem]:
    """What an engine cannot draw at a request's quality; `few_step` is its few-step model, None without one.

    `remedy` says what the operator can do for `fast` where there is none.
    """
    if request.quality != FAST:
        if few_step is not None and few_step.is_base:
            reason = (
                f"takes many steps with guidance, and the base model is a few-step model ({few_step.kind})"
            )
            yield Problem("quality", shown(request.quality), reason, f'"{FAST}"')
    elif few_step is None:
        yield Problem("quality", shown(request.quality), f"needs a few-step model; {remedy}", OTHERS)
    else:
        yield from _override_problems(request.overrides, few_step)


OTHERS = '"preview", "standard" or "high"'


def _override_problems(given: Overrides, few_step: FewStep) -> Iterator[Problem]:
    """Settings that the few-step model cannot have."""
    model = f'quality "{FAST}" (a few-step model, {few_step.kind})'
    for name in STEPS:
        steps = getattr(given, name)
        least, most = few_step.steps_allowed
        if steps is not None and not least <= steps <= most:
            allowed = str(least) if least == most else f"from {least} to {most}"
            yield Problem(f"overrides.{name}", str(steps), f"is no number of steps of {model}", allowed)
    least_guidance, most_guidance = few_step.guidance_allowed
    scale = given.guidance_scale
    if scale is not None and not least_guidance <= scale <= most_guidance:
        none = few_step.guidance_allowed == NO_GUIDANCE
        allowed = "1, which is none" if none else f"from {least_guidance:g} to {most_guidance:g}"
        yield Problem("overrides.guidance_scale", f"{scale:g}", f"is not the guidance of {model}", allowed)
    if given.scheduler is not None:
        reason = f"is not the sampler of {model}"
        allowed = f"leave it out: the sampler is {few_step.sampler}"
        yield Problem("overrides.scheduler", shown(given.scheduler), reason, allowed)
    yield from _guided_problems(given, few_step, model)


def _guided_problems(given: Overrides, few_step: FewStep, model: str) -> Iterator[Problem]:
    """Settings that count only with guidance computed from two predictions."""
    is_embedded = few_step.guidance_allowed == EMBEDDED_GUIDANCE
    scale = few_step.guidance_scale if given.guidance_scale is None else given.guidance_scale
    if scale > 1 and not is_embedded:
        return
    most = few_step.guidance_allowed[1]
    can_be = "" if most == 1 or is_embedded else f", or guidance_scale above 1 and up to {most:g}"
    if given.negative_prompt:
        reason = f"has no effect at {model}, which draws without a negative prompt"
        yield Problem("overrides.negative_prompt", shown(given.negative_prompt), reason, f'""{can_be}')
    if given.guidance_interval is not None:
        low, high = given.guidance_interval
        reason = f"has no effect at {model}, which draws without guidance to leave out"
        yield Problem("overrides.guidance_interval", f"[{low:g}, {high:g}]", reason, f"leave it out{can_be}")
