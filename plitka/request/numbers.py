"""Numbers as people and web forms write them: JSON numbers and numeric strings, never booleans.

In text both point and comma are decimal marks. A comma, or a point in a whole number, with exactly three
digits behind it may also part thousands: "1,080" is 1.08 or 1080. Such a text is read where only one of the
two is possible and refused where both are.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import NamedTuple

from pydantic_core import PydanticCustomError

from plitka.request.characters import plain_number

# The comma is the decimal mark in Russian.
_DECIMAL = re.compile(
    r"(?P<sign>[+-]?)(?=[.,]?\d)(?P<whole>\d*)(?P<mark>[.,]?)(?P<rest>(?<=[.,])\d*)?(?P<exponent>[eE][+-]?\d+)?",
    re.ASCII,
)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
# The digits before a mark between thousands; the first is never a zero.
_THOUSANDS = re.compile(r"[1-9]\d{0,2}", re.ASCII)
_DEGREE_SIGNS = "°º˚"
_PERCENT_SIGNS = "%\ufe6a\uff05"
# More digits than any accepted number has; converting millions of them would take minutes.
_MAX_DIGITS = 400
# The next whole number, 2**53, is also what 2**53 + 1 becomes.
_LARGEST_EXACT_FLOAT = 2**53 - 1

MAX_PROPORTION = 1_000_000.0


class Proportion(NamedTuple):
    """An amount of a colour.

    Attributes:
        amount: From 0 to ``MAX_PROPORTION``, with a comma as the decimal mark.
        is_percent: Whether it was written as a percentage.
        thousands: The amount with the comma between thousands, where it can be read so.
        written: The value as it was given.
    """

    amount: float
    is_percent: bool
    thousands: float | None = None
    written: object = None


class _Readings(NamedTuple):
    """What a text can mean: with its mark before decimals, and between thousands where that is possible."""

    mark: str
    decimal: float
    thousands: float | None


def invalid_value(reason: str) -> PydanticCustomError:
    """Make the validation error of a value; `reason` ends a sentence that starts with the value."""
    return PydanticCustomError("invalid_value", "{reason}", {"reason": reason})


def two_readings(decimal: float, thousands: float) -> str:
    """Why a text that has two readings is refused."""
    return f"could be {decimal:.15g} or {thousands:.15g}; write it as one of these two"


def read_number(value: object, low: float = -math.inf, high: float = math.inf) -> float:
    """Read a finite number or a numeric string such as ``"60.5"`` or ``"60,5"``.

    Args:
        value: What is to be read.
        low: The least that is allowed; a reading of a text that lies outside is no reading.
        high: The most that is allowed.
    """
    if not isinstance(value, str):
        number = _finite(value)
    else:
        readings = _read(value)
        number = readings.decimal
        if readings.mark == "," and readings.thousands is not None:
            number = _choose(readings.decimal, readings.thousands, low, high)
    _check_range(number, low, high)
    return number


@dataclass(frozen=True)
class NumberRange:
    """Reads numbers in a range as :func:`read_number` does; its text says what is allowed."""

    low: float
    high: float

    def __call__(self, value: object) -> float:
        """Read a number."""
        return read_number(value, self.low, self.high)

    def __str__(self) -> str:
        return f"a number from {self.low:.16g} to {self.high:.16g}"


PROPORTIONS = NumberRange(0, MAX_PROPORTION)


def read_degrees(value: object) -> float:
    """Read a number, with or without a degree sign."""
    if isinstance(value, str) and value.rstrip()[-1:] in tuple(_DEGREE_SIGNS):
        value = value.rstrip()[:-1]
    return read_number(value)


def read_integer(value: object, low: int, high: int) -> int:
    """Read a whole number, also one written ``42.0`` or as a string, without losing a digit.

    Args:
        value: What is to be read. A text never has a comma.
        low: The least that is allowed.
        high: The most that is allowed.
    """
    number = _whole_text(value, low, high) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int):
        number = _finite(number)
        if not number.is_integer():
            raise invalid_value("is not a whole number")
        if abs(number) > _LARGEST_EXACT_FLOAT:
            raise invalid_value("is too large to be exact as a decimal number; write all its digits")
        number = int(number)
    _check_range(number, low, high)
    return number


@dataclass(frozen=True)
class IntegerRange:
    """Reads whole numbers in a range as :func:`read_integer` does; its text says what is allowed."""

    low: int
    high: int

    def __call__(self, value: object) -> int:
        """Read a whole number."""
        return read_integer(value, self.low, self.high)

    def __str__(self) -> str:
        return f"a whole number from {self.low} to {self.high}"


def read_proportion(value: object) -> Proportion:
    """Read an amount of a colour: a number or a numeric string, with or without a percent sign.

    A comma in a percentage is a decimal mark: thousands of percent make no sense. Elsewhere it depends on the
    other amounts of the mix; see `plitka.request.proportions`.
    """
    if not isinstance(value, str):
        readings, is_percent = _Readings("", _finite(value), None), False
    else:
        is_percent = value.rstrip()[-1:] in tuple(_PERCENT_SIGNS)
        readings = _read(value.rstrip()[:-1] if is_percent else value)
    if readings.decimal < 0:
        raise invalid_value("is negative")
    if readings.decimal > MAX_PROPORTION:
        raise invalid_value("is too large")
    has_thousands = readings.mark == "," and not is_percent
    return Proportion(readings.decimal, is_percent, readings.thousands if has_thousands else None, value)


def _read(text: str) -> _Readings:
    match = _DECIMAL.fullmatch(plain_number(text))
    if match is None:
        raise invalid_value("is not a number")
    sign, whole, mark, rest, exponent = (part or "" for part in match.groups())
    decimal = _finite(float(f"{sign}{whole}.{rest}{exponent}"))
    parts_thousands = mark and len(rest) == 3 and _THOUSANDS.fullmatch(whole)
    return _Readings(mark, decimal, float(f"{sign}{whole}{rest}{exponent}") if parts_thousands else None)


def _whole_text(value: str, low: int, high: int) -> int | float:
    text = plain_number(value)
    if _WHOLE.fullmatch(text):
        if len(text) > _MAX_DIGITS:
            raise invalid_value("has too many digits")
        return int(text)
    readings = _read(text)
    if readings.thousands is not None and readings.decimal.is_integer():
        is_clear = readings.mark == "." and not low <= readings.thousands <= high
        if not is_clear:
            raise invalid_value(two_readings(readings.decimal, readings.thousands))
    if readings.mark == ",":
        raise invalid_value("has a comma, and a whole number is written without one")
    return readings.decimal


def _choose(decimal: float, thousands: float, low: float, high: float) -> float:
    """The one reading of a text that lies in a range; the decimal one if neither does."""
    possible = [number for number in (decimal, thousands) if low <= number <= high]
    if len(possible) > 1:
        raise invalid_value(two_readings(decimal, thousands))
    return possible[0] if possible else decimal


def _finite(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid_value("is not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise invalid_value("is not finite")
    return number


def _check_range(number: float, low: float, high: float) -> None:
    if number < low:
        raise invalid_value("is too small")
    if number > high:
        raise invalid_value("is too large")
