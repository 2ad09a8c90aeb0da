"""The request: parsed and checked once from JSON or simple inputs."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from pydantic_core import PydanticCustomError

from plitka.choices import Layout, MapName, NormalConvention
from plitka.colors.mix import Mix, blend
from plitka.colors.substitutes import outside_colors, substitutes_notice
from plitka.errors import Problem, RequestError, shown
from plitka.request.adapter import given_name
from plitka.request.fields import MAX_SEED, RequestFields, SimpleFields
from plitka.request.json_text import ALLOWED, FIELD, find_clashes, read_document, strip
from plitka.request.map_names import map_problems
from plitka.request.numbers import Proportion, read_degrees, read_integer
from plitka.request.order import OrderFields
from plitka.request.overrides import DEFAULT_NORMAL_CONVENTION, Overrides
from plitka.request.problems import checked
from plitka.request.proportions import whole_of
from plitka.request.python_values import to_json_text
from plitka.request.scale import DIMENSIONS, NOTHING_GIVEN, Dimensions, Scale, scale_of, scale_problems

DEFAULT_COLORS = "60% black, 40% white"
# A colour that a request may name whatever the palette, where only the rest of it matters.
ANY_COLOR = "#000000"
DEFAULT_ANGLE = 0.0
DEFAULT_QUALITY = "standard"
DEFAULT_SEED = -1
# The engine's own LoRA.
DEFAULT_ADAPTER = ""
DEFAULTS: Mapping[str, float | str] = MappingProxyType(
    {
        "colors": DEFAULT_COLORS,
        "angle": DEFAULT_ANGLE,
        "quality": DEFAULT_QUALITY,
        "seed": DEFAULT_SEED,
        "adapter": DEFAULT_ADAPTER,
    }
)
DEFAULT_NOTICE = f"No colours but the default ones were asked for: {DEFAULT_COLORS}."
TOGETHER, EITHER = f"is given together with {FIELD}", f"either {FIELD} or the simple inputs"
RANDOM_SEED = -1
# A double holds whole numbers of so many bits exactly, and many JSON readers keep numbers as doubles.
SEED_BITS = 53


@dataclass(frozen=True)
class TileRequest:
    """One checked request.

    Attributes:
        mix: 1 to 8 colours with shares that sum to 1, in the request's order.
        angle: Degrees, at least 0 and below 360.
        quality: ``preview``, ``standard``, ``high`` or ``fast``.
        seed: 0 to 2**63 - 1; a random one where the request has none.
        overrides: Settings that take precedence over profile and defaults.
        maps: Names of the maps that are drawn beside the pictures, in the order asked for.
        notices: Sentences about what was merged, scaled, brought into range or left at its default; ignored
            when requests are compared.
        dimensions: What the request says about its scale; `scale` has the rest too.
        variants: How many final pictures are drawn, 1 to 8, each with the seed after that of the one before.
        adapter: The name of an adapter of the operator's list; None for the engine's own LoRA.
    """

    mix: Mix
    angle: float
    quality: str
    seed: int
    overrides: Overrides
    maps: tuple[MapName, ...] = ()
    notices: tuple[str, ...] = field(default=(), compare=False)
    dimensions: Dimensions = NOTHING_GIVEN
    variants: int = 1
    adapter: str | None = None

    @property
    def laying_angle(self) -> float:
        """Rotation of the joints in the picture plane: degrees, at least 0 and below 180."""
        return self.angle % 180

    @property
    def layout(self) -> Layout:
        """How tiles are laid: a surface without joints at laying angle 0 and a brick bond at any other."""
        return layout_of(self.overrides, self.laying_angle)

    @property
    def scale(self) -> Scale:
        """What the picture shows, in millimetres and pixels."""
        return scale_of(self.layout, self.dimensions)

    @property
    def normal_convention(self) -> NormalConvention:
        """Where green points in the normal map: ``opengl`` (up) or ``directx`` (down)."""
        return self.overrides.normal_convention or DEFAULT_NORMAL_CONVENTION

    def without_sheet(self) -> TileRequest:
        """The request of the pictures alone: they are the same with and without a sheet or an order."""
        if self.overrides.sheet is None and self.overrides.order is None:
            return self
        return replace(self, overrides=self.overrides.model_copy(update={"sheet": None, "order": None}))

    def with_order(self, order: OrderFields) -> TileRequest:
        """The same request with this order."""
        return replace(self, overrides=self.overrides.model_copy(update={"order": order}))

    def variant(self, number: int) -> TileRequest:
        """The request of one of its final pictures alone; 1 is the first, with the request's own seed."""
        return replace(self, seed=self.seed + number - 1, variants=1)

    def to_json(self) -> str:
        """Write the request in ASCII so that it reads back equal, shares and seed to the bit."""
        colors = [
            {"hex" if color.id.startswith("#") else "name": color.id, "proportion": color.share}
            for color in self.mix
        ]
        document = {
            "colors": colors,
            "angle": self.angle,
            "quality": self.quality,
            "seed": self.seed,
            "overrides": self.overrides.model_dump(exclude_none=True),
            **self.dimensions.as_given(),
        }
        document |= {"maps": list(self.maps)} if self.maps else {}
        document |= {"adapter": self.adapter} if self.adapter else {}
        return json.dumps(document | ({"variants": self.variants} if self.variants > 1 else {}))


