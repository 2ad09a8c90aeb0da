"""What the page knows of the operator's own: palette, adapters and qualities, constants of JavaScript."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from plitka.colors.common_names import nearest_by_name
from plitka.colors.outside import named_colors
from plitka.colors.palette import PALETTE, Palette, PaletteColor, palette_in_use

# The page's constant with the names of the operator's adapters.
ADAPTERS = "ADAPTERS"
# And with the qualities that the engine draws; empty for all of them.
QUALITIES = "QUALITIES"
# And with the kinds of its ControlNets.
CONTROLNETS = "CONTROLNETS"


def palette_constants(palette: Palette) -> dict[str, Any]:
    """The palette's colours, and names outside of it that lead to them; `palette` is the one in use."""
    colors = [
        {
            "code": color.code,
            "en": color.english,
            "ru": color.russian,
            "aliases": list(color.aliases),
            "hex": color.hex,
            "lab": [round(value, 3) for value in color.lab],
            "lightness": list(color.lightness_range),
            **_goods(color, palette.currency),
        }
        for color in palette.values()
    ]
    return {"PALETTE": colors, "OUTSIDE": _outside()}


def _goods(color: PaletteColor, currency: str | None) -> dict[str, dict[str, Any]]:
    """What the palette knows of a colour's granules as goods, if anything."""
    goods = {
        "density": color.density_kg_m3,
        "laid": color.laid_kg_m3,
        "bulk": color.bulk_kg_m3,
        "bag": color.bag_kg,
        "price": color.price_per_kg,
        "currency": currency if color.price_per_kg is not None else None,
    }
    known = {name: value for name, value in goods.items() if value is not None}
    return {"goods": known} if known else {}


def named_constants() -> dict[str, str]:
    """Hex of every colour outside the palette that a request may name, by the folded names."""
    return {name: color.hex for name, color in named_colors().items()}


def page_in_use(
    page: bytes,
    adapters: Sequence[str] = (),
    qualities: Sequence[str] = (),
    controlnets: Sequence[str] | None = None,
) -> bytes:
    """The page with the palette in use in place of the built-in one, and what an engine has.

    Args:
        page: As it is in the repository.
        adapters: Names of the operator's adapters.
        qualities: Those that the engine draws; empty for all of them.
        controlnets: Kinds of its ControlNets; None where they are not known.

    Raises:
        PaletteError: The palette cannot be used.
        ValueError: The page has not the constants of a palette.
    """
    palette = palette_in_use()
    constants = {} if palette is PALETTE else palette_constants(palette)
    named = {ADAPTERS: list(adapters), QUALITIES: list(qualities)}
    constants |= {name: names for name, names in named.items() if names}
    constants |= {} if controlnets is None else {CONTROLNETS: list(controlnets)}
    if not constants:
        return page
    text = page.decode()
    for name, value in constants.items():
        pattern = re.compile(rf"^const {name} = \[$.*?^\];$", re.MULTILINE | re.DOTALL)
        # A backslash in what is put in is not the pattern's.
        put = f"const {name} = {javascript(value)};".replace("\\", "\\\\")
        text, count = pattern.subn(put, text)
        if count != 1:
            raise ValueError(f"the page has {count} constants {name}")
    return text.encode()


def javascript(value: Any) -> str:
    """JSON with a line for every item, safe inside a script element."""
    if isinstance(value, float):
        return _line(value)
    if isinstance(value, list):
        rows = (f"  {_line(item)}," for item in value)
    else:
        rows = (f"  {_line(key)}: {_line(item)}," for key, item in value.items())
    opening, closing = "[]" if isinstance(value, list) else "{}"
    return "\n".join([opening, *rows, closing])


def _outside() -> list[list[str]]:
    """Codes of the nearest colours of the palette and the folded names that lead to them, both as texts."""
    names: dict[str, list[str]] = {}
    for name, codes in nearest_by_name().items():
        names.setdefault(" ".join(codes), []).append(name)
    return [[codes, " ".join(sorted(found))] for codes, found in sorted(names.items())]


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).replace("</", "<\\/").replace("<!--", "<\\!--")
