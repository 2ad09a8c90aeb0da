"""The fields of a request as pydantic checks them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from plitka.colors.mix import MixColor, hex_mix_color, palette_mix_color
from plitka.colors.palette import PALETTE, resolve
from plitka.errors import UnknownColorError, shown
from plitka.request.characters import plain
from plitka.request.color_text import read_color_text
from plitka.request.numbers import (
    MAX_PROPORTION,
    Proportion,
    complaint,
    integer_between,
    read_degrees,
    read_proportion,
    two_readings,
)
from plitka.request.overrides import Overrides, read_choice

MAX_COLORS = 8
MAX_SEED = 2**63 - 1
# Fractions such as 0.33 or 0.17 for a third or a sixth are meant to sum to 1 and do not quite.
FRACTION_TOLERANCE = 0.05
PERCENT_TOLERANCE = 0.01

MISSING = "is missing"
UNCLEAR = "stands beside amounts with a percent sign and could be a fraction or a percentage"

# Keys of a colour that are read as another one.
SYNONYMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"name": ("color", "colour"), "proportion": ("percentage", "percent", "share")}
)
_PERCENT_KEYS = ("percentage", "percent")

Quality = Literal["preview", "standard", "high"]

_NAMES = ", ".join(color.prompt_word for color in PALETTE.values())


def _read_name(value: object) -> MixColor:
    if not isinstance(value, str):
        raise complaint("is not text")
    if value.strip().startswith("#"):
        raise complaint('is a hex colour; give it as "hex" instead')
    try:
        return palette_mix_color(resolve(value))
    except UnknownColorError as error:
        spellings = " or ".join(shown(name) for name in error.suggestions)
        hint = f"; did you mean {spellings}?" if spellings else ""
        raise complaint(f"is not a known colour{hint}") from None


def _read_hex(value: object) -> MixColor:
    if not isinstance(value, str):
        raise complaint("is not text")
    try:
        return hex_mix_color(plain(value))
    except ValueError:
        raise complaint("is not a hex colour") from None


class _Percent(NamedTuple):
    """An amount under a key that says by itself that it is a percentage."""

    value: object


def _read_proportion(value: object) -> Proportion:
    if isinstance(value, _Percent):
        return read_proportion(value.value)._replace(is_percent=True, thousands=None)
    return read_proportion(value)


class ColorEntry(BaseModel):
    """One entry of ``colors``: a colour, by name or by hex, and its proportion."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[MixColor, PlainValidator(_read_name)] | None = Field(
        default=None,
        validation_alias=AliasChoices("name", *SYNONYMS["name"]),
        description=f"a palette code, prompt word or Russian name of one of these colours: {_NAMES}",
    )
    hex: Annotated[MixColor, PlainValidator(_read_hex)] | None = Field(
        default=None, description="# and six hexadecimal digits, instead of a name", validate_default=True
    )
    proportion: Annotated[Proportion, PlainValidator(_read_proportion)] | None = Field(
        default=None,
        validation_alias=AliasChoices("proportion", *SYNONYMS["proportion"]),
        description=(
            f"percent, or a fraction when all of them sum to 1: a number from 0 to {MAX_PROPORTION:.0f}; "
            "a single colour may go without"
        ),
    )

    @model_validator(mode="before")
    @classmethod
    def _read_synonyms(cls, entry: Any) -> Any:
        # Null stands for a key that is not given, so it must not hide the one that is.
        if not isinstance(entry, dict):
            return entry
        hiding = {name for key, others in SYNONYMS.items() for name in (key, *others)}
        given = {key: value for key, value in entry.items() if value is not None or key not in hiding}
        return {key: _Percent(value) if key in _PERCENT_KEYS else value for key, value in given.items()}

    @field_validator("hex")
    @classmethod
    def _one_of_name_and_hex(cls, value: MixColor | None, info: ValidationInfo) -> MixColor | None:
        # A refused name is absent from the data: its own complaint is enough.
        name = info.data.get("name", "refused")
        if value is None and name is None:
            raise PydanticCustomError("no_color", "has neither a name nor a hex")
        if value is not None and isinstance(name, MixColor):
            raise complaint("stands beside a name; give one of the two")
        return value

    @property
    def color(self) -> MixColor:
        """The colour, its share still to be set."""
        color = self.name or self.hex
        assert color is not None
        return color


def _check_proportions(entries: list[ColorEntry]) -> list[ColorEntry]:
    given = [entry.proportion for entry in entries if entry.proportion is not None]
    total = math.fsum(proportion.amount for proportion in given)
    is_whole = len(given) == len(entries) and abs(total - 100) <= PERCENT_TOLERANCE
    problems: dict[int, tuple[object, str]] = {}
    for index, proportion in enumerate(entry.proportion for entry in entries):
        if proportion is None:
            if len(entries) > 1:
                problems[index] = (None, MISSING)
        elif proportion.thousands is not None and not is_whole:
            problems[index] = (proportion.written, two_readings(proportion.amount, proportion.thousands))
    if problems:
        raise PydanticCustomError("proportions", "{amounts}", {"amounts": problems})
    if given and total == 0:
        raise complaint("has proportions that sum to 0")
    if any(proportion.is_percent for proportion in given) and not is_whole:
        # 0.5 beside "50 %" may mean a half or half a percent; only a sum of 100 tells.
        unclear = {
            index: (proportion.written, UNCLEAR)
            for index, proportion in enumerate(given)
            if not proportion.is_percent and 0 < proportion.amount <= 1
        }
        if unclear:
            raise PydanticCustomError("proportions", "{amounts}", {"amounts": unclear})
    return entries


def proportions_of(entries: list[ColorEntry]) -> tuple[list[float], float]:
    """Give the amounts of checked entries and what they should sum to: 1 for fractions, 100 for percent."""
    if entries[0].proportion is None:
        return [1.0], 1.0
    given = [entry.proportion for entry in entries if entry.proportion is not None]
    amounts = [proportion.amount for proportion in given]
    is_fraction = abs(math.fsum(amounts) - 1) <= FRACTION_TOLERANCE
    if is_fraction and not any(proportion.is_percent for proportion in given):
        return amounts, 1.0
    return amounts, 100.0


_Colors = Annotated[
    list[ColorEntry], Field(min_length=1, max_length=MAX_COLORS), AfterValidator(_check_proportions)
]
_Angle = Annotated[float, BeforeValidator(read_degrees)]
_Seed = Annotated[int, BeforeValidator(integer_between(-1, MAX_SEED))]


class RequestFields(BaseModel):
    """The object in ``params_json``; each field's description says what is allowed in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    colors: _Colors = Field(
        description=f'a list of 1 to {MAX_COLORS} objects such as {{"name": "black", "proportion": 60}}, '
        "their proportions not all 0"
    )
    angle: _Angle | None = Field(default=None, description="any finite number of degrees")
    quality: Annotated[Quality | None, BeforeValidator(read_choice)] = Field(
        default=None, description='"preview", "standard" or "high"'
    )
    seed: _Seed | None = Field(
        default=None, description=f"a whole number from 0 to {MAX_SEED}, or -1 to draw one"
    )
    overrides: Overrides | None = Field(
        default=None, description="an object with any of the keys " + ", ".join(Overrides.model_fields)
    )


class SimpleFields(RequestFields):
    """The simple form: the same fields, with the colours as text."""

    colors: Annotated[_Colors, BeforeValidator(read_color_text)] = Field(
        description=f'1 to {MAX_COLORS} colours such as "60% black, 40% white", by name or as hex (#A63437)'
    )
