"""The command `plitka sheet`: the PDF page of a request, or of a picture that says what it was drawn from."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from plitka.choices import SheetLanguage
from plitka.cli.drawing import draw_final, print_notices, results
from plitka.cli.failures import exit_status
from plitka.cli.options import Angle, Colors, Engines, Params, Quality, Seed, Weights
from plitka.cli.report import print_lines
from plitka.cli.targets import PictureFile
from plitka.errors import ContainerError, MetadataError, Problem, RequestError, shown

if TYPE_CHECKING:
    from plitka.request.sheet import SheetFields
    from plitka.request.tile_request import TileRequest

Picture = Annotated[
    Path | None, typer.Argument(help="A picture of Plitka's; without one the tile is drawn from the options.")
]
Logo = Annotated[Path | None, typer.Option(help="PNG or JPEG picture for the upper right corner.")]
Text = Annotated[str | None, typer.Option(help="Text of your own, below the mix.")]
Language = Annotated[SheetLanguage | None, typer.Option(help="Language of the sheet. Default: en.")]
Date = Annotated[str | None, typer.Option(help="The day on the sheet, as YYYY-MM-DD. Default: today.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="PDF file, or a folder for sheet.pdf.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")]


def sheet(
    picture: Picture = None,
    params: Params = None,
    colors: Colors = None,
    angle: Angle = None,
    quality: Quality = None,
    seed: Seed = None,
    engine: Engines = None,
    weights: Weights = None,
    logo: Logo = None,
    text: Text = None,
    language: Language = None,
    date: Date = None,
    out: Out = Path("sheet.pdf"),
    force: Force = False,
) -> None:
    """Make the sheet: one A4 page as PDF with the picture, the mix, and a logo and text of your own."""
    from plitka.cli.request_input import read_request

    options = (params, colors, angle, quality, seed, engine, weights)
    if picture is not None and any(value is not None for value in options):
        raise typer.BadParameter("a picture says what it was drawn from; leave the options of a request out")
    with exit_status():
        target = PictureFile(_pdf_path(out), force=force)
        given = {"logo": logo, "text": text, "language": language, "date": date}
        fields, problems = _read_fields(given)
        if picture is not None:
            _refuse(problems)
            request, data = _drawn_before(picture)
        else:
            request = _with_problems(problems, lambda: read_request(params, colors, angle, quality, seed))
            print_notices(request)
            data = draw_final(request, engine, weights).data
        write_sheet(target, request, data, fields, picture)


def write_sheet(
    target: PictureFile, request: TileRequest, data: bytes, fields: SheetFields, picture: Path | None
) -> None:
    """Write the sheet of a picture; what the request says of it holds where the options say nothing."""
    from plitka.output.sheet import SHEET_FILE, make_sheet, sheet_date

    asked = request.overrides.sheet
    if asked is not None:
        fields = asked.model_copy(update=fields.model_dump(exclude_none=True))
    try:
        written = make_sheet(request, data, fields, sheet_date(fields))
    except ContainerError as error:
        raise MetadataError(picture or target.path, str(error)) from error
    print_lines(results, str(target.write(SHEET_FILE, written)))


def _pdf_path(out: Path) -> Path:
    if out.is_dir():
        return out / "sheet.pdf"
    if out.suffix.lower() != ".pdf":
        raise typer.BadParameter(
            f"--out: {out} is no folder, and a sheet is a PDF; name a file such as a.pdf"
        )
    return out


def _read_fields(given: dict[str, Any]) -> tuple[SheetFields, tuple[Problem, ...]]:
    """What the options say of the sheet, and what is wrong with them, by their names."""
    from plitka.request.problems import checked
    from plitka.request.sheet import SheetFields

    path = given["logo"]
    values = {**given, "logo": None if path is None else _logo_text(path)}
    try:
        return checked(SheetFields, values), ()
    except RequestError as error:
        return SheetFields(), tuple(_of_option(problem, path) for problem in error.problems)


def _of_option(problem: Problem, logo: Path | None) -> Problem:
    from plitka.request.logo import LOGO_PICTURE

    if problem.field == "logo":
        problem = replace(problem, value=shown(str(logo)), allowed=LOGO_PICTURE)
    return replace(problem, field=f"--{problem.field}")


def _logo_text(path: Path) -> str:
    from plitka.request.logo import MAX_LOGO_BYTES

    try:
        with path.open("rb") as file:
            # One more than may be: enough to be refused as too large.
            return base64.b64encode(file.read(MAX_LOGO_BYTES + 3)).decode()
    except OSError as error:
        raise typer.BadParameter(f"--logo: {path} cannot be read: {error.strerror}") from error


def _with_problems(problems: tuple[Problem, ...], read: Callable[[], TileRequest]) -> TileRequest:
    """The request, or one error with its problems and these."""
    try:
        request = read()
    except RequestError as error:
        raise RequestError([*error.problems, *problems]) from None
    _refuse(problems)
    return request


def _refuse(problems: tuple[Problem, ...]) -> None:
    if problems:
        raise RequestError(problems)


def _drawn_before(picture: Path) -> tuple[TileRequest, bytes]:
    """The request in a picture, and its file."""
    from plitka.output.provenance_reader import read_provenance
    from plitka.request.tile_request import parse_request

    provenance = read_provenance(picture)
    try:
        return parse_request(provenance.request), picture.read_bytes()
    except RequestError as error:
        raise MetadataError(picture, f"its request cannot be read: {error.problems[0]}") from error
