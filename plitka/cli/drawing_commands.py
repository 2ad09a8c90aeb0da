"""The commands that draw: `plitka generate`, `plan`, `material` and `demo`."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import typer

from plitka.choices import EngineName
from plitka.cli.drawing import results
from plitka.cli.failures import exit_status
from plitka.cli.options import (
    FOLDER,
    Adapter,
    Angle,
    AsJson,
    Colors,
    Engines,
    Force,
    Maps,
    Out,
    Params,
    Quality,
    ScaleBar,
    Seed,
    Variants,
    Weights,
)
from plitka.cli.report import (
    colors_table,
    correction_lines,
    demo_table,
    plan_report,
    plan_table,
    print_json,
    print_lines,
)
from plitka.cli.targets import RunFolder, check_is_folder
from plitka.engines import RENDER

Size = Annotated[Literal["512", "1024"], typer.Option(help="Pixels on a side.")]


def generate(
    params: Params = None,
    colors: Colors = None,
    angle: Angle = None,
    quality: Quality = None,
    seed: Seed = None,
    maps: Maps = None,
    variants: Variants = None,
    adapter: Adapter = None,
    scale_bar: ScaleBar = False,
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
    """Draw a tile: preview, final picture and colour map, and the variants and maps that are asked for."""
    from plitka.cli.drawing import asking_for_bar, drawn_report, print_notices, task_for, task_from
    from plitka.cli.request_input import read_request

    options = (params, colors, angle, quality, seed, maps, variants, adapter, engine, scale_bar or None)
    with exit_status():
        if from_picture is None:
            request = read_request(params, colors, angle, quality, seed, maps, variants, adapter)
            print_notices(request)
            task = task_for(asking_for_bar(request, scale_bar), engine, weights, out, force)
        elif any(value is not None for value in options):
            raise typer.BadParameter("--from takes everything from the picture; leave the other options out")
        else:
            task = task_from(from_picture, weights, out, force)
        drawn = task.draw(prints=not as_json)
        if as_json:
            print_json(results, drawn_report(task, drawn))
        else:
            print_lines(results, *correction_lines(drawn.picture))
            results.print(colors_table(drawn.picture))


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
        # The smaller size is the preview's, whatever the request says of the larger one.
        width = tile.scale.width if size == "1024" else tile.canvas.preview[0]
        rows, columns = tile.canvas.shape(width)
        paths = [folder.write(*picture) for picture in draw_plan_pictures(request, tile, width)]
        folder.finish()
        shares = tile.shares(width)
        if as_json:
            report = plan_report(request.mix, shares, (columns, rows), paths)
            print_json(results, {**request_report(request), **report})
        else:
            print_lines(results, *map(str, paths))
            results.print(plan_table(request.mix, shares))


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
