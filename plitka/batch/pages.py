"""The catalogue as a PDF: A4 pages of pictures with their captions."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from fpdf import FPDF

from plitka.batch.captions import WORDS, title_of
from plitka.batch.contact_sheets import caption, fitted, in_pages
from plitka.batch.index import Entry
from plitka.output.pdf import A4_MM, FONT, finished, new_document, place_picture

# Millimetres.
_MARGIN, _HEAD, _PICTURE, _GAP, _CAPTION, _LINE = 15.0, 14.0, 40.0, 6.6, 17.0, 3.6
COLUMNS, ROWS, _LINES = 4, 4, 4
_TITLE_POINTS, _POINTS = 15, 8
_INK, _GREY = (30, 30, 30), (105, 105, 105)


def catalogue_pdf(entries: Sequence[Entry], title: str, language: str, date: datetime.date) -> bytes:
    """The document: the same bytes for the same arguments and versions. Raises ContainerError."""
    pages = in_pages(entries, COLUMNS * ROWS)
    with new_document(A4_MM, title, date, language) as document:
        for number, page in enumerate(pages, start=1):
            if number > 1:
                document.add_page()
            numbers = WORDS[language]["page"].format(page=number, pages=len(pages))
            _write(document, title, (_MARGIN, _MARGIN), _TITLE_POINTS, _INK)
            _write(document, numbers, (_MARGIN, _MARGIN + 1.5), _POINTS, _GREY, align="R")
            for place, entry in enumerate(page):
                left = _MARGIN + place % COLUMNS * (_PICTURE + _GAP)
                top = _MARGIN + _HEAD + place // COLUMNS * (_PICTURE + _CAPTION + _GAP)
                _picture(document, entry, (left, top), language)
        return finished(document)


def _picture(document: FPDF, entry: Entry, at_mm: tuple[float, float], language: str) -> None:
    longer = max(entry.small.width, entry.small.height)
    size = _PICTURE * entry.small.width / longer, _PICTURE * entry.small.height / longer
    place_picture(document, entry.small.print, at_mm, size)
    named = bool(title_of(entry))
    for row, text in enumerate(caption(entry, language, _LINES)):
        document.set_font(FONT, size=_POINTS)
        ink = _INK if row == 0 and named else _GREY
        at = at_mm[0], at_mm[1] + size[1] + 1 + row * _LINE
        _write(document, fitted(text, _PICTURE, document.get_string_width), at, _POINTS, ink)


def _write(
    document: FPDF,
    text: str,
    at_mm: tuple[float, float],
    points: float,
    ink: tuple[int, int, int],
    align: str = "L",
) -> None:
    document.set_font(FONT, size=points)
    document.set_text_color(*ink)
    document.set_xy(*at_mm)
    document.cell(A4_MM[0] - 2 * _MARGIN, points / 2, text, align=align)
