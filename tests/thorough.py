"""How much is tried: a part in `make test`, everything with `HYPOTHESIS_PROFILE=thorough`."""

import os

import pytest
from hypothesis import settings

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
# Generated cases of a thorough run for each one of `make test`.
FACTOR = 20


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
