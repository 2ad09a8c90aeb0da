"""The sheet: one A4 page as PDF with picture and scale, mix and order, and the customer's logo and text."""

import base64
import datetime
from dataclasses import dataclass

from fpdf import FPDF
from fpdf.enums import MethodReturnValue, XPos, YPos

from plitka.colors.palette import palette_in_use
from plitka.order.amounts import Order, order_of
from plitka.output.pdf import A4_MM, FONT, finished, new_document, place_logo, place_picture
from plitka.output.scale_bar import bar_mm
from plitka.output.sheet_order import order_columns, order_sentences
from plitka.output.sheet_words import WORDS, Words, figure
from plitka.request.logo import logo_picture
from plitka.request.sheet import DEFAULT_SHEET_LANGUAGE, SheetFields
from plitka.request.tile_request import TileRequest

SHEET_FILE = "sheet.pdf"
NO_NAME = "–"

_MARGIN, _LOGO_BOX = 18.0, (55.0, 20.0)
_LARGEST_PICTURE, _ROW, _LINE, _SCALE_AND_FOOT = 150.0, 7.0, 5.0, 26.0
_ORDER_LINE = 5.5
_TITLE_POINTS, _TEXT_POINTS, _SMALL_POINTS = 18, 10, 8.5
_INK, _GREY, _LINE_GREY = (30, 30, 30), (105, 105, 105), (200, 200, 200)
_WIDTH = A4_MM[0] - 2 * _MARGIN


@dataclass(frozen=True)
class _Column:
    """A column of the table: its title, its width in mm, whether it stands to the right, and its texts."""

    title: str
    width: float
    is_number: bool
    texts: tuple[str, ...]


def sheet_date(fields: SheetFields) -> datetime.date:
    """The day on the sheet: the one that is given, else today."""
    # A customer's today is that of the place where the sheet is made.
    return datetime.date.fromisoformat(fields.date) if fields.date else datetime.date.today()


def make_sheet(request: TileRequest, picture: bytes, fields: SheetFields, date: datetime.date) -> bytes:
    """Make the sheet of a picture.

    Args:
        request: The request that drew it, with the order that goes on the sheet, if any.
        picture: The picture file: PNG, WebP or JPEG, sRGB.
        fields: What the request, the command line or the page says of the sheet; its date is not used.
        date: The day that the sheet says.

    Returns:
        The bytes of a PDF with one A4 page: the same for the same arguments and versions.

    Raises:
        ContainerError: `picture` is no such file, or it is damaged.
    """
    language = fields.language or DEFAULT_SHEET_LANGUAGE
    words = WORDS[language]
    said = request.without_sheet().to_json()
    order = order_of(request.mix, request.overrides.order) if request.overrides.order else None
    sentences = order_sentences(order, language) if order else ()
    with new_document(A4_MM, words["title"], date, language, said) as document:
        top = _head(document, words, fields, _written(date, language))
        room = _room(document, top, request, fields) - _ORDER_LINE * len(sentences)
        width, height = _picture_mm(request, room)
        place_picture(document, picture, ((A4_MM[0] - width) / 2, top), (width, height))
        top = _scale(document, request, words, language, top + height + 3, width)
        columns = _columns(request, words, language, order)
        top = _table(document, columns, request, top + 3)
        for sentence in sentences:
            _write(document, sentence, (_MARGIN, top), _TEXT_POINTS, width=_WIDTH)
            top += _ORDER_LINE
        _text(document, fields.text, top + 4)
        _foot(document, words["seed"].format(seed=request.seed))
        return finished(document)


def _room(document: FPDF, top: float, request: TileRequest, fields: SheetFields) -> float:
    """What table and text leave of the page for the picture, mm."""
    below = _ROW * (len(request.mix) + 1) + _text_height(document, fields.text) + _SCALE_AND_FOOT
    return A4_MM[1] - _MARGIN - top - below


def _picture_mm(request: TileRequest, room: float) -> tuple[float, float]:
    """Width and height of the picture on the page, as large as fits into the room below the head."""
    sides = request.scale.width, request.scale.height
    most = min(_LARGEST_PICTURE / sides[0], min(_LARGEST_PICTURE, room) / sides[1])
    return most * sides[0], most * sides[1]


def _written(date: datetime.date, language: str) -> str:
    return date.strftime("%d.%m.%Y") if language == "ru" else date.isoformat()


def _head(document: FPDF, words: Words, fields: SheetFields, date: str) -> float:
    """Title, date and logo; returns where the picture may begin."""
    _write(document, words["title"], (_MARGIN, _MARGIN), _TITLE_POINTS)
    _write(document, date, (_MARGIN, _MARGIN + 9), _TEXT_POINTS, _GREY)
    if not fields.logo:
        return _MARGIN + 18
    place_logo(
        document, logo_picture(base64.b64decode(fields.logo)), (A4_MM[0] - _MARGIN, _MARGIN), _LOGO_BOX
    )
    return _MARGIN + _LOGO_BOX[1] + 4


