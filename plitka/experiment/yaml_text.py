"""YAML of a plan as plain values, with everything that is wrong in it named by its path.

Read by PyYAML's safe parser with the scalars of YAML 1.2's core schema: `off` is the word, not false, and
`1:30` is no number. Aliases are refused: a few lines of them can stand for more values than fit into memory.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from plitka.errors import Problem, printable, shown
from plitka.request.json_text import join_path

MAX_PLAN_BYTES = 65_536
ALLOWED = "a YAML mapping with the keys of a plan"
_STR, _NULL, _BOOL, _INT, _FLOAT = (
    f"tag:yaml.org,2002:{name}" for name in ("str", "null", "bool", "int", "float")
)


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """Resolves the scalars of the core schema only."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # filled below, for this class alone


for _tag, _pattern, _first in (
    (_NULL, r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    (_BOOL, r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    (_INT, r"^[-+]?[0-9]+$", list("-+0123456789")),
    (_FLOAT, r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), _first)


def read_yaml(text: bytes | str) -> tuple[Any, list[Problem]]:
    """The values of a YAML document, and every problem of its text: broken syntax, keys given twice, tags.

    Mappings are dictionaries with texts as keys; the first of two equal keys is kept. What could not be read
    is None.
    """
    size = len(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    if size > MAX_PLAN_BYTES:
        return None, [Problem("plan", f"{size} bytes", "are too many", f"at most {MAX_PLAN_BYTES} bytes")]
    try:
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.AliasEvent):
                where = _place(event.start_mark)
                return None, [Problem(where, f"*{event.anchor}", "is an alias", "values written out")]
        node = yaml.compose(text, Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        return None, [_broken(error)]
    # Its parser calls itself for every bracket.
    except RecursionError:
        return None, [Problem("plan", "", "is nested too deep", ALLOWED)]
    problems: list[Problem] = []
    value = None if node is None else _value(node, "", problems)
    return value, problems


def _broken(error: Exception) -> Problem:
    mark = getattr(error, "problem_mark", None)
    where = _place(mark) if mark else "plan"
    said = getattr(error, "problem", None) or str(error).partition("\n")[0]
    return Problem(where, "", f"is no YAML: {printable(said)}", ALLOWED)


def _place(mark: yaml.Mark) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"


def _value(node: yaml.Node, path: str, problems: list[Problem]) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, problems)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, f"{path}[{index}]", problems) for index, item in enumerate(node.value)]
    return _scalar(node, path, problems)


def _mapping(node: yaml.MappingNode, path: str, problems: list[Problem]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key_node, item in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            problems.append(
                Problem(path or "plan", "", f"has a key in line {line} that is no text", "texts as keys")
            )
            continue
        key = key_node.value
        where = join_key(path, key)
        value = _value(item, where, problems)
        if key in found:
            reason = f"is given in lines {lines[key]} and {line}"
            problems.append(Problem(where, "", reason, "each key once"))
            continue
        found[key], lines[key] = value, line
    return found


def join_key(path: str, key: str) -> str:
    """The path of a key: `vary.overrides.scheduler`, or `vary["a key"]` for one that is no plain name."""
    if re.fullmatch(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*", key) and len(key) < 60:
        return f"{path}.{key}" if path else key
    return join_path(path, key)


def _scalar(node: yaml.Node, path: str, problems: list[Problem]) -> Any:
    text = node.value
    if node.tag == _NULL:
        return None
    if node.tag == _BOOL:
        return text.lower() == "true"
    if node.tag == _INT:
        # What has more digits than Python converts is too large for every field, as a float is.
        return int(text) if len(text) < 400 else float("inf")
    if node.tag == _FLOAT:
        return float(text)
    if node.tag != _STR:
        problems.append(Problem(path or "plan", shown(text), f"has the tag {shown(node.tag)}", "no tags"))
    return text
