"""The languages of the documentation: English as the code says it, Russian by `russian.py`."""

import re
from collections.abc import Callable

from russian import RUSSIAN

# Puts a text of the code into the language of a page.
Say = Callable[[str], str]


class UntranslatedError(LookupError):
    """A text of the code has no Russian yet."""

    def __init__(self, text: str) -> None:
        super().__init__(f"docs/russian.py has no Russian for: {text!r}")


def in_english(text: str) -> str:
    """The text as it is."""
    return text


def in_russian(text: str) -> str:
    """The text in Russian; numbers and code stay as they are. Raises UntranslatedError."""
    has_words = any(char.isalpha() for char in re.sub(r"`[^`]*`", "", text))
    if text in RUSSIAN or not has_words:
        return RUSSIAN.get(text, text)
    raise UntranslatedError(text)
