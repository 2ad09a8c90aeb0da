"""Colours outside the palette that a request may name: RAL Classic, CSS Color 4, rgb() and hsl().

The names of CSS are W3C's, from coloraide. The numbers of RAL Classic are in ``ral_classic.json``, each with
a colour of the screen. NCS has no free table: its notations are known and refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from plitka.colors.spelling import fold

if TYPE_CHECKING:
    from coloraide import Color

# What may stand in a text of colours beside names of letters: the parts of `color_text`'s pattern.
FUNCTION_TEXT = r"(?:rgb|hsl)a?[ \t]*\([^()\n\r]*\)"
RAL_TEXT = r"(?:RAL|РАЛ)[ \t_-]*\d{4}"
NCS_TEXT = r"(?:NCS[ \t_-]*(?:S[ \t_-]*)?|S[ \t_-]*)\d{4}[ \t]*-[ \t]*[A-Z](?:\d\d[A-Z])?"

_FUNCTION = re.compile(FUNCTION_TEXT, re.IGNORECASE)
_NCS = re.compile(rf"NCS\b.*|{NCS_TEXT}|\d{{4}}-[YRBG](?:\d\d[A-Z])?", re.IGNORECASE)
_RAL = re.compile(r"(?:RAL|РАЛ)[\s_-]*\d.*", re.IGNORECASE)
_CYRILLIC_RAL = re.compile("^рал")
# Rounding of a percentage to a level of 8 bits.
_TOLERANCE = 1e-6

NCS_REFUSED = (
    "is a notation of NCS, whose table of colours is licensed and does not come with Plitka; give the colour "
    "as hex, as your NCS tool shows it"
)


@dataclass(frozen=True)
class NamedColor:
    """A colour outside the palette: what it is called, in one spelling, and ``#RRGGBB``."""

    name: str
    hex: str


def read_named(text: str) -> NamedColor | None:
    """The colour of a RAL number, a name of CSS, rgb() or hsl(), in any usual spelling; None for others.

    Raises:
        ValueError: What is written names no colour that can be drawn; the message ends a sentence about it.
    """
    found = named_colors().get(_CYRILLIC_RAL.sub("ral", fold(text)))
    if found is not None:
        return found
    written = text.strip()
    if _FUNCTION.fullmatch(written):
        return _of_function(written)
    if _NCS.fullmatch(written):
        raise ValueError(NCS_REFUSED)
    if _RAL.fullmatch(written):
        raise ValueError("is no number of RAL Classic, which has four digits such as RAL 3020")
    return None


@cache
def named_colors() -> Mapping[str, NamedColor]:
    """Every name of CSS and number of RAL Classic as `fold` spells it."""
    from coloraide import Color
    from coloraide.css.color_names import name2val_map

    css = {fold(name): NamedColor(name, _hex(Color(name))) for name in name2val_map if name != "transparent"}
    ral = {
        fold(f"RAL {number}"): NamedColor(f"RAL {number}", value)
        for number, value in read_table("ral_classic.json")["colors"].items()
    }
    return css | ral


def read_table(file: str) -> dict[str, Any]:
    """One of the package's files of names."""
    content: dict[str, Any] = json.loads(resources.files("plitka.colors").joinpath(file).read_bytes())
    return content


def _of_function(written: str) -> NamedColor:
    from coloraide import Color

    try:
        color = Color(re.sub(r"\s*\(\s*", "(", written, count=1))
    except ValueError:
        raise ValueError("cannot be read as rgb(200, 30, 40) or hsl(355, 74%, 45%) are") from None
    if color.alpha(nans=False) != 1:
        raise ValueError("is transparent, and rubber is not")
    color = color.convert("srgb")
    if not color.in_gamut(tolerance=_TOLERANCE):
        raise ValueError("is no colour of the screen: red, green and blue go from 0 to 255")
    return NamedColor(" ".join(written.lower().split()), _hex(color))


def _hex(color: Color) -> str:
    levels = (round(255 * min(max(value, 0.0), 1.0)) for value in color.coords(nans=False))
    return f"#{bytes(levels).hex().upper()}"
