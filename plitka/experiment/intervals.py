"""Confidence intervals over seeds, by Student's t.

An experiment has few seeds, so the interval is that of Student's t for the mean of paired differences: the
same seed gives both arms the same plan and the same noise. Percentiles of a bootstrap are too narrow for so
few. Where several pairs are compared, each interval is widened (Bonferroni), so that the chance that noise
alone names anything better anywhere in an experiment is at most `CHANCE`.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

# Of a statement that noise alone made, in a whole experiment.
CHANCE = 0.05


@dataclass(frozen=True)
class Interval:
    """A mean and the interval that it is in; without an interval where there is one value only."""

    mean: float
    low: float | None
    high: float | None
    count: int

    @property
    def excludes_zero(self) -> bool:
        """Whether a difference is shown."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def mean_interval(values: Sequence[float], chance: float = CHANCE, step: float = 0.0) -> Interval:
    """The mean of independent values, and where it lies but for `chance`.

    Values rounded to steps may be equal by chance, and then seem certain: the variance of rounding the two
    values of a difference, step² / 6, is the least that is assumed.
    """
    mean, count = statistics.fmean(values), len(values)
    if count < 2:
        return Interval(mean, None, None, count)
    spread = max(statistics.variance(values), step**2 / 6)
    half = t_quantile(1 - chance / 2, count - 1) * math.sqrt(spread / count)
    return Interval(mean, mean - half, mean + half, count)


@functools.cache
def t_quantile(probability: float, freedom: int) -> float:
    """The value that Student's t with so many degrees of freedom is below with this probability.

    Args:
        probability: 0.5 to below 1.
        freedom: A whole number, 1 or more.
    """
    low, high = 0.0, 1.0
    while _t_below(high, freedom) < probability:
        low, high = high, 2 * high
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_below(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def _t_below(value: float, freedom: int) -> float:
    """The distribution function for a value of 0 or more, as a finite sum (Abramowitz & Stegun, 26.7.3-4)."""
    angle = math.atan(value / math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    is_odd = freedom % 2
    term = cosine if is_odd else 1.0
    total = 0.0
    for power in range(1 if is_odd else 0, freedom - 1, 2):
        total += term
        term *= cosine**2 * (power + 1) / (power + 2)
    inside = 2 / math.pi * (angle + sine * total) if is_odd else sine * total
    return 0.5 + inside / 2
