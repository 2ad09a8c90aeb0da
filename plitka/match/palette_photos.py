"""A palette out of photographs of tiles of one colour. docs/palette.md says what names and tables mean."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plitka.colors.difference import Lab
from plitka.colors.lab import to_lab, to_srgb
from plitka.colors.palette import PALETTE, is_russian
from plitka.colors.palette_file import VERSION
from plitka.colors.palette_values import KEYS, RANGES
from plitka.errors import PaletteError, PhotographError
from plitka.match.frame import frame_of
from plitka.match.names import lit_of
from plitka.match.photo import read_photograph
from plitka.match.pixels import pixels_of

PICTURES = (".jpg", ".jpeg", ".png", ".webp")
FILE_COLUMN = "file"
LANGUAGE = re.compile(r"[a-z]{2,3}", re.ASCII)
# What joins several names in one cell of the table.
_BETWEEN_NAMES = ";"
_MEASURED = ("hex", "lit_hex", "lab", "lightness", "names")


@dataclass(frozen=True)
class Measured:
    """The figures of a photograph of one colour.

    Attributes:
        rgb: Mean sRGB, 0 to 255.
        lit: Mean sRGB of the lit facets, 0 to 255.
        lab: Mean CIELAB (D65).
        lightness: 5th and 95th percentile of L*.
    """

    rgb: tuple[float, ...]
    lit: tuple[float, ...]
    lab: Lab
    lightness: tuple[float, float]


def measure_color(photo: NDArray[np.uint8]) -> Measured:
    """Measure a (h, w, 3) uint8 sRGB photograph of a tile of one colour.

    Raises:
        PhotographError: As `match_photograph` does.
    """
    frame = frame_of(photo)
    pixels = pixels_of(frame.image)
    lab = to_lab(frame.image).reshape(-1, 3)
    lit = to_srgb(lit_of(pixels.facets)[None, None].astype(np.float32)).ravel()
    low, high = (float(value) for value in np.percentile(lab[:, 0], (5, 95)))
    mean = lab.mean(0, dtype=np.float64)
    rgb = frame.image.reshape(-1, 3).mean(0, dtype=np.float64)
    return Measured(
        tuple(map(float, rgb)),
        tuple(map(float, lit)),
        (float(mean[0]), float(mean[1]), float(mean[2])),
        (low, high),
    )


def palette_of_photos(folder: Path, currency: str | None = None) -> dict[str, Any]:
    """The document of a palette file out of a folder of photographs; `plitka.colors.palette_file` checks it.

    File names give codes and names, or a CSV table in the folder does: docs/palette.md. Photographs with one
    code are of one colour, and their figures are averaged.

    Raises:
        PaletteError: The folder has no photographs, its table is wrong, or a photograph cannot be measured;
            with every problem.
        OSError: A file cannot be read.
    """
    photos = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    if not photos:
        raise PaletteError(folder, [f"has no photographs; {', '.join(PICTURES)} are read"])
    entries = _entries(folder, photos)
    problems: list[str] = []
    colors = []
    for code, (entry, files) in entries.items():
        measured = []
        for path in files:
            try:
                measured.append(measure_color(read_photograph(path)))
            except PhotographError as error:
                problems.append(f"{path.name} {error}")
        if measured:
            colors.append({"code": code, **_with_prompt_word(entry, measured), **_figures(measured)})
    if problems:
        raise PaletteError(folder, problems)
    document: dict[str, Any] = {"version": VERSION}
    return document | ({"currency": currency} if currency else {}) | {"colors": colors}


def _figures(measured: Sequence[Measured]) -> dict[str, Any]:
    def mean(values: Iterable[Sequence[float]], digits: int) -> list[float]:
        return [round(fmean(column), digits) for column in zip(*values, strict=True)]

    def as_hex(values: Iterable[Sequence[float]]) -> str:
        return f"#{bytes(int(level) for level in mean(values, 0)).hex().upper()}"

    return {
        "hex": as_hex(one.rgb for one in measured),
        "lit_hex": as_hex(one.lit for one in measured),
        "lab": mean((one.lab for one in measured), 1),
        "lightness": mean((one.lightness for one in measured), 1),
    }


def _with_prompt_word(entry: dict[str, Any], measured: Sequence[Measured]) -> dict[str, Any]:
    """The entry; without an English name, the prompt says the nearest built-in colour."""
    if "prompt_word" in entry or "en" in entry["names"]:
        return entry
    lab = _figures(measured)["lab"]
    return entry | {"prompt_word": PALETTE.nearest_to((lab[0], lab[1], lab[2])).prompt_word}


def _entries(folder: Path, photos: Sequence[Path]) -> dict[str, tuple[dict[str, Any], list[Path]]]:
    """Of each code what is said of the colour, and its photographs."""
    tables = sorted(folder.glob("*.csv"))
    if len(tables) > 1:
        raise PaletteError(folder, [f"has {len(tables)} tables (.csv); one is read"])
    said = _of_table(tables[0], photos) if tables else [_of_name(path) for path in photos]
    entries: dict[str, tuple[dict[str, Any], list[Path]]] = {}
    for code, entry, path in said:
        entries.setdefault(code, (entry, []))[1].append(path)
    return entries


def _of_name(path: Path) -> tuple[str, dict[str, Any], Path]:
    """`CODE=name.jpg`, or `name.jpg`, whose capitals are the code."""
    code, _, name = path.stem.rpartition("=")
    name = name.replace("_", " ").strip()
    code = code.strip() or re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").upper()
    if not code:
        # A code is of Latin letters; one that no other file can have is its name's letters by number.
        code = "C" + "-".join(f"{ord(char):X}" for char in name[:6])
    return code, {"names": {"ru" if is_russian(name) else "en": [name]}}, path


def _of_table(table: Path, photos: Sequence[Path]) -> list[tuple[str, dict[str, Any], Path]]:
    known = {path.name: path for path in photos}
    text = table.read_bytes().decode("utf-8-sig", "replace")
    delimiter = ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
    rows = csv.DictReader(text.splitlines(), delimiter=delimiter)
    columns = [column.strip() for column in rows.fieldnames or ()]
    rows.fieldnames = columns
    problems = _column_problems(columns)
    found, listed = [], set[str]()
    for row in [] if problems else rows:
        name = (row[FILE_COLUMN] or "").strip()
        listed.add(name)
        if name not in known:
            problems.append(f"line {rows.line_num}: there is no photograph {name!r} beside the table")
            continue
        found.append((row["code"].strip(), _row(row, f"line {rows.line_num}", problems), known[name]))
    problems += [f"{name} is not in it" for name in known if not problems and name not in listed]
    if problems:
        raise PaletteError(table, problems)
    return found


def _column_problems(columns: Sequence[str]) -> list[str]:
    wrong = [f"has no column {name}" for name in (FILE_COLUMN, "code") if name not in columns]
    for column in columns:
        is_known = column in (FILE_COLUMN, *KEYS) or LANGUAGE.fullmatch(column)
        if not is_known or column in _MEASURED:
            allowed = [FILE_COLUMN, *(key for key in KEYS if key not in _MEASURED), "en", "ru", "de"]
            wrong.append(f"has a column {column!r}; known are {', '.join(allowed)} and other languages")
    return wrong


def _row(row: Mapping[str, str | None], place: str, problems: list[str]) -> dict[str, Any]:
    """What a line of the table says of a colour, its names by language."""
    entry: dict[str, Any] = {"names": {}}
    for column, cell in row.items():
        text = cell.strip() if isinstance(cell, str) else ""
        if not text or column in (FILE_COLUMN, "code"):
            continue
        if column in RANGES:
            try:
                entry[column] = float(text.replace(",", "."))
            except ValueError:
                problems.append(f"{place}: {column} {text!r} is not a number")
        elif column in KEYS:
            entry[column] = text
        elif column:
            entry["names"][column] = [name.strip() for name in text.split(_BETWEEN_NAMES) if name.strip()]
    return entry
