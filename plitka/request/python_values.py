"""From a request as Python values to the text that it would be as JSON."""

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

from plitka.errors import Problem, RequestError, shown
from plitka.request.json_text import FIELD, MAX_DEPTH, join_path

NOT_A_VALUE = "cannot be part of a request"
VALUES = "text, numbers, True, False, None, lists and dictionaries"
NOT_A_KEY = "is a key and not text"
# Integers of more digits are infinite as numbers of a request, and so refused with the name of their field.
_MAX_INTEGER = 10**400
# What is deeper may contain itself. What is not, and still too deep, is refused as JSON.
_ENDLESS = 4 * MAX_DEPTH


def to_json_text(request: Mapping[str, Any]) -> str:
    """Write a request given as a dictionary as JSON, numbers to the bit.

    Values may be text, numbers (numpy's and Decimal too), True, False, None, lists, tuples and dictionaries.

    Raises:
        RequestError: With every value of another type, every key that is no text, or a request that is nested
            too deep (as one that contains itself is).
    """
    problems: list[Problem] = []
    document = _plain(request, "", problems)
    if problems:
        raise RequestError(problems)
    return json.dumps(document)


def _plain(value: Any, path: str, problems: list[Problem], depth: int = 0) -> Any:
    """The value in types that JSON knows; what cannot be written becomes a problem."""
    if depth > _ENDLESS:
        reason = f"is nested more than {MAX_DEPTH} levels deep"
        raise RequestError([Problem(FIELD, "", reason, f"at most {MAX_DEPTH} levels")])
    if isinstance(value, Mapping):
        return {
            key: _plain(item, join_path(path, str(key)), problems, depth + 1)
            for key, item in value.items()
            if _is_text(key, path, problems)
        }
    if isinstance(value, list | tuple):
        return [_plain(item, f"{path}[{index}]", problems, depth + 1) for index, item in enumerate(value)]
    if value is None or isinstance(value, str | bool):
        return value
    return _number(value, path, problems)


def _number(value: Any, path: str, problems: list[Problem]) -> int | float | bool | None:
    if isinstance(value, Integral):
        whole = int(value)
        return whole if abs(whole) < _MAX_INTEGER else math.inf if whole > 0 else -math.inf
    if isinstance(value, Real | Decimal):
        return float(value)
    problems.append(Problem(path or FIELD, shown(value), NOT_A_VALUE, VALUES))
    return None


def _is_text(key: object, path: str, problems: list[Problem]) -> bool:
    if not isinstance(key, str):
        problems.append(Problem(path or FIELD, shown(key), NOT_A_KEY, "text as keys"))
    return isinstance(key, str)
