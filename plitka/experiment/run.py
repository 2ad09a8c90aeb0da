"""A plan drawn, measured, judged and written."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from plitka.engine.protocol import Engine
from plitka.errors import FolderError, PlanError, Problem, RequestError, printable
from plitka.experiment.cells import FOLDER, Cell, CellFolder
from plitka.experiment.grid import draw_grids
from plitka.experiment.plan import Arm, ExperimentPlan
from plitka.experiment.read_plan import Requests
from plitka.experiment.tables import cells_csv, report
from plitka.experiment.verdict import Verdict, verdicts
from plitka.files.folder_locks import locked_folder
from plitka.files.whole_files import write_whole
from plitka.request.drawing_settings import prompt_of, settings_for

PLAN_FILE, TABLE, REPORT = "plan.yaml", "cells.csv", "report.md"
# Of the arms with the same problem.
NAMED_ARMS = 3


@dataclass(frozen=True)
class Progress:
    """One cell that is there: the how manieth of how many, whether it was there before, seconds left."""

    number: int
    count: int
    arm: Arm
    seed: int
    cell: Cell
    was_there: bool
    seconds_left: float


@dataclass(frozen=True)
class Outcome:
    """A finished experiment: its cells, its verdicts and its files."""

    cells: Mapping[tuple[Arm, int], Cell]
    verdicts: tuple[Verdict, ...]
    files: tuple[Path, ...]

    @property
    def failed(self) -> int:
        """Cells that could not be drawn."""
        return sum(cell.error is not None for cell in self.cells.values())


def check_folder(out: Path) -> None:
    """Raise FolderError for a folder that has something else in it than an experiment."""
    try:
        names = {path.name for path in out.iterdir()}
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise FolderError(printable(f"{out}: is a file; name a folder with --out")) from None
    if names and PLAN_FILE not in names:
        raise FolderError(
            printable(f"{out}: holds something else than an experiment; name another with --out")
        )


def check_engine(plan: ExperimentPlan, requests: Requests, engine: Engine) -> None:
    """Refuse what this engine cannot draw, before it draws. Raises PlanError naming the arms."""
    problems: dict[tuple[str, str], Problem] = {}
    arms: dict[tuple[str, str], list[str]] = {}
    for arm in plan.arms():
        request = requests[arm, plan.seeds[0]]
        try:
            engine.check(request, prompt_of(request, settings_for(request, engine.defaults)))
        except RequestError as error:
            for found in error.problems:
                kind = found.field, found.reason
                problems.setdefault(kind, found)
                arms.setdefault(kind, []).append(arm.title)
    if problems:
        raise PlanError(
            replace(problem, field=f"{problem.field} ({_listed(arms[kind])})")
            for kind, problem in problems.items()
        )


def _listed(titles: Sequence[str]) -> str:
    more = len(titles) - NAMED_ARMS
    return "; ".join(titles[:NAMED_ARMS]) + (f"; {more} more" if more > 0 else "")


def run_experiment(
    plan: ExperimentPlan,
    requests: Requests,
    engine: Engine,
    out: Path,
    text: bytes = b"",
    watch: Callable[[Progress], None] = lambda _progress: None,
) -> Outcome:
    """Draw every cell that is not done, and write tables, report and grids into a folder.

    Args:
        plan: What to draw.
        requests: The request of every arm and seed.
        engine: What draws.
        out: The folder, made where it is missing; cells in it that are done are kept.
        text: The plan's own text, which is kept beside its cells.
        watch: Gets every cell.

    Raises:
        PlanError: This engine cannot draw a cell.
        FolderError: The folder has something else in it, or another run is at work there.
        OSError: It cannot be written.
    """
    check_folder(out)
    check_engine(plan, requests, engine)
    out.mkdir(parents=True, exist_ok=True)
    with locked_folder(out, "plitka experiment"):
        return _run(plan, requests, engine, out, text, watch)


def _run(
    plan: ExperimentPlan,
    requests: Requests,
    engine: Engine,
    out: Path,
    text: bytes,
    watch: Callable[[Progress], None],
) -> Outcome:
    write_whole(out / PLAN_FILE, text)
    cells = _cells(plan, requests, CellFolder(out, engine), watch)
    found = verdicts(plan, cells)
    grids = []
    for number, data in enumerate(draw_grids(plan, cells, out), start=1):
        grids.append(out / ("grid.png" if number == 1 else f"grid-{number}.png"))
        write_whole(grids[-1], data)
    for path in out.glob("grid-*.png"):
        # Of a larger plan, whose rows are not all here.
        if path not in grids:
            path.unlink()
    # A byte order mark, by which spreadsheets know UTF-8.
    write_whole(out / TABLE, cells_csv(plan, cells).encode("utf-8-sig"))
    words = report(plan, cells, found, engine.name, [path.name for path in grids])
    write_whole(out / REPORT, words.encode())
    return Outcome(cells, tuple(found), (out / REPORT, out / TABLE, *grids, out / FOLDER))


def _cells(
    plan: ExperimentPlan, requests: Requests, folder: CellFolder, watch: Callable[[Progress], None]
) -> dict[tuple[Arm, int], Cell]:
    """Every cell, in the plan's order; drawn seed by seed, so that a broken run has some of every arm."""
    cells: dict[tuple[Arm, int], Cell] = {}
    arms = list(plan.arms())
    order = [(arm, seed) for seed in plan.seeds for arm in arms]
    known = {place: cell for place in order if (cell := folder.done(requests[place])) is not None}
    since, drawn, left = time.perf_counter(), 0, len(order) - len(known)
    for number, place in enumerate(order, start=1):
        was_there = place in known
        cells[place] = known[place] if was_there else folder.draw(requests[place])
        if not was_there:
            drawn, left = drawn + 1, left - 1
        seconds = (time.perf_counter() - since) / drawn * left if drawn else 0.0
        watch(Progress(number, len(order), *place, cells[place], was_there, seconds))
    return {(arm, seed): cells[arm, seed] for arm in arms for seed in plan.seeds}
