"""Reads the list of maps that a request asks for."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from pydantic_core import PydanticCustomError

from plitka.choices import MAP_NAMES
from plitka.errors import LISTED_PROBLEMS, Problem, shown
from plitka.request.numbers import invalid_value
from plitka.request.scale import Scale

# Granules side by side in a picture with the map `ids`, with each part that joints cut from them. It numbers
# 2 million, and since granules overlap, up to 4.4 are seen on the area of one.
MOST_ID_GRANULES = 400_000
# Of each row of granules along a side of a tile, joints cut so many; a puzzle has longer edges.
_CUT = 1.5
MAPS = "a list with each of these at most once: " + ", ".join(f'"{name}"' for name in MAP_NAMES)


def read_maps(value: object) -> tuple[str, ...]:
    """Read the names of maps, in any case, in the order given.

    Raises a validation error with a reason for every entry that cannot be one, by its index.
    """
    if not isinstance(value, list | tuple):
        raise invalid_value("is not a list")
    names = [entry.strip().lower() if isinstance(entry, str) else entry for entry in value]
    refused: dict[int, str] = {}
    for index, name in enumerate(names):
        if not isinstance(name, str):
            refused[index] = "is not text"
        elif name not in MAP_NAMES:
            # Comparing names is slow, and a request has room for thousands.
            near = _name_near(name) if len(refused) < LISTED_PROBLEMS else ""
            refused[index] = f"is not a known map{near}"
        elif name in names[:index]:
            refused[index] = "is asked for twice"
    if refused:
        raise PydanticCustomError("entries", "{entries}", {"entries": refused})
    return tuple(names)


def map_problems(maps: Sequence[str], scale: Scale) -> Iterator[Problem]:
    """Maps that cannot be drawn at this scale: `ids` numbers so many granules."""
    granules = scale.width_mm * scale.height_mm / scale.granule_mm**2
    for side in scale.tile_mm or ():
        granules *= 1 + _CUT * scale.granule_mm / side
    if "ids" in maps and granules > MOST_ID_GRANULES:
        reason = f"has too few numbers for {granules:,.0f} granules of {scale.granule_mm:g} mm"
        allowed = f"at most {MOST_ID_GRANULES:,} granules, or the other maps"
        yield Problem(f"maps[{maps.index('ids')}]", shown("ids"), reason, allowed)


def _name_near(name: str) -> str:
    near = difflib.get_close_matches(name[:64], MAP_NAMES, n=1)
    return f"; did you mean {shown(near[0])}?" if near else ""
