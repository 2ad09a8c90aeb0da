"""Every setting of a drawing with its value: the request's where it gives one, else the default.

Defaults are filled in here and nowhere else. `TileRequest.overrides` is what was asked for, and is written
into files as such; what draws, corrects and encodes reads `DrawingSettings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from plitka.choices import (
    CONTROL_KINDS,
    FAST,
    ColorLock,
    ControlKind,
    FewStepSampler,
    OutputFormat,
    Scheduler,
)
from plitka.request.controlnets import DEFAULT_END, DEFAULT_START
from plitka.request.few_step import FewStep, swatch_strength_at
from plitka.request.overrides import (
    DEFAULT_COLOR_GUIDANCE,
    DEFAULT_COLOR_LOCK,
    DEFAULT_OUTPUT_FORMAT,
    DEFAULT_SCHEDULER,
    Overrides,
)
from plitka.request.profiles import NO_FAST, PROFILES, Profile
from plitka.request.prompt import DEFAULT_NEGATIVE_PROMPT, Prompt, build_prompt
from plitka.request.prompt_templates import DEFAULT_TEMPLATE
from plitka.request.tile_request import TileRequest

# To be confirmed with the real weights.
DEFAULT_CONTROLNET_SCALE = 0.8
ControlNetUse = Literal["auto", "off", "always"]
CONTROLNET_USES: Mapping[bool | None, ControlNetUse] = {None: "auto", False: "off", True: "always"}

T = TypeVar("T")


@dataclass(frozen=True)
class EngineDefaults:
    """Defaults that differ from engine to engine: a profile for every quality, and the scale of the LoRA.

    `adapter_scales` are the scales of the LoRAs that requests may name, by name; `few_step` is the few-step
    model, which `fast` draws with.
    """

    profiles: Mapping[str, Profile] = field(default_factory=lambda: PROFILES)
    lora_scale: float = 0.0
    adapter_scales: Mapping[str, float] = field(default_factory=dict)
    few_step: FewStep | None = None

    def scale_of(self, adapter: str | None) -> float:
        """The scale of an adapter's LoRA; that of the engine's own for one that there is not."""
        return self.lora_scale if adapter is None else self.adapter_scales.get(adapter, self.lora_scale)

    def profile_of(self, quality: str) -> Profile:
        """The profile of a quality: for `fast`, that of the few-step model."""
        if quality != FAST:
            return self.profiles[quality]
        own = self.few_step
        return Profile(own.steps, own.steps, own.guidance_scale) if own else NO_FAST


@dataclass(frozen=True)
class ControlSettings:
    """How one ControlNet guides a picture.

    Attributes:
        kind: The kind of control image that it gets.
        scale: Weight of its residuals, 0 to 2.
        start: The part of the steps that are run after which it begins, at least 0.
        end: The part after which it ends, above `start` and at most 1.
    """

    kind: ControlKind
    scale: float
    start: float = DEFAULT_START
    end: float = DEFAULT_END

    @property
    def guides_always(self) -> bool:
        """Whether it guides every step."""
        return (self.start, self.end) == (DEFAULT_START, DEFAULT_END)


@dataclass(frozen=True)
class PictureSettings:
    """How one picture is denoised.

    Attributes:
        steps: Denoising steps of the whole noise schedule.
        strength: The part of the schedule that is run, above 0 and at most 1, where the picture starts from
            the swatch; None where it starts from noise.
    """

    steps: int
    strength: float | None


@dataclass(frozen=True)
class DrawingSettings:
    """The settings of one request, none left open.

    Attributes:
        preview: Steps and strength of the preview.
        final: Steps and strength of the final picture.
        guidance_scale: Classifier-free guidance, at least 1.
        guidance_interval: The noise levels σ, above the first and up to the second, at which there is
            guidance; None for all of them. σ is the deviation of the noise that is added to a signal of 1.
        color_guidance: How much the plan's colours lead the picture, 0 to 1.
        color_lock: Whether a finished picture is corrected towards the plan.
        scheduler: Name of the sampler.
        few_step: The few-step model that draws; None where none does.
        negative_prompt: What the picture should not show; empty for nothing.
        prompt_template: Name of the prompt's wording.
        own_words: What the request adds to its prompt; empty for nothing.
        controlnet: Whether a ControlNet is used; "auto" leaves that to laying angle and layout.
        controlnet_scale: Weight of that ControlNet's residuals, 0 to 2.
        controlnet_part: The parts of the steps between which it guides, 0 to 1.
        controlnets: The ControlNets that the request lists, in the order of CONTROL_KINDS; empty for that
            one or none.
        lora_scale: Scale of the LoRA, 0 to 2; of no meaning without one.
        output_format: Format of preview and final picture.
    """

    preview: PictureSettings
    final: PictureSettings
    guidance_scale: float
    guidance_interval: tuple[float, float] | None
    color_guidance: float
    color_lock: ColorLock
    scheduler: Scheduler | FewStepSampler
    negative_prompt: str
    prompt_template: str
    own_words: str
    controlnet: ControlNetUse
    controlnet_scale: float
    controlnet_part: tuple[float, float]
    controlnets: tuple[ControlSettings, ...]
    lora_scale: float
    output_format: OutputFormat
    few_step: FewStep | None = None

    @property
    def starts_from_swatch(self) -> bool:
        """Whether pictures start from the plan's swatch, and so have its granules; else from noise alone."""
        return self.color_guidance > 0


