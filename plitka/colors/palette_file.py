"""The palette file: JSON, read and checked once, with every problem at once. docs/palette.md describes it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from plitka.colors.granules import Palette, PaletteColor
from plitka.colors.palette_names import name_problems
from plitka.colors.palette_values import KEYS, Entry, EntryReader
from plitka.errors import PaletteError, shown
from plitka.operator_file import decode_json, read_bytes

VERSION = 1
MOST_COLORS = 200
_KEYS = ("version", "name", "currency", "colors")


def read_palette(path: Path) -> Palette:
    """Read a palette file.

    Raises:
        PaletteError: It cannot be read or is no palette, with every problem found.
    """
    remedy = f"measure its photographs: plitka palette measure {path} -o palette.json"
    data = read_bytes(path, PaletteError, f"is a folder, not a palette file; {remedy}")
    return decode_palette(data, path)


def decode_palette(data: bytes, source: Path | str, *, compares: bool = True) -> Palette:
    """The palette in the bytes of a file. Raises PaletteError as `read_palette` does, naming `source`.

    Without `compares`, an entry's Lab is taken as it is, however far it is from the hex.
    """
    document = decode_json(data, source, PaletteError)
    palette, problems = _read_document(document, compares)
    if problems:
        raise PaletteError(source, problems)
    return palette


def palette_document(palette: Palette) -> dict[str, Any]:
    """A palette as the JSON document of a file, which reads back with the same colours."""
    kept = {"name": palette.name or None, "currency": palette.currency}
    return {
        "version": VERSION,
        **{key: value for key, value in kept.items() if value is not None},
        "colors": [_entry(color) for color in palette.values()],
    }


def _entry(color: PaletteColor) -> dict[str, Any]:
    said = asdict(color)
    said["names"] = {language: list(names) for language, names in said.pop("names_in")}
    said["lightness"] = list(said.pop("lightness_range"))
    said["lab"] = list(color.lab)
    return {key: said[key] for key in KEYS if said[key] is not None}


def _read_document(document: Any, compares: bool) -> tuple[Palette, list[str]]:
    if not isinstance(document, dict):
        return Palette(()), [f"is not an object with the keys {', '.join(_KEYS)}"]
    problems = [
        f"{key}: is an unknown key; the keys are {', '.join(_KEYS)}" for key in document if key not in _KEYS
    ]
    if document.get("version") != VERSION or isinstance(document.get("version"), bool):
        problems.append(f"version: {shown(document.get('version'))} is not {VERSION}")
    name, currency = (_short_text(document, key, problems) for key in ("name", "currency"))
    listed = document.get("colors")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST_COLORS:
        count = f"has {len(listed)} entries" if isinstance(listed, list) else "is not a list"
        return Palette(()), [*problems, f"colors: {count}; 1 to {MOST_COLORS} are allowed"]
    entries = [Entry(f"colors[{index}]", value) for index, value in enumerate(listed)]
    colors = [EntryReader(entry, problems, compares).read() for entry in entries]
    problems += name_problems([(entry.place, color) for entry, color in zip(entries, colors, strict=True)])
    problems += _same_hex(colors)
    if any(color.price_per_kg is not None for color in colors) and not currency:
        problems.append("currency: is missing, and there are prices; give one such as EUR")
    return Palette(colors, name or "", currency or None), problems


def _short_text(document: dict[str, Any], key: str, problems: list[str]) -> str | None:
    value = document.get(key)
    if value is None or (isinstance(value, str) and value.isprintable() and len(value) <= 60):
        return value
    problems.append(f"{key}: {shown(value)} is not a line of at most 60 characters")
    return None


def _same_hex(colors: list[PaletteColor]) -> list[str]:
    """Colours of one mean: a colour map could not show which is which."""
    first: dict[str, int] = {}
    problems = []
    for index, color in enumerate(colors):
        if color.hex and first.setdefault(color.hex, index) != index:
            other = first[color.hex]
            problems.append(f"colors[{index}].hex: {color.hex} is also that of colors[{other}]")
    return problems
