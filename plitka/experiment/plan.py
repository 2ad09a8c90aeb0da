"""A plan: what all cells have in common, what is crossed, the seeds, and the rule for the best."""

from __future__ import annotations

import copy
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plitka.choices import EngineName
from plitka.experiment.rule import Rule

# What a request says that an experiment decides itself, or does not draw.
OWN_FIELDS: Mapping[str, str] = {
    "seed": "seeds of the plan",
    "variants": "one picture a cell",
    "maps": "the final picture alone",
    "overrides.sheet": "the final picture alone",
    "overrides.order": "the final picture alone",
}


@dataclass(frozen=True)
class Factor:
    """A field of the request, by its path (`overrides.scheduler`), and the values that it is given."""

    field: str
    values: tuple[Any, ...]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.field.rpartition(".")[2]


@dataclass(frozen=True)
class Arm:
    """One choice of a value for every factor.

    Attributes:
        choice: Which value of each factor, in their order.
        block: The values of the factors in whose every value a best is named, in words; empty without any.
        label: The values of the other factors, in words.
    """

    choice: tuple[int, ...]
    block: str
    label: str

    @property
    def title(self) -> str:
        """Block and label."""
        return ", ".join(filter(None, (self.block, self.label)))


@dataclass(frozen=True)
class ExperimentPlan:
    """A checked plan.

    Attributes:
        about: What it is for, a sentence; may be empty.
        engine: The engine that it is meant for; None for whichever is in use.
        request: What all cells have in common, as `params_json` has it.
        factors: What is crossed.
        seeds: Every arm is drawn with each of them.
        within: Fields of factors in whose every value a best is named apart.
        rule: What is best; None to measure only.
    """

    about: str
    engine: EngineName | None
    request: Mapping[str, Any]
    factors: tuple[Factor, ...]
    seeds: tuple[int, ...]
    within: tuple[str, ...]
    rule: Rule | None

    @property
    def count(self) -> int:
        """The number of cells."""
        return count_of(self.factors, self.seeds)

    def arms(self) -> Iterator[Arm]:
        """Every choice of values, the last factor's changing first."""
        for choice in itertools.product(*(range(len(factor.values)) for factor in self.factors)):
            yield Arm(choice, self._words(choice, inside=True), self._words(choice, inside=False))

    def _words(self, choice: Sequence[int], *, inside: bool) -> str:
        return ", ".join(
            f"{factor.name} {value_text(factor.values[index])}"
            for factor, index in zip(self.factors, choice, strict=True)
            if (factor.field in self.within) == inside
        )

    def document(self, arm: Arm, seed: int) -> dict[str, Any]:
        """The request of a cell, as `params_json` has it."""
        document: dict[str, Any] = copy.deepcopy(dict(self.request))
        for factor, index in zip(self.factors, arm.choice, strict=True):
            set_field(document, factor.field, factor.values[index])
        document["seed"] = seed
        return document


def count_of(factors: Sequence[Factor], seeds: Sequence[int]) -> int:
    """The number of cells of a cross."""
    return math.prod(len(factor.values) for factor in factors) * len(seeds)


def set_field(document: dict[str, Any], field: str, value: Any) -> None:
    """Give a field of a request, by its path, a value; what is no mapping on the way is replaced."""
    *parents, last = field.split(".")
    for parent in parents:
        if not isinstance(document.get(parent), dict):
            document[parent] = {}
        document = document[parent]
    document[last] = copy.deepcopy(value)


def get_field(document: Mapping[str, Any], field: str) -> Any:
    """The value of a field, by its path; None where it is not given."""
    value: Any = document
    for part in field.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def value_text(value: Any) -> str:
    """A value in a caption or a table."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
