"""Characters of input methods and word processors as the plain ones that they stand for."""

from __future__ import annotations

import re
import unicodedata

# Hyphens and the minus sign; the dashes, which also part words, are left to whoever reads the text.
_HYPHENS = "\u2010\u2011\u2212\ufe63\uff0d"
_DASHES = "\u2012\u2013\u2014"
# Compatibility characters that say more than their letters and digits: m² is not m2.
_RAISED = ("<super>", "<sub>", "<fraction>")

# One character for one, for text whose every character counts. A full-width quotation mark stays: it would
# begin or end a string.
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F) if code != 0xFF02}
_JSON_CHARACTERS: dict[int, int | str] = {
    **_FULL_WIDTH,
    **dict.fromkeys(map(ord, _HYPHENS + _DASHES), "-"),
    **{code: " " for code in range(0x80, 0x3001) if chr(code).isspace()},
}
# Line breaks and tabs as an outer string wrote them.
_ESCAPED_SPACE = re.compile(r"(?<!\\)\\++[nrt]")


def plain(text: str) -> str:
    """Bring full-width forms, odd spaces and hyphens to ASCII; letters are composed.

    A digit comes of a digit or of a full-width digit alone: ``²``, ``①`` and ``½`` stay what they are.
    """
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", "".join(map(_plain_character, text)))


def plain_number(text: str) -> str:
    """:func:`plain` for a number that stands alone, where a dash can only be its minus sign."""
    text = plain(text).strip()
    return f"-{text[1:]}" if text.startswith(tuple(_DASHES)) else text


def plain_json(text: str) -> str:
    """Bring what stands outside the strings of a JSON text to ASCII; JSON itself has nothing else there."""
    return _ESCAPED_SPACE.sub(" ", text.translate(_JSON_CHARACTERS))


def _plain_character(char: str) -> str:
    if char in _HYPHENS:
        return "-"
    text = unicodedata.normalize("NFKC", char)
    kind = unicodedata.decomposition(char).partition(" ")[0]
    makes_a_digit = kind != "<wide>" and any(map(str.isdigit, text))
    return char if kind in _RAISED or makes_a_digit else text
