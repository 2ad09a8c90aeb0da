"""The `plitka` command.

Exit status: 0 for success, 1 for a failure (a missing model, an unwritable folder), 2 for a request or an
option that cannot be served. Results go to standard output, errors and progress to standard error.
"""

from __future__ import annotations

from typing import Annotated

import typer

import plitka
from plitka.cli import (
    drawing_commands,
    model_commands,
    palette_command,
    print_command,
    serve_command,
    sheet_command,
)
from plitka.cli.catalogue_command import catalogue
from plitka.cli.drawing import results
from plitka.cli.experiment_command import experiment
from plitka.cli.failures import PlainErrors
from plitka.cli.matching import match
from plitka.cli.order_command import order
from plitka.cli.report import print_lines
from plitka.device.memory_errors import check_room_for_libraries

app = typer.Typer(
    cls=PlainErrors,
    help="Pictures of pressed rubber tiles with exactly the colour mix that was asked for.",
    epilog="Exit status: 0 success, 1 failure, 2 a request or an option that cannot be served.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
models = typer.Typer(help="The weights of an engine.", no_args_is_help=True)
app.add_typer(models, name="models")
palette = typer.Typer(help="The granule colours.", no_args_is_help=True)
app.add_typer(palette, name="palette")


@app.callback(invoke_without_command=True)
def main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Pictures of pressed rubber tiles with exactly the colour mix that was asked for."""
    if version:
        print_lines(results, f"plitka {plitka.__version__}")
        raise typer.Exit
    check_room_for_libraries()


app.command()(drawing_commands.generate)
app.command()(drawing_commands.plan)
app.command()(drawing_commands.material)
app.command("print")(print_command.print_tile)
app.command()(sheet_command.sheet)
app.command()(match)
app.command()(order)
app.command()(catalogue)
app.command()(drawing_commands.demo)
app.command()(experiment)
app.command()(serve_command.serve)
app.command()(model_commands.schema)
models.command("list")(model_commands.list_models)
models.command("verify")(model_commands.verify_models)
palette.command("show")(palette_command.show)
palette.command("measure")(palette_command.measure)
palette.command("check")(palette_command.check)
