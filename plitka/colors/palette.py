"""The granule colours and all their accepted names.

The figures and the names are in ``palette.json``. Each colour was measured on a photograph of a
tile of that colour alone; Lab is CIELAB under D65 throughout.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType

from coloraide import Color

from plitka.errors import UnknownColorError

Lab = tuple[float, float, float]

_CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)
_HEX_COLOR = re.compile(r"#?([0-9a-fA-F]{6})", re.ASCII)


@dataclass(frozen=True)
class PaletteColor:
    """One granule colour as it is sold and photographed.

    Attributes:
        code: The palette code, such as ``DKGREEN``.
        prompt_word: The lower-case English words that the prompt uses.
        russian: The Russian name, with ё.
        aliases: Every other accepted name, English first.
        hex: Mean sRGB of the granules, ``#RRGGBB``.
        lit_hex: Mean sRGB of the lit facets, ``#RRGGBB``.
        lab: Mean CIELAB (D65).
        lightness_range: 5th and 95th percentile of L*, 0 to 100.
    """

    code: str
    prompt_word: str
    russian: str
    aliases: tuple[str, ...]
    hex: str
    lit_hex: str
    lab: Lab
    lightness_range: tuple[float, float]

    @property
    def names(self) -> tuple[str, ...]:
        """Every accepted name: prompt word, code, Russian name, aliases."""
        return (self.prompt_word, self.code, self.russian, *self.aliases)


def fold(name: str) -> str:
    """Normalise the spelling of a name: no case, ё as е, no spaces, hyphens or underscores."""
    text = unicodedata.normalize("NFKC", name).casefold().replace("ё", "е")
    return "".join(
        char for char in text if not (char.isspace() or unicodedata.category(char) in ("Pd", "Pc"))
    )


def is_russian(name: str) -> bool:
    """Whether a name is written in Russian: whether it has a Cyrillic letter."""
    return bool(_CYRILLIC.search(name))


def _load() -> Mapping[str, PaletteColor]:
    data = json.loads(resources.files("plitka.colors").joinpath("palette.json").read_text(encoding="utf-8"))
    colors = (
        PaletteColor(
            code=entry["code"],
            prompt_word=entry["prompt_word"],
            russian=entry["russian"],
            aliases=tuple(entry["aliases"]),
            hex=entry["srgb_mean_hex"],
            lit_hex=entry["srgb_lit_hex"],
            lab=tuple(entry["lab"]),
            lightness_range=tuple(entry["lightness_range"]),
        )
        for entry in data["colors"]
    )
    return MappingProxyType({color.code: color for color in colors})


PALETTE: Mapping[str, PaletteColor] = _load()
_BY_FOLDED_NAME: Mapping[str, tuple[PaletteColor, str]] = {
    fold(name): (color, name) for color in PALETTE.values() for name in reversed(color.names)
}


def resolve(name: str) -> PaletteColor:
    """Find the colour of a name; case, separators and ё or е make no difference.

    Raises:
        UnknownColorError: No colour has this name.
    """
    found = _BY_FOLDED_NAME.get(fold(name))
    if found is None:
        # Here, because it is built on this module.
        from plitka.colors.common_names import suggest

        raise UnknownColorError(name, suggest(name))
    return found[0]


def palette_names() -> Mapping[str, tuple[PaletteColor, str]]:
    """Every accepted name as `fold` spells it, with its colour and its usual spelling."""
    return _BY_FOLDED_NAME


def canonical_hex(hex_color: str) -> str:
    """Bring ``a63437`` or ``#a63437`` to ``#A63437``.

    Raises:
        ValueError: The text is not six hexadecimal digits, with or without ``#``.
    """
    match = _HEX_COLOR.fullmatch(hex_color.strip())
    if match is None:
        raise ValueError(f"{hex_color!r} is not a hex colour such as #A63437")
    return f"#{match[1].upper()}"


def hex_to_lab(hex_color: str) -> Lab:
    """Convert an sRGB hex colour to CIELAB (D65). Raises ValueError as :func:`canonical_hex` does."""
    lightness, a, b = Color(canonical_hex(hex_color)).convert("lab-d65").coords()
    return (lightness, a, b)


def delta_e00(lab_a: Lab, lab_b: Lab) -> float:
    """Colour difference of two CIELAB (D65) colours by CIEDE2000, all weights 1."""
    return float(Color("lab-d65", lab_a).delta_e(Color("lab-d65", lab_b), method="2000"))


def nearest(hex_color: str) -> PaletteColor:
    """Find the palette colour with the smallest CIEDE2000 difference; the first in file order on a tie."""
    lab = hex_to_lab(hex_color)
    return min(PALETTE.values(), key=lambda color: delta_e00(lab, color.lab))