STANDARD_DEFAULTS = EngineDefaults()


def settings_for(request: TileRequest, defaults: EngineDefaults = STANDARD_DEFAULTS) -> DrawingSettings:
    """The settings of a request, drawn by an engine with these defaults.

    `num_inference_steps` sets the steps of both pictures; `num_inference_steps_preview` and
    `num_inference_steps_final` win over it.
    """
    given, profile = request.overrides, defaults.profile_of(request.quality)
    few_step = defaults.few_step if request.quality == FAST else None
    strength = swatch_strength_at if few_step else swatch_strength
    guidance = _first(given.color_guidance, DEFAULT_COLOR_GUIDANCE)
    preview = _first(given.num_inference_steps_preview, given.num_inference_steps, profile.steps_preview)
    final = _first(given.num_inference_steps_final, given.num_inference_steps, profile.steps_final)
    return DrawingSettings(
        preview=PictureSettings(preview, strength(guidance, preview)),
        final=PictureSettings(final, strength(guidance, final)),
        guidance_scale=_first(given.guidance_scale, profile.guidance_scale),
        guidance_interval=given.guidance_interval,
        color_guidance=guidance,
        color_lock=_first(given.color_lock, DEFAULT_COLOR_LOCK),
        scheduler=few_step.sampler if few_step else _first(given.scheduler, DEFAULT_SCHEDULER),
        negative_prompt=_first(given.negative_prompt, DEFAULT_NEGATIVE_PROMPT),
        prompt_template=_first(given.prompt_template, DEFAULT_TEMPLATE),
        own_words=_first(given.prompt, ""),
        controlnet=CONTROLNET_USES[given.use_controlnet],
        controlnet_scale=_first(given.controlnet_scale, DEFAULT_CONTROLNET_SCALE),
        controlnet_part=(
            _first(given.controlnet_start, DEFAULT_START),
            _first(given.controlnet_end, DEFAULT_END),
        ),
        controlnets=_listed_controls(given),
        lora_scale=_first(given.lora_scale, defaults.scale_of(request.adapter)),
        output_format=_first(given.output_format, DEFAULT_OUTPUT_FORMAT),
        few_step=few_step,
    )


def _listed_controls(given: Overrides) -> tuple[ControlSettings, ...]:
    # In one order, since sums round differently in another.
    controls = (
        ControlSettings(
            entry.kind,
            _first(entry.scale, DEFAULT_CONTROLNET_SCALE),
            _first(entry.start, DEFAULT_START),
            _first(entry.end, DEFAULT_END),
        )
        for entry in given.controlnets or ()
    )
    return tuple(sorted(controls, key=lambda control: CONTROL_KINDS.index(control.kind)))


def prompt_of(request: TileRequest, settings: DrawingSettings) -> Prompt:
    """The prompt of a request with these settings."""
    return build_prompt(request.mix, settings.negative_prompt, settings.prompt_template, settings.own_words)


def swatch_strength(color_guidance: float, steps: int) -> float | None:
    """The part of the noise schedule that runs when a picture starts from the plan's swatch.

    1 - color_guidance, in whole steps, at least one; None at 0, where the picture starts from noise alone.
    """
    if color_guidance == 0:
        return None
    return max(1, round(steps * (1 - color_guidance))) / steps


def _first(*values: T | None) -> T:
    """The first value that is given; the last one always is."""
    return next(value for value in values if value is not None)
