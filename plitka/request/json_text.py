"""From the text of ``params_json`` to one JSON object, however web forms have encoded or nested it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from plitka.errors import Problem, RequestError, shown
from plitka.request.characters import plain_json

MAX_PARAMS_BYTES = 65536
# A request is three levels deep; the rest is room for a message about the field instead of the nesting.
MAX_DEPTH = 8

FIELD = "params_json"
ALLOWED = (
    'one JSON object such as {"colors": [{"name": "black", "proportion": 60}, '
    '{"name": "white", "proportion": 40}], "angle": 0}'
)

# Characters stripped from both ends of a request: every kind of whitespace, and byte order marks.
_AROUND = "\ufeff" + "".join(filter(str.isspace, map(chr, range(0x3001))))
# Python refuses to convert integers of thousands of digits; as a float they are infinite, and so refused
# with the name of their field.
_MAX_INTEGER_DIGITS = 400
# Python's parser recurses as deep as the stack has room for; this is always less than that.
_MAX_BRACKETS = 100
_STRING = r'"(?:[^"\\]++|\\.)*+"?'
# Brackets of a text, and strings, whose brackets do not count.
_BRACKETS = re.compile(rf"{_STRING}|[\[{{]|[\]}}]", re.DOTALL)
# A string, or what stands before the next one.
_INSIDE_OR_OUTSIDE = re.compile(rf'{_STRING}|[^"]+', re.DOTALL)
# The beginning of an object, or of a string, whose quotes are still escaped from an outer string that is
# gone; its line breaks may be escaped as well.
_SPACES = r"(?:\s|\\+(?:[nrt]|u[0-9a-fA-F]{4}))*+"
_ESCAPED = re.compile(rf'{_SPACES}(?:\{{{_SPACES})?\\+"')


class JsonObject(dict[str, Any]):
    """A JSON object that remembers keys given more than once with different values.

    Lone surrogates in keys are kept as their escapes, because no encoder and no message can contain them.
    """

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        pairs = [(key.encode("utf-8", "backslashreplace").decode(), value) for key, value in pairs]
        super().__init__(pairs)
        self.clashes: list[tuple[str, Any, Any]] = []
        first: dict[str, Any] = {}
        for key, value in pairs:
            if key in first and not _is_same(first[key], value):
                self.clashes.append((key, first[key], value))
            first.setdefault(key, value)


def strip(text: str) -> str:
    """Take whitespace and byte order marks off both ends."""
    return text.strip(_AROUND)


def read_document(params_json: str) -> JsonObject:
    """Read the request's object out of its text.

    Web forms, shells and chat programs change the text on its way. So these are accepted: whitespace and a
    byte order mark around it, JSON encoded more than once, quotes and line breaks left escaped, full-width
    characters and minus signs outside its strings, and the object inside a ``params_json`` of its own, as
    object or as string.

    Raises:
        RequestError: Too long, too deep, not JSON, or not one object.
    """
    if len(params_json.encode("utf-8", "surrogatepass")) > MAX_PARAMS_BYTES:
        raise _error(
            params_json, f"is longer than {MAX_PARAMS_BYTES} bytes", f"at most {MAX_PARAMS_BYTES} bytes"
        )
    value = _loads(params_json)
    # Every round takes characters or brackets away, and both are bounded.
    while isinstance(value, str) or (isinstance(value, JsonObject) and FIELD in value):
        value = _loads(value) if isinstance(value, str) else _unwrap(value)
    if not isinstance(value, JsonObject):
        raise _error(value, "is not a JSON object", ALLOWED)
    if _is_deeper(value, MAX_DEPTH):
        raise _error(value, f"is nested more than {MAX_DEPTH} levels deep", ALLOWED)
    return value


def find_clashes(value: Any, path: str = "") -> Iterator[Problem]:
    """Yield a problem for every key of a document that is given again with another value."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from find_clashes(item, f"{path}[{index}]")
    if isinstance(value, JsonObject):
        for key, first, other in value.clashes:
            text = f"and {shown(other)} are both given"
            yield Problem(join_path(path, key), shown(first), text, "each key once")
        for key, item in value.items():
            yield from find_clashes(item, join_path(path, key))


def join_path(path: str, key: str) -> str:
    """Write the path of a key below a path; a key that is not a plain word is quoted and shortened."""
    if re.fullmatch(r"[^\W\d]\w{0,39}", key) is None:
        return f"{path}[{shown(key)}]"
    return f"{path}.{key}" if path else key


def _loads(text: str) -> Any:
    text = strip(text)
    if not text:
        raise _error("", "is empty", ALLOWED)
    is_escaped = _ESCAPED.match(text)
    written = f'"{text}"' if is_escaped else _plain(text)
    if _text_depth(written) > _MAX_BRACKETS:
        raise _error(text, f"is nested more than {MAX_DEPTH} levels deep", ALLOWED)
    try:
        if is_escaped:
            return json.loads(written, strict=False)
        return json.loads(written, object_pairs_hook=JsonObject, parse_int=_read_integer)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        near = f", near {shown(error.doc[error.pos : error.pos + 20])}" if error.pos < len(error.doc) else ""
        reason = error.msg[0].lower() + error.msg[1:]
        raise _error(text, f"is not valid JSON: {reason} at {where}{near}", ALLOWED) from None


def _plain(text: str) -> str:
    """The text with what stands outside its strings in the characters of JSON."""
    return _INSIDE_OR_OUTSIDE.sub(
        lambda match: match[0] if match[0].startswith('"') else plain_json(match[0]), text
    )


def _text_depth(text: str) -> int:
    """The most brackets that are open at once, strings left out."""
    depth = deepest = 0
    for token in _BRACKETS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        deepest = max(deepest, depth)
    return deepest


def _read_integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_INTEGER_DIGITS else float(digits)


def _unwrap(value: JsonObject) -> Any:
    for key, first, other in value.clashes:
        raise _error(first, f"and {shown(other)} are both given for {shown(key)}", "each key once")
    others = [key for key in value if key != FIELD]
    if others:
        listed = ", ".join(shown(key) for key in others[:5])
        reason = f"stands beside {listed}; a nested {FIELD} must stand alone"
        raise _error(value[FIELD], reason, f"either {FIELD} or the keys of the request")
    return value[FIELD]


def _is_same(a: Any, b: Any) -> bool:
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    items = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in items)


def _error(value: object, reason: str, allowed: str) -> RequestError:
    return RequestError([Problem(FIELD, shown(value), reason, allowed)])
