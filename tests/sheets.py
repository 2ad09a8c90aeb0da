"""Logos, small pictures that say what drew them, and what can be read in a PDF."""

import io

import numpy as np
import pypdfium2
from PIL import Image

from plitka.output.provenance import encode, provenance_of
from plitka.request.prompt import build_prompt


def logo(color=(200, 30, 40), size=(300, 100), kind="PNG", mode="RGB"):
    """A picture of one colour as a file."""
    file = io.BytesIO()
    Image.new("RGB", size, color).convert(mode).save(file, kind)
    return file.getvalue()


def text_of(data):
    """The text of a PDF's only page."""
    document = pypdfium2.PdfDocument(data)
    assert len(document) == 1
    return document[0].get_textpage().get_text_range()


def tile_file(request, output_format="png", size=64):
    """A picture file of noise that says that this request drew it; `size`: its side, or rows and columns."""
    rows, columns = size if isinstance(size, tuple) else (size, size)
    pixels = np.random.default_rng(1).integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    prompt = build_prompt(request.mix, "")
    return encode(pixels, output_format, provenance_of("final", request, prompt, "render", {"engine": "1"}))