def _scale(
    document: FPDF, request: TileRequest, words: Words, language: str, top: float, width: float
) -> float:
    """The bar of so many millimetres, and what the picture shows. `width` is the picture's on the page."""
    scale = request.scale
    bar = bar_mm(scale.width_mm)
    left, length = (A4_MM[0] - width) / 2, width * bar / scale.width_mm
    document.set_fill_color(*_INK)
    document.rect(left, top + 1.4, length, 1.2, style="F")
    for end in (left, left + length - 0.3):
        document.rect(end, top, 0.3, 4, style="F")
    _write(document, f"{bar:g} {words['mm']}", (left + length + 2, top - 0.4), _SMALL_POINTS)
    shown = {"granule": scale.granule_mm, "width": scale.width_mm, "height": scale.height_mm}
    sentence = words["scale"].format(**{name: figure(value, language) for name, value in shown.items()})
    laying = words[request.layout].format(angle=figure(request.laying_angle, language))
    for row, text in enumerate((sentence, laying)):
        _write(document, text, (left, top + 4.8 + 4.4 * row), _SMALL_POINTS, _GREY)
    return top + 4.8 + 2 * 4.4


def _columns(request: TileRequest, words: Words, language: str, order: Order | None) -> tuple[_Column, ...]:
    mix = request.mix
    shares = tuple(f"{figure(100 * color.share, language)} %" for color in mix)
    # A colour outside the palette has no code and no name; who orders granules has to have it made.
    none = {each: WORDS[each]["to_order"] if order else NO_NAME for each in WORDS}
    palette = palette_in_use()
    named = [palette.get(color.id) for color in mix]
    codes = tuple(color.code if color else NO_NAME for color in named)
    english = tuple(
        known.english if known else color.name or none["en"] for known, color in zip(named, mix, strict=True)
    )
    russian = tuple(color.russian if color else none["ru"] for color in named)
    hexes = tuple(color.hex for color in mix)
    ordered = order_columns(order, language) if order else ()
    # With the columns of the order as wide together as without.
    widths = {0: (30, 42, 48, 20, 22), 2: (22, 30, 35, 16, 18), 3: (20, 26, 30, 15, 17)}[len(ordered)]
    return (
        _Column(words["code"], widths[0], False, codes),
        _Column(words["english"], widths[1], False, english),
        _Column(words["russian"], widths[2], False, russian),
        _Column(words["share"], widths[3], True, shares),
        _Column(words["hex"], widths[4], True, hexes),
        *(_Column(title, width, True, texts) for title, width, texts in ordered),
    )


def _table(document: FPDF, columns: tuple[_Column, ...], request: TileRequest, top: float) -> float:
    patch = 10.0
    document.set_draw_color(*_LINE_GREY)
    document.set_line_width(0.2)
    left = _MARGIN + patch + 2
    for column in columns:
        for row, text in enumerate((column.title, *column.texts)):
            points, ink = (_SMALL_POINTS, _GREY) if row == 0 else (_TEXT_POINTS, _INK)
            at = (left, top + row * _ROW)
            _write(document, text, at, points, ink, column.width, is_number=column.is_number)
        left += column.width
    for row, color in enumerate(request.mix, 1):
        document.set_fill_color(*bytes.fromhex(color.hex.removeprefix("#")))
        document.rect(_MARGIN, top + row * _ROW + 0.8, patch, _ROW - 1.6, style="F")
        document.line(_MARGIN, top + row * _ROW, _MARGIN + _WIDTH, top + row * _ROW)
    return top + (len(request.mix) + 1) * _ROW


def _text_height(document: FPDF, text: str | None) -> float:
    if not text:
        return 0.0
    document.set_font(FONT, size=_TEXT_POINTS)
    lines = document.multi_cell(_WIDTH, _LINE, text, align="L", dry_run=True, output=MethodReturnValue.LINES)
    assert isinstance(lines, list)
    return _LINE * len(lines) + 4


def _text(document: FPDF, text: str | None, top: float) -> None:
    if text:
        document.set_font(FONT, size=_TEXT_POINTS)
        document.set_text_color(*_INK)
        document.set_xy(_MARGIN, top)
        document.multi_cell(_WIDTH, _LINE, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _foot(document: FPDF, text: str) -> None:
    _write(document, text, (_MARGIN, A4_MM[1] - _MARGIN), _SMALL_POINTS, _GREY)


def _write(
    document: FPDF,
    text: str,
    at_mm: tuple[float, float],
    points: float,
    ink: tuple[int, int, int] = _INK,
    width: float = 0,
    *,
    is_number: bool = False,
) -> None:
    """Write a line of text; in a column, smaller where it would not fit."""
    document.set_text_color(*ink)
    document.set_font(FONT, size=points)
    room = width - 2
    if width and (wide := document.get_string_width(text)) > room:
        document.set_font(FONT, size=points * room / wide)
    document.set_xy(*at_mm)
    document.cell(width or _WIDTH, _ROW, text, align="R" if is_number else "L")
