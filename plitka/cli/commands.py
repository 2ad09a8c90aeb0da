"""The `plitka` command.

Exit status: 0 for success, 1 for a failure (a missing model, an unwritable folder), 2 for a request or an
option that cannot be served. Results go to standard output, errors and progress to standard error.
"""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

import plitka
from plitka import choices
from plitka.choices import EngineName, one_of
from plitka.cli.failures import FAILURE, exit_status, fail, messages
from plitka.cli.report import (
    PrintableErrors,
    colors_table,
    correction_lines,
    demo_table,
    files_table,
    picture_line,
    plan_table,
    print_lines,
)
from plitka.device.memory_errors import check_room_for_libraries
from plitka.engines import RENDER
from plitka.settings import DEFAULT_ENGINE, ENGINE_VARIABLE

if TYPE_CHECKING:
    from plitka.engine.protocol import Engine
    from plitka.fidelity.color_lock import MeasuredPicture
    from plitka.request.tile_request import TileRequest

app = typer.Typer(
    cls=PrintableErrors,
    help="Pictures of pressed rubber tiles with exactly the colour mix that was asked for.",
    epilog="Exit status: 0 success, 1 failure, 2 a request or an option that cannot be served.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
models = typer.Typer(help="The weights of an engine.", no_args_is_help=True)
app.add_typer(models, name="models")

results = Console()


Params = Annotated[
    str | None,
    typer.Option("--params", "-p", help="The whole request as JSON; @FILE reads a file, - standard input."),
]
Colors = Annotated[str | None, typer.Option(help="Colours and shares, such as '60% black, 40% white'.")]
Angle = Annotated[str | None, typer.Option(help="Laying angle of the joints, degrees.")]
Quality = Annotated[str | None, typer.Option(help=f"{one_of(choices.Quality, quote='')}.")]
Seed = Annotated[str | None, typer.Option(help="0 to 2^63 - 1, or -1 for a random one.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the files, made where it is missing.")]
Engines = Annotated[
    EngineName | None,
    typer.Option("--engine", help=f"Default: {ENGINE_VARIABLE}, else {DEFAULT_ENGINE}."),
]
ModelEngines = Annotated[
    EngineName | None, typer.Option("--engine", help="Default: every engine that has weights.")
]
Size = Annotated[Literal["512", "1024"], typer.Option(help="Pixels on a side.")]
Weights = Annotated[
    Path | None, typer.Option(help="Folder, .tar or .zip with a LoRA and embeddings.", exists=True)
]


@app.callback(invoke_without_command=True)
def main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Pictures of pressed rubber tiles with exactly the colour mix that was asked for."""
    if version:
        print_lines(results, f"plitka {plitka.__version__}")
        raise typer.Exit
    check_room_for_libraries()


@app.command()
def generate(
    params: Params = None,
    colors: Colors = None,
    angle: Angle = None,
    quality: Quality = None,
    seed: Seed = None,
    engine: Engines = None,
    from_picture: Annotated[
        Path | None,
        typer.Option("--from", help="Make this picture again, to the byte, from its own metadata."),
    ] = None,
    weights: Weights = None,
    out: Out = Path("out"),
) -> None:
    """Draw a tile: preview, final picture and colour map."""
    from plitka.cli.request_input import read_request

    with exit_status():
        if from_picture is None:
            request = read_request(params, colors, angle, quality, seed)
            print_notices(request)
            picture, _ = draw(request, load(engine, weights), out)
        elif any(value is not None for value in (params, colors, angle, quality, seed, engine)):
            raise typer.BadParameter("--from takes everything from the picture; leave the other options out")
        else:
            picture, _ = draw_again(from_picture, weights, out)
        print_lines(results, *correction_lines(picture))
        results.print(colors_table(picture))


@app.command()
def plan(
    params: Params = None,
    colors: Colors = None,
    angle: Angle = None,
    quality: Quality = None,
    seed: Seed = None,
    size: Size = "1024",
    out: Out = Path("out"),
) -> None:
    """Draw the pictures of the plan, which need no model: colour map, swatch and control images."""
    from plitka.cli.request_input import read_request
    from plitka.files.whole_files import write_whole
    from plitka.output.plan_pictures import draw_plan_pictures
    from plitka.tile.plan import plan_for

    with exit_status():
        request = read_request(params, colors, angle, quality, seed)
        print_notices(request)
        tile = plan_for(request)
        out.mkdir(parents=True, exist_ok=True)
        for filename, data in draw_plan_pictures(request, tile, int(size)):
            write_whole(out / filename, data)
            print_lines(results, str(out / filename))
        results.print(plan_table(request.mix, tile.shares(int(size))))


@app.command()
def demo(
    engine: Annotated[EngineName, typer.Option(help="What draws: render needs no model.")] = RENDER,
    tiles: Annotated[int | None, typer.Option(min=1, help="How many; default: all.")] = None,
    out: Out = Path("out/demo"),
) -> None:
    """Draw the demonstration tiles, measure them and print where the files are."""
    from plitka.cli.demo import DEMO_REQUESTS
    from plitka.request.tile_request import parse_request

    with exit_status():
        drawing_engine = load(engine, None)
        rows = []
        for name, params in islice(DEMO_REQUESTS.items(), tiles):
            picture, seconds = draw(parse_request(json.dumps(params)), drawing_engine, out / engine / name)
            rows.append((name, picture.measured.fidelity, seconds))
        results.print(demo_table(engine, rows))
        print_lines(results, f"The pictures are in {out.resolve()}")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every one.")] = "127.0.0.1",
    port: Annotated[
        int,
        # Shown, so that an error about its value names the variable.
        typer.Option(
            min=1, max=65535, envvar="PORT", show_envvar=True, help="Port to listen on; PORT, if it is set."
        ),
    ] = 5000,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads for numeric libraries; default: theirs.")
    ] = None,
    engine: Engines = None,
    no_webhooks: Annotated[
        bool, typer.Option("--no-webhooks", help="Refuse requests whose answer is to be sent elsewhere.")
    ] = False,
) -> None:
    """Start the Cog HTTP server, the same that runs in the container, without Docker, and its web page."""
    from plitka.server.serve import serve as run_server

    def print_address(url: str) -> None:
        print_lines(messages, f"web page: {url}")

    if not host.strip():
        raise typer.BadParameter("--host is empty; 127.0.0.1 is this machine alone, 0.0.0.0 every address")
    with exit_status():
        raise typer.Exit(
            run_server(host, port, engine, threads, print_address, allow_webhooks=not no_webhooks)
        )


@app.command()
def schema(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; fail if the file is stale.")
    ] = False,
) -> None:
    """Write the OpenAPI schema of predict.py to where the server looks for it."""
    from plitka.server.openapi import SCHEMA_FILE, install_schema, is_current
    from plitka.server.serve import ROOT

    with exit_status():
        if check and not is_current(ROOT):
            fail(f"{ROOT / SCHEMA_FILE} does not fit predict.py; run: plitka schema", status=FAILURE)
        changed = not check and install_schema(ROOT)
        print_lines(results, f"{ROOT / SCHEMA_FILE}: {'written' if changed else 'up to date'}")


@models.command("list")
def list_models(engine: ModelEngines = None) -> None:
    """Show where every weight file of an engine comes from and whether it is there."""
    show_models(engine, hashes=False)


@models.command("verify")
def verify_models(engine: ModelEngines = None) -> None:
    """Check every weight file by size and sha256; fail if one is missing or broken."""
    if not show_models(engine, hashes=True):
        raise typer.Exit(FAILURE)


def show_models(engine: str | None, *, hashes: bool) -> bool:
    """Print the table of an engine's files, or of every engine's. True if none is missing or broken."""
    from plitka.engines import RENDER
    from plitka.settings import model_dir
    from plitka.weights.manifest import load_manifest
    from plitka.weights.verify import verify

    with exit_status():
        if engine == RENDER:
            print_lines(results, f"{RENDER} draws without weights")
            return True
        print_lines(results, f"model folder: {model_dir().resolve()}")
        names = [engine] if engine else list(load_manifest().models)
        whole = True
        for name in names:
            with messages.status(f"checking the files of {name}"):
                files = list(verify(name, hashes=hashes))
            results.print(files_table(name, files))
            whole &= all(file.state in ("ok", "hub") for file in files)
        return whole


def draw_again(picture: Path, weights: Path | None, folder: Path) -> tuple[MeasuredPicture, float]:
    """Draw the request of a picture with its engine; warns where this installation differs."""
    from plitka.errors import MetadataError, RequestError
    from plitka.output.provenance import differences, read_provenance
    from plitka.request.tile_request import parse_request
    from plitka.settings import check_engine_name

    provenance = read_provenance(picture)
    try:
        request = parse_request(provenance.request)
    except RequestError as error:
        raise MetadataError(picture, f"its request cannot be drawn: {error.problems[0]}") from error
    engine = load(check_engine_name(provenance.engine, f"{picture}: engine"), weights)
    for difference in differences(provenance, engine.identity()):
        print_lines(messages, f"the bytes may differ: {difference}", style="yellow")
    return draw(request, engine, folder)


def load(engine: str | None, weights: Path | None) -> Engine:
    """The engine asked for, or that of the environment."""
    from plitka.engines import load_engine, log_to_stderr
    from plitka.settings import engine_name

    log_to_stderr()
    return load_engine(engine or engine_name(), weights=weights)


def draw(request: TileRequest, engine: Engine, folder: Path) -> tuple[MeasuredPicture, float]:
    """Write the three files of a request into `folder`, printing a line as each is finished.

    Returns the final picture with what was measured in it, and the seconds that all files took.
    """
    from plitka.files.whole_files import write_whole
    from plitka.generation import generate as draw_files

    pictures, seconds = [], 0.0
    files = draw_files(request, engine)
    folder.mkdir(parents=True, exist_ok=True)
    for result in files:
        path = folder / result.filename
        write_whole(path, result.data)
        print_lines(results, picture_line(result, path))
        pictures += [result.colors] if result.colors else []
        seconds = result.metrics.get("timing.total", seconds)
    return pictures[-1], seconds


def print_notices(request: TileRequest) -> None:
    """Print what was normalised or merged, and the seed, which may have been chosen at random."""
    for notice in request.notices:
        print_lines(messages, f"note: {notice}", style="yellow")
    print_lines(messages, f"seed {request.seed}")
