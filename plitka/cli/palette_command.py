"""`plitka palette`: show the palette in use, measure one of photographs, check one."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from plitka.cli.failures import BAD_REQUEST, exit_status, fail, messages
from plitka.cli.report import PATCH, print_json, print_lines
from plitka.errors import PhotographError
from plitka.settings import PALETTE_VARIABLE

if TYPE_CHECKING:
    from plitka.colors.mix import Mix
    from plitka.colors.palette import Palette, PaletteColor
    from plitka.match.palette_check import Disagreement

results = Console()
# `red_blue`, `redp30_bluep70`: codes, with percentages or without.
_PART = re.compile(r"(.+?)(?:p\d+)?")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document in place of lines and tables.")]
Photos = Annotated[Path, typer.Argument(help="Folder of photographs of one colour each.", show_default=False)]
Out = Annotated[Path, typer.Option("--out", "-o", help="The palette file to write.")]
Currency = Annotated[str | None, typer.Option(help="Of the prices in the table, such as EUR.")]
Force = Annotated[bool, typer.Option("--force", help="Replace that file if it exists.")]
Files = Annotated[
    list[Path] | None,
    typer.Argument(help="A palette file (.json), default the one in use, and photographs of mixes."),
]


def show(as_json: AsJson = False) -> None:
    """List the colours of the palette in use: that of PLITKA_PALETTE, or the built-in one."""
    from plitka.colors.palette import palette_in_use

    with exit_status():
        palette = palette_in_use()
        if as_json:
            print_json(results, palette_report(palette))
            return
        results.print(palette_table(palette))
        print_lines(results, f"{len(palette)} colours, palette {palette.fingerprint[:12]}")


def measure(
    photos: Photos, out: Out = Path("palette.json"), currency: Currency = None, force: Force = False
) -> None:
    """Make a palette file out of photographs of tiles of one colour each."""
    from plitka.colors.palette_file import decode_palette
    from plitka.files.whole_files import write_whole
    from plitka.match.palette_photos import palette_of_photos

    with exit_status():
        if not photos.is_dir():
            raise typer.BadParameter(f"{photos} is no folder of photographs")
        if out.exists() and not force:
            raise typer.BadParameter(f"--out: {out} exists; --force replaces it")
        with messages.status("measuring"):
            document = palette_of_photos(photos, currency)
        data = (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()
        palette = decode_palette(data, photos)
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, data)
        results.print(palette_table(palette))
        print_lines(results, *alike_lines(palette), f"{out}; use it with PLITKA_PALETTE={out}")


def check(files: Files = None, as_json: AsJson = False) -> None:
    """Find colours that cannot be told apart, and colours that look otherwise on photographs of mixes."""
    from plitka.colors.palette import palette_in_use
    from plitka.match.palette_check import colors_seen, disagreements
    from plitka.match.photo import read_photograph

    with exit_status():
        photos = _use_palette_among(files or [])
        palette = palette_in_use()
        seen = []
        with messages.status("looking at the tiles"):
            for path in photos:
                try:
                    seen += colors_seen(read_photograph(path), known_colors(path.stem, palette), palette)
                except PhotographError as error:
                    fail(f"{path} {error}", status=BAD_REQUEST)
        worst = disagreements(seen, palette)
        if as_json:
            print_json(results, check_report(palette, worst, len(photos)))
        else:
            print_lines(results, *alike_lines(palette), *disagreement_lines(worst, len(photos)))


def _use_palette_among(files: list[Path]) -> list[Path]:
    """Make a palette file among the files the one in use; returns the others."""
    own = [path for path in files if path.suffix.lower() == ".json"]
    if len(own) > 1:
        raise typer.BadParameter(f"{len(own)} palette files are given; one can be checked")
    if own:
        # The process ends with the command.
        os.environ[PALETTE_VARIABLE] = str(own[0])
    return [path for path in files if path not in own]


def known_colors(stem: str, palette: Palette) -> Mix | None:
    """The colours that a file name says, such as `red_blue` or `redp30_bluep70`; None if it says none."""
    from plitka.colors.mix import palette_mix_color
    from plitka.colors.palette import fold

    parts = [_PART.fullmatch(part) for part in stem.split("_")]
    found = [palette.by_name.get(fold(part[1])) if part else None for part in parts]
    colors = dict.fromkeys(one[0] for one in found if one)
    return tuple(map(palette_mix_color, colors)) if all(found) else None


def palette_table(palette: Palette) -> Table:
    """One row for each colour: patch, code, names, means, what it costs and weighs where that is known."""
    columns: dict[str, Callable[[PaletteColor], str]] = {
        "prompt": lambda color: "" if color.prompt_word == color.english else color.prompt_word,
        "RAL": lambda color: color.ral or "",
        "kg/m³": lambda color: _figure(color.density_kg_m3),
        "bulk": lambda color: _figure(color.bulk_kg_m3),
        f"{palette.currency or ''}/kg": lambda color: _figure(color.price_per_kg),
        "bag": lambda color: _figure(color.bag_kg),
    }
    # Only what some colour has.
    shown = {title: of for title, of in columns.items() if any(map(of, palette.values()))}
    head = ("", "code", "names", "mean", "L* 5–95 %", *shown)
    table = Table(*(Column(title, overflow="fold") for title in head), box=box.SIMPLE, padding=(0, 1, 0, 0))
    for color in palette.values():
        names = dict.fromkeys((color.english, color.russian))
        table.add_row(
            Text(PATCH, style=color.hex),
            Text(color.code),
            Text(", ".join(names)),
            color.hex,
            "–".join(f"{value:.0f}" for value in color.lightness_range),
            *(Text(of(color)) for of in shown.values()),
        )
    return table


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def palette_report(palette: Palette) -> dict[str, Any]:
    """What `plitka palette show --json` prints: the palette as a file has it, and its hash."""
    from plitka.colors.palette_file import palette_document

    return {"sha256": palette.fingerprint, **palette_document(palette)}


def check_report(palette: Palette, worst: Sequence[Disagreement], photos: int) -> dict[str, Any]:
    """What `plitka palette check --json` prints."""
    from plitka.match.palette_check import SAME, alike_pairs

    return {
        "alike": [
            {"codes": [one.code, other.code], "delta_e": round(difference, 1), "same": difference < SAME}
            for difference, one, other in alike_pairs(palette)
        ],
        "photos": photos,
        "disagreements": [
            {
                "code": one.color.code,
                "lab": [round(value, 1) for value in one.lab],
                "delta_e": round(one.delta_e, 1),
                "photos": one.photos,
            }
            for one in worst
        ],
    }


def alike_lines(palette: Palette) -> list[str]:
    """Pairs that look alike, a line each."""
    from plitka.match.palette_check import ALIKE, SAME, alike_pairs

    pairs = alike_pairs(palette)
    if not pairs:
        return [f"No two colours are nearer than ΔE00 {ALIKE:g}."]
    words = {True: "cannot be told apart", False: "are hard to tell apart"}
    return [
        f"ΔE00 {difference:.1f}: {one.english} and {other.english} {words[difference < SAME]}"
        for difference, one, other in pairs
    ]


def disagreement_lines(worst: Sequence[Disagreement], photos: int) -> list[str]:
    """Colours that look otherwise on mixes, a line each."""
    from plitka.match.palette_check import DISAGREES

    if not photos:
        return []
    if not worst:
        return [f"On {photos} photographs no colour is ΔE00 {DISAGREES:g} or more from the palette's."]
    return [
        f"{one.color.english}: ΔE00 {one.delta_e:.1f} from the palette's on {one.photos} photographs, "
        f"Lab {', '.join(f'{value:.1f}' for value in one.lab)}"
        for one in worst
    ]
