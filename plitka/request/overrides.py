"""Settings of a request that take precedence over its quality profile and over the defaults."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    ValidationInfo,
    field_validator,
)

from plitka.choices import (
    SCHEDULER_ALIASES,
    ColorLock,
    Layout,
    NormalConvention,
    OutputFormat,
    Scheduler,
    one_of,
    one_of_names,
)
from plitka.request.controlnets import (
    END_ALLOWED,
    EXAMPLE,
    INSTEAD_OF_LIST,
    MAX_CONTROLNETS,
    PART,
    SCALE,
    START_ALLOWED,
    ControlNetFields,
    check_end,
    check_list,
    check_start,
    read_choice,
)
from plitka.request.numbers import IntegerRange, NumberRange, invalid_value
from plitka.request.order import OrderFields
from plitka.request.prompt_templates import TEMPLATES
from plitka.request.prompt_weights import ALLOWED, weight_problem
from plitka.request.sheet import SheetFields, read_sheet_switch

MAX_PROMPT_CHARACTERS = 1000
DEFAULT_COLOR_GUIDANCE = 0.5
DEFAULT_OUTPUT_FORMAT: OutputFormat = "png"
DEFAULT_SCHEDULER: Scheduler = "dpmpp_2m_karras"
DEFAULT_COLOR_LOCK: ColorLock = "auto"
DEFAULT_NORMAL_CONVENTION: NormalConvention = "opengl"


def _read_scheduler(value: object) -> object:
    """The sampler's own name for one of its others."""
    name = read_choice(value)
    return SCHEDULER_ALIASES.get(name, name) if isinstance(name, str) else name


def _read_text(value: object) -> str:
    if not isinstance(value, str):
        raise invalid_value("is not text")
    text = " ".join(value.split())
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise invalid_value("is too long")
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        raise invalid_value("contains control characters or broken Unicode")
    # Columns are those of the text as it was given.
    if problem := weight_problem(value):
        raise invalid_value(problem)
    return text


def _read_template(value: object) -> object:
    name = read_choice(value)
    if name not in list(TEMPLATES):
        raise invalid_value("is not one of the choices" if isinstance(name, str) else "is not text")
    return name


def _read_interval(value: object) -> tuple[float, float]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise invalid_value("is not a list of two numbers")
    low, high = map(_NOISE_LEVEL, value)
    if low >= high:
        raise invalid_value("does not have its smaller number first")
    return low, high


# The most noise of any model here, one with zero terminal SNR, is a level of 4096.
_NOISE_LEVEL = NumberRange(0, 10_000)
_GUIDANCE, _WEIGHT = NumberRange(1, 20), NumberRange(0, 1)
_STEPS = IntegerRange(1, 100)

_Guidance = Annotated[float, BeforeValidator(_GUIDANCE)]
_Scale = Annotated[float, BeforeValidator(SCALE)]
_Part = Annotated[float, BeforeValidator(PART)]
_Weight = Annotated[float, BeforeValidator(_WEIGHT)]
_Steps = Annotated[int, BeforeValidator(_STEPS)]
_Interval = Annotated[tuple[float, float], BeforeValidator(_read_interval)]
_ControlNets = Annotated[tuple[ControlNetFields, ...], Field(max_length=MAX_CONTROLNETS)]
_Text = Annotated[str, BeforeValidator(_read_text)]
_TEXT = f"text of at most {MAX_PROMPT_CHARACTERS} characters, empty for none; {ALLOWED}"


class Overrides(BaseModel):
    """The ``overrides`` of a request; None stands for a setting that is not given.

    Each field's description says what is allowed in it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    use_controlnet: StrictBool | None = Field(default=None, description="true or false")
    guidance_scale: _Guidance | None = Field(default=None, description=str(_GUIDANCE))
    guidance_interval: _Interval | None = Field(
        default=None, description=f"a list of two numbers, the smaller one first, each {_NOISE_LEVEL}"
    )
    num_inference_steps: _Steps | None = Field(default=None, description=str(_STEPS))
    num_inference_steps_preview: _Steps | None = Field(default=None, description=str(_STEPS))
    num_inference_steps_final: _Steps | None = Field(default=None, description=str(_STEPS))
    negative_prompt: _Text | None = Field(default=None, description=_TEXT)
    prompt_template: Annotated[str, BeforeValidator(_read_template)] | None = Field(
        default=None, description=one_of_names(TEMPLATES)
    )
    prompt: _Text | None = Field(default=None, description=_TEXT)
    lora_scale: _Scale | None = Field(default=None, description=str(SCALE))
    controlnet_scale: _Scale | None = Field(default=None, description=str(SCALE))
    controlnet_start: _Part | None = Field(default=None, description=START_ALLOWED)
    controlnet_end: _Part | None = Field(default=None, description=END_ALLOWED)
    controlnets: _ControlNets | None = Field(
        default=None,
        description=f"a list of 1 to {MAX_CONTROLNETS} objects such as {EXAMPLE}, each of another kind, and "
        f"none of {', '.join(INSTEAD_OF_LIST)} beside it",
    )
    color_guidance: _Weight | None = Field(default=None, description=str(_WEIGHT))
    color_lock: Annotated[ColorLock | None, BeforeValidator(read_choice)] = Field(
        default=None, description='"auto" or "off", or "always" with color_guidance above 0'
    )
    layout: Annotated[Layout | None, BeforeValidator(read_choice)] = Field(
        default=None, description=one_of(Layout)
    )
    output_format: Annotated[OutputFormat | None, BeforeValidator(read_choice)] = Field(
        default=None, description=one_of(OutputFormat)
    )
    scheduler: Annotated[Scheduler | None, BeforeValidator(_read_scheduler)] = Field(
        default=None, description=one_of(Scheduler)
    )
    sheet: Annotated[SheetFields | None, BeforeValidator(read_sheet_switch)] = Field(
        default=None,
        description="true, or an object with any of the keys " + ", ".join(SheetFields.model_fields),
    )
    order: OrderFields | None = Field(
        default=None,
        description="an object with area_m2 and thickness_mm, and any of the keys "
        + ", ".join(name for name, field in OrderFields.model_fields.items() if not field.is_required()),
    )

    normal_convention: Annotated[NormalConvention | None, BeforeValidator(read_choice)] = Field(
        default=None, description=one_of(NormalConvention)
    )
    scale_bar: StrictBool | None = Field(default=None, description="true or false")

    @field_validator("controlnet_start")
    @classmethod
    def _starts_in_time(cls, value: float | None) -> float | None:
        return check_start(value)

    @field_validator("controlnet_end")
    @classmethod
    def _ends_later(cls, value: float | None, info: ValidationInfo) -> float | None:
        return check_end(value, info.data.get("controlnet_start"))

    @field_validator("controlnets")
    @classmethod
    def _stands_alone(
        cls, value: tuple[ControlNetFields, ...] | None, info: ValidationInfo
    ) -> tuple[ControlNetFields, ...] | None:
        return check_list(value, info.data)

    @field_validator("color_lock")
    @classmethod
    def _has_granules_to_correct(cls, value: ColorLock | None, info: ValidationInfo) -> ColorLock | None:
        if value == "always" and info.data.get("color_guidance") == 0:
            raise invalid_value(
                "needs granules of the plan to correct, and color_guidance 0 draws without them"
            )
        return value
