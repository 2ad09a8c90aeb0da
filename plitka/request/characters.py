"""Replaces characters of input methods and word processors by their ASCII equivalents."""

from __future__ import annotations

import re
import unicodedata

# Hyphens and the minus sign. Dashes, which also separate words, are handled by the callers.
_HYPHENS = "\u2010\u2011\u2212\ufe63\uff0d"
_DASHES = "\u2012\u2013\u2014"
# Compatibility characters whose form has a meaning: m² is not m2.
_RAISED = ("<super>", "<sub>", "<fraction>")

# One character for one, so that positions in the text stay the same. A full-width quotation mark is kept: it
# would begin or end a string.
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F) if code != 0xFF02}
_JSON_CHARACTERS: dict[int, int | str] = {
    **_FULL_WIDTH,
    **dict.fromkeys(map(ord, _HYPHENS + _DASHES), "-"),
    **{code: " " for code in range(0x80, 0x3001) if chr(code).isspace()},
}
# Line breaks and tabs as escapes of an outer string.
_ESCAPED_SPACE = re.compile(r"(?<!\\)\\++[nrt]")


def plain(text: str) -> str:
    """Bring full-width forms, odd spaces and hyphens to ASCII; letters are composed.

    Only digits and full-width digits become digits: ``²``, ``①`` and ``½`` stay what they are.
    """
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", "".join(map(_plain_character, text)))


def plain_number(text: str) -> str:
    """:func:`plain` for a number that stands alone, where a dash can only be its minus sign."""
    text = plain(text).strip()
    return f"-{text[1:]}" if text.startswith(tuple(_DASHES)) else text


def plain_json(text: str) -> str:
    """Convert text outside the strings of a JSON document to ASCII, the only characters JSON has there."""
    return _ESCAPED_SPACE.sub(" ", text.translate(_JSON_CHARACTERS))


def _plain_character(char: str) -> str:
    if char in _HYPHENS:
        return "-"
    text = unicodedata.normalize("NFKC", char)
    kind = unicodedata.decomposition(char).partition(" ")[0]
    makes_a_digit = kind != "<wide>" and any(map(str.isdigit, text))
    return char if kind in _RAISED or makes_a_digit else text
