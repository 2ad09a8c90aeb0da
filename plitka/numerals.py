"""Numbers as people and web forms write them: JSON numbers and numeric strings, never booleans."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from pydantic_core import PydanticCustomError

# The comma is the decimal mark in Russian.
_DECIMAL = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
# More digits than any accepted number has; converting millions of them would take minutes.
_MAX_DIGITS = 400
_LARGEST_EXACT_FLOAT = 2**53

MAX_PROPORTION = 1_000_000.0


class Proportion(NamedTuple):
    """An amount of a colour, and whether it was written with a percent sign."""

    amount: float
    is_percent: bool


def complaint(text: str) -> PydanticCustomError:
    """Make the validation error whose text ends a sentence that starts with the offending value."""
    return PydanticCustomError("complaint", "{text}", {"text": text})


def read_number(value: object) -> float:
    """Read a finite number or a numeric string such as ``"60.5"`` or ``"60,5"``."""
    if isinstance(value, str):
        text = value.strip()
        if _DECIMAL.fullmatch(text) is None:
            raise complaint("is not a number")
        number = float(text.replace(",", "."))
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise complaint("is not a number")
    else:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
    if not math.isfinite(number):
        raise complaint("is not finite")
    return number


def read_degrees(value: object) -> float:
    """Read a number, with or without a degree sign."""
    return read_number(value.strip().removesuffix("°") if isinstance(value, str) else value)


def read_integer(value: object) -> int:
    """Read a whole number, also one written ``42.0`` or as a string, without losing a digit."""
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        if len(value) > _MAX_DIGITS:
            raise complaint("has too many digits")
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number = read_number(value)
    if not number.is_integer():
        raise complaint("is not a whole number")
    if abs(number) > _LARGEST_EXACT_FLOAT:
        raise complaint("is too large to be exact as a decimal number; write all its digits")
    return int(number)


def read_proportion(value: object) -> Proportion:
    """Read an amount of a colour: a number or a numeric string, with or without a percent sign."""
    is_percent = isinstance(value, str) and value.rstrip().endswith("%")
    amount = read_number(value.rstrip().removesuffix("%") if isinstance(value, str) else value)
    if amount < 0:
        raise complaint("is negative")
    if amount > MAX_PROPORTION:
        raise complaint("is too large")
    return Proportion(amount, is_percent)
