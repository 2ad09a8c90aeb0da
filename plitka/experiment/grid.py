"""The pictures of an experiment side by side, with captions."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from plitka.experiment.cells import FOLDER, Cell
from plitka.experiment.plan import Arm, ExperimentPlan
from plitka.output.scale_bar import font

# Pixels of a picture's longer side, of the text, and around both.
SIDE, _TEXT, _ROOM = 256, 14, 8
_MOST_LEFT = 200
# So that one sheet can be looked at: more rows go on further sheets, more seeds are left out.
MOST_COLUMNS, MOST_ROWS = 8, 24
_PAPER, _INK, _SOFT = (255, 255, 255), (20, 20, 20), (110, 110, 110)


@dataclass(frozen=True)
class _Sheet:
    """Captions of columns and rows, and the cell of each place; None where there is none."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]


def draw_grids(plan: ExperimentPlan, cells: Mapping[tuple[Arm, int], Cell], out: Path) -> Iterator[bytes]:
    """PNG files: a row for every block, a column for its arms and seeds; without blocks a row for every arm.

    Under each picture stand its share error and, where it has one, the angle found.
    """
    sheet = _sheet(plan, cells)
    for start in range(0, len(sheet.rows), MOST_ROWS):
        yield _drawn(_Sheet(sheet.columns, sheet.rows[start : start + MOST_ROWS]), out / FOLDER)


def _sheet(plan: ExperimentPlan, cells: Mapping[tuple[Arm, int], Cell]) -> _Sheet:
    blocks: dict[str, list[Arm]] = {}
    for arm in plan.arms():
        blocks.setdefault(arm.block, []).append(arm)
    if len(blocks) == 1:
        seeds = plan.seeds[:MOST_COLUMNS]
        columns = tuple(f"seed {seed}" for seed in seeds)
        rows = [(arm.label, tuple(cells.get((arm, seed)) for seed in seeds)) for arm in blocks[""]]
        return _Sheet(columns, tuple(rows))
    arms = next(iter(blocks.values()))[:MOST_COLUMNS]
    seeds = plan.seeds[: max(1, MOST_COLUMNS // len(arms))]
    columns = tuple(f"{arm.label}, seed {seed}" for arm in arms for seed in seeds)
    rows = [
        (block, tuple(cells.get((arm, seed)) for arm in found[:MOST_COLUMNS] for seed in seeds))
        for block, found in blocks.items()
    ]
    return _Sheet(columns, tuple(rows))


def _drawn(sheet: _Sheet, folder: Path) -> bytes:
    letters = font(_TEXT)
    line = _TEXT + 4
    heads = [_wrapped(words, SIDE, letters) for words in sheet.columns]
    head = line * max(map(len, heads)) + 2 * _ROOM
    across, down = SIDE + _ROOM, SIDE + line + 2 * _ROOM
    widest = max(letters.getlength(words) for words, _ in sheet.rows)
    indent = min(_MOST_LEFT, round(widest) + 2 * _ROOM)
    size = (indent + across * len(sheet.columns) + _ROOM, head + down * len(sheet.rows))
    paper = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(paper)
    for column, lines in enumerate(heads):
        _write(draw, (indent + across * column, _ROOM), lines, letters, _INK)
    for row, (words, cells) in enumerate(sheet.rows):
        top = head + down * row
        _write(draw, (_ROOM, top), _wrapped(words, indent - 2 * _ROOM, letters), letters, _INK)
        for column, cell in enumerate(cells):
            left = indent + across * column
            paper.paste(_picture(cell, folder), (left, top))
            _write(draw, (left, top + SIDE + 2), [_caption(cell)], letters, _SOFT)
    file = io.BytesIO()
    paper.save(file, "PNG")
    return file.getvalue()


def _picture(cell: Cell | None, folder: Path) -> Image.Image:
    """The picture of a cell in a square, as it is or smaller; grey where there is none."""
    square = Image.new("RGB", (SIDE, SIDE), (235, 235, 235))
    if cell is not None and cell.file:
        with Image.open(folder / cell.file) as picture:
            shown = picture.convert("RGB")
        shown.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        square.paste(shown, ((SIDE - shown.width) // 2, (SIDE - shown.height) // 2))
    return square


def _caption(cell: Cell | None) -> str:
    if cell is None or cell.error:
        return "not drawn"
    parts = []
    error, angle = cell.figure("fidelity.error_pp"), cell.figure("angle_found")
    if error is not None:
        parts.append(f"share error {error:.1f} pp")
    if angle is not None:
        parts.append(f"joints at {angle:.1f}°")
    return ", ".join(parts)


def _write(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    lines: Sequence[str],
    letters: ImageFont.FreeTypeFont,
    color: tuple[int, int, int],
) -> None:
    for number, words in enumerate(lines):
        draw.text((place[0], place[1] + number * (_TEXT + 4)), words, fill=color, font=letters)


def _wrapped(words: str, width: int, letters: ImageFont.FreeTypeFont) -> list[str]:
    """At most four lines of words that fit into so many pixels; a word that alone is longer is cut."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if letters.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > 4:
        lines = [*lines[:3], f"{lines[3]} …"]
    return [_cut(line, width, letters) for line in lines]


def _cut(line: str, width: int, letters: ImageFont.FreeTypeFont) -> str:
    while len(line) > 1 and letters.getlength(line) > width:
        line = f"{line.rstrip('…')[:-1]}…"
    return line