def parse_request(params_json: str | Mapping[str, Any]) -> TileRequest:
    """Read and check a request.

    Args:
        params_json: The request as JSON text, or the same as a dictionary: `colors` (1 to 8 dictionaries,
            each with a `name` or `hex` and a `proportion`, in percent or as fractions of 1), and as needed
            `angle` (degrees, anticlockwise; default 0), `quality` ("preview", "standard", "high" or "fast";
            default "standard"), `seed` (0 to 2**63 - 1, or -1 for a random one; default -1), the scale in
            millimetres (`granule_mm`, `width_mm`, `height_mm`, `tile_mm`, `joint_mm`), `seamless` (true or
            false), `width` and `height` (pixels), `overrides` (a dictionary of settings), `maps` (a list of
            names), `variants` (1 to 8) and `adapter` (a name of the operator's list). None stands for a key
            that is not given.

    Returns:
        The request with shares that sum to 1 and a seed; what was merged or scaled is in its `notices`.

    Raises:
        RequestError: With every problem that was found.
    """
    return parse_document(
        read_document(params_json if isinstance(params_json, str) else to_json_text(params_json))
    )


def parse_document(document: dict[str, Any]) -> TileRequest:
    """The same from the object itself. Raises RequestError with every problem that was found."""
    return _request(RequestFields, document, find_clashes(document))


def parse_with_color_text(document: Mapping[str, Any]) -> TileRequest:
    """Read a request as `parse_request` does, its `colors` text such as ``60% black, 40% white``.

    Raises RequestError with every problem that was found.
    """
    read = read_document(to_json_text(document))
    return _request(SimpleFields, read, find_clashes(read))


def parse_inputs(
    params_json: str | None,
    colors: str | None,
    angle: float | str | None,
    quality: str | None,
    seed: int | str | None,
    maps: list[str] | None = None,
    variants: int | str | None = None,
    adapter: str | None = None,
) -> TileRequest:
    """Read a request from the inputs of the web form: all of it from ``params_json`` when that is filled in.

    None stands for an input that is not given. A notice is added if the colours are the default ones.

    Raises:
        RequestError: With every problem that was found, also when ``params_json`` is filled in and a simple
            input is changed from its default.
    """
    given: dict[str, Any] = {"colors": colors, "angle": angle, "quality": quality, "seed": seed}
    simple = {name: DEFAULTS[name] if value is None else value for name, value in given.items()}
    if not isinstance(params_json, str | None):
        raise RequestError([Problem(FIELD, shown(params_json), "is not text", ALLOWED)])
    others = {"maps": maps, "variants": variants, "adapter": given_name(adapter)}
    others = {name: value for name, value in others.items() if value is not None}
    if params_json is None or not strip(params_json):
        request = _request(SimpleFields, simple | others)
        if not _is_default("colors", simple["colors"]):
            return request
        return replace(request, notices=(DEFAULT_NOTICE, *request.notices))
    refuse_beside_json(simple | others)
    return parse_request(params_json)


