"""The fields of a request as pydantic checks them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StrictBool,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

# Its file is read now, so that no request opens one.
import plitka.colors.common_names  # noqa: F401
from plitka.choices import Grading, MapName, Quality, one_of
from plitka.colors.mix import MixColor, hex_mix_color, palette_mix_color
from plitka.colors.outside import read_named
from plitka.colors.palette import fold, is_russian, palette_in_use, palette_names, resolve
from plitka.errors import UnknownColorError, shown
from plitka.request.adapter import DESCRIPTION, read_adapter_name
from plitka.request.characters import plain
from plitka.request.color_text import read_color_text
from plitka.request.controlnets import read_choice
from plitka.request.map_names import MAPS, read_maps
from plitka.request.numbers import (
    PROPORTIONS,
    IntegerRange,
    NumberRange,
    Proportion,
    invalid_value,
    read_degrees,
    read_proportion,
)
from plitka.request.overrides import Overrides
from plitka.request.proportions import unclear_amounts
from plitka.request.scale import GRADING_MM, SIDE_STEP, SIDES

MAX_COLORS = 8
MAX_SEED = 2**63 - 1
VARIANTS = IntegerRange(1, 8)
# Millimetres: of a granule, of what a picture shows, of a tile's sides and of a joint.
GRANULE_MM = NumberRange(0.5, 10)
EXTENT_MM = NumberRange(10, 10_000)
TILE_MM = NumberRange(10, 10_000)
JOINT_MM = NumberRange(0.2, 100)
SIDE_PIXELS = f"{IntegerRange(*SIDES)}, in multiples of {SIDE_STEP}"

# Keys of a colour that are read as another one.
SYNONYMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"name": ("color", "colour"), "proportion": ("percentage", "percent", "share")}
)
_PERCENT_KEYS = ("percentage", "percent")

# How many colours of a palette an error lists.
_LISTED_COLORS = 40
_OR_OUTSIDE = "or a number of RAL Classic (RAL 3020), a colour name of CSS (navy), rgb(200, 30, 40) or hsl()"


def allowed_names(given: object = None) -> str:
    """What may stand as `name`: the palette's colours, in Russian for a name in Russian, and others."""
    in_russian = isinstance(given, str) and is_russian(given)
    colors = list(palette_in_use().values())
    names = [color.russian if in_russian else color.english for color in colors[:_LISTED_COLORS]]
    more = len(colors) - len(names)
    listed = ", ".join(names) + (f" and {more} more (plitka palette show)" if more else "")
    return f"a code or name of one of these colours: {listed}; {_OR_OUTSIDE}"


def _read_name(value: object) -> MixColor:
    if not isinstance(value, str):
        raise invalid_value("is not text")
    if value.strip().startswith("#"):
        raise invalid_value('is a hex colour; give it as "hex" instead')
    if fold(value) not in palette_names():
        try:
            named = read_named(plain(value))
        except ValueError as error:
            raise invalid_value(str(error)) from None
        if named is not None:
            return hex_mix_color(named.hex, name=named.name)
    try:
        return palette_mix_color(resolve(value))
    except UnknownColorError as error:
        spellings = " or ".join(shown(name) for name in error.suggestions)
        hint = f"; did you mean {spellings}?" if spellings else ""
        raise invalid_value(f"is not a known colour{hint}") from None


def _read_hex(value: object) -> MixColor:
    if not isinstance(value, str):
        raise invalid_value("is not text")
    try:
        return hex_mix_color(plain(value))
    except ValueError:
        raise invalid_value("is not a hex colour") from None


