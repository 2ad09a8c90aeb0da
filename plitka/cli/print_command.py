"""The command `plitka print`: the final picture at its true size, in the pixels that a printer needs."""

from __future__ import annotations

import datetime
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from plitka.cli.drawing import (
    asking_for_bar,
    check_is_one_picture,
    draw_final,
    print_notices,
    request_report,
    results,
)
from plitka.cli.failures import exit_status
from plitka.cli.options import Angle, AsJson, Colors, Engines, Params, Quality, ScaleBar, Seed, Weights
from plitka.cli.report import print_json, print_lines
from plitka.cli.targets import PictureFile
from plitka.engines import RENDER
from plitka.errors import Problem, RequestError, shown

if TYPE_CHECKING:
    from plitka.request.tile_request import TileRequest
    from plitka.results import Result

Kind = Literal["tiff", "pdf", "png"]
KINDS: Mapping[str, Kind] = MappingProxyType({".tiff": "tiff", ".tif": "tiff", ".pdf": "pdf", ".png": "png"})
DPI = (1, 10_000)
MOST_MARGIN = 1000

Dpi = Annotated[float, typer.Option(min=DPI[0], max=DPI[1], help="Dots an inch, at least.")]
Margin = Annotated[
    float | None,
    typer.Option(min=0, max=MOST_MARGIN, help="White around a PDF page's picture, mm. Default: 0."),
]
CropMarks = Annotated[
    bool, typer.Option("--crop-marks", help="Lines where to cut, on a PDF page with a margin of 10 mm.")
]
Out = Annotated[Path, typer.Option("--out", "-o", help="The file: .tiff, .pdf or .png.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")]


@dataclass(frozen=True)
class _Page:
    """What is around the picture in a PDF: millimetres of margin, and whether there are crop marks."""

    margin: float
    has_marks: bool


def print_tile(
    params: Params = None,
    colors: Colors = None,
    angle: Angle = None,
    quality: Quality = None,
    seed: Seed = None,
    scale_bar: ScaleBar = False,
    dpi: Dpi = 300,
    margin: Margin = None,
    crop_marks: CropMarks = False,
    engine: Engines = None,
    weights: Weights = None,
    out: Out = Path("print.pdf"),
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Draw the final picture for print, at its true size: TIFF with 16 bits a channel, PDF or PNG."""
    from plitka.cli.request_input import read_request

    with exit_status():
        kind = _kind(out)
        # No comparison holds for what is not a number.
        if not DPI[0] <= dpi <= DPI[1]:
            raise typer.BadParameter(f"--dpi: {dpi:g} is not from {DPI[0]:,} to {DPI[1]:,}")
        page = _page(kind, out, margin, has_marks=crop_marks)
        target = PictureFile(out, force=force)
        request = read_request(params, colors, angle, quality, seed)
        request = _in_pixels(asking_for_bar(request, scale_bar), dpi, page, out)
        print_notices(request)
        final = draw_final(request, engine, weights)
        data, bits = _encode(kind, request, final, page)
        path = target.write(out.name, data)
        _report(request, path, bits, as_json=as_json)


def _kind(out: Path) -> Kind:
    kind = KINDS.get(out.suffix.lower())
    if kind is None or out.is_dir():
        raise typer.BadParameter(f"--out: {out} does not end in .tiff, .pdf or .png")
    return kind


def _page(kind: Kind, out: Path, margin: float | None, *, has_marks: bool) -> _Page:
    from plitka.output.print_page import LEAST_MARK_MARGIN, MARK_MARGIN

    if kind != "pdf" and (margin is not None or has_marks):
        raise typer.BadParameter(f"--margin and --crop-marks are for a PDF page, and --out is {out}")
    if margin is None:
        margin = MARK_MARGIN if has_marks else 0.0
    if not 0 <= margin <= MOST_MARGIN:
        raise typer.BadParameter(f"--margin: {margin:g} is not from 0 to {MOST_MARGIN:,} mm")
    if has_marks and not margin >= LEAST_MARK_MARGIN:
        raise typer.BadParameter(
            f"--margin: {margin:g} has no room for crop marks, which take {LEAST_MARK_MARGIN:g} mm"
        )
    return _Page(margin, has_marks)


def _in_pixels(request: TileRequest, dpi: float, page: _Page, out: Path) -> TileRequest:
    """The request of the print. Raises RequestError with what of it does not fit into this file."""
    from plitka.output.print_page import MOST_PAGE_MM
    from plitka.request.prints import at_dots_per_inch

    check_is_one_picture(request, out)
    asked = request.overrides.output_format
    if asked not in (None, "png"):
        problem = f"is not the format of --out {out}"
        raise RequestError([Problem("overrides.output_format", shown(asked), problem, "none, or png")])
    for name in ("width_mm", "height_mm"):
        side = getattr(request.scale, name)
        most = MOST_PAGE_MM - 2 * page.margin
        if KINDS[out.suffix.lower()] == "pdf" and side > most:
            raise RequestError([Problem(name, f"{side:g}", "is more than a PDF page has", f"{most:g} mm")])
    return at_dots_per_inch(request.without_sheet(), dpi)


def _encode(kind: Kind, request: TileRequest, final: Result, page: _Page) -> tuple[bytes, int]:
    """The bytes of the file, and how many bits a channel has."""
    if kind == "png":
        return final.data, 8
    if kind == "pdf":
        from plitka.output.print_page import make_print

        today = datetime.date.today()
        return make_print(request, final.data, page.margin, crop_marks=page.has_marks, date=today), 8
    from plitka.output.prints import deep_picture
    from plitka.output.provenance_reader import provenance_in
    from plitka.output.tiff import write_tiff

    provenance = provenance_in(io.BytesIO(final.data))
    assert final.colors is not None
    # A model's picture, and a corrected one, have 8 bits: more of them in the file would say nothing.
    if provenance.engine != RENDER or final.colors.corrected:
        return write_tiff(final.image, provenance), 8
    return write_tiff(deep_picture(request), provenance), 16


def _report(request: TileRequest, path: Path, bits: int, *, as_json: bool) -> None:
    from plitka.request.prints import MM_PER_INCH

    scale = request.scale
    dpi = scale.width / scale.width_mm * MM_PER_INCH
    if as_json:
        size = {"width": scale.width, "height": scale.height, "dpi": round(dpi, 3), "bits": bits}
        millimetres = {"width_mm": scale.width_mm, "height_mm": scale.height_mm}
        file = {"name": "print", "path": str(path), **size, **millimetres}
        print_json(results, {**request_report(request), "file": file})
        return
    shows = f"{scale.width_mm:g} x {scale.height_mm:g} mm in {scale.width} x {scale.height} pixels"
    print_lines(results, f"{shows}, {dpi:.1f} dpi, {bits} bits a channel  {path}")
