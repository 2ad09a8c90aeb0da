"""What a request says of several ControlNets, and of the part of the steps in which each guides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from plitka.choices import ControlKind, one_of
from plitka.request.numbers import NumberRange, invalid_value

# Each adds nearly half the work of the UNet, and its weights to the GPU's memory.
MAX_CONTROLNETS = 3
SCALE, PART = NumberRange(0, 2), NumberRange(0, 1)
DEFAULT_START, DEFAULT_END = 0.0, 1.0
START_ALLOWED = f"{PART}, below the end"
END_ALLOWED = f"{PART}, above the start"
EXAMPLE = '{"kind": "canny", "scale": 0.6, "start": 0, "end": 0.6}'
# What a list of ControlNets says of each by itself.
INSTEAD_OF_LIST = ("use_controlnet", "controlnet_scale", "controlnet_start", "controlnet_end")


def read_choice(value: object) -> object:
    """Bring one of a set of words to lower case without surrounding spaces."""
    return value.strip().lower() if isinstance(value, str) else value


def check_start(value: float | None) -> float | None:
    """Refuse a start at the very end."""
    if value == DEFAULT_END:
        raise invalid_value("leaves no step before the end")
    return value


def check_end(value: float | None, start: float | None) -> float | None:
    """Refuse an end that is not above the start; None stands for one that is not given."""
    start = DEFAULT_START if start is None else start
    if value is not None and value <= start:
        raise invalid_value(f"is not above the start, {start:g}")
    return value


class ControlNetFields(BaseModel):
    """One entry of ``overrides.controlnets``; None stands for what is not given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Annotated[ControlKind, BeforeValidator(read_choice)] = Field(description=one_of(ControlKind))
    scale: Annotated[float, BeforeValidator(SCALE)] | None = Field(default=None, description=str(SCALE))
    start: Annotated[float, BeforeValidator(PART)] | None = Field(default=None, description=START_ALLOWED)
    end: Annotated[float, BeforeValidator(PART)] | None = Field(default=None, description=END_ALLOWED)

    @field_validator("start")
    @classmethod
    def _starts_in_time(cls, value: float | None) -> float | None:
        return check_start(value)

    @field_validator("end")
    @classmethod
    def _ends_later(cls, value: float | None, info: ValidationInfo) -> float | None:
        return check_end(value, info.data.get("start"))


def check_list(
    entries: tuple[ControlNetFields, ...] | None, others: Mapping[str, Any]
) -> tuple[ControlNetFields, ...] | None:
    """Refuse an empty list, one beside the fields for a single ControlNet, and a kind that comes twice.

    `others` are the overrides that were read before it.
    """
    if entries is None:
        return None
    if not entries:
        raise invalid_value("is empty")
    beside = [name for name in INSTEAD_OF_LIST if others.get(name) is not None]
    if beside:
        raise invalid_value(f"stands beside {' and '.join(beside)}, for a single ControlNet")
    kinds = [entry.kind for entry in entries]
    twice = {at: f"has {kind} a second time" for at, kind in enumerate(kinds) if kind in kinds[:at]}
    if twice:
        raise PydanticCustomError("entries", "{entries}", {"entries": twice})
    return entries
