"""Tables and lines that the command line prints, readable on a terminal and in a pipe."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from plitka.errors import printable

if TYPE_CHECKING:
    from plitka.colors.mix import Mix
    from plitka.fidelity.color_lock import MeasuredPicture
    from plitka.fidelity.measure import Fidelity
    from plitka.results import Result
    from plitka.weights.verify import FileStatus

# A patch of colour in a table; where a terminal shows no colours, the hex beside it names the colour.
PATCH = "\u2588\u2588"
# Of the longest name of a part, `controlnet softedge`.
PART_WIDTH = 19
STATE_STYLES: Mapping[str, str] = {
    "ok": "green",
    "hub": "cyan",
    "missing": "yellow",
    "broken": "red",
    "without": "cyan",
}


def print_lines(console: Console, *lines: str, style: str | None = None) -> None:
    """Print lines literally: brackets are no markup, long lines are not wrapped.

    Control characters, line ends included, are printed as escapes, since lines may contain text from files,
    paths and the environment.
    """
    for line in lines:
        console.print(printable(line), style=style, markup=False, highlight=False, soft_wrap=True)


def print_json(console: Console, document: Mapping[str, Any]) -> None:
    """Print one JSON document, in ASCII, so that any encoding can carry it."""
    text = json.dumps(document, indent=2, allow_nan=False)
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def picture_line(result: Result, path: Path) -> str:
    """A finished file: its name, size in pixels or that of a page, seconds of work and path."""
    height, width = result.image.shape[:2]
    size = "A4" if result.name == "sheet" else f"{width} x {height}"
    return f"{result.name:<8}  {size:<11}  {result.seconds:6.2f} s  {path}"


def colors_table(picture: MeasuredPicture) -> Table:
    """One row per colour of a picture: share requested, share measured with and without the plan, mean."""
    fidelity, unguided = picture.measured.fidelity, picture.measured.unguided
    shares = ["requested", "measured", "error"]
    if picture.measured.plan:
        shares.append("without plan")
    table = Table(
        "colour",
        *(_number(title) for title in (*shares, "ΔE00")),
        "mean colour",
    )
    for color, seen in zip(fidelity.colors, unguided.colors, strict=True):
        error = f"{100 * (color.measured - color.requested):+z.1f} pp"
        row = [color.id, _percent(color.requested), _percent(color.measured), error]
        if picture.measured.plan:
            row.append(_percent(seen.measured))
        table.add_row(*row, _difference(color.delta_e), _patch(color.hex))
    return table


def correction_lines(picture: MeasuredPicture) -> tuple[str, ...]:
    """Whether and why a picture was corrected, and how far it is from its mix before and after."""
    settings = f"colour guidance {picture.guidance:g}, colour lock {picture.lock}"
    if picture.before is None:
        return (f"{settings}: not corrected, {picture.reason}",)
    before, after = _errors(picture.before.fidelity), _errors(picture.measured.fidelity)
    return f"{settings}: corrected, {picture.reason}", f"{before} -> {after}"


def _errors(fidelity: Fidelity) -> str:
    worst = _difference(fidelity.worst_delta_e)
    return f"worst share error {fidelity.worst_error_pp:.1f} pp, worst ΔE00 {worst}"


def _patch(hex_color: str | None) -> Text:
    if hex_color is None:
        return Text("-")
    return Text.assemble((PATCH, hex_color.lower()), f" {hex_color}")


def plan_table(mix: Mix, shares: Iterable[float]) -> Table:
    """Requested share of every colour and its share of the planned tile."""
    table = Table("colour", _number("requested"), _number("planned"))
    for color, share in zip(mix, shares, strict=True):
        table.add_row(color.id, f"{100 * color.share:.2f} %", f"{100 * share:.2f} %")
    return table


def demo_table(engine: str, rows: Iterable[tuple[str, Fidelity, float]]) -> Table:
    """What an engine drew, one row per tile: its mix as requested and as measured in the final picture, and
    the seconds that all files took.
    """
    table = Table("tile", "requested", "measured", _number("worst error"), _number("seconds"), title=engine)
    for name, fidelity, seconds in rows:
        requested = "\n".join(f"{_percent(color.requested)} {color.id}" for color in fidelity.colors)
        measured = "\n".join(_percent(color.measured) for color in fidelity.colors)
        worst = f"{fidelity.worst_error_pp:.1f} pp"
        table.add_row(name, requested, measured, worst, f"{seconds:.2f}", end_section=True)
    return table


def print_files(console: Console, statuses: Iterable[FileStatus]) -> None:
    """Print a line for every weight file of an engine: state, part, path, detail, family and source.

    No table, which would break the paths.
    """
    for status in statuses:
        state = Text(f"  {status.state:<7}  ", STATE_STYLES[status.state])
        said = "; ".join(filter(None, (status.detail, status.family, status.source)))
        rest = f"{status.part:<{PART_WIDTH}}  {status.path}  ({said})"
        console.print(state + Text(printable(rest)), soft_wrap=True)


def plan_report(
    mix: Mix, shares: Iterable[float], size: tuple[int, int], paths: Iterable[Path]
) -> dict[str, Any]:
    """The part about the plan of what `plitka plan --json` prints; `size` is width and height in pixels."""
    width, height = size
    files = [{"name": path.stem, "path": str(path), "width": width, "height": height} for path in paths]
    colors = [
        {"id": color.id, "requested": color.share, "planned": float(share)}
        for color, share in zip(mix, shares, strict=True)
    ]
    return {"files": files, "colors": colors}


def models_report(folder: Path, found: Mapping[str, Iterable[FileStatus]], *, whole: bool) -> dict[str, Any]:
    """What `plitka models list --json` and `plitka models verify --json` print."""
    engines = {name: [asdict(file) for file in files] for name, files in found.items()}
    return {"folder": str(folder.resolve()), "engines": engines, "whole": whole}


def _number(title: str) -> Column:
    return Column(title, justify="right")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _difference(delta_e: float | None) -> str:
    return "-" if delta_e is None else f"{delta_e:.1f}"
