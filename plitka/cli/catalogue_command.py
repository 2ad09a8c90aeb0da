"""The command `plitka catalogue`: many mixes at once."""

from __future__ import annotations

import datetime
import re
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from plitka.choices import SheetLanguage
from plitka.cli.catalogue_runner import RunnerName, RunnerOptions
from plitka.cli.drawing import results
from plitka.cli.failures import BAD_REQUEST, FAILURE, exit_status, messages
from plitka.cli.options import AsJson, Engines, Weights
from plitka.cli.process import StoppedError
from plitka.cli.report import print_json, print_lines
from plitka.errors import LISTED_PROBLEMS, FolderError, printable

if TYPE_CHECKING:
    from plitka.batch.folder import CatalogueFolder
    from plitka.batch.plan import BadRow, Catalogue, Item
    from plitka.batch.runner import Runner
    from plitka.batch.table import Row
    from plitka.cli.catalogue_progress import CatalogueProgress

# The folder in which a zip file grows is called like it, with this behind.
PARTS = ".parts"


def catalogue(
    table: Annotated[
        Path | None,
        typer.Argument(help="Table of mixes: .csv, .tsv, or .jsonl with a request in every line."),
    ] = None,
    pairs: Annotated[
        str | None, typer.Option(help="In place of a table: every two colours, at these percents: 25,50,75.")
    ] = None,
    names: Annotated[
        str | None, typer.Option(help="For --pairs: of these colours only, divided by commas.")
    ] = None,
    params: Annotated[
        str | None,
        typer.Option(
            "--params", "-p", help="What every request has unless its row says otherwise, as JSON or @FILE."
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder, or one .zip file.")] = Path("catalogue"),
    force: Annotated[bool, typer.Option("--force", help="Replace a zip file that exists.")] = False,
    runner: Annotated[RunnerName, typer.Option(help="What draws.")] = "local",
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, max=1000, help="Processes, actors or predictions at a time. Default: one a core; 4."
        ),
    ] = None,
    engine: Engines = None,
    weights: Weights = None,
    url: Annotated[str | None, typer.Option(help="Of the Cog server, for --runner cog.")] = None,
    model: Annotated[
        str | None, typer.Option(help="owner/name or owner/name:version, for --runner replicate.")
    ] = None,
    price: Annotated[
        float | None, typer.Option(min=0, help="Of a second of prediction, for the cost so far.")
    ] = None,
    patience: Annotated[
        float | None,
        typer.Option(min=0, help="Seconds for which a refused call is tried again. Default: 600."),
    ] = None,
    ray_address: Annotated[str | None, typer.Option(help="Of a Ray cluster, such as auto.")] = None,
    gpus: Annotated[float | None, typer.Option(min=0, max=8, help="GPUs of each Ray actor.")] = None,
    title: Annotated[str | None, typer.Option(help="On sheets, PDF and page.")] = None,
    language: Annotated[SheetLanguage, typer.Option(help="Of sheets, PDF and page.")] = "en",
    as_json: AsJson = False,
) -> None:
    """Draw many mixes: pictures, an index, contact sheets, a PDF and a page to search in by colour."""
    from plitka.batch.captions import WORDS
    from plitka.batch.index import check_parquet
    from plitka.batch.make import Look

    options = RunnerOptions(runner, engine, weights, workers, url, model, price, patience, ray_address, gpus)
    with exit_status():
        plan = _plan(table, pairs, names, params)
        _print_problems(plan.bad, rest="which problems.csv has" if plan.items else "and no row is left")
        for line, earlier in plan.again[:LISTED_PROBLEMS]:
            print_lines(messages, f"line {line}: the tile of line {earlier} again; it is drawn once")
        if not plan.items:
            raise typer.Exit(BAD_REQUEST)
        check_parquet()
        chosen = options.make()
        today = datetime.datetime.now(tz=datetime.UTC).date()
        look = Look(printable(title or WORDS[language]["title"]), language, today)
        target = _Target(out, force=force)
        with target.folder() as folder:
            report = _Run(plan, chosen, folder).make(look, target)
    if as_json:
        print_json(results, report)
    else:
        print_lines(results, str(out))
    raise typer.Exit(FAILURE if report["failed"] else BAD_REQUEST if plan.bad else 0)


def _plan(table: Path | None, pairs: str | None, names: str | None, params: str | None) -> Catalogue:
    from plitka.batch.plan import check_common, plan_catalogue
    from plitka.cli.request_input import read_text
    from plitka.request.json_text import read_document

    common = read_document(read_text(params)) if params is not None else {}
    check_common(common)
    return plan_catalogue(_rows(table, pairs, names), common)


