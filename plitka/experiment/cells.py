"""Cells: drawn, measured and kept, so that one that is done is not done again.

A cell is a picture and, beside it, its figures. It is done when the picture's own metadata have the canonical
request, the engine and the versions of today, and the figures are of that very file.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from plitka.engine.protocol import Engine, job_for
from plitka.errors import DrawingError, MetadataError
from plitka.experiment.measures import MEASURES, measured, shares
from plitka.fidelity.color_lock import measure_and_correct
from plitka.files.whole_files import write_whole
from plitka.generation import picture_file
from plitka.output.provenance import differences
from plitka.output.provenance_reader import read_provenance
from plitka.request.tile_request import TileRequest

FOLDER = "cells"


@dataclass(frozen=True)
class Cell:
    """One picture of an experiment.

    Attributes:
        file: Its name; empty where it could not be drawn.
        figures: Every measure; None for what the picture does not have.
        shares_drawn: The share of every colour before correction, 0 to 1.
        shares_returned: The same of the picture as returned.
        pipeline: What drew it.
        controlnet: The ControlNet; None without one.
        error: Why it could not be drawn; None where it was.
    """

    file: str
    figures: dict[str, float | None]
    shares_drawn: dict[str, float]
    shares_returned: dict[str, float]
    pipeline: str
    controlnet: str | None
    error: str | None = None

    def figure(self, name: str) -> float | None:
        """A measure; None where the cell does not have it."""
        value = self.figures.get(name)
        return None if value is None or not math.isfinite(value) else value


_CELL = TypeAdapter(Cell)


class CellFolder:
    """The cells of an experiment in a folder, drawn by one engine."""

    def __init__(self, out: Path, engine: Engine) -> None:
        self.path = out / FOLDER
        self._engine = engine

    def stem(self, request: TileRequest) -> str:
        """What the files of a cell are called: the same for the same request and engine."""
        text = f"{self._engine.name}\n{request.to_json()}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def done(self, request: TileRequest) -> Cell | None:
        """The cell that is there already; None if there is none, or another one, or a part of one."""
        figures = self.path / f"{self.stem(request)}.json"
        try:
            document = json.loads(figures.read_bytes())
            picture = self.path / document["cell"]["file"]
            if picture.name != document["cell"]["file"]:
                return None
            data = picture.read_bytes()
            provenance = read_provenance(picture)
            cell = _CELL.validate_python(document["cell"])
        except (OSError, ValueError, KeyError, TypeError, MetadataError, RecursionError):
            return None
        is_whole = (
            hashlib.sha256(data).hexdigest() == document.get("sha256")
            and MEASURES.keys() <= cell.figures.keys()
        )
        is_same = (
            provenance.request == request.without_sheet().to_json()
            and provenance.picture == "final"
            and provenance.engine == self._engine.name
            and not differences(provenance, self._engine.identity(request.adapter, request.quality))
        )
        return cell if is_whole and is_same else None

    def draw(self, request: TileRequest) -> Cell:
        """Draw, measure and keep a cell. One that cannot be drawn says so and is not kept.

        Raises OSError if the folder cannot be written.
        """
        try:
            cell, data = self._drawn(request)
        except DrawingError as error:
            return Cell("", {}, {}, {}, "", None, str(error))
        self.path.mkdir(parents=True, exist_ok=True)
        figures = self.path / f"{self.stem(request)}.json"
        # The figures come last and are of this file alone: what is broken off between is no cell.
        with suppress(FileNotFoundError):
            figures.unlink()
        write_whole(self.path / cell.file, data)
        document = {"cell": asdict(cell), "sha256": hashlib.sha256(data).hexdigest()}
        write_whole(figures, json.dumps(document, indent=1, sort_keys=True).encode())
        return cell

    def _drawn(self, request: TileRequest) -> tuple[Cell, bytes]:
        since = time.perf_counter()
        job = replace(job_for(request, self._engine.defaults), pictures=("final",))
        begun = time.perf_counter()
        with closing(self._engine.draw(job)) as drawings:
            drawing = next(drawings)
        drawn = time.perf_counter()
        picture = measure_and_correct("final", drawing.image, job.plan, job.settings)
        _, data = picture_file(self._engine, job, drawing, picture)
        seconds = {
            "seconds": round(time.perf_counter() - since, 4),
            "draw_seconds": round(drawn - begun, 4),
        }
        figures = measured(picture, job.plan, request.laying_angle, request.layout) | seconds
        cell = Cell(
            file=f"{self.stem(request)}.{job.settings.output_format}",
            figures=figures,
            shares_drawn=shares(picture.before or picture.measured),
            shares_returned=shares(picture.measured),
            pipeline=drawing.pipeline,
            controlnet=drawing.controlnet,
        )
        return cell, data


def as_row(cell: Cell) -> dict[str, Any]:
    """A cell's columns of a table: every measure, shares as `RED 0.598; BLUE 0.402`."""

    def text(found: dict[str, float]) -> str:
        return "; ".join(f"{name} {share:.4f}" for name, share in found.items())

    return {
        **{name: cell.figure(name) for name in MEASURES},
        "shares_drawn": text(cell.shares_drawn),
        "shares_returned": text(cell.shares_returned),
        "pipeline": cell.pipeline,
        "controlnet": cell.controlnet,
        "file": f"{FOLDER}/{cell.file}" if cell.file else "",
        "error": cell.error,
    }
