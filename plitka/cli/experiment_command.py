"""`plitka experiment`: a plan drawn, measured and judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from plitka.cli.drawing import load, results
from plitka.cli.failures import FAILURE, exit_status, messages
from plitka.cli.options import FOLDER, AsJson, Engines, Weights
from plitka.cli.process import StoppedError
from plitka.cli.report import print_json, print_lines
from plitka.errors import printable

if TYPE_CHECKING:
    from plitka.experiment.run import Outcome, Progress


def experiment(
    plan: Annotated[
        str | None, typer.Argument(help="A YAML file, or the name of a plan that is shipped.")
    ] = None,
    engine: Engines = None,
    weights: Weights = None,
    seeds: Annotated[
        int | None, typer.Option(help="So many seeds, from 1 on, in place of the plan's.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="FIELD=VALUE of the request, such as width=512; may be repeated."),
    ] = None,
    most_cells: Annotated[int, typer.Option(min=1, help="Refuse a cross of more cells.")] = 2000,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help=f"{FOLDER} Cells that are done there are not drawn again."),
    ] = Path("out/experiment"),
    lists: Annotated[bool, typer.Option("--list", help="List the plans that are shipped.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draw every cell of a plan, measure it, and say what is best and whether the seeds show it."""
    with exit_status():
        if lists:
            _print_list(as_json)
        elif plan is None:
            raise typer.BadParameter("name a plan: a YAML file, or one of --list")
        else:
            _run(plan, engine, weights, seeds, settings or [], most_cells, out, as_json)


def _print_list(as_json: bool) -> None:
    from plitka.experiment.shipped import shipped_plans

    plans = dict(shipped_plans())
    if as_json:
        print_json(results, {"plans": plans})
    else:
        print_lines(results, *(f"{name:<18}  {about}" for name, about in plans.items()))


def _run(
    name: str,
    engine: str | None,
    weights: Path | None,
    seeds: int | None,
    settings: list[str],
    most_cells: int,
    out: Path,
    as_json: bool,
) -> None:
    from plitka.experiment.read_plan import read_plan
    from plitka.experiment.run import check_folder, run_experiment

    text = _text(name)
    plan, requests = read_plan(text, _settings(settings), seeds, most_cells)
    check_folder(out)
    loaded = load(engine or plan.engine, weights)
    try:
        outcome = run_experiment(plan, requests, loaded, out, text, watch=_print_progress)
    except StoppedError:
        print_lines(messages, "stopped; the same command goes on from here")
        raise
    finally:
        loaded.close()
    if as_json:
        print_json(results, _report(outcome))
    else:
        from plitka.experiment.tables import verdict_text

        print_lines(
            results, *(line for one in outcome.verdicts for line in verdict_text(one).split("\n") if line)
        )
        print_lines(results, *(str(path) for path in outcome.files))
    if outcome.failed:
        print_lines(messages, f"{outcome.failed} cells could not be drawn; see {out}", style="red")
        raise typer.Exit(FAILURE)


def _text(name: str) -> bytes:
    """The text of a plan: a shipped one by its name, else a file."""
    from plitka.experiment.shipped import shipped_names, shipped_text
    from plitka.experiment.yaml_text import MAX_PLAN_BYTES

    if name in shipped_names():
        return shipped_text(name)
    path = Path(name)
    if not path.is_file():
        names = ", ".join(shipped_names())
        raise typer.BadParameter(f"{printable(name)}: no file, and no shipped plan ({names})")
    with path.open("rb") as file:
        return file.read(MAX_PLAN_BYTES + 1)


def _settings(given: list[str]) -> dict[str, Any]:
    """The values of `--set`, read as YAML. Raises typer.BadParameter for what is none."""
    from plitka.experiment.plan import OWN_FIELDS
    from plitka.experiment.read_plan import FIELDS
    from plitka.experiment.yaml_text import read_yaml

    found = {}
    for one in given:
        field, equals, value = one.partition("=")
        if not equals or field not in FIELDS or field in OWN_FIELDS:
            raise typer.BadParameter(f"--set: {printable(one)} is no FIELD=VALUE with a field of a request")
        found[field], problems = read_yaml(value)
        if problems:
            raise typer.BadParameter(f"--set: {printable(one)}: the value is no YAML")
    return found


def _print_progress(progress: Progress) -> None:
    width = len(str(progress.count))
    cell = progress.cell
    did = "was there" if progress.was_there else f"{cell.figures['seconds']:.1f} s" if cell.file else "failed"
    left = f", {progress.seconds_left:.0f} s left" if progress.seconds_left >= 1 else ""
    which = f"{progress.number:>{width}}/{progress.count}  {progress.arm.title}, seed {progress.seed}"
    print_lines(messages, f"{which}: {did}{left}")


def _report(outcome: Outcome) -> dict[str, Any]:
    """What `--json` prints."""
    from dataclasses import asdict

    return {
        "files": [str(path) for path in outcome.files],
        "cells": len(outcome.cells),
        "failed": outcome.failed,
        "verdicts": [
            {**asdict(verdict), "winner": verdict.best if verdict.is_winner else None}
            for verdict in outcome.verdicts
        ],
    }
