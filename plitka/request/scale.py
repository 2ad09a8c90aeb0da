"""The scale of a picture: what a request says in millimetres and pixels, completed and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from plitka.choices import Grading, Layout
from plitka.errors import Problem, shown
from plitka.request.bonds import DEFAULT_TILE_MM, Vector, fits, period

# Mean diameter of the granules of each grading, millimetres: 0.5-1.5, 1-3 and 2-4 mm.
GRADING_MM: Mapping[Grading, float] = MappingProxyType({"fine": 1.0, "medium": 2.0, "coarse": 3.0})
DEFAULT_GRANULE_MM = 2.0
DEFAULT_JOINT_MM = 2.0
# Granules across a picture that gives no width: of a surface as on the photographs of tiles; of a layout with
# joints as many as have 12 pixels each in 1024.
SURFACE_GRANULES = 47
JOINTED_GRANULES = 85
# With fewer granules shares are no longer exact to 0.1 percentage points.
LEAST_GRANULES = 20
DEFAULT_SIDE = 1024
# Pictures have sides of whole multiples of this, as models need.
SIDE_STEP = 8
# Pixels on a side.
SIDES = 256, 8192
# Pictures with more pixels than a square of this side are large: they are not corrected and make no material.
# With a longer side they show so many granules at most, side by side.
LARGE_SIDE = 4096
MOST_GRANULES = 400_000
# Part by which width and height may disagree with the pixels: what rounding them to whole steps makes.
SQUARE = 0.002


@dataclass(frozen=True)
class Scale:
    """What a picture shows, none of it left open.

    Attributes:
        granule_mm: Mean diameter of a granule.
        width_mm: What the picture shows from left to right.
        height_mm: From top to bottom.
        tile_mm: Length and height of a tile; None without joints.
        joint_mm: Width of a joint; 0 without joints.
        seamless: Whether the picture goes on over its edges when it is repeated.
        width: Pixels from left to right.
        height: Pixels from top to bottom.
    """

    granule_mm: float
    width_mm: float
    height_mm: float
    tile_mm: Vector | None
    joint_mm: float
    seamless: bool
    width: int
    height: int

    @property
    def granules_across(self) -> float:
        """Granules from left to right."""
        return round(self.width_mm / self.granule_mm, 9)

    @property
    def mm_per_pixel(self) -> float:
        """Millimetres that one pixel shows."""
        return self.width_mm / self.width

    @property
    def is_square(self) -> bool:
        """Whether pixels are as wide as high, but for what rounding the sides to whole steps makes."""
        return abs(self.height_mm / self.width_mm * self.width / self.height - 1) <= SQUARE

    @property
    def is_large(self) -> bool:
        """Whether the picture has more pixels than a square of LARGE_SIDE."""
        return self.width * self.height > LARGE_SIDE**2

    @property
    def granule_pixels(self) -> float:
        """Mean diameter of a granule in pixels."""
        return self.width / self.granules_across


@dataclass(frozen=True)
class Dimensions:
    """What a request says about its scale; None stands for what it does not say. See `Scale`."""

    granule_mm: float | None = None
    width_mm: float | None = None
    height_mm: float | None = None
    tile_mm: Vector | None = None
    joint_mm: float | None = None
    seamless: bool | None = None
    width: int | None = None
    height: int | None = None

    def as_given(self) -> dict[str, Any]:
        """What was given, JSON-ready, by the names of the request's fields."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}


DIMENSIONS = tuple(Dimensions.__dataclass_fields__)
NOTHING_GIVEN = Dimensions()


def scale_of(layout: str, given: Dimensions = NOTHING_GIVEN) -> Scale:
    """The scale of a picture of this layout, defaults filled in.

    Without a width, a surface shows 47 granules from left to right and other layouts 85. Sides that are not
    given follow from the others, since pixels are square; the longer one has 1024 pixels.
    """
    granule = given.granule_mm or DEFAULT_GRANULE_MM
    jointed = layout != "surface"
    default = granule * (JOINTED_GRANULES if jointed else SURFACE_GRANULES)
    pixels_wide, pixels_high = _pixels(given)
    upright = pixels_high / pixels_wide
    width = given.width_mm or (given.height_mm / upright if given.height_mm else default)
    return Scale(
        granule_mm=granule,
        width_mm=width,
        height_mm=given.height_mm or width * upright,
        tile_mm=(given.tile_mm or DEFAULT_TILE_MM[layout]) if jointed else None,
        joint_mm=(given.joint_mm or DEFAULT_JOINT_MM) if jointed else 0.0,
        seamless=bool(given.seamless),
        width=pixels_wide,
        height=pixels_high,
    )


