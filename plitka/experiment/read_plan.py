"""From the text of a plan to an `ExperimentPlan`, or one error with every problem, named by its path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from plitka.choices import ENGINE_NAMES, EngineName, one_of, one_of_names
from plitka.errors import PlanError, Problem, RequestError, shown
from plitka.experiment.plan import OWN_FIELDS, Arm, ExperimentPlan, Factor, get_field, set_field
from plitka.experiment.rule import read_rule
from plitka.experiment.yaml_text import ALLOWED, join_key, read_yaml
from plitka.request.fields import MAX_SEED, RequestFields
from plitka.request.overrides import Overrides
from plitka.request.tile_request import TileRequest, parse_request

KEYS = ("about", "engine", "request", "vary", "seeds", "within", "best")
MOST_CELLS = 2000
MOST_SEEDS = 1000
MOST_FACTORS = 20
FIELDS = (
    *(name for name in RequestFields.model_fields if name != "overrides"),
    *(f"overrides.{name}" for name in Overrides.model_fields),
)
_SEEDS = f"a whole number from 1 to {MOST_SEEDS}, for so many seeds from 1 on, or a list of different seeds"
_VALUES = "a list of two or more different values"

Requests = Mapping[tuple[Arm, int], TileRequest]


def read_plan(
    text: bytes | str,
    settings: Mapping[str, Any] | None = None,
    seeds: Any = None,
    most_cells: int = MOST_CELLS,
) -> tuple[ExperimentPlan, Requests]:
    """Read and check a plan, and the request of every cell.

    Args:
        text: YAML.
        settings: Values by the paths of fields that replace those of the plan's `request`.
        seeds: In place of the plan's `seeds`.
        most_cells: A larger cross is refused.

    Returns:
        The plan, and every request by arm and seed.

    Raises:
        PlanError: With every problem that was found.
    """
    document, problems = read_yaml(text)
    if not problems and not isinstance(document, dict):
        problems.append(Problem("plan", shown(document), "is no mapping", ALLOWED))
    if not isinstance(document, dict):
        raise PlanError(problems)
    plan = _read(document, settings or {}, seeds, problems)
    if plan is None:
        raise PlanError(problems)
    if plan.count > most_cells:
        cross = " x ".join(str(len(factor.values)) for factor in plan.factors)
        reason = f"makes {plan.count} cells ({cross} values x {len(plan.seeds)} seeds)"
        raise PlanError(
            [
                *problems,
                Problem("vary", "", reason, f"at most {most_cells} cells, or --most-cells {plan.count}"),
            ]
        )
    requests = _requests(plan, problems)
    if problems:
        raise PlanError(problems)
    return plan, requests


def _read(
    document: dict[str, Any], settings: Mapping[str, Any], seeds: Any, problems: list[Problem]
) -> ExperimentPlan | None:
    """The plan where its outline is whole enough for its cells to be looked at; None otherwise."""
    for key in document:
        if key not in KEYS:
            allowed = f"the keys {', '.join(KEYS)}"
            problems.append(
                Problem(join_key("", key), shown(document[key]), "is given for an unknown key", allowed)
            )
    request = document.get("request")
    if not isinstance(request, dict):
        problems.append(
            Problem("request", shown(request), "is no mapping", "a request, as params_json has it")
        )
    factors = _factors(document.get("vary"), problems)
    found_seeds = _seeds(document.get("seeds", 1) if seeds is None else seeds, problems)
    within = _within(document.get("within"), factors, problems)
    rule = read_rule(document["best"], problems) if document.get("best") is not None else None
    about = _about(document, problems)
    engine = _engine(document, problems)
    if not isinstance(request, dict) or not factors or not found_seeds:
        return None
    request = dict(request)
    for field, value in settings.items():
        set_field(request, field, value)
    _check_given_once(request, factors, problems)
    return ExperimentPlan(about, engine, request, factors, found_seeds, within, rule)


def _about(document: Mapping[str, Any], problems: list[Problem]) -> str:
    about = document.get("about")
    if about is not None and not isinstance(about, str):
        problems.append(Problem("about", shown(about), "is no text", "a sentence"))
        return ""
    return " ".join((about or "").split())


def _engine(document: Mapping[str, Any], problems: list[Problem]) -> EngineName | None:
    given = document.get("engine")
    for name in ENGINE_NAMES:
        if given == name:
            return name
    if given is not None:
        problems.append(Problem("engine", shown(given), "is no engine", one_of(EngineName)))
    return None


def _factors(given: Any, problems: list[Problem]) -> tuple[Factor, ...]:
    if not isinstance(given, dict) or not given:
        problems.append(
            Problem("vary", shown(given), "is no mapping", f"fields of a request, each with {_VALUES}")
        )
        return ()
    if len(given) > MOST_FACTORS:
        problems.append(Problem("vary", "", f"has {len(given)} fields", f"at most {MOST_FACTORS}"))
        return ()
    found = []
    for field, values in given.items():
        path = join_key("vary", field)
        if field in OWN_FIELDS:
            problems.append(Problem(path, "", "cannot be varied", OWN_FIELDS[field]))
        elif field not in FIELDS:
            problems.append(Problem(path, "", "is no field of a request", one_of_names(FIELDS, quote="")))
        elif not isinstance(values, list) or len(values) < 2:
            problems.append(Problem(path, shown(values), "is not a list of several values", _VALUES))
        else:
            found.append(Factor(field, tuple(values)))
    return tuple(found) if len(found) == len(given) else ()


def _seeds(given: Any, problems: list[Problem]) -> tuple[int, ...]:
    def is_whole(value: Any, low: int, high: int) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    if is_whole(given, 1, MOST_SEEDS):
        return tuple(range(1, given + 1))
    if (
        isinstance(given, list)
        and 0 < len(given) <= MOST_SEEDS
        and all(is_whole(seed, 0, MAX_SEED) for seed in given)
        and len(set(given)) == len(given)
    ):
        return tuple(given)
    problems.append(Problem("seeds", shown(given), "are no seeds", _SEEDS))
    return ()


def _within(given: Any, factors: Sequence[Factor], problems: list[Problem]) -> tuple[str, ...]:
    if given is None:
        return ()
    names = [given] if isinstance(given, str) else given
    fields = [factor.field for factor in factors]
    if not isinstance(names, list) or any(name not in fields for name in names) or len(names) >= len(fields):
        if factors:
            allowed = f"fields of vary ({', '.join(fields)}), at least one of them left out"
            problems.append(Problem("within", shown(given), "does not name some of what is varied", allowed))
        return ()
    return tuple(names)


def _check_given_once(request: Mapping[str, Any], factors: Sequence[Factor], problems: list[Problem]) -> None:
    for factor in factors:
        if get_field(request, factor.field) is not None:
            reason = "is varied too"
            problems.append(Problem(f"request.{factor.field}", "", reason, "in one of request and vary"))
    for field, instead in OWN_FIELDS.items():
        if get_field(request, field) is not None:
            problems.append(Problem(f"request.{field}", "", "cannot be given", instead))


def _requests(plan: ExperimentPlan, problems: list[Problem]) -> Requests:
    """The request of every cell; what is wrong with them is named where the plan says it, each once."""
    found: dict[tuple[Arm, int], TileRequest] = {}
    known: dict[str, Arm] = {}
    said = {(problem.field, problem.reason) for problem in problems}
    for arm in plan.arms():
        try:
            request = parse_request(plan.document(arm, plan.seeds[0]))
        except RequestError as error:
            for problem in error.problems:
                placed = _in_plan(problem, plan, arm)
                if (placed.field, placed.reason) not in said:
                    said.add((placed.field, placed.reason))
                    problems.append(placed)
            continue
        twin = known.setdefault(request.to_json(), arm)
        if twin is not arm:
            problems.append(_twins(plan, twin, arm))
        for seed in plan.seeds:
            found[arm, seed] = replace(request, seed=seed)
    return found


def _in_plan(problem: Problem, plan: ExperimentPlan, arm: Arm) -> Problem:
    """A problem of a cell's request at its place in the plan."""
    for factor, index in zip(plan.factors, arm.choice, strict=True):
        rest = problem.field.removeprefix(factor.field)
        if rest != problem.field and (not rest or rest[0] in ".["):
            field = f"vary.{factor.field}[{index}]{rest}"
            return Problem(field, problem.value, problem.reason, problem.allowed)
    return Problem(f"request.{problem.field}", problem.value, problem.reason, problem.allowed)


def _twins(plan: ExperimentPlan, first: Arm, second: Arm) -> Problem:
    places = [
        (f"vary.{factor.field}[{index}]", f"vary.{factor.field}[{other}]")
        for factor, other, index in zip(plan.factors, first.choice, second.choice, strict=True)
        if index != other
    ]
    (here, there) = places[0]
    return Problem(here, "", f"asks for the same pictures as {there}", "different values")
