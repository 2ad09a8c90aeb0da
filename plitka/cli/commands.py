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
from plitka.cli.failures import FAILURE, PlainErrors, exit_status, fail, messages
from plitka.cli.matching import match
from plitka.cli.report import (
    colors_table,
    correction_lines,
    demo_table,
    models_report,
    plan_report,
    plan_table,
    print_files,
    print_json,
    print_lines,
)
from plitka.cli.targets import RunFolder, check_is_folder
from plitka.device.memory_errors import check_room_for_libraries
from plitka.engines import RENDER
from plitka.errors import ServeError
from plitka.settings import DEFAULT_ENGINE, ENGINE_VARIABLE

if TYPE_CHECKING:
    from plitka.weights.verify import FileStatus

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
app.command()(match)

results = Console()
NO_SERVER = "is not there. Windows itself has none: run plitka serve within WSL or Docker"

Params = Annotated[
    str | None,
    typer.Option("--params", "-p", help="The whole request as JSON; @FILE reads a file, - standard input."),
]
Colors = Annotated[str | None, typer.Option(help="Colours and shares, such as '60% black, 40% white'.")]
Angle = Annotated[str | None, typer.Option(help="Laying angle of the joints, degrees.")]
Quality = Annotated[str | None, typer.Option(help=f"{one_of(choices.Quality, quote='')}.")]
Seed = Annotated[str | None, typer.Option(help="0 to 2^63 - 1, or -1 for a random one.")]
Maps = Annotated[
    str | None,
    typer.Option(help=f"Maps for 3-D programs, divided by commas: {', '.join(choices.MAP_NAMES)}."),
]
FOLDER = "Folder for the files, made where it is missing."
Out = Annotated[Path, typer.Option("--out", "-o", help=FOLDER)]
Force = Annotated[bool, typer.Option("--force", help="Replace the pictures of an earlier run in its place.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document in place of lines and tables.")]
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
    maps: Maps = None,
    engine: Engines = None,
    from_picture: Annotated[
        Path | None,
        typer.Option("--from", help="Make this picture again, to the byte, from its own metadata."),
    ] = None,
    weights: Weights = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help=f"{FOLDER} Or one file for the final picture, such as tile.png, tile.webp."
        ),
    ] = Path("out"),
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Draw a tile: preview, final picture and colour map, and the maps that are asked for."""
    from plitka.cli.drawing import drawn_report, print_notices, task_for, task_from
    from plitka.cli.request_input import read_request

    with exit_status():
        if from_picture is None:
            request = read_request(params, colors, angle, quality, seed, maps)
            print_notices(request)
            task = task_for(request, engine, weights, out, force)
        elif any(value is not None for value in (params, colors, angle, quality, seed, maps, engine)):
            raise typer.BadParameter("--from takes everything from the picture; leave the other options out")
        else:
            task = task_from(from_picture, weights, out, force)
        drawn = task.draw(prints=not as_json)
        if as_json:
            print_json(results, drawn_report(task, drawn))
        else:
            print_lines(results, *correction_lines(drawn.picture))
            results.print(colors_table(drawn.picture))


@app.command()
def plan(
    params: Params = None,
    colors: Colors = None,
    angle: Angle = None,
    quality: Quality = None,
    seed: Seed = None,
    maps: Maps = None,
    size: Size = "1024",
    out: Out = Path("out"),
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Draw the pictures of the plan, which need no model: colour map, swatch, control images and maps."""
    from plitka.cli.drawing import print_notices, request_report
    from plitka.cli.request_input import read_request
    from plitka.output.plan_pictures import draw_plan_pictures
    from plitka.tile.plan import plan_for

    with exit_status():
        check_is_folder(out, "the plan has several pictures")
        request = read_request(params, colors, angle, quality, seed, maps)
        print_notices(request)
        folder = RunFolder(out, force=force)
        tile = plan_for(request)
        paths = [folder.write(*picture) for picture in draw_plan_pictures(request, tile, int(size))]
        folder.finish()
        shares = tile.shares(int(size))
        if as_json:
            print_json(
                results, {**request_report(request), **plan_report(request.mix, shares, int(size), paths)}
            )
        else:
            print_lines(results, *map(str, paths))
            results.print(plan_table(request.mix, shares))


