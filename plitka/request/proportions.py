"""Whether the amounts of a mix are fractions or percentages, and which are unclear. Decided only here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from plitka.colors.mix import ROUNDING
from plitka.request.numbers import Proportion, two_readings

# Percentage points by which a sum may differ from 100 and still count as 100: "33,333" three times.
SUM_TOLERANCE = 0.01

MISSING = "is missing"
UNCLEAR = "stands beside amounts with a percent sign and could be a fraction or a percentage"


def whole_of(proportions: Sequence[Proportion]) -> float:
    """What the amounts are parts of: 1 if they are fractions, 100 if they are percentages.

    Amounts are fractions if none is above 1 and none is marked as a percentage. Either way the mix is the
    same, since amounts whose sum is not the whole are divided by it.
    """
    is_fraction = all(amount.amount <= 1 + ROUNDING and not amount.is_percent for amount in proportions)
    return 1.0 if is_fraction else 100.0


def unclear_amounts(proportions: Sequence[Proportion | None]) -> Mapping[int, tuple[object, str]]:
    """Amounts that are missing or have two meanings: by index, what was written and what is wrong.

    A sum of 100 settles both meanings of a comma ("1,080" is 1.08 or 1080), and those of 0.5 beside "99.5 %".
    """
    given = [proportion for proportion in proportions if proportion is not None]
    total = math.fsum(proportion.amount for proportion in given)
    if len(given) == len(proportions) and abs(total - 100) <= SUM_TOLERANCE:
        return {}
    problems: dict[int, tuple[object, str]] = {}
    for index, proportion in enumerate(proportions):
        if proportion is None:
            if len(proportions) > 1:
                problems[index] = (None, MISSING)
        elif proportion.thousands is not None:
            problems[index] = (proportion.written, two_readings(proportion.amount, proportion.thousands))
    if problems or not any(proportion.is_percent for proportion in given):
        return problems
    return {
        index: (proportion.written, UNCLEAR)
        for index, proportion in enumerate(given)
        if not proportion.is_percent and 0 < proportion.amount <= 1
    }