def _rows(table: Path | None, pairs: str | None, names: str | None) -> list[Row]:
    from plitka.batch.pairs import pair_rows
    from plitka.batch.table import read_table

    if (table is None) == (pairs is None):
        raise typer.BadParameter("name a table, or give --pairs: one of the two")
    if table is not None:
        if names is not None:
            raise typer.BadParameter("--names: goes with --pairs, and a table names its colours itself")
        return read_table(table)
    assert pairs is not None
    try:
        shares = [float(share) for share in pairs.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"--pairs: {pairs} is not a list of percents such as 25,50,75") from error
    return pair_rows(shares, [name.strip() for name in (names or "").split(",") if name.strip()])


class _Target:
    """A folder, or the zip file that is made of one. Raises FolderError."""

    def __init__(self, out: Path, *, force: bool) -> None:
        self.out = out
        self.is_zip = out.suffix.lower() == ".zip" and not out.is_dir()
        self.path = out.with_name(out.name + PARTS) if self.is_zip else out
        if self.is_zip and out.exists() and not force:
            words = f"{out}: exists; name another file with --out, or give --force to replace it"
            raise FolderError(printable(words))

    def folder(self) -> CatalogueFolder:
        from plitka.batch.folder import CatalogueFolder

        return CatalogueFolder(self.path)

    def pack(self, names: list[str]) -> None:
        """Make the zip file and remove the folder."""
        from plitka.batch.zipped import write_zip

        write_zip(self.out, self.path, names)
        shutil.rmtree(self.path)


class _Run:
    """One run of a catalogue: what is left to be drawn is drawn, and all of it is put together."""

    def __init__(self, plan: Catalogue, runner: Runner, folder: CatalogueFolder) -> None:
        self._plan, self._runner, self._folder = plan, runner, folder
        self._failed: list[BadRow] = []

    def make(self, look: Any, target: _Target) -> dict[str, Any]:
        """Draw, put together, report."""
        from plitka.batch.make import finish, left_to_draw

        total = len(self._plan.items)
        items = left_to_draw(self._plan, self._folder, self._runner.engine)
        if len(items) < total:
            print_lines(messages, f"{total - len(items)} of {total} tiles are there already")
        cost = self._draw(items) if items else None
        _print_problems(self._failed, rest="which problems.csv has")
        names = finish(self._plan, self._folder, self._failed, look)
        if target.is_zip and self._failed:
            words = (
                f"{target.out} is not written: tiles are missing; the same command goes on in {target.path}"
            )
            print_lines(messages, words, style="red")
        elif target.is_zip:
            target.pack(names)
        return {
            "out": str(target.out),
            "tiles": total,
            "drawn": len(items) - len(self._failed),
            "failed": [_told(row) for row in self._failed],
            "bad": [_told(row) for row in self._plan.bad],
            "again": [{"line": line, "of": earlier} for line, earlier in self._plan.again],
            "cost": cost,
        }

    def _draw(self, items: list[Item]) -> float | None:
        """Draw items; returns what that cost."""
        from plitka.batch.make import draw
        from plitka.cli.catalogue_progress import CatalogueProgress

        total = len(self._plan.items)
        with CatalogueProgress(messages, total, total - len(items)) as progress, ExitStack() as stack:
            events = draw(items, self._folder, self._runner)
            stack.callback(events.close)
            try:
                for event, item in events:
                    self._take(event, item, progress)
            except StoppedError:
                progress.note(f"stopped: {progress.text()}; the same command goes on from here")
                raise
        print_lines(messages, progress.text())
        return progress.cost

    def _take(self, event: Any, item: Item | None, progress: CatalogueProgress) -> None:
        from plitka.batch.plan import BadRow
        from plitka.batch.runner import Finished, Note

        if isinstance(event, Note):
            progress.note(event.text)
        elif isinstance(event, Finished):
            if item is not None and event.data is None:
                problem = re.sub(r"\s*\n\s*", " ", event.problem)
                self._failed.append(BadRow(item.line, item.name, (problem,)))
            progress.finished(is_drawn=event.data is not None, cost=event.cost)


def _told(row: BadRow) -> dict[str, Any]:
    return {"line": row.line, "name": row.name, "problems": list(row.problems)}


def _print_problems(bad: list[BadRow] | tuple[BadRow, ...], rest: str) -> None:
    lines = [f"line {row.line}: {problem}" for row in bad for problem in row.problems]
    print_lines(messages, *lines[:LISTED_PROBLEMS], style="red")
    if len(lines) > LISTED_PROBLEMS:
        print_lines(messages, f"and {len(lines) - LISTED_PROBLEMS} more, {rest}", style="red")