@app.command()
def material(
    params: Params = None,
    colors: Colors = None,
    angle: Angle = None,
    quality: Quality = None,
    seed: Seed = None,
    plane_mm: Annotated[
        float, typer.Option(min=1, max=100_000, help="Side of the plane that wears it, millimetres.")
    ] = 1000,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file, such as tile.glb.")] = Path("tile.glb"),
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a material for 3-D programs, at its true size: a binary glTF file. Needs no model."""
    from plitka.cli.drawing import print_notices, request_report
    from plitka.cli.material import draw_material, material_line, material_target
    from plitka.cli.request_input import read_request

    with exit_status():
        target = material_target(out, force=force)
        request = read_request(params, colors, angle, quality, seed)
        print_notices(request)
        report = draw_material(request, target, plane_mm)
        if as_json:
            print_json(results, {**request_report(request), **report})
        else:
            print_lines(results, material_line(report))


@app.command()
def demo(
    engine: Annotated[EngineName, typer.Option(help="What draws: render needs no model.")] = RENDER,
    tiles: Annotated[int | None, typer.Option(min=1, help="How many; default: all.")] = None,
    out: Out = Path("out/demo"),
    force: Force = False,
) -> None:
    """Draw the demonstration tiles, measure them and print where the files are."""
    from plitka.cli.demo import DEMO_REQUESTS
    from plitka.cli.drawing import Task, load
    from plitka.request.tile_request import parse_request

    with exit_status():
        check_is_folder(out, "the demonstration has several pictures")
        requests = dict(islice(DEMO_REQUESTS.items(), tiles))
        folders = [RunFolder(out / engine / name, force=force) for name in requests]
        drawing_engine = load(engine, None)
        rows = []
        for (name, params), folder in zip(requests.items(), folders, strict=True):
            drawn = Task(parse_request(json.dumps(params)), drawing_engine, folder).draw()
            rows.append((name, drawn.picture.measured.fidelity, drawn.seconds))
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
    queue: Annotated[
        int,
        typer.Option(
            min=0,
            max=100,
            envvar="PLITKA_QUEUE",
            show_envvar=True,
            help="Predictions that may wait in line; 0: none.",
        ),
    ] = 16,
    queue_seconds: Annotated[
        int,
        typer.Option(
            min=1,
            max=3600,
            envvar="PLITKA_QUEUE_SECONDS",
            show_envvar=True,
            help="Seconds that each may wait in line.",
        ),
    ] = 600,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(help="Origin whose web pages may use the server (CORS); may be repeated."),
    ] = None,
) -> None:
    """Start the Cog HTTP server, the same that runs in the container, without Docker, and its web page."""
    try:
        from plitka.server.access import Access, check_origin
        from plitka.server.line import Line
        from plitka.server.serve import serve as run_server
    except ModuleNotFoundError as missing:
        fail(f"the server needs the module '{missing.name}', which {NO_SERVER}", status=FAILURE)

    def print_address(url: str) -> None:
        print_lines(messages, f"web page: {url}")

    if not host.strip():
        raise typer.BadParameter("--host is empty; 127.0.0.1 is this machine alone, 0.0.0.0 every address")
    try:
        origins = tuple(check_origin(origin) for origin in allow_origin or ())
    except ServeError as error:
        raise typer.BadParameter(f"--allow-origin: {error}") from None
    access, line = Access(not no_webhooks, origins), Line(queue, queue_seconds)
    with exit_status():
        raise typer.Exit(run_server(host, port, engine, threads, print_address, access=access, line=line))


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
def list_models(engine: ModelEngines = None, as_json: AsJson = False) -> None:
    """Show where every weight file of an engine comes from and whether it is there."""
    show_models(engine, hashes=False, as_json=as_json)


@models.command("verify")
def verify_models(engine: ModelEngines = None, as_json: AsJson = False) -> None:
    """Check every weight file by size and sha256; fail if one is missing or broken."""
    if not show_models(engine, hashes=True, as_json=as_json):
        raise typer.Exit(FAILURE)


def show_models(engine: str | None, *, hashes: bool, as_json: bool) -> bool:
    """Print an engine's files, or those of every engine with any. True if none is missing or broken."""
    from plitka.settings import model_dir
    from plitka.weights.manifest import load_manifest
    from plitka.weights.verify import verify

    with exit_status():
        names = [engine] if engine else list(load_manifest().models)
        found: dict[str, list[FileStatus]] = {}
        for name in names:
            with messages.status(f"checking the files of {name}"):
                found[name] = [] if name == RENDER else list(verify(name, hashes=hashes))
        whole = all(file.state in ("ok", "hub") for files in found.values() for file in files)
        if as_json:
            print_json(results, models_report(model_dir(), found, whole=whole))
        elif engine == RENDER:
            print_lines(results, f"{RENDER} draws without weights")
        else:
            print_lines(results, f"model folder: {model_dir().resolve()}")
            for name, files in found.items():
                print_lines(results, name)
                print_files(results, files)
        return whole
