"""pydantic's validation errors as problems of a request, in plain words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from plitka.errors import LISTED_PROBLEMS, Problem, RequestError, shown
from plitka.request.controlnets import EXAMPLE, ControlNetFields
from plitka.request.fields import SYNONYMS, ColorEntry, allowed_names
from plitka.request.json_text import join_path
from plitka.request.order import OrderFields
from plitka.request.overrides import Overrides
from plitka.request.proportions import MISSING
from plitka.request.sheet import SheetFields

REASONS = {
    "bool_type": "is not true or false",
    "list_type": "is not a list",
    "tuple_type": "is not a list",
    "model_type": "is not an object",
    "literal_error": "is not one of the choices",
    "too_short": "is empty",
    "too_long": "has too many entries",
}
_MODELS: dict[tuple[str, ...], type[BaseModel]] = {
    ("colors",): ColorEntry,
    ("overrides",): Overrides,
    ("overrides", "sheet"): SheetFields,
    ("overrides", "order"): OrderFields,
    ("overrides", "controlnets"): ControlNetFields,
}

_COLOR = 'an object such as {"name": "black", "proportion": 60} or {"hex": "#A63437", "proportion": 60}'
_CONTROLNET = f"an object such as {EXAMPLE}"

_Location = tuple[int | str, ...]
_NOTHING = object()
_Fields = TypeVar("_Fields", bound=BaseModel)


def checked(fields: type[_Fields], document: Mapping[str, Any], clashes: Iterable[Problem] = ()) -> _Fields:
    """A document as a model has it: a request, or a part of one that is given apart, such as its order.

    Args:
        fields: The model; the fields of a part are named as it names them.
        document: What is checked.
        clashes: Problems that are known already.

    Raises:
        RequestError: With every problem that was found.
    """
    given, problems = dict(document), list(clashes)
    try:
        found = fields.model_validate(given)
    except ValidationError as error:
        raise RequestError([*problems, *problems_of(error, fields, given)]) from None
    if problems:
        raise RequestError(problems)
    return found


def problems_of(
    error: ValidationError, fields: type[BaseModel], document: dict[str, Any]
) -> Iterator[Problem]:
    """Turn every detail of a validation error into a problem with the value that the document has.

    Args:
        error: What pydantic found.
        fields: The model that found it.
        document: The document that it checked.
    """
    for index, detail in enumerate(error.errors(include_url=False)):
        location, kind, text = detail["loc"], detail["type"], detail["msg"]
        if kind == "extra_forbidden":
            # Comparing names is slow, and a document has room for thousands.
            yield _unknown_key(location, fields, document, suggests=index < LISTED_PROBLEMS)
        elif kind == "missing":
            yield Problem(_path(location), "", MISSING, _allowed(location, fields))
        elif kind == "no_color":
            yield _problem(location[:-1], text, fields, document, detail["input"])
        elif kind == "proportions":
            for index, (amount, reason) in detail["ctx"]["amounts"].items():
                key = _given_key((*location, index), "proportion", document)
                yield _problem((*location, index, key), reason, fields, document, amount)
        elif kind == "entries":
            for index, reason in detail["ctx"]["entries"].items():
                value = shown(_look_up((*location, index), document))
                yield Problem(_path((*location, index)), value, reason, _allowed(location, fields))
        else:
            yield _problem(location, REASONS.get(kind, text), fields, document, detail["input"])


def _problem(
    location: _Location, text: str, fields: type[BaseModel], document: dict[str, Any], read: object
) -> Problem:
    """Make a problem of the value as the document has it, or else as it was read."""
    found = _look_up(location, document)
    given = read if found is _NOTHING else found
    value = "" if text == MISSING else shown(given)
    return Problem(_path(location), value, text, _allowed(location, fields, given))


def _given_key(entry: _Location, field: str, document: dict[str, Any]) -> str:
    """The key under which an entry gives a field, which may be a synonym of it."""
    found = _look_up(entry, document)
    given = found if isinstance(found, dict) else {}
    return next((key for key in (field, *SYNONYMS[field]) if given.get(key) is not None), field)


def _field_of(key: str) -> str:
    """The field that a key of a colour is read as."""
    return next((field for field, synonyms in SYNONYMS.items() if key in synonyms), key)


def _unknown_key(
    location: _Location, fields: type[BaseModel], document: dict[str, Any], *, suggests: bool
) -> Problem:
    *parents, last = location
    if parents and parents[0] == "colors" and _field_of(str(last)) in SYNONYMS:
        return _second_key(location, document)
    known = list(_model(parents, fields).model_fields)
    is_request = "overrides" in known
    near = _name_near(str(last), parents, known, is_request=is_request) if suggests else None
    hint = f"; did you mean {shown(near)}?" if near else ""
    text = f"is given for an unknown key{hint}"
    return Problem(_path(location), shown(_look_up(location, document)), text, "the keys " + ", ".join(known))


def _name_near(key: str, parents: Sequence[int | str], known: list[str], *, is_request: bool) -> str | None:
    """The key that was probably meant."""
    key = key.casefold()[:64]
    elsewhere = [] if not is_request else [f"overrides.{name}" for name in Overrides.model_fields]
    candidates = {name.rpartition(".")[2]: name for name in elsewhere + known}
    if parents and parents[0] == "colors":
        candidates |= {key: field for field, synonyms in SYNONYMS.items() for key in synonyms}
    # A part of longer names, such as "steps", comes before names spelled alike, the shortest name first.
    alike = sorted((name for name in candidates if len(key) >= 4 and key in name), key=len)
    alike = alike or difflib.get_close_matches(key, candidates, n=1, cutoff=0.5)
    return candidates[alike[0]] if alike else None


def _second_key(location: _Location, document: dict[str, Any]) -> Problem:
    """The problem of a key that stands beside another one of the same meaning."""
    *entry, last = location
    field = _field_of(str(last))
    first = _given_key(tuple(entry), field, document)
    text = f"stands beside {shown(first)}, which means the same"
    allowed = f"one of the keys {', '.join((field, *SYNONYMS[field]))}"
    return Problem(_path(location), shown(_look_up(location, document)), text, allowed)


def _model(parents: Sequence[int | str], fields: type[BaseModel]) -> type[BaseModel]:
    names = tuple(part for part in parents if isinstance(part, str))
    return _MODELS[names] if names else fields


def _allowed(location: _Location, fields: type[BaseModel], given: object = None) -> str:
    """What may stand there; colours are listed in the language of the name that is given."""
    *parents, last = location
    if isinstance(last, int):
        return _CONTROLNET if parents == ["overrides", "controlnets"] else _COLOR
    model = _model(parents, fields)
    field = _field_of(last) if model is ColorEntry else last
    if model is ColorEntry and field == "name":
        return allowed_names(given)
    return model.model_fields[field].description or ""


def _look_up(location: _Location, document: Any) -> Any:
    value = document
    for part in location:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return _NOTHING
    return value


def _path(location: _Location) -> str:
    path = ""
    for part in location:
        path = f"{path}[{part}]" if isinstance(part, int) else join_path(path, part)
    return path
