"""From a request as Python values to the text that it would be as JSON."""

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

from plitka.errors import Problem, RequestError, shown
from plitka.request.json_text import FIELD, MAX_DEPTH, MAX_PARAMS_BYTES, join_path

NOT_A_VALUE = "cannot be part of a request"
VALUES = "text, numbers, True, False, None, lists and dictionaries"
NOT_A_KEY = "is a key and not text"
# Integers of more digits are infinite as numbers of a request, and so refused with the name of their field.
_MAX_INTEGER = 10**400
# What is deeper may contain itself. What is not, and still too deep, is refused as JSON.
_ENDLESS = 4 * MAX_DEPTH


def to_json_text(request: Mapping[str, Any]) -> str:
    """Write a request given as a dictionary as JSON, numbers to the bit.

    Values may be text, numbers (numpy's, Decimal and Fraction too), True, False, None, lists, tuples and
    dictionaries.

    Raises:
        RequestError: With every value of another type, every key that is no text, or a request that is nested
            too deep (as one that contains itself is) or has more values than fit into a request.
    """
    conversion = _Conversion()
    document = conversion.plain(request, "")
    if conversion.problems:
        raise RequestError(conversion.problems)
    return json.dumps(document)


class _Conversion:
    """Collects what cannot be written, and counts values: a list may be shared by very many others."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.values = 0

    def plain(self, value: Any, path: str, depth: int = 0) -> Any:
        """The value in types that JSON knows; what cannot be written becomes a problem."""
        self._check_size(depth)
        if isinstance(value, Mapping):
            return {
                key: self.plain(item, join_path(path, str(key)), depth + 1)
                for key, item in value.items()
                if self._is_text(key, path)
            }
        if isinstance(value, list | tuple):
            return [self.plain(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
        if value is None or isinstance(value, str | bool):
            return value
        # numpy's truth value is no number, and numpy is not loaded to read a request.
        if type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_"):
            return bool(value)
        return self._number(value, path)

    def _check_size(self, depth: int) -> None:
        if depth > _ENDLESS:
            reason = f"is nested more than {MAX_DEPTH} levels deep"
            raise RequestError([Problem(FIELD, "", reason, f"at most {MAX_DEPTH} levels")])
        self.values += 1
        # Every value takes a byte or more.
        if self.values > MAX_PARAMS_BYTES:
            reason = f"is longer than {MAX_PARAMS_BYTES} bytes"
            raise RequestError([Problem(FIELD, "", reason, f"at most {MAX_PARAMS_BYTES} bytes")])

    def _number(self, value: Any, path: str) -> int | float | None:
        if isinstance(value, Integral):
            whole = int(value)
            return whole if abs(whole) < _MAX_INTEGER else _infinite(whole)
        if isinstance(value, Real | Decimal):
            return _float(value)
        self.problems.append(Problem(path or FIELD, shown(value), NOT_A_VALUE, VALUES))
        return None

    def _is_text(self, key: object, path: str) -> bool:
        if not isinstance(key, str):
            self.problems.append(Problem(path or FIELD, shown(key), NOT_A_KEY, "text as keys"))
        return isinstance(key, str)


def _float(value: Real | Decimal) -> float:
    try:
        return float(value)
    except OverflowError:
        return _infinite(value)
    except ValueError:
        # A signalling NaN.
        return math.nan


def _infinite(value: Any) -> float:
    return math.inf if value > 0 else -math.inf
