"""The inputs beside a photograph: a request whose shares, and often its colours, are unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticCustomError

from plitka.colors.mix import Mix
from plitka.request.adapter import given_name
from plitka.request.color_text import read_color_text
from plitka.request.fields import SYNONYMS
from plitka.request.json_text import read_document, strip
from plitka.request.tile_request import (
    ANY_COLOR,
    DEFAULT_COLORS,
    TileRequest,
    parse_document,
    parse_inputs,
    refuse_beside_json,
)

# In place of the colours that the photograph is asked for; every other field is checked as ever.
_UNKNOWN = [{"hex": ANY_COLOR, "proportion": 1}]
_OTHERS = ("angle", "quality", "seed", "adapter")
_SHARE_KEYS = ("proportion", *SYNONYMS["proportion"])


def parse_around_photo(
    params_json: str | None,
    colors: str | None,
    angle: float | str | None,
    quality: str | None,
    seed: int | str | None,
    adapter: str | None = None,
) -> tuple[TileRequest, Mix | None]:
    """Read a request beside a photograph, from the inputs of `parse_inputs`.

    The default colours, an empty text and `params_json` without colours stand for colours that are not known.
    Known ones may go without shares; shares that are given are checked, and have no effect.

    Returns:
        The request, whose mix is to be replaced, and the colours that are known, None if none are.

    Raises:
        RequestError: With every problem that was found.
    """
    simple = {"angle": angle, "quality": quality, "seed": seed, "adapter": given_name(adapter)}
    if params_json is not None and strip(params_json):
        refuse_beside_json({"colors": "" if colors is None else colors, **_without_none(simple)})
        document: dict[str, Any] = read_document(params_json)
        given = document.get("colors")
    else:
        given = None if _is_unknown(colors) else _entries(colors, simple)
        document = simple
    if not given:
        return parse_document({**document, "colors": _UNKNOWN}), None
    parse_document({**document, "colors": _with_shares(given)})
    request = parse_document({**document, "colors": _with_even_shares(given)})
    return request, request.mix


def read_known_colors(colors: str) -> Mix:
    """The colours of a text, such as "red, black"; shares may be missing and have no effect.

    Raises:
        RequestError: With every problem that was found.
    """
    return parse_document({"colors": _with_shares(_entries(colors, {}))}).mix


def _is_unknown(colors: str | None) -> bool:
    return colors is None or strip(colors).lower() in ("", DEFAULT_COLORS)


def _without_none(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in inputs.items() if value is not None}


def _entries(colors: str | None, others: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries of a text; if it cannot be read, RequestError with what is wrong with the others too."""
    try:
        return read_color_text(colors)
    except PydanticCustomError:
        parse_inputs(None, colors, **{name: others.get(name) for name in _OTHERS})
        raise


def _with_shares(colors: object) -> object:
    """Even shares where no entry has any."""
    if not isinstance(colors, list) or not all(isinstance(entry, dict) for entry in colors):
        return colors
    if any(entry.get(key) is not None for entry in colors for key in _SHARE_KEYS):
        return colors
    return _with_even_shares(colors)


def _with_even_shares(colors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Even shares of 1 in place of what is given, so that nothing is said of their sum."""
    even = {"proportion": 1 / len(colors)} if colors else {}
    return [{key: entry[key] for key in entry if key not in _SHARE_KEYS} | even for entry in colors]
