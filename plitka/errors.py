"""The one error of a bad request: every problem in it, each with its field, its value and what is allowed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

_SHOWN_CHARACTERS = 60
_LISTED_PROBLEMS = 20


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a request.

    Attributes:
        field: Where it is, as the user wrote it: ``colors[1].proportion``.
        value: What stands there, shortened and safe to print; empty where nothing stands.
        complaint: What is wrong with it, as the end of a sentence that starts with the value.
        allowed: What may stand there.
    """

    field: str
    value: str
    complaint: str
    allowed: str

    def __str__(self) -> str:
        sentence = " ".join(part for part in (self.value, self.complaint) if part)
        stop = "" if sentence.endswith(("?", ".")) else "."
        return f"{self.field}: {sentence}{stop} Allowed: {self.allowed}."


class RequestError(ValueError):
    """A request that cannot be served as it stands. Nothing has been generated.

    Attributes:
        problems: Every problem found, in the order of the fields.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return str(self.problems[0])
        listed = [f"- {problem}" for problem in self.problems[:_LISTED_PROBLEMS]]
        if len(self.problems) > _LISTED_PROBLEMS:
            listed.append(f"- and {len(self.problems) - _LISTED_PROBLEMS} more.")
        return "\n".join([f"The request has {len(self.problems)} problems:", *listed])


class ServeError(RuntimeError):
    """The server cannot be started from this installation, or not where it was asked to listen."""


def shown(value: object) -> str:
    """Write a value of any size as short JSON-like text that is safe to print.

    Control characters, direction marks and lone surrogates appear as escapes.
    """
    if isinstance(value, int) and value.bit_length() > 512:
        return f"a whole number of {value.bit_length()} bits"
    if isinstance(value, str) and len(value) > _SHOWN_CHARACTERS:
        text = f'{json.dumps(value[:_SHOWN_CHARACTERS], ensure_ascii=False)[:-1]}…"'
    else:
        text = _json(value)
    return printable(text)


def printable(text: str) -> str:
    """Text of any origin in one line of a terminal or log: escapes for whatever is no visible character."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _json(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, RecursionError):
        return f"a value of type {type(value).__name__}"
    if isinstance(value, dict | list) and len(text) > _SHOWN_CHARACTERS:
        return f"{text[:_SHOWN_CHARACTERS]}…"
    return text
