"""PDF documents with one page of a given size, by fpdf2: the font, sRGB pictures, the same bytes every time.

The font travels with the package, so that a document looks alike wherever it is made; only the characters
that are used are embedded. Pictures are embedded without loss: a JPEG as it is, others packed anew. A
document has no other time than its date, and its file id follows from its content.
"""

import datetime
import io
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources

from fpdf import FPDF
from fpdf.enums import ResourceAccessPolicy
from fpdf.fonts import TTFFont
from PIL import Image, ImageOps

from plitka.errors import ContainerError
from plitka.output.provenance import SOFTWARE, srgb_profile
from plitka.output.scale_bar import FONT_FILE
from plitka.request.prints import MM_PER_INCH

FONT = "PT Sans"
LOGO_DPI = 600
A4_MM = (210.0, 297.0)

# Pixels a side.
MAX_PICTURE_SIZE = 8192
# A preview's sides are rounded to eights: its shape may be off the final picture's by this part.
_PREVIEW_ROUNDED = 0.05


@contextmanager
def new_document(
    size_mm: tuple[float, float], title: str, date: datetime.date, language: str, keywords: str = ""
) -> Iterator[FPDF]:
    """A document with one empty page, the font set; its file of the font is open within the `with`.

    Args:
        size_mm: Width and height of the page.
        title: What a viewer shows as its name.
        date: The day that it says it was made on.
        language: The language of its text, such as "en".
        keywords: Further text that goes with the file and is not shown on the page.
    """
    document = FPDF(unit="mm", format=size_mm)
    document.set_creation_date(datetime.datetime.combine(date, datetime.time(), datetime.UTC))
    document.set_creator(SOFTWARE)
    document.set_title(title)
    document.set_lang(language)
    if keywords:
        document.set_keywords(keywords)
    document.set_margin(0)
    document.c_margin = 0
    document.set_auto_page_break(False)
    with resources.as_file(resources.files("plitka.output").joinpath(FONT_FILE)) as path:
        document.add_font(FONT, fname=path)
        try:
            document.add_page()
            document.set_font(FONT)
            yield document
        finally:
            for font in document.fonts.values():
                if isinstance(font, TTFFont):
                    font.close()


def place_picture(
    document: FPDF, data: bytes, at_mm: tuple[float, float], size_mm: tuple[float, float]
) -> None:
    """Put a picture file of Plitka's (PNG, WebP or JPEG, sRGB) on the page, by its left and top.

    Raises:
        ContainerError: The file is no such picture, damaged, or of another shape than `size_mm`; whatever it
            contains, the work is bounded.
    """
    picture = _read_picture(data, size_mm[0] / size_mm[1])
    if picture.format == "JPEG":
        _place(document, data, at_mm, size_mm)
        return
    # A PNG of Plitka's declares sRGB by a chunk that has no counterpart in PDF.
    picture.info = {"icc_profile": srgb_profile()}
    _place(document, picture, at_mm, size_mm)


def _read_picture(data: bytes, shape: float) -> Image.Image:
    """A picture of this width in parts of its height."""
    try:
        picture = Image.open(io.BytesIO(data), formats=("PNG", "WEBP", "JPEG"))
        width, height = picture.size
        is_whole = abs(width / height / shape - 1) <= _PREVIEW_ROUNDED
        if is_whole and max(width, height) <= MAX_PICTURE_SIZE and picture.mode == "RGB":
            picture.load()
            return picture
    # What Pillow raises for damaged files is as varied as the damage.
    except Exception as error:
        raise ContainerError("the picture is damaged") from error
    raise ContainerError(
        f"the picture has {width} x {height} pixels, {picture.mode}: it is not Plitka's any more"
    )


def place_logo(
    document: FPDF, logo: Image.Image, right_top_mm: tuple[float, float], box_mm: tuple[float, float]
) -> None:
    """Put a logo into the right top of a box, as large as fits; sampled down to 600 dots per inch."""
    has_alpha = logo.has_transparency_data
    picture = ImageOps.exif_transpose(logo).convert("RGBA" if has_alpha else "RGB")
    most = [round(side / MM_PER_INCH * LOGO_DPI) for side in box_mm]
    picture.thumbnail((most[0], most[1]))
    picture.info = {"icc_profile": srgb_profile()}
    scale = min(box / side for box, side in zip(box_mm, picture.size, strict=True))
    width, height = (side * scale for side in picture.size)
    _place(document, picture, (right_top_mm[0] - width, right_top_mm[1]), (width, height))


def finished(document: FPDF) -> bytes:
    """The bytes of the file."""
    return bytes(document.output())


def is_ours(data: bytes) -> bool:
    """Whether a file is a PDF that says Plitka made it."""
    return data.startswith(b"%PDF-") and f"/Creator ({SOFTWARE})".encode() in data


def _place(
    document: FPDF, picture: bytes | Image.Image, at_mm: tuple[float, float], size_mm: tuple[float, float]
) -> None:
    # Nothing in a document is fetched or read from a file.
    policy = ResourceAccessPolicy.NONE
    document.image(picture, *at_mm, *size_mm, resource_access_policy=policy)
