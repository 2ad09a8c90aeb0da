"""Figures on disk: lines of JSON, added as they are measured. Needs no library."""

import json
from pathlib import Path
from typing import Any

FIGURES = "figures.jsonl"
# Beside this file, one for each card.
KEPT = "figures-*.jsonl"
# Decibels between pictures that are the same to the bit, where the formula gives infinity.
SAME = 999.0
Figure = dict[str, Any]


def add_figure(folder: Path, figure: Figure) -> None:
    """Print a figure as one line of JSON, at once, and keep it."""
    text = json.dumps(figure)
    print(text, flush=True)
    with (folder / FIGURES).open("a", encoding="utf-8") as figures:
        figures.write(text + "\n")


def kept_figures() -> list[Figure]:
    """The figures of real cards that the repository keeps, card by card, oldest first."""
    files = sorted(Path(__file__).parent.glob(KEPT))
    return [figure for file in files for figure in _lines(file)]


def read_figures(folder: Path) -> list[Figure]:
    """Every figure that a folder holds, oldest first; none if there is no file."""
    path = folder / FIGURES
    return _lines(path) if path.is_file() else []


def _lines(path: Path) -> list[Figure]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
