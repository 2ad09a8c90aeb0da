"""The languages of the documentation: English as the code says it, Russian by a gettext catalogue.

The catalogue is `locale/ru/LC_MESSAGES/plitka.po`, by the English texts. A text that it lacks fails
`docs/generate.py`; `docs/messages.py` puts it there, to be translated. What the program itself says (errors,
notices, option values) stays English on every page, for that is what people will see.
"""

import functools
import re
from collections.abc import Callable
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

CATALOGUE = Path(__file__).resolve().parent / "locale" / "ru" / "LC_MESSAGES" / "plitka.po"
# A part of a text that the code fills in, such as a limit: gettext's python-format. A name that begins with
# "number" stands for one number, any other for any text.
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
NUMBER = r"[-−+]?\d[\d.,]*"

CODE = r"`[^`]*`"
FIGURE = re.compile(rf"{CODE}|\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d+\.\d+|(?<=\d)%|, ")

# Puts a text of the code into the language of a page.
Say = Callable[[str], str]


class UntranslatedError(LookupError):
    """A text of the code has no Russian yet."""

    def __init__(self, text: str) -> None:
        super().__init__(f"no Russian for {text!r}: run docs/messages.py and translate it in {CATALOGUE}")


def in_english(text: str) -> str:
    """The text as it is."""
    return text


def in_russian(text: str) -> str:
    """The text in Russian; figures get Russian marks, code stays as it is. Raises UntranslatedError."""
    if not has_words(text):
        return russian_figures(text)
    english = english_of(text, russian_catalogue())
    message = None if english is None else russian_catalogue().get(english)
    if message is None or message.fuzzy or not isinstance(message.string, str) or not message.string:
        raise UntranslatedError(text)
    if not PLACEHOLDER.search(message.string):
        return message.string
    filled = _filled(str(english), text)
    return message.string % {
        name: russian_figures(part) if name.startswith("number") else part for name, part in filled.items()
    }


def russian_figures(text: str) -> str:
    """Figures with Russian marks: 1 234,5 %, and semicolons between decimal figures."""
    comma = "; " if re.search(r"\d\.\d", re.sub(CODE, "", text)) else ", "

    def russian(match: re.Match[str]) -> str:
        found = match[0]
        if found.startswith("`"):
            return found
        marks = {", ": comma, "%": " %"}
        return marks.get(found) or found.replace(",", "\u00a0").replace(".", ",")

    return FIGURE.sub(russian, text)


def references(say: Say) -> str:
    """The folder of the reference pictures, as a page of this language links to it."""
    return "../references" if say is in_english else "../../references"


def has_words(text: str) -> bool:
    """Whether there is anything to translate: letters outside of code."""
    return any(char.isalpha() for char in re.sub(CODE, "", text))


def english_of(text: str, catalogue: Catalog) -> str | None:
    """The entry for a text: the text itself, or the longest entry whose placeholders it fills."""
    if text in catalogue:
        return text
    filled = (str(message.id) for message in catalogue if message.id and _filled(str(message.id), text))
    return max(filled, key=len, default=None)


@functools.cache
def russian_catalogue() -> Catalog:
    """The catalogue as it is stored."""
    with CATALOGUE.open("rb") as file:
        return read_po(file, locale="ru")


def _filled(english: str, text: str) -> dict[str, str]:
    """What stands in a text in place of an entry's placeholders; empty if the entry is not for it."""
    pattern = _pattern(english)
    match = pattern.fullmatch(text) if pattern else None
    return match.groupdict() if match else {}


@functools.cache
def _pattern(english: str) -> re.Pattern[str] | None:
    """What an entry with placeholders stands for; None for one without."""
    if not PLACEHOLDER.search(english):
        return None
    # Every second part is a placeholder's name.
    parts = PLACEHOLDER.split(english)
    for place, part in enumerate(parts):
        if place % 2:
            parts[place] = f"(?P<{part}>{NUMBER if part.startswith('number') else '.+'})"
        else:
            parts[place] = re.escape(part.replace("%%", "%"))
    return re.compile("".join(parts))
