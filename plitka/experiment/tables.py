"""What an experiment says: a table of cells as CSV, a report as Markdown."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count

from plitka.experiment.cells import Cell, as_row
from plitka.experiment.intervals import CHANCE, Interval, mean_interval
from plitka.experiment.measures import JUDGED, MEASURES
from plitka.experiment.plan import Arm, ExperimentPlan, value_text
from plitka.experiment.verdict import Verdict

NO_DIFFERENCE = "no difference shown"
# What a spreadsheet takes for a formula at the start of a field.
_FORMULA = tuple("=+-@\t\r")


def cells_csv(plan: ExperimentPlan, cells: Mapping[tuple[Arm, int], Cell]) -> str:
    """A row for every cell: values of the factors, seed, every measure, shares, file."""
    text = io.StringIO()
    rows = list(_rows(plan, cells))
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _rows(plan: ExperimentPlan, cells: Mapping[tuple[Arm, int], Cell]) -> Iterator[dict[str, object]]:
    for (arm, seed), cell in cells.items():
        given = {
            factor.field: _unformula(value_text(factor.values[index]))
            for factor, index in zip(plan.factors, arm.choice, strict=True)
        }
        yield {**given, "seed": seed, **as_row(cell)}


def _unformula(text: str) -> str:
    """A text that no spreadsheet computes; a plain negative number stays one."""
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def report(
    plan: ExperimentPlan,
    cells: Mapping[tuple[Arm, int], Cell],
    found: Sequence[Verdict],
    engine: str,
    pictures: Sequence[str],
) -> str:
    """The experiment as Markdown: what was drawn, the means of every arm, what is best and what is shown."""
    failed = [(arm, seed, cell) for (arm, seed), cell in cells.items() if cell.error]
    seeds = ", ".join(map(str, plan.seeds))
    parts = [
        "# Experiment",
        *([_escaped(plan.about)] if plan.about else []),
        f"{plan.count} cells: {plan.count // len(plan.seeds)} arms with {len(plan.seeds)} "
        f"{'seed' if len(plan.seeds) == 1 else 'seeds'} each ({seeds}), drawn by `{engine}`.",
        *(f"![]({picture})" for picture in pictures),
        "## Arms",
        f"Mean over the seeds ± half of its {1 - CHANCE:.0%} interval (Student's t), each for itself.",
        arms_table(plan, cells),
        *(["## Best", *verdict_lines(plan, found)] if plan.rule else []),
        *(["## Not drawn", "\n".join(_failure(*one) for one in failed)] if failed else []),
        "## Measures",
        "\n".join(f"- `{name}`: {measure.meaning}" for name, measure in MEASURES.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _failure(arm: Arm, seed: int, cell: Cell) -> str:
    return f"- {_escaped(arm.title)}, seed {seed}: {_escaped(cell.error or '')}"


def arms_table(plan: ExperimentPlan, cells: Mapping[tuple[Arm, int], Cell]) -> str:
    """A row for every arm, a column for the mean of every measure that any of them has."""
    arms = list(plan.arms())
    values = {
        (arm, name): [
            value
            for seed in plan.seeds
            if (value := cells[arm, seed].figure(name) if (arm, seed) in cells else None) is not None
        ]
        for arm in arms
        for name in JUDGED
    }
    names = [name for name in JUDGED if any(values[arm, name] for arm in arms)]
    head = ["arm", *(f"`{name}`" for name in names)]
    rows = [[_escaped(arm.title), *(_mean_text(values[arm, name]) for name in names)] for arm in arms]
    lines = [head, ["---", *("---:" for _ in names)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _mean_text(values: Sequence[float]) -> str:
    if not values:
        return "–"
    found = mean_interval(values)
    if found.low is None:
        return f"{found.mean:.4g}"
    return f"{found.mean:.4g} ± {found.mean - found.low:.2g}"


def verdict_lines(plan: ExperimentPlan, found: Sequence[Verdict]) -> Iterator[str]:
    """The rule, how it is judged, and a paragraph for every block."""
    yield (
        f"Rule: {plan.rule}. Conditions are on means. Every interval is Student's t over paired differences "
        "of the same seeds, widened (Bonferroni) so that noise alone shows a difference anywhere here with a "
        f"chance of at most {CHANCE:.0%}."
    )
    for verdict in found:
        yield verdict_text(verdict)


def verdict_text(verdict: Verdict) -> str:
    """A block's verdict as Markdown."""
    where = f"**{_escaped(verdict.block)}**: " if verdict.block else ""
    left_out = (
        f" Not within the conditions: {'; '.join(map(_escaped, verdict.excluded))}."
        if verdict.excluded
        else ""
    )
    if verdict.best is None:
        return f"{where}no arm meets the conditions."
    best = _code(verdict.best)
    if not verdict.comparisons:
        return f"{where}{best} alone meets the conditions; nothing to compare it with.{left_out}"
    if verdict.is_winner:
        head = f"{where}{best} is best."
    elif any(comparison.is_shown for comparison in verdict.comparisons):
        head = f"{where}{best} has the best mean, and is not shown to be better than all others."
    else:
        head = f"{where}{best} has the best mean; {NO_DIFFERENCE}."
    lines = [f"{head}{left_out}"]
    for comparison in verdict.comparisons:
        said = "better than" if comparison.is_shown else f"{NO_DIFFERENCE} from"
        lines.append(f"- {said} {_code(comparison.other)}: worse by {interval_text(comparison.worse_by)}")
    return "\n".join([lines[0], *([""] if lines[1:] else []), *lines[1:]])


def interval_text(found: Interval) -> str:
    """A mean difference and its interval."""
    if found.low is None or found.high is None:
        pairs = "1 pair" if found.count == 1 else f"{found.count} pairs"
        return f"{found.mean:.3g} ({pairs}: too few for an interval)"
    return f"{found.mean:.3g} ({found.low:.3g} to {found.high:.3g}, {found.count} pairs)"


def _code(text: str) -> str:
    """Text as a code span, whatever backticks it has (CommonMark 0.31, 6.1)."""
    runs = {len(run) for run in re.findall("`+", text)}
    fence = "`" * next(length for length in count(1) if length not in runs)
    space = " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}"


def _escaped(text: str) -> str:
    """Text in a table or a line of Markdown that is shown as it is, and is no HTML."""
    return text.replace("<", "&lt;").replace("|", "\\|").replace("\n", " ")