def _pixels(given: Dimensions) -> tuple[int, int]:
    """Width and height in pixels."""
    upright = given.height_mm / given.width_mm if given.width_mm and given.height_mm else 1.0
    if given.width and given.height:
        return given.width, given.height
    if given.width or given.height:
        width = given.width or _in_steps((given.height or 0) / upright)
        return width, given.height or _in_steps(width * upright)
    longer = DEFAULT_SIDE / max(1.0, upright)
    return _in_steps(longer), _in_steps(longer * upright)


def _in_steps(pixels: float) -> int:
    return max(1, round(pixels / SIDE_STEP)) * SIDE_STEP


def scale_problems(layout: Layout, angle: float, given: Dimensions) -> Iterator[Problem]:
    """What of the values, each allowed by itself, does not fit the others. `angle` is the laying angle."""
    scale = scale_of(layout, given)
    yield from _extent_problems(scale, given)
    yield from _granule_problems(scale, given)
    if scale.tile_mm is None:
        for name in ("tile_mm", "joint_mm"):
            if getattr(given, name) is not None:
                text = "is given for a surface, which has no joints"
                yield Problem(name, _shown(getattr(given, name)), text, "another overrides.layout")
        return
    narrow = min(scale.tile_mm)
    if scale.joint_mm > narrow / 2:
        field = "joint_mm" if given.joint_mm is not None else "tile_mm"
        allowed = f"joints of at most half the tile's shorter side, here {narrow / 2:g} mm"
        yield Problem(field, _shown(getattr(given, field)), "leaves too little of a tile", allowed)
    if layout == "herringbone" and scale.tile_mm[0] < scale.tile_mm[1]:
        text = "is longer across than along"
        yield Problem("tile_mm", _shown(scale.tile_mm), text, "the longer side first in a herringbone")
    if scale.seamless:
        yield from _period_problems(layout, angle, scale)


def _extent_problems(scale: Scale, given: Dimensions) -> Iterator[Problem]:
    least = LEAST_GRANULES * scale.granule_mm
    for name in ("width_mm", "height_mm"):
        value = getattr(scale, name)
        if value < least and (getattr(given, name) is not None or name == "width_mm"):
            text = f"has room for too few granules of {scale.granule_mm:g} mm for exact shares"
            yield Problem(name, f"{value:g}", text, f"at least {LEAST_GRANULES} granules, {least:g} mm")
    if not scale.is_square:
        text = f"does not fit {scale.width} x {scale.height} pixels and a width of {scale.width_mm:g} mm"
        yield Problem(
            "height_mm", f"{scale.height_mm:g}", text, _mm(scale.width_mm * scale.height / scale.width)
        )
    for name in ("width", "height"):
        value = getattr(scale, name)
        if not SIDES[0] <= value <= SIDES[1]:
            text = f"pixels follow from the {'height' if name == 'width' else 'width'} and the millimetres"
            yield Problem(name, str(value), text, f"from {SIDES[0]} to {SIDES[1]} pixels")


def most_pixels(scale: Scale) -> int:
    """Pixels that the longer side of a picture of these millimetres may have."""
    granules = scale.width_mm * scale.height_mm / scale.granule_mm**2
    return LARGE_SIDE if granules > MOST_GRANULES else SIDES[1]


def _granule_problems(scale: Scale, given: Dimensions) -> Iterator[Problem]:
    granules = scale.width_mm * scale.height_mm / scale.granule_mm**2
    if max(scale.width, scale.height) > LARGE_SIDE and granules > MOST_GRANULES:
        field = "height_mm" if given.height_mm and not given.width_mm else "width_mm"
        most = float(getattr(scale, field)) * (MOST_GRANULES / granules) ** 0.5
        text = (
            f"shows {granules:,.0f} granules of {scale.granule_mm:g} mm in "
            f"{scale.width} x {scale.height} pixels"
        )
        allowed = (
            f"at most {MOST_GRANULES:,}, here {most:.0f} mm, with a side of more than {LARGE_SIDE} pixels"
        )
        yield Problem(field, f"{getattr(scale, field):g}", text, allowed)


def _period_problems(layout: Layout, angle: float, scale: Scale) -> Iterator[Problem]:
    assert scale.tile_mm is not None
    repeats = period(layout, scale.tile_mm, angle)
    if repeats is None:
        text = f"has no width and height after which the joints of this {layout} layout repeat at {angle:g}°"
        yield Problem("seamless", "true", text, "an angle such as 0 or 90, or a surface")
        return
    if not (fits(scale.width_mm, repeats[0]) and fits(scale.height_mm, repeats[1])):
        text = f"does not go on over the edges of {scale.width_mm:g} x {scale.height_mm:g} mm"
        allowed = (
            f"width_mm a multiple of {_mm(repeats[0])} and height_mm of {_mm(repeats[1])} "
            f"for this {layout} layout at {angle:g}°"
        )
        yield Problem("seamless", "true", text, allowed)


def _mm(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _shown(value: object) -> str:
    return shown(list(value) if isinstance(value, tuple) else value)
