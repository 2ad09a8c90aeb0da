"""The rule by which a plan names its best arm: what is minimised or maximised, under which conditions."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from plitka.errors import Problem, shown
from plitka.experiment.measures import JUDGED

Comparison = Literal["<", "<=", ">", ">="]
_CONDITION = re.compile(
    r"\s*(?P<name>[a-z_][a-z_.]{0,60})\s*(?P<comparison><=|>=|<|>)\s*(?P<bound>[-+]?\d{1,15}(?:\.\d{1,15})?)\s*"
)
CONDITIONS = 'a list of conditions such as "angle_error < 1", each a measure, one of < <= > >=, and a number'
NAMES = "one of " + ", ".join(JUDGED)
_KEYS = "minimize or maximize, and subject_to"


@dataclass(frozen=True)
class Condition:
    """A bound on the mean of a measure."""

    name: str
    comparison: Comparison
    bound: float

    def holds(self, value: float | None) -> bool:
        """Whether a mean is within the bound; one that was not measured is not."""
        if value is None or math.isnan(value):
            return False
        match self.comparison:
            case "<":
                return value < self.bound
            case "<=":
                return value <= self.bound
            case ">":
                return value > self.bound
        return value >= self.bound

    def __str__(self) -> str:
        return f"{self.name} {self.comparison} {self.bound:g}"


@dataclass(frozen=True)
class Rule:
    """What is best: the least mean of a measure, or the greatest, among what meets every condition."""

    goal: str
    maximize: bool
    conditions: tuple[Condition, ...] = ()

    def __str__(self) -> str:
        under = f", subject to {', '.join(map(str, self.conditions))}" if self.conditions else ""
        return f"{'maximize' if self.maximize else 'minimize'} {self.goal}{under}"


def read_rule(given: Any, problems: list[Problem]) -> Rule | None:
    """The rule of a plan; None if it is wrong, which `problems` gets."""
    before = len(problems)
    if not isinstance(given, Mapping):
        problems.append(Problem("best", shown(given), "is not a mapping", _KEYS))
        return None
    for key in given:
        if key not in ("minimize", "maximize", "subject_to"):
            problems.append(Problem(f"best.{key}", shown(given[key]), "is given for an unknown key", _KEYS))
    goals = [key for key in ("minimize", "maximize") if key in given]
    if len(goals) != 1:
        problems.append(Problem("best", "", f"has {len(goals)} of minimize and maximize", "one of the two"))
    for key in goals:
        if not isinstance(given[key], str) or given[key] not in JUDGED:
            problems.append(Problem(f"best.{key}", shown(given[key]), "is no measure", NAMES))
    conditions = tuple(_conditions(given.get("subject_to"), problems))
    if len(problems) > before:
        return None
    return Rule(given[goals[0]], goals[0] == "maximize", conditions)


def _conditions(given: Any, problems: list[Problem]) -> Iterator[Condition]:
    if given is None:
        return
    if not isinstance(given, list):
        problems.append(Problem("best.subject_to", shown(given), "is not a list", CONDITIONS))
        return
    for index, text in enumerate(given):
        where = f"best.subject_to[{index}]"
        found = _CONDITION.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            problems.append(Problem(where, shown(text), "is no condition", CONDITIONS))
        elif found["name"] not in JUDGED:
            problems.append(Problem(where, shown(found["name"]), "is no measure", NAMES))
        else:
            comparison: Any = found["comparison"]
            yield Condition(found["name"], comparison, float(found["bound"]))
