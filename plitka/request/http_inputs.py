"""Refuses null as Cog's HTTP server does by its schema, in the same words, where there is no schema."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from plitka.errors import Problem, RequestError
from plitka.request.fields import SimpleFields
from plitka.request.json_text import ALLOWED, FIELD

INPUT_TYPES: Mapping[str, str] = MappingProxyType(
    {
        FIELD: "string",
        "colors": "string",
        "angle": "number",
        "quality": "string",
        "seed": "integer",
        "adapter": "string",
    }
)


def refuse_null(**inputs: object) -> None:
    """Refuse null at any input, by the names of ``INPUT_TYPES``; leaving an input out is fine.

    Raises:
        RequestError: Naming every input that is null.
    """
    problems = [
        Problem(name, "null", f'is not of type "{INPUT_TYPES[name]}"', _allowed(name))
        for name, value in inputs.items()
        if value is None
    ]
    if problems:
        raise RequestError(problems)


def _allowed(name: str) -> str:
    return ALLOWED if name == FIELD else SimpleFields.model_fields[name].description or ""
