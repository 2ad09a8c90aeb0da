"""What the drawing commands have in common: an engine, a request drawn into its place, its report."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from plitka.choices import MAP_NAMES, OutputFormat
from plitka.cli.failures import messages
from plitka.cli.report import picture_line, print_lines
from plitka.cli.targets import PictureFile, RunFolder, Target, file_format
from plitka.errors import Problem, RequestError, shown

if TYPE_CHECKING:
    from plitka.engine.protocol import Engine
    from plitka.fidelity.color_lock import MeasuredPicture
    from plitka.request.tile_request import TileRequest
    from plitka.results import Result

results = Console()


@dataclass(frozen=True)
class Drawn:
    """What a request became: its final picture as measured, its files and the seconds of work on them.

    `variants` has the further ones, as the metric of that name.
    """

    picture: MeasuredPicture
    files: list[dict[str, Any]]
    seconds: float
    variants: list[dict[str, Any]]


@dataclass(frozen=True)
class Task:
    """A request, what draws it and where to, and the only picture to write, None for all three."""

    request: TileRequest
    engine: Engine
    target: Target
    only: str | None = None

    def draw(self, *, prints: bool = True) -> Drawn:
        """Draw and write the pictures; prints a line for each as soon as its file is there."""
        from plitka.generation import generate

        picture: MeasuredPicture | None = None
        variants: list[dict[str, Any]] = []
        files, lines, seconds = [], [], 0.0
        with closing(generate(self.request, self.engine)) as drawn:
            for result in drawn:
                picture = result.colors if result.name in ("preview", "final") else picture
                variants = result.metrics.get("variants", variants)
                seconds = result.metrics.get("timing.total", seconds + result.seconds)
                if self.only not in (None, result.name):
                    continue
                path = self.target.write(result.filename, result.data)
                files.append(_file(result, path))
                lines.append(picture_line(result, path))
                if prints and not self.target.replaces:
                    print_lines(results, lines[-1])
                if self.only is not None:
                    break
        self.target.finish()
        if prints and self.target.replaces:
            print_lines(results, *lines)
        assert picture is not None
        return Drawn(picture, files, round(seconds, 4), variants)


def task_for(request: TileRequest, engine: str | None, weights: Path | None, out: Path, force: bool) -> Task:
    """The task of a request. Raises RequestError where its format is not that of the file to be written."""
    ending = file_format(out)
    target = _target(out, ending, force)
    if ending is None:
        return Task(request, load(engine, weights), target)
    check_is_one_picture(request, out)
    asked = request.overrides.output_format
    if asked not in (None, ending):
        problem = f"is not the format of --out {out}"
        raise RequestError([Problem("overrides.output_format", shown(asked), problem, shown(ending))])
    if ending != "png":
        overrides = request.overrides.model_copy(update={"output_format": ending})
        request = replace(request, overrides=overrides)
    return Task(request, load(engine, weights), target, "final")


def check_is_one_picture(request: TileRequest, out: Path) -> None:
    """Raise RequestError for a request with more pictures than fit into one file."""
    problem = f"does not fit into the one file --out {out}"
    problems = []
    if request.maps:
        problems.append(Problem("maps", shown(request.maps), problem, "none, or a folder as --out"))
    if request.variants > 1:
        problems.append(Problem("variants", str(request.variants), problem, "1, or a folder as --out"))
    if problems:
        raise RequestError(problems)


def asking_for_bar(request: TileRequest, asks: bool) -> TileRequest:
    """The request, with a scale bar if the command line asks for one."""
    if not asks:
        return request
    return replace(request, overrides=request.overrides.model_copy(update={"scale_bar": True}))


def task_from(picture: Path, weights: Path | None, out: Path, force: bool) -> Task:
    """The task that made a picture, with its engine; warns where this installation differs."""
    from plitka.errors import MetadataError
    from plitka.output.provenance import differences, palette_difference
    from plitka.output.provenance_reader import read_provenance
    from plitka.request.tile_request import parse_request
    from plitka.settings import check_engine_name

    provenance = read_provenance(picture)
    try:
        request = parse_request(provenance.request)
    except RequestError as error:
        problems = [f"its request cannot be drawn: {error.problems[0]}", *palette_difference(provenance)]
        raise MetadataError(picture, "; ".join(problems)) from error
    name = check_engine_name(provenance.engine, f"{picture}: engine")
    ending = file_format(out)
    only = None if ending is None else _same_picture(provenance.picture, request, out, ending)
    target = _target(out, ending, force)
    engine = load(name, weights)
    for difference in differences(provenance, engine.identity(request.adapter, request.quality)):
        print_lines(messages, f"the bytes may differ: {difference}", style="yellow")
    return Task(request, engine, target, only)


def _same_picture(name: str, request: TileRequest, out: Path, ending: OutputFormat) -> str:
    """The picture that is to be made again as one file. Raises typer.BadParameter where it cannot be."""
    if name not in ("preview", "final", "colormap", *MAP_NAMES):
        raise typer.BadParameter(f"--out: {out} cannot be {shown(name)}, a picture of plitka plan")
    given = "png" if name not in ("preview", "final") else request.overrides.output_format or "png"
    if given != ending:
        raise typer.BadParameter(f"--out: {out} is not made again to the byte; the picture is {given}")
    return name


def _target(out: Path, ending: OutputFormat | None, force: bool) -> Target:
    return RunFolder(out, force=force) if ending is None else PictureFile(out, force=force)


def load(engine: str | None, weights: Path | None) -> Engine:
    """The engine asked for, or that of the environment."""
    from plitka.engines import load_engine, log_to_stderr
    from plitka.settings import engine_name

    log_to_stderr()
    return load_engine(engine or engine_name(), weights=weights)


def draw_final(request: TileRequest, engine: str | None, weights: Path | None) -> Result:
    """The final picture of a request, that of its first variant, and nothing else that it asks for."""
    from plitka import generation

    return generation.draw_final(request, load(engine, weights))


def print_notices(request: TileRequest) -> None:
    """Print what was normalised or merged, and the seed, which may have been chosen at random."""
    for notice in request.notices:
        print_lines(messages, f"note: {notice}", style="yellow")
    print_lines(messages, f"seed {request.seed}")


def request_report(request: TileRequest) -> dict[str, Any]:
    """The part about the request of what `--json` prints. The seed is text: not every reader has 63 bits."""
    return {
        "seed": str(request.seed),
        "notices": list(request.notices),
        "request": json.loads(request.to_json()),
    }


def drawn_report(task: Task, drawn: Drawn) -> dict[str, Any]:
    """What `plitka generate --json` prints."""
    return {
        "engine": task.engine.name,
        **request_report(task.request),
        "files": drawn.files,
        "seconds": drawn.seconds,
        "fidelity": drawn.picture.measured.as_dict(),
        "correction": drawn.picture.correction(),
        **({"variants": drawn.variants} if drawn.variants else {}),
    }


def _file(result: Result, path: Path) -> dict[str, Any]:
    height, width = result.image.shape[:2]
    # A sheet is a page, not pixels.
    size = {} if result.name == "sheet" else {"width": width, "height": height}
    return {"name": result.name, "path": str(path), **size, "seconds": round(result.seconds, 4)}
