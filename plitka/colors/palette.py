"""The granule colours: those that come with Plitka, and the operator's in their place.

The figures and the names of the built-in ones are in ``palette.json``. Each colour was measured on a
photograph of a tile of that colour alone; Lab is CIELAB under D65 throughout.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path

from plitka.colors.difference import Lab, canonical_hex, delta_e00, hex_to_lab
from plitka.colors.granules import Palette, PaletteColor
from plitka.colors.palette_file import decode_palette, read_palette
from plitka.colors.spelling import fold, is_russian
from plitka.errors import UnknownColorError
from plitka.settings import palette_path

__all__ = [
    "PALETTE",
    "Lab",
    "Palette",
    "PaletteColor",
    "canonical_hex",
    "delta_e00",
    "fold",
    "hex_to_lab",
    "is_russian",
    "nearest",
    "palette_in_use",
    "palette_names",
    "resolve",
    "use_palette",
]

# The built-in palette; its test compares what every start need not.
PALETTE: Palette = decode_palette(
    resources.files("plitka.colors").joinpath("palette.json").read_bytes(), "palette.json", compares=False
)

# What `use_palette` was given.
_given: list[Palette] = []


def palette_in_use() -> Palette:
    """The palette that `PLITKA_PALETTE` names, read once in a process; without it, `PALETTE`.

    Raises:
        PaletteError: The file cannot be read or is no palette, with every problem found.
    """
    if _given:
        return _given[-1]
    path = palette_path()
    return PALETTE if path is None else _read(path)


def use_palette(palette: Palette) -> None:
    """Use this palette in this process from here on, whatever `PLITKA_PALETTE` names."""
    _given.append(palette)


@cache
def _read(path: Path) -> Palette:
    return read_palette(path)


def resolve(name: str) -> PaletteColor:
    """Find the colour of a name; case, separators and ё or е make no difference.

    Raises:
        UnknownColorError: No colour has this name.
    """
    found = palette_names().get(fold(name))
    if found is None:
        # Here, because it is built on this module.
        from plitka.colors.common_names import suggest

        raise UnknownColorError(name, suggest(name))
    return found[0]


def palette_names() -> Mapping[str, tuple[PaletteColor, str]]:
    """Every accepted name as `fold` spells it, with its colour and its usual spelling."""
    return palette_in_use().by_name


def nearest(hex_color: str) -> PaletteColor:
    """Find the palette colour with the smallest CIEDE2000 difference; the first in file order on a tie."""
    return palette_in_use().nearest(hex_color)
