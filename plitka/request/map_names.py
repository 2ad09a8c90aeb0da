"""Reads the list of maps that a request asks for."""

from __future__ import annotations

import difflib

from pydantic_core import PydanticCustomError

from plitka.choices import MAP_NAMES
from plitka.errors import LISTED_PROBLEMS, shown
from plitka.request.numbers import invalid_value

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


def _name_near(name: str) -> str:
    near = difflib.get_close_matches(name[:64], MAP_NAMES, n=1)
    return f"; did you mean {shown(near[0])}?" if near else ""