class _Percent(NamedTuple):
    """An amount under a key such as `percent`: a percentage without a percent sign."""

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
        description="a code or name of the palette, the operator's where there is one, " + _OR_OUTSIDE,
    )
    hex: Annotated[MixColor, PlainValidator(_read_hex)] | None = Field(
        default=None, description="# and six hexadecimal digits, instead of a name", validate_default=True
    )
    proportion: Annotated[Proportion, PlainValidator(_read_proportion)] | None = Field(
        default=None,
        validation_alias=AliasChoices("proportion", *SYNONYMS["proportion"]),
        description=(
            f"percent, or fractions if none is above 1: {PROPORTIONS}; a single colour may go without"
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
        # A refused name is absent from the data: its own error is enough.
        name = info.data.get("name", "refused")
        if value is None and name is None:
            raise PydanticCustomError("no_color", "has neither a name nor a hex")
        if value is not None and isinstance(name, MixColor):
            raise invalid_value("stands beside a name; give one of the two")
        return value

    @property
    def color(self) -> MixColor:
        """The colour, its share still to be set."""
        color = self.name or self.hex
        assert color is not None
        return color


def _check_proportions(entries: list[ColorEntry]) -> list[ColorEntry]:
    unclear = unclear_amounts([entry.proportion for entry in entries])
    if unclear:
        raise PydanticCustomError("proportions", "{amounts}", {"amounts": unclear})
    given = [entry.proportion for entry in entries if entry.proportion is not None]
    if given and not any(proportion.amount for proportion in given):
        raise invalid_value("has proportions that sum to 0")
    return entries


def _read_granule(value: object) -> float:
    word = read_choice(value)
    if isinstance(word, str) and word.isalpha():
        for grading, diameter in GRADING_MM.items():
            if word == grading:
                return diameter
        raise invalid_value("is not one of the gradings")
    return GRANULE_MM(value)


def _read_side(value: object) -> int:
    side = IntegerRange(*SIDES)(value)
    if side % SIDE_STEP:
        raise invalid_value(f"is not a multiple of {SIDE_STEP}")
    return side


def _read_tile(value: object) -> tuple[float, float]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise invalid_value("is not a list of two numbers")
    length, height = map(TILE_MM, value)
    return length, height


_Colors = Annotated[
    list[ColorEntry], Field(min_length=1, max_length=MAX_COLORS), AfterValidator(_check_proportions)
]
_Angle = Annotated[float, BeforeValidator(read_degrees)]
_Seed = Annotated[int, BeforeValidator(IntegerRange(-1, MAX_SEED))]
_Variants = Annotated[int, BeforeValidator(VARIANTS)]


_Adapter = Annotated[str, BeforeValidator(read_adapter_name)]
_Side = Annotated[int, BeforeValidator(_read_side)]
_Granule = Annotated[float, BeforeValidator(_read_granule)]
_Extent = Annotated[float, BeforeValidator(EXTENT_MM)]
_Tile = Annotated[tuple[float, float], BeforeValidator(_read_tile)]
_Joint = Annotated[float, BeforeValidator(JOINT_MM)]


class RequestFields(BaseModel):
    """The object in ``params_json``; each field's description says what is allowed in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    colors: _Colors = Field(
        description=f'a list of 1 to {MAX_COLORS} objects such as {{"name": "black", "proportion": 60}}, '
        "their proportions not all 0"
    )
    angle: _Angle | None = Field(default=None, description="any finite number of degrees")
    quality: Annotated[Quality | None, BeforeValidator(read_choice)] = Field(
        default=None, description=one_of(Quality)
    )
    seed: _Seed | None = Field(
        default=None, description=f"{IntegerRange(0, MAX_SEED)}, or -1 for a random one"
    )
    granule_mm: _Granule | None = Field(
        default=None, description=f"{GRANULE_MM}, or a grading: {one_of(Grading)}"
    )
    width_mm: _Extent | None = Field(default=None, description=str(EXTENT_MM))
    height_mm: _Extent | None = Field(default=None, description=str(EXTENT_MM))
    tile_mm: _Tile | None = Field(
        default=None, description=f"a list of two numbers, length and height, each {TILE_MM}"
    )
    joint_mm: _Joint | None = Field(default=None, description=str(JOINT_MM))
    seamless: StrictBool | None = Field(default=None, description="true or false")
    width: _Side | None = Field(default=None, description=SIDE_PIXELS)
    height: _Side | None = Field(default=None, description=SIDE_PIXELS)
    overrides: Overrides | None = Field(
        default=None, description="an object with any of the keys " + ", ".join(Overrides.model_fields)
    )
    maps: Annotated[tuple[MapName, ...], BeforeValidator(read_maps)] | None = Field(
        default=None, description=MAPS
    )
    variants: _Variants | None = Field(default=None, description=str(VARIANTS))
    adapter: _Adapter | None = Field(default=None, description=DESCRIPTION)


class SimpleFields(RequestFields):
    """The simple form: the same fields, with the colours as text."""

    colors: Annotated[_Colors, BeforeValidator(read_color_text)] = Field(
        description=f'1 to {MAX_COLORS} colours such as "60% black, 40% white", by name or as hex (#A63437)'
    )
