"""Contact sheets: the pictures of a catalogue in small with their captions, as JPEG files."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator, Sequence
from importlib import resources

from PIL import Image, ImageDraw, ImageFont

from plitka.batch.captions import WORDS, parts, title_of
from plitka.batch.index import Entry
from plitka.batch.thumbnails import PRINT_SIDE
from plitka.output.provenance import EXIF_SOFTWARE, SOFTWARE, srgb_profile
from plitka.output.scale_bar import FONT_FILE

COLUMNS, ROWS = 6, 5
_GAP, _MARGIN, _HEAD = 20, 40, 56
_POINTS, _TITLE_POINTS, _LINE, _LINES = 17, 26, 21, 4
_INK, _GREY, _PAPER = (30, 30, 30), (105, 105, 105), (255, 255, 255)
_CELL = PRINT_SIDE + _LINES * _LINE + 14
_QUALITY = 90


def contact_sheets(entries: Sequence[Entry], title: str, language: str) -> Iterator[bytes]:
    """The sheets, JPEG with the profile of sRGB, COLUMNS × ROWS pictures each."""
    pages = in_pages(entries, COLUMNS * ROWS)
    for number, page in enumerate(pages, start=1):
        yield _sheet(page, title, WORDS[language]["page"].format(page=number, pages=len(pages)), language)


def in_pages(entries: Sequence[Entry], size: int) -> list[Sequence[Entry]]:
    """The entries in groups of so many, the last one with what is left."""
    return [entries[start : start + size] for start in range(0, len(entries), size)]


def fitted(text: str, width: float, measure: Callable[[str], float]) -> str:
    """A text cut so that it fits into a width, with an ellipsis where it was cut."""
    if measure(text) <= width:
        return text
    while text and measure(f"{text}…") > width:
        text = text[:-1]
    return f"{text.rstrip()}…"


def caption(entry: Entry, language: str, lines: int) -> list[str]:
    """The lines below a picture: its name if it has one, then its colours; the last line has the rest."""
    name, colors = title_of(entry), parts(entry, language)
    room = lines - bool(name)
    if len(colors) > room:
        colors = (*colors[: room - 1], ", ".join(colors[room - 1 :]))
    return [*([name] if name else []), *colors]


def _sheet(entries: Sequence[Entry], title: str, page: str, language: str) -> bytes:
    rows = -(-len(entries) // COLUMNS)
    width = 2 * _MARGIN + COLUMNS * PRINT_SIDE + (COLUMNS - 1) * _GAP
    sheet = Image.new("RGB", (width, 2 * _MARGIN + _HEAD + rows * _CELL), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN), title, _INK, _font(_TITLE_POINTS))
    draw.text((width - _MARGIN, _MARGIN), page, _GREY, _font(_POINTS), anchor="ra")
    for number, entry in enumerate(entries):
        left = _MARGIN + number % COLUMNS * (PRINT_SIDE + _GAP)
        top = _MARGIN + _HEAD + number // COLUMNS * _CELL
        with Image.open(io.BytesIO(entry.small.print)) as picture:
            sheet.paste(picture, (left, top))
            below = top + picture.height + 4
        named = bool(title_of(entry))
        for row, text in enumerate(caption(entry, language, _LINES)):
            ink = _INK if row == 0 and named else _GREY
            font = _font(_POINTS)
            draw.text((left, below + row * _LINE), fitted(text, PRINT_SIDE, font.getlength), ink, font)
    file = io.BytesIO()
    about = Image.Exif()
    about[EXIF_SOFTWARE] = SOFTWARE
    sheet.save(file, "JPEG", quality=_QUALITY, subsampling=0, icc_profile=srgb_profile(), exif=about)
    return file.getvalue()


@functools.cache
def _font(points: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(
        io.BytesIO(resources.files("plitka.output").joinpath(FONT_FILE).read_bytes()), points
    )
