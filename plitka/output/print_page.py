"""A picture as a PDF page at its true size, for a printer, with margin and crop marks if they are wanted."""

import datetime

from fpdf import FPDF

from plitka.output.pdf import finished, new_document, place_picture
from plitka.request.prints import MM_PER_INCH
from plitka.request.tile_request import TileRequest

# Crop marks: their length, their distance from the picture, and their thickness, millimetres.
_MARK, _MARK_GAP, _MARK_LINE = 4.0, 2.0, 0.1
# The least margin that has room for them, a millimetre from the page's edge, and the one that they get by
# themselves.
LEAST_MARK_MARGIN = _MARK_GAP + _MARK + 1.0
MARK_MARGIN = 10.0
# The largest page of a PDF: 14,400 units of 1/72 inch (ISO 32000-1, annex C).
MOST_PAGE_MM = 14_400 / 72 * MM_PER_INCH


def make_print(
    request: TileRequest, picture: bytes, margin_mm: float, *, crop_marks: bool, date: datetime.date
) -> bytes:
    """Make the page of a picture.

    Args:
        request: The request that drew it: its millimetres are the picture's on the page.
        picture: The picture file: PNG, WebP or JPEG, sRGB.
        margin_mm: White on every side of the picture, at least LEAST_MARK_MARGIN with crop marks. The page
            is the picture with its margin, at most MOST_PAGE_MM on a side.
        crop_marks: Whether short lines at the corners say where to cut.
        date: The day that the document says it was made on.

    Returns:
        The bytes of a PDF with one page: the same for the same arguments and versions.

    Raises:
        ContainerError: `picture` is no such file, or it is damaged.
    """
    sides = request.scale.width_mm, request.scale.height_mm
    page = sides[0] + 2 * margin_mm, sides[1] + 2 * margin_mm
    title = f"Rubber tile, {sides[0]:g} x {sides[1]:g} mm"
    with new_document(page, title, date, "en", request.without_sheet().to_json()) as document:
        place_picture(document, picture, (margin_mm, margin_mm), sides)
        if crop_marks:
            _draw_marks(document, sides, margin_mm)
        return finished(document)


def _draw_marks(document: FPDF, sides: tuple[float, float], margin: float) -> None:
    document.set_draw_color(0, 0, 0)
    document.set_line_width(_MARK_LINE)
    lines = [(margin, margin + side) for side in sides]
    near, far = _MARK_GAP, _MARK_GAP + _MARK
    for x in lines[0]:
        for y, outwards in zip(lines[1], (-1, 1), strict=True):
            document.line(x, y + outwards * near, x, y + outwards * far)
    for y in lines[1]:
        for x, outwards in zip(lines[0], (-1, 1), strict=True):
            document.line(x + outwards * near, y, x + outwards * far, y)
