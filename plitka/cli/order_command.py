"""The command `plitka order`: kilograms and bags of every colour of a mix, for an area of a thickness."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Column, Table
from rich.text import Text

from plitka.cli.drawing import draw_final, results
from plitka.cli.failures import exit_status, messages
from plitka.cli.options import Angle, AsJson, Colors, Engines, Params, Seed, Weights
from plitka.cli.report import PATCH, print_json, print_lines
from plitka.cli.sheet_command import Language
from plitka.cli.targets import PictureFile
from plitka.errors import Problem, RequestError

if TYPE_CHECKING:
    from plitka.choices import SheetLanguage
    from plitka.order.amounts import Order
    from plitka.request.tile_request import TileRequest

ENDINGS = (".csv", ".json", ".pdf")

Area = Annotated[str | None, typer.Option(help="Area to be laid, square metres.")]
Thickness = Annotated[str | None, typer.Option(help="Thickness of the layer, millimetres.")]
Waste = Annotated[str | None, typer.Option(help="Ordered beyond what is laid, per cent. Default: 5.")]
Binder = Annotated[
    str | None, typer.Option(help="Polyurethane in per cent of the granules' mass. Default: 18.")
]
Density = Annotated[
    str | None, typer.Option(help="Of the rubber, kg/m³, for all colours. Default: the palette's, else 1550.")
]
Laid = Annotated[
    str | None,
    typer.Option(
        help="Granules in a finished layer, kg/m³, for all colours. Default: the palette's, else 1100."
    ),
]
Bag = Annotated[str | None, typer.Option(help="Kilograms in a bag. Default: the palette's, else 25.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Write the order too: a .csv, a .json, or the sheet as .pdf."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")]


def order(
    params: Params = None,
    colors: Colors = None,
    area: Area = None,
    thickness: Thickness = None,
    waste: Waste = None,
    binder: Binder = None,
    density: Density = None,
    laid: Laid = None,
    bag: Bag = None,
    out: Out = None,
    force: Force = False,
    as_json: AsJson = False,
    angle: Angle = None,
    seed: Seed = None,
    engine: Engines = None,
    weights: Weights = None,
    language: Language = None,
) -> None:
    """Compute kilograms and bags of every colour of a mix, and of binder, for an area of a thickness."""
    from plitka.order.amounts import order_of
    from plitka.order.report import order_report

    given = {
        "area_m2": area, "thickness_mm": thickness, "waste_percent": waste, "binder_percent": binder,
        "density_kg_m3": density, "laid_kg_m3": laid, "bag_kg": bag,
    }  # fmt: skip
    with exit_status():
        target = None if out is None else PictureFile(_with_known_ending(out), force=force)
        request = _read(params, colors, angle, seed, given)
        assert request.overrides.order is not None
        found = order_of(request.mix, request.overrides.order)
        if target is not None:
            data = _file(target.path, request, found, engine, weights, language)
            path = target.write(target.path.name, data)
        if as_json:
            print_json(results, order_report(found))
        else:
            results.print(order_table(found))
            print_lines(results, *order_lines(found))
            if target is not None:
                print_lines(results, str(path))


def _with_known_ending(out: Path) -> Path:
    if out.suffix.lower() not in ENDINGS:
        raise typer.BadParameter(f"--out: {out} is no order; name a file that ends in {', '.join(ENDINGS)}")
    return out


def _read(
    params: str | None, colors: str | None, angle: str | None, seed: str | None, given: dict[str, str | None]
) -> TileRequest:
    """The request with its order: what the options say, and else what the request says of it.

    Raises RequestError with the problems of both.
    """
    from plitka.cli.request_input import as_typed, read_request
    from plitka.request.order import OrderFields
    from plitka.request.problems import checked

    problems: list[Problem] = []
    request, fields = None, None
    try:
        request = read_request(params, colors, angle, None, seed)
    except RequestError as error:
        problems += error.problems
    asked = request.overrides.order if request else None
    typed = {name: as_typed(value) for name, value in given.items() if value is not None}
    known = asked.model_dump(exclude_none=True) if asked else {}
    needed = {name for name, field in OrderFields.model_fields.items() if field.is_required()}
    try:
        # What a refused request says of its order is not known, so nothing of it is missing.
        assumed = dict.fromkeys(needed, 1) if request is None and params is not None else {}
        fields = checked(OrderFields, {**assumed, **known, **typed})
    except RequestError as error:
        problems += [_of_option(problem) for problem in error.problems]
    if problems or request is None or fields is None:
        raise RequestError(problems)
    for notice in request.notices:
        print_lines(messages, f"note: {notice}", style="yellow")
    return request.with_order(fields)


def _of_option(problem: Problem) -> Problem:
    option = f"--{problem.field.partition('_')[0]}"
    return Problem(option, problem.value, problem.reason, problem.allowed)


def _file(
    path: Path,
    request: TileRequest,
    found: Order,
    engine: str | None,
    weights: Path | None,
    language: SheetLanguage | None,
) -> bytes:
    """The order in the format of a file's ending."""
    from plitka.order.report import order_csv, order_report

    ending = path.suffix.lower()
    if ending == ".csv":
        return order_csv(found).encode()
    if ending == ".json":
        return (json.dumps(order_report(found), indent=2, ensure_ascii=False) + "\n").encode()
    return _sheet(request, engine, weights, language)


def _sheet(
    request: TileRequest, engine: str | None, weights: Path | None, language: SheetLanguage | None
) -> bytes:
    from plitka.output.sheet import make_sheet, sheet_date
    from plitka.request.sheet import SheetFields

    fields = request.overrides.sheet or SheetFields()
    if language is not None:
        fields = fields.model_copy(update={"language": language})
    picture = draw_final(request, engine, weights).data
    return make_sheet(request, picture, fields, sheet_date(fields))


def order_table(found: Order) -> Table:
    """One row per colour: its shares by area and by mass, kilograms and bags; its price if any has one."""
    from plitka.order.report import kilograms

    has_prices = any(line.price is not None for line in found.lines)
    price = f"price, {found.currency}" if found.currency else "price"
    titles = ["area", "mass", "kg", "bags", *([price] if has_prices else [])]
    table = Table("colour", "", *(Column(title, justify="right") for title in titles))
    for line in found.lines:
        row: list[Any] = [Text(line.id), Text(PATCH, style=line.hex.lower())]
        row += [f"{100 * line.share:.2f} %", f"{100 * line.mass_share:.2f} %", kilograms(line.grams)]
        row.append(f"{line.bags} × {line.material.bag_kg:g} kg")
        row += [f"{line.price:.2f}" if line.price is not None else "-"] if has_prices else []
        table.add_row(*row)
    return table


def order_lines(found: Order) -> list[str]:
    """Sentences: the whole, the binder, the price, and the colours that are to be made."""
    from plitka.order.report import kilograms
    from plitka.output.sheet_order import order_sentences

    made = [
        f"colour to be ordered: {f'{line.name}, {line.hex}' if line.name else line.hex}, "
        f"{kilograms(line.grams)} kg; no granule of the palette has it"
        for line in found.lines
        if not line.has_granule
    ]
    return [*order_sentences(found, "en"), *made]
