"""Names of colours that are not in the palette, and the palette's colours that are nearest to them.

The names are those in ``common_names.json``, which only lead to suggestions: words of the trade in English
and Russian, each with the figures of a named colour of CSS or of the xkcd colour survey (CC0); and those of
`plitka.colors.outside`, which a request may name.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from functools import cache

from plitka.colors.outside import named_colors, read_table
from plitka.colors.palette import (
    PaletteColor,
    delta_e00,
    fold,
    hex_to_lab,
    is_russian,
    palette_in_use,
    palette_names,
)

SUGGESTIONS = 3
# A name is longer only by mistake, and comparing long texts is slow.
_COMPARED_CHARACTERS = 64
# difflib's ratio, 0 to 1, from which on two spellings count as alike. Higher for names outside of the
# palette, of which there are many.
_ALIKE, _ALIKE_OUTSIDE = 0.6, 0.75


def suggest(name: str) -> tuple[str, ...]:
    """Accepted names for an unknown one, of up to three different colours, best first.

    Colours that look like a name in common use, such as ``anthracite``; else names that are spelled alike. A
    name in Russian gets Russian ones.
    """
    folded = fold(name)[:_COMPARED_CHARACTERS]
    outside = _outside_names()
    found: dict[str, str] = {}
    alike = _near(outside[folded], name) if folded in outside else _spelled_alike(folded, name, outside)
    for color, spelling in alike:
        found.setdefault(color.code, spelling)
    return tuple(found.values())[:SUGGESTIONS]


def nearest_by_name() -> Mapping[str, tuple[str, ...]]:
    """Codes of the palette's three nearest colours, nearest first, by the folded names outside of it."""
    return {
        name: tuple(color.code for color, _ in _near(value, name))
        for name, value in _outside_names().items()
        if name not in palette_names()
    }


def _spelled_alike(folded: str, name: str, outside: Mapping[str, str]) -> Iterator[tuple[PaletteColor, str]]:
    """The palette's names that are alike; if one outside of the palette is more so, the colours near that."""
    known = palette_names()
    pool = [*known, *(other for other in outside if other not in known)]
    matches = difflib.get_close_matches(folded, pool, n=4 * SUGGESTIONS, cutoff=_ALIKE)
    best = matches[0] if matches and matches[0] not in known else ""
    if best and difflib.SequenceMatcher(None, best, folded).ratio() >= _ALIKE_OUTSIDE:
        yield from _near(outside[best], name)
    for color, spelling in (known[match] for match in matches if match in known):
        yield color, spelling if is_russian(spelling) == is_russian(name) else _own_name(color, name)


def _near(hex_color: str, name: str) -> Iterator[tuple[PaletteColor, str]]:
    """The palette's colours nearest to a hex colour by CIEDE2000, named in the language of `name`."""
    lab = hex_to_lab(hex_color)
    for color in sorted(palette_in_use().values(), key=lambda color: delta_e00(lab, color.lab))[:SUGGESTIONS]:
        yield color, _own_name(color, name)


def _own_name(color: PaletteColor, name: str) -> str:
    return color.russian if is_russian(name) else color.english


@cache
def _outside_names() -> Mapping[str, str]:
    """Hex colours of the names outside of the palette, by the names as `fold` spells them."""
    own = {
        fold(name): entry["hex"]
        for entry in read_table("common_names.json")["colors"]
        for name in entry["names"]
    }
    return {name: color.hex for name, color in named_colors().items()} | own
