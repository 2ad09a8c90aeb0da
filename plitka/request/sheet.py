"""What a request says of its sheet: the page with picture, mix and the customer's own logo and text."""

from __future__ import annotations

import datetime
import re
import unicodedata
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from plitka.choices import SheetLanguage, one_of
from plitka.request.logo import LOGO_ALLOWED, read_logo
from plitka.request.numbers import invalid_value

DEFAULT_SHEET_LANGUAGE: SheetLanguage = "en"
MAX_SHEET_TEXT = 500
MAX_SHEET_LINES = 8
# What the sheet's font has, as ranges of code points: a test compares them with the font.
FONT_CHARACTERS = """
    20-7e a0-109 10c-113 116-11f 122-127 12a-12b 12e-131 134-137 139-13e 141-148 14c-14d 150-165 16a-173
    178-17f 192 1f4-1f5 218-21b 237 2bc 2c6-2c7 2d8-2dd 394 3a9 3bc 3c0 401-40c 40e-44f 451-45c 45e-45f
    462-463 472-475 48a-4c0 4c3-4f9 4fc-4fd 510-513 51c-51d 524-527 1e30-1e31 1e3e-1e3f 1e54-1e55 1e9e
    2011 2013-2014 2018-201a 201c-201e 2020-2022 2026 2030 2039-203a 2044 2081-2084 20ac 20b4 20b6-20b7
    20b9-20cf 2113 2116 2122 2126 212e 2202 2206 220f 2211-2212 2215 221a 221e 222b 2248 2260 2264-2265
    25ca
"""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _characters() -> frozenset[str]:
    ranges = (part.partition("-") for part in FONT_CHARACTERS.split())
    return frozenset(
        chr(code) for first, _, last in ranges for code in range(int(first, 16), int(last or first, 16) + 1)
    )


SHEET_CHARACTERS = _characters()


def _read_text(value: object) -> str:
    if not isinstance(value, str):
        raise invalid_value("is not text")
    lines = [" ".join(line.split()) for line in unicodedata.normalize("NFC", value).strip().splitlines()]
    text = "\n".join(lines)
    problems = []
    if len(text) > MAX_SHEET_TEXT:
        problems.append(f"has {len(text)} characters")
    if len(lines) > MAX_SHEET_LINES:
        problems.append(f"has {len(lines)} lines")
    if missing := sorted(set(text) - SHEET_CHARACTERS - {"\n"}):
        listed = ", ".join(f"U+{ord(char):04X}" for char in missing[:8])
        problems.append(f"has characters that the sheet's font lacks ({listed})")
    if problems:
        raise invalid_value(" and ".join(problems))
    return text


def _read_date(value: object) -> str:
    if not isinstance(value, str) or not _DATE.fullmatch(value.strip()):
        raise invalid_value("is not a date such as 2026-11-27")
    try:
        return datetime.date.fromisoformat(value.strip()).isoformat()
    except ValueError:
        raise invalid_value("is no day of the calendar") from None


def _read_language(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


class SheetFields(BaseModel):
    """The ``overrides.sheet`` of a request; None stands for what is not given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: Annotated[SheetLanguage | None, BeforeValidator(_read_language)] = Field(
        default=None, description=one_of(SheetLanguage)
    )
    text: Annotated[str, BeforeValidator(_read_text)] | None = Field(
        default=None,
        description=f"text of at most {MAX_SHEET_TEXT} characters in at most {MAX_SHEET_LINES} lines, "
        "in Latin or Cyrillic letters",
    )
    logo: Annotated[str, BeforeValidator(read_logo)] | None = Field(default=None, description=LOGO_ALLOWED)
    date: Annotated[str, BeforeValidator(_read_date)] | None = Field(
        default=None, description="a day as YYYY-MM-DD"
    )


def read_sheet_switch(value: object) -> object:
    """True asks for a sheet without anything of the customer's, false for none."""
    if isinstance(value, bool):
        return {} if value else None
    return value
