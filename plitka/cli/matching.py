"""`plitka match`: from a photograph to a recipe."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from plitka.cli.failures import BAD_REQUEST, exit_status, fail, messages
from plitka.cli.report import PATCH, print_json, print_lines
from plitka.errors import PhotographError, printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plitka.colors.mix import Mix
    from plitka.match.cast import Patch
    from plitka.match.frame import Corner
    from plitka.match.recipe import Match

FILE_NAME = "match.png"
_SIDE = 1024
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_PATCH_COLOR = re.compile(r"(.*?)(?:=(#?[0-9a-fA-F]{6}))?", re.ASCII)
results = Console()

Photo = Annotated[Path, typer.Argument(help="JPEG, PNG or WebP file.", show_default=False)]
Known = Annotated[
    str | None,
    typer.Option("--colors", help="Colours that are known, such as 'red, black': their shares alone."),
]
Corners = Annotated[
    str | None,
    typer.Option(
        help="The tile's four corners in pixels, 'x,y x,y x,y x,y'; found where it lies on plain ground."
    ),
]
WhitePatch = Annotated[
    str | None,
    typer.Option("--white", help="A white card in the photograph, 'x,y,width,height' or with '=#F3F3F3'."),
]
GreyPatch = Annotated[
    str | None, typer.Option("--grey", help="A grey card (L* 50), 'x,y,width,height' or with '=#767676'.")
]
Beside = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help=f"Draw the mix beside the photograph: a picture file, or a folder for {FILE_NAME}.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace that picture if it exists.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document in place of lines and tables.")]


def match(
    photo: Photo,
    colors: Known = None,
    corners: Corners = None,
    white: WhitePatch = None,
    grey: GreyPatch = None,
    out: Beside = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Find which colours a photographed tile is made of and in which shares."""
    from plitka.cli.targets import PictureFile, file_format
    from plitka.match.cast import GREY_CARD, WHITE_CARD
    from plitka.match.photo import read_photograph
    from plitka.match.recipe import match_photograph
    from plitka.match.report import report, sentences

    tile_corners = None if corners is None else read_corners(corners)
    patches = read_patch("--white", white, WHITE_CARD), read_patch("--grey", grey, GREY_CARD)
    with exit_status():
        known = None if colors is None else read_colors(colors)
        picture_format = None if out is None else file_format(out) or "png"
        target = None
        if out is not None:
            is_file = file_format(out) is not None
            target = PictureFile(out if is_file else out / FILE_NAME, force=force)
        try:
            pixels = read_photograph(photo)
            with messages.status("looking at the tile"):
                found = match_photograph(
                    pixels, colors=known, corners=tile_corners, white=patches[0], grey=patches[1]
                )
        except PhotographError as error:
            fail(f"{photo} {error}", status=BAD_REQUEST)
        written = None
        if target is not None and picture_format is not None:
            written = target.write(FILE_NAME, beside(found, picture_format))
        if as_json:
            picture = None if written is None else str(written)
            print_json(results, {"photo": str(photo), **report(found), "picture": picture})
        else:
            results.print(match_table(found))
            print_lines(results, *sentences(found, given=known is not None))
            if written is not None:
                print_lines(results, str(written))


def read_colors(text: str) -> Mix:
    """The colours of a list, their shares ignored; raises RequestError as a request does."""
    from pydantic_core import PydanticCustomError

    from plitka.cli.request_input import as_typed, read_request
    from plitka.request.color_text import read_color_text

    try:
        entries = [{**entry, "proportion": 1} for entry in read_color_text(as_typed(text))]
    except PydanticCustomError:
        # The same text as a request says in full what cannot be read.
        return read_request(None, text, None, None, None).mix
    return read_request(json.dumps({"colors": entries}), None, None, None, None).mix


def read_corners(text: str) -> list[Corner]:
    """Four points; raises typer.BadParameter."""
    numbers = [float(number) for number in _NUMBER.findall(text)]
    if len(numbers) != 8 or _NUMBER.sub("", text).strip(" ,;"):
        raise typer.BadParameter(
            f"--corners: {printable(text)} is not four points, 'x,y x,y x,y x,y' in pixels"
        )
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def read_patch(option: str, text: str | None, card: tuple[int, int, int]) -> Patch | None:
    """A rectangle and its true colour, that of a card if none is given; raises typer.BadParameter."""
    from plitka.match.cast import Patch

    if text is None:
        return None
    match = _PATCH_COLOR.fullmatch(text.strip())
    numbers = [] if match is None else match[1].split(",")
    if (
        match is None
        or len(numbers) != 4
        or not all(re.fullmatch(r"\s*\d{1,6}\s*", each) for each in numbers)
    ):
        raise typer.BadParameter(
            f"{option}: {printable(text)} is not 'x,y,width,height' in whole pixels, or that and '=#RRGGBB'"
        )
    digits = (match[2] or "").removeprefix("#")
    color = tuple(bytes.fromhex(digits)) if digits else card
    x, y, width, height = map(int, numbers)
    return Patch(x, y, width, height, (color[0], color[1], color[2]))


def match_table(found: Match) -> Table:
    """One row per colour: its share with the interval, the measured mean, the three nearest names."""
    table = Table(
        "colour",
        "",
        Column("share", justify="right"),
        Column("interval", justify="right"),
        "measured",
        "nearest (ΔE00)",
    )
    for color in found.colors:
        near = ", ".join(f"{name.name} {name.delta_e:.1f}" for name in color.nearest)
        table.add_row(
            Text(color.id),
            Text(PATCH, style=color.hex),
            f"{color.share:.1%}",
            f"{color.low:.1%} – {color.high:.1%}",
            color.hex,
            Text(near),
        )
    return table


def beside(found: Match, picture_format: str) -> bytes:
    """A picture file: the tile of the photograph, and the mix that was found, drawn at the same size."""
    import io

    import cv2
    import numpy as np
    from PIL import Image

    from plitka.tile.plan import make_plan
    from plitka.tile.swatch import draw_swatch

    drawn = draw_swatch(make_plan(found.mix, 0, "surface", 0), _SIDE)
    tile: NDArray[np.uint8] = found.frame.image
    side = min(tile.shape[:2])
    square = cv2.resize(tile[:side, :side], (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    gap = np.full((_SIDE, _SIDE // 32, 3), 255, np.uint8)
    file = io.BytesIO()
    kind = {"jpg": "JPEG", "webp": "WEBP"}.get(picture_format, "PNG")
    Image.fromarray(np.hstack([square, gap, drawn])).save(file, kind, quality=92)
    return file.getvalue()
