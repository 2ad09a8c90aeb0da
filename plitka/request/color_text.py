"""Colours as a person writes them: ``60% black, 40% white``."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from plitka.colors.outside import FUNCTION_TEXT, NCS_TEXT, RAL_TEXT
from plitka.colors.palette import Palette, palette_in_use
from plitka.errors import shown
from plitka.request.characters import plain
from plitka.request.numbers import invalid_value

MAX_COLORS_CHARACTERS = 4096

_WORDS = r"[^\W\d_]+(?:[ \t_-]+(?!(?:and|и)(?![^\W_]))[^\W\d_]+)*"
_FLAGS = re.VERBOSE | re.IGNORECASE
_OWN_NAMES = "OWN_NAMES"
# A comma between digits is a part of the number. A hyphen right behind a name is not a minus sign, since a
# negative share makes no sense.
_TOKENS = rf"""
      (?P<hex>\#\w*)
    | (?P<written>{FUNCTION_TEXT}|(?<!\w)(?:{_OWN_NAMES}{NCS_TEXT}|{RAL_TEXT})(?!\w|[ \t]*%))
    | (?P<amount>(?:\+|(?<!\w)-)?(?:\d+(?:[.,]\d+)?|\.\d+)(?:e[+-]?\d+(?!\w))?(?:[ \t]*%)?)
    | (?P<divider>[,;&+\n\r]|(?<![^\W_])(?:and|и)(?![^\W_]))
    | (?P<name>{_WORDS})
    | (?P<filler>[\s:=()‒–—-])
    | (?P<unknown>.)
"""

# A comma right before an amount that ends no entry: a decimal mark or a typing error. Two are always an
# error.
_LEADING_COMMA = re.compile(r"(?<!,),(\d+)")


@cache
def _tokens(palette: Palette) -> re.Pattern[str]:
    """The pattern of one token, which reads names with digits and the like as the palette has them."""
    words = re.compile(_WORDS, _FLAGS)
    own = {plain(name) for color in palette.values() for name in color.names}
    strange = sorted((name for name in own if not words.fullmatch(name)), key=len, reverse=True)
    parts = (r"[ \t_-]*".join(map(re.escape, re.split("[ _-]+", name))) for name in strange)
    either = re.sub("[её]", "[её]", "".join(f"{part}|" for part in parts), flags=re.IGNORECASE)
    # In capitals it is SS.
    either = either.replace("ß", "(?:ß|ss)")
    return re.compile(_TOKENS.replace(_OWN_NAMES, either), _FLAGS)


def read_color_text(text: object) -> list[dict[str, Any]]:
    """Read the simple form into the entries of ``colors``, unchecked names and amounts.

    Entries are divided by commas, semicolons, lines, ``and`` or ``и``; each is a name or a hex colour
    with its amount before or after it, or alone.

    Raises:
        PydanticCustomError: The text cannot be read.
    """
    if not isinstance(text, str):
        raise invalid_value("is not text")
    if len(text) > MAX_COLORS_CHARACTERS:
        raise invalid_value(f"is longer than {MAX_COLORS_CHARACTERS} characters")
    text = plain(text)
    group: list[tuple[str, str]] = []
    entries: list[dict[str, Any]] = []
    for match in _tokens(palette_in_use()).finditer(text):
        kind, token = match.lastgroup or "", match[0]
        # Raised and circled digits count as letters to the pattern of a name.
        strange = next(filter(str.isnumeric, token), "") if kind == "name" else ""
        if kind == "unknown" or strange:
            raise invalid_value(f"cannot be read at {shown(strange or token)}")
        leading = _LEADING_COMMA.match(text, match.start()) if kind == "divider" and not group else None
        if leading is not None:
            readings = f"could be 0.{leading[1]} or {leading[1]}"
            raise invalid_value(f"cannot be read at {shown(leading[0])}, which {readings}")
        if kind == "divider":
            entries.extend(_read_group(group))
            group = []
        elif kind != "filler":
            group.append((kind, token))
    entries.extend(_read_group(group))
    if not entries:
        raise invalid_value("names no colour")
    return entries


def _read_group(group: list[tuple[str, str]]) -> list[dict[str, Any]]:
    if len(group) == 1 and group[0][0] != "amount":
        return [_entry(group[0])]
    pairs = [group[i : i + 2] for i in range(0, len(group), 2)]
    amount_first = bool(group) and group[0][0] == "amount"
    for pair in pairs:
        if len(pair) != 2 or [kind == "amount" for kind, _ in pair] != [amount_first, not amount_first]:
            written = " ".join(token for _, token in group)
            raise invalid_value(
                f"cannot be read at {shown(written)}: each colour needs one name and one amount"
            )
    return [_entry(pair[1], pair[0]) if amount_first else _entry(pair[0], pair[1]) for pair in pairs]


def _entry(color: tuple[str, str], amount: tuple[str, str] | None = None) -> dict[str, Any]:
    kind, token = color
    entry: dict[str, Any] = {"name" if kind == "written" else kind: token}
    if amount is not None:
        entry["proportion"] = amount[1]
    return entry
