"""The name of an adapter: another LoRA, with its embeddings, from the operator's own list.

A request gives a name and nothing else: what it stands for, a file of the operator's, no request can say.
"""

import re

from plitka.errors import Problem, shown
from plitka.request.numbers import invalid_value

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
NAMES = "1 to 64 letters A to Z in either case, digits, - and _"
DESCRIPTION = f"the name of an adapter of the operator's list: {NAMES}"
FIELD = "adapter"
# What metrics and metadata say in place of a name.
NO_ADAPTER = "none"
# How many names an error lists.
_LISTED = 40


def read_adapter_name(value: object) -> str:
    """A name without the spaces around it. Raises PydanticCustomError for what can be none."""
    if not isinstance(value, str):
        raise invalid_value("is not text")
    if NAME.fullmatch(name := value.strip()) is None:
        raise invalid_value("is no name of an adapter")
    return name


def given_name(value: object) -> object:
    """None for an input that was left empty."""
    return None if isinstance(value, str) and not value.strip() else value


def unlisted(name: str, listed: tuple[str, ...]) -> Problem:
    """The problem of a name that is not in the list."""
    if not listed:
        reason = "is not known: this engine has no adapters (PLITKA_ADAPTERS lists them)"
        return Problem(FIELD, shown(name), reason, "no adapter")
    more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
    allowed = f"{', '.join(listed[:_LISTED])}{more}, or no adapter for the engine's own LoRA"
    return Problem(FIELD, shown(name), "is not the name of an adapter here", allowed)
