"""How much is tried: a part in `make test`, everything with `HYPOTHESIS_PROFILE=thorough`."""

import os
from collections import defaultdict

import pytest
from hypothesis import settings

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
# Generated cases of a thorough run for each one of `make test`.
FACTOR = 40


def examples(count):
    """The settings of a property that tries so many cases in `make test`."""
    return settings(max_examples=count * FACTOR if THOROUGH else count)


def one_in(every, cases):
    """Cases of which `make test` tries one in so many, from the first on; the others are marked as slow.

    Of a product, a number that divides none of its sides meets every value of each side.
    """
    slow = pytest.mark.slow
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=slow if place % every else ())
        for place, case in enumerate(cases)
    ]


def leave_pairs_out(items):
    """Of tests marked with `each_value`, mark as slow what only repeats the values of others in another pair.

    Their parameters are gone through side by side: the first case has the first value of each, and so on.
    """
    tests = defaultdict(list)
    for item in items:
        if item.get_closest_marker("each_value"):
            tests[item.parent, item.originalname].append(item)
    for cases in tests.values():
        sides = [_places(cases, mark.args[0]) for mark in cases[0].iter_markers("parametrize")]
        lengths = [1 + max(side) for side in sides]
        kept = {tuple(number % length for length in lengths) for number in range(max(lengths))}
        for case, place in zip(cases, zip(*sides, strict=True), strict=True):
            if place not in kept:
                case.add_marker(pytest.mark.slow)


def _places(cases, names):
    """The place of each case's value among those of one `parametrize`."""
    names = names.replace(",", " ").split() if isinstance(names, str) else names
    values = [tuple(id(case.callspec.params[name]) for name in names) for case in cases]
    known = {value: place for place, value in enumerate(dict.fromkeys(values))}
    return [known[value] for value in values]
