"""What the command line tells people: tables and lines that read well on a terminal and in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Column, Table

if TYPE_CHECKING:
    from plitka.fidelity import Fidelity
    from plitka.generate import Result
    from plitka.mix import Mix
    from plitka.models import FileStatus

STATE_STYLES: Mapping[str, str] = {"ok": "green", "hub": "cyan", "missing": "yellow", "broken": "red"}


def say(console: Console, text: str, style: str | None = None) -> None:
    """Print text as it is: brackets are no markup, and a pipe gets long lines whole."""
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def picture_line(result: Result, path: Path) -> str:
    """A finished file: its name, size in pixels, seconds of work and path."""
    height, width = result.image.shape[:2]
    seconds = sum(result.metrics[f"timing.{result.name}"].values())
    size = f"{width} x {height}"
    return f"{result.name:<8}  {size:<11}  {seconds:6.2f} s  {path}"


def shares_table(fidelity: Fidelity) -> Table:
    """Requested and measured share of every colour."""
    table = Table("colour", *(_number(title) for title in ("requested", "measured", "error", "ΔE00")))
    for color in fidelity.colors:
        error = 100 * (color.measured - color.requested)
        shares = (_percent(color.requested), _percent(color.measured))
        table.add_row(color.id, *shares, f"{error:+.1f} pp", _difference(color.delta_e))
    return table


def plan_table(mix: Mix, shares: Iterable[float]) -> Table:
    """Requested share of every colour and its share of the planned tile."""
    table = Table("colour", _number("requested"), _number("planned"))
    for color, share in zip(mix, shares, strict=True):
        table.add_row(color.id, f"{100 * color.share:.2f} %", f"{100 * share:.2f} %")
    return table


def demo_table(engine: str, rows: Iterable[tuple[str, Fidelity, float]]) -> Table:
    """What an engine drew, one row per tile.

    Its mix as requested and as measured in the final picture, and the seconds that all files took.
    """
    table = Table("tile", "requested", "measured", _number("worst error"), _number("seconds"), title=engine)
    for name, fidelity, seconds in rows:
        requested = "\n".join(f"{_percent(color.requested)} {color.id}" for color in fidelity.colors)
        measured = "\n".join(_percent(color.measured) for color in fidelity.colors)
        worst = f"{fidelity.worst_error_pp:.1f} pp"
        table.add_row(name, requested, measured, worst, f"{seconds:.2f}", end_section=True)
    return table


def files_table(engine: str, statuses: Iterable[FileStatus]) -> Table:
    """State of every weight file of an engine."""
    folding = (Column(title, overflow="fold") for title in ("file", "detail"))
    table = Table("part", "state", *folding, title=engine, title_justify="left")
    for status in statuses:
        state = f"[{STATE_STYLES[status.state]}]{status.state}[/]"
        table.add_row(status.part, state, status.path, status.detail)
    return table


def _number(title: str) -> Column:
    return Column(title, justify="right")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _difference(delta_e: float | None) -> str:
    return "-" if delta_e is None else f"{delta_e:.1f}"
