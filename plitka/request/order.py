"""What a request says of the order: how much is to be laid, and what comes on top of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from plitka.request.numbers import NumberRange, invalid_value

# Square metres, millimetres, per cent, kilograms per cubic metre, kilograms.
AREA_M2 = NumberRange(0.01, 1_000_000)
THICKNESS_MM = NumberRange(1, 500)
WASTE_PERCENT = NumberRange(0, 100)
BINDER_PERCENT = NumberRange(0, 100)
DENSITY_KG_M3 = NumberRange(500, 3000)
LAID_KG_M3 = NumberRange(200, 1500)
BAG_KG = NumberRange(0.1, 2000)

# The thickness of a usual top layer; a request has to say it, and a form shows this first.
SHOWN_THICKNESS_MM = 10.0
DEFAULT_WASTE_PERCENT = 5.0
DEFAULT_BINDER_PERCENT = 18.0


class OrderFields(BaseModel):
    """The ``overrides.order`` of a request; None stands for what is not given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    area_m2: Annotated[float, BeforeValidator(AREA_M2)] = Field(description=str(AREA_M2))
    thickness_mm: Annotated[float, BeforeValidator(THICKNESS_MM)] = Field(description=str(THICKNESS_MM))
    waste_percent: Annotated[float, BeforeValidator(WASTE_PERCENT)] | None = Field(
        default=None, description=str(WASTE_PERCENT)
    )
    binder_percent: Annotated[float, BeforeValidator(BINDER_PERCENT)] | None = Field(
        default=None, description=str(BINDER_PERCENT)
    )
    density_kg_m3: Annotated[float, BeforeValidator(DENSITY_KG_M3)] | None = Field(
        default=None, description=str(DENSITY_KG_M3)
    )
    laid_kg_m3: Annotated[float, BeforeValidator(LAID_KG_M3)] | None = Field(
        default=None, description=f"{LAID_KG_M3}, and no more than density_kg_m3"
    )
    bag_kg: Annotated[float, BeforeValidator(BAG_KG)] | None = Field(default=None, description=str(BAG_KG))

    @field_validator("laid_kg_m3")
    @classmethod
    def _leaves_room(cls, value: float | None, info: ValidationInfo) -> float | None:
        density = info.data.get("density_kg_m3")
        if value is not None and density is not None and value > density:
            raise invalid_value(f"is more than the rubber itself weighs, {density:g}")
        return value
