"""Which arm is best by the plan's rule, and whether the seeds show it or noise may have."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plitka.experiment.cells import Cell
from plitka.experiment.intervals import CHANCE, Interval, mean_interval
from plitka.experiment.measures import MEASURES
from plitka.experiment.plan import Arm, ExperimentPlan
from plitka.experiment.rule import Rule

OVERALL = "all together"
# Of one arm and one seed: the value of every measure.
Values = Mapping[str, float]
Cells = Mapping[tuple[Arm, int], Cell]


@dataclass(frozen=True)
class Comparison:
    """The best arm against another: by how much the other is worse, over the seeds of both."""

    other: str
    worse_by: Interval

    @property
    def is_shown(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.worse_by.excludes_zero


@dataclass(frozen=True)
class Verdict:
    """What a block of arms says.

    Attributes:
        block: The block, in words; empty where there is one only.
        best: The arm with the best mean, in words; None where none meets the conditions.
        comparisons: Of the best with every other arm that meets them.
        excluded: Arms that do not meet them, in words.
    """

    block: str
    best: str | None
    comparisons: tuple[Comparison, ...]
    excluded: tuple[str, ...]

    @property
    def is_winner(self) -> bool:
        """Whether the best arm is shown to be better than every other."""
        return bool(self.comparisons) and all(comparison.is_shown for comparison in self.comparisons)


def verdicts(plan: ExperimentPlan, cells: Cells) -> list[Verdict]:
    """A verdict for every block, and where there are several, one for the means over all of them.

    Every interval is so wide that noise alone shows a difference anywhere in the experiment with a chance of
    at most `CHANCE`.
    """
    if plan.rule is None:
        return []
    blocks = _blocks(plan, cells)
    if len(blocks) > 1:
        blocks[OVERALL] = _overall(list(blocks.values()), plan)
    pairs = sum(len(arms) * (len(arms) - 1) // 2 for arms in blocks.values())
    return [_verdict(name, arms, plan.rule, CHANCE / max(pairs, 1)) for name, arms in blocks.items()]


Arms = dict[str, dict[int, Values]]


def _blocks(plan: ExperimentPlan, cells: Cells) -> dict[str, Arms]:
    """By block and label: the measures of every seed."""
    blocks: dict[str, Arms] = {}
    for arm in plan.arms():
        by_seed = blocks.setdefault(arm.block, {}).setdefault(arm.label, {})
        for seed in plan.seeds:
            cell = cells.get((arm, seed))
            if cell is not None and cell.error is None:
                found = {name: cell.figure(name) for name in MEASURES}
                by_seed[seed] = {name: value for name, value in found.items() if value is not None}
    return blocks


def _overall(blocks: Sequence[Arms], plan: ExperimentPlan) -> Arms:
    """Every arm's means over the blocks, seed by seed: blocks of one seed are not independent."""
    overall: Arms = {}
    for label in blocks[0]:
        overall[label] = {}
        for seed in plan.seeds:
            found = [block[label].get(seed, {}) for block in blocks]
            names = set.intersection(*(set(values) for values in found))
            overall[label][seed] = {
                name: statistics.fmean(values[name] for values in found) for name in sorted(names)
            }
    return overall


def _verdict(block: str, arms: Arms, rule: Rule, chance: float) -> Verdict:
    allowed = {
        label: by_seed
        for label, by_seed in arms.items()
        if _mean(by_seed, rule.goal) is not None
        and all(condition.holds(_mean(by_seed, condition.name)) for condition in rule.conditions)
    }
    excluded = tuple(label for label in arms if label not in allowed)
    if not allowed:
        return Verdict(block, None, (), excluded)
    sign = -1.0 if rule.maximize else 1.0
    best = min(allowed, key=lambda label: sign * (_mean(allowed[label], rule.goal) or 0.0))
    comparisons = []
    for label, by_seed in allowed.items():
        if label == best:
            continue
        both = [
            seed
            for seed in by_seed
            if rule.goal in by_seed[seed] and rule.goal in allowed[best].get(seed, {})
        ]
        differences = [sign * (by_seed[seed][rule.goal] - allowed[best][seed][rule.goal]) for seed in both]
        if differences:
            worse_by = mean_interval(differences, chance, MEASURES[rule.goal].step)
            comparisons.append(Comparison(label, worse_by))
        else:
            comparisons.append(Comparison(label, Interval(0.0, None, None, 0)))
    return Verdict(block, best, tuple(comparisons), excluded)


def _mean(by_seed: Mapping[int, Values], name: str) -> float | None:
    found = [values[name] for values in by_seed.values() if name in values]
    return statistics.fmean(found) if found else None