def refuse_beside_json(simple: Mapping[str, Any]) -> None:
    """Refuse simple inputs that are changed from their defaults, where ``params_json`` is filled in.

    Raises:
        RequestError: Naming each of them.
    """
    changed = [
        Problem(name, shown(value), TOGETHER, EITHER)
        for name, value in simple.items()
        if not _is_empty(value) and not _is_default(name, value)
    ]
    if changed:
        raise RequestError(changed)


def _is_empty(value: object) -> bool:
    return isinstance(value, str) and not value.strip()


def _is_default(name: str, value: object) -> bool:
    """Whether an input has its default value, in any spelling."""
    default = DEFAULTS.get(name)
    if default is None:
        return value is None
    if isinstance(default, str):
        return isinstance(value, str) and value.strip().lower() == default.lower()
    try:
        return default == (read_integer(value, -1, MAX_SEED) if name == "seed" else read_degrees(value))
    except PydanticCustomError:
        return False


def _request(
    fields: type[RequestFields], document: dict[str, Any], clashes: Iterable[Problem] = ()
) -> TileRequest:
    return _complete(checked(fields, document, clashes))


def _complete(fields: RequestFields) -> TileRequest:
    # A single colour may go without a proportion: it is the whole.
    parts = [(entry.color, entry.proportion or Proportion(1.0, is_percent=False)) for entry in fields.colors]
    whole = whole_of([proportion for _, proportion in parts])
    mix, notices = blend(((color, proportion.amount) for color, proportion in parts), whole)
    notices = (*notices, *_notices_of_outside(mix))
    given = DEFAULT_ANGLE if fields.angle is None else fields.angle
    # The remainder of a tiny negative angle rounds up to 360 itself.
    angle = given % 360 % 360
    if angle != given:
        notices = (*notices, f"The angle {given:g} is taken as {angle:g} degrees.")
    overrides = fields.overrides or Overrides()
    given_scale = {name: getattr(fields, name) for name in DIMENSIONS}
    dimensions = Dimensions(**{name: value for name, value in given_scale.items() if value is not None})
    laying_angle = angle % 180
    layout = layout_of(overrides, laying_angle)
    problems = list(scale_problems(layout, laying_angle, dimensions))
    problems += map_problems(fields.maps or (), scale_of(layout, dimensions))
    problems += _variant_problems(fields)
    if problems:
        raise RequestError(problems)
    seed = RANDOM_SEED if fields.seed is None else fields.seed
    return TileRequest(
        mix=mix,
        angle=angle,
        quality=fields.quality or DEFAULT_QUALITY,
        seed=secrets.randbits(SEED_BITS) if seed == RANDOM_SEED else seed,
        overrides=overrides,
        maps=fields.maps or (),
        notices=notices,
        dimensions=dimensions,
        variants=fields.variants or 1,
        adapter=fields.adapter,
    )


def _variant_problems(fields: RequestFields) -> Iterator[Problem]:
    """A seed after which there are too few for the variants."""
    last = MAX_SEED - (fields.variants or 1) + 1
    if fields.seed is not None and fields.seed > last:
        reason = f"leaves too few seeds after it for {fields.variants} variants"
        yield Problem("seed", str(fields.seed), reason, f"at most {last} with {fields.variants} variants")


def _notices_of_outside(mix: Mix) -> tuple[str, ...]:
    """What granules can do for each colour that is named and not the palette's."""
    return tuple(substitutes_notice(color) for color in outside_colors(mix) if color.name)


def layout_of(overrides: Overrides, laying_angle: float) -> Layout:
    """The layout that is asked for, or else the one of the laying angle."""
    return overrides.layout or ("surface" if laying_angle == 0 else "brick")
