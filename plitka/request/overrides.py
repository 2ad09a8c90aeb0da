"""Settings of a request that win over its quality profile and over the defaults."""

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

from plitka.choices import ColorLock, Layout, OutputFormat, Scheduler
from plitka.request.numbers import complaint, integer_between, number_between

MAX_NEGATIVE_PROMPT = 1000
DEFAULT_COLOR_GUIDANCE = 0.5
DEFAULT_OUTPUT_FORMAT = "png"
DEFAULT_SCHEDULER = "dpmpp_2m_karras"

DEFAULT_COLOR_LOCK = "auto"


def read_choice(value: object) -> object:
    """Bring one of a set of words to lower case without surrounding spaces."""
    return value.strip().lower() if isinstance(value, str) else value


def _read_text(value: object) -> str:
    if not isinstance(value, str):
        raise complaint("is not text")
    text = " ".join(value.split())
    if len(text) > MAX_NEGATIVE_PROMPT:
        raise complaint("is too long")
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        raise complaint("contains control characters or broken Unicode")
    return text


_Guidance = Annotated[float, BeforeValidator(number_between(1, 20))]
_Scale = Annotated[float, BeforeValidator(number_between(0, 2))]
_Weight = Annotated[float, BeforeValidator(number_between(0, 1))]
_Steps = Annotated[int, BeforeValidator(integer_between(1, 100))]
_Text = Annotated[str, BeforeValidator(_read_text)]

_STEPS = "a whole number from 1 to 100"
_SCALE = "a number from 0 to 2"


class Overrides(BaseModel):
    """The ``overrides`` of a request; None stands for a setting that is not given.

    Each field's description says what is allowed in it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    use_controlnet: StrictBool | None = Field(default=None, description="true or false")
    guidance_scale: _Guidance | None = Field(default=None, description="a number from 1 to 20")
    num_inference_steps: _Steps | None = Field(default=None, description=_STEPS)
    num_inference_steps_preview: _Steps | None = Field(default=None, description=_STEPS)
    num_inference_steps_final: _Steps | None = Field(default=None, description=_STEPS)
    negative_prompt: _Text | None = Field(
        default=None, description=f"text of at most {MAX_NEGATIVE_PROMPT} characters, empty for none"
    )
    lora_scale: _Scale | None = Field(default=None, description=_SCALE)
    controlnet_scale: _Scale | None = Field(default=None, description=_SCALE)
    color_guidance: _Weight | None = Field(default=None, description="a number from 0 to 1")
    color_lock: Annotated[ColorLock | None, BeforeValidator(read_choice)] = Field(
        default=None, description='"auto" or "off", or "always" with color_guidance above 0'
    )
    layout: Annotated[Layout | None, BeforeValidator(read_choice)] = Field(
        default=None, description='"surface", "grid" or "brick"'
    )
    output_format: Annotated[OutputFormat | None, BeforeValidator(read_choice)] = Field(
        default=None, description='"png", "webp" or "jpg"'
    )
    scheduler: Annotated[Scheduler | None, BeforeValidator(read_choice)] = Field(
        default=None, description='"dpmpp_2m_karras", "dpmpp_sde_karras", "ddim", "euler" or "euler_a"'
    )

    @field_validator("color_lock")
    @classmethod
    def _has_granules_to_correct(cls, value: ColorLock | None, info: ValidationInfo) -> ColorLock | None:
        if value == "always" and info.data.get("color_guidance") == 0:
            raise complaint("needs granules of the plan to correct, and color_guidance 0 draws without them")
        return value
