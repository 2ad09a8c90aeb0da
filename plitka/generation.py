"""One request in, finished files out: three pictures, then the maps and the sheet that it asks for."""

import time
from collections.abc import Generator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from plitka.choices import MapName, OutputFormat
from plitka.device.monitor import ResourceMonitor
from plitka.device.worker_thread import Worker
from plitka.engine.ahead import draw_ahead
from plitka.engine.protocol import Drawing, Engine, Job
from plitka.fidelity.color_lock import MeasuredPicture, measure_and_correct
from plitka.fidelity.measure import Fidelity
from plitka.files.whole_files import write_whole
from plitka.output.metrics import memory_metrics, picture_metrics
from plitka.output.provenance import encode, encode_map, provenance_of
from plitka.request.drawing_settings import DrawingSettings, settings_for
from plitka.request.prompt import Prompt, build_prompt
from plitka.request.sheet import SheetFields
from plitka.request.tile_request import TileRequest
from plitka.tile.colormap import draw_colormap
from plitka.tile.maps import PlanMaps
from plitka.tile.plan import TilePlan, plan_for
from plitka.tracing import Stage, current_stage

# Of all but the pictures, which are read back by value: never lossy, and PNG is the one everybody opens.
EXACT_FORMAT: OutputFormat = "png"


@dataclass(frozen=True)
class Result:
    """One finished file.

    Attributes:
        name: "preview", "final" or "colormap", in this order, then the maps' names in the request's order,
            then "sheet" if the request has one.
        image: (height, width, 3) uint8 sRGB; usually 1024 x 1024 pixels, and half of that for the preview.
            Maps are no colours, and of other channels and depths; see `plitka.tile.maps.TileMap`. Of the
            sheet, the final picture, which stands on it.
        filename: `name` with the extension of its format.
        data: The bytes of the file, its provenance included.
        colors: The picture's colours as measured and, where needed, corrected; None for the colour map, which
            is exact by construction, and for maps and sheet. `fidelity` is the part that most callers want.
        metrics: What became known with this file, by the names of `plitka.output.metrics.METRICS`.
    """

    name: str
    image: NDArray[Any]
    filename: str
    data: bytes
    colors: MeasuredPicture | None
    metrics: dict[str, Any]

    @property
    def fidelity(self) -> Fidelity | None:
        """Requested and measured share of every colour of `image`; None for colour map, maps and sheet."""
        return self.colors.measured.fidelity if self.colors else None

    @property
    def seconds(self) -> float:
        """Seconds of work on this file."""
        stages = self.metrics.get(f"timing.{self.name}") or self.metrics["timing.maps"][self.name]
        return float(sum(stages.values()))

    def save(self, folder: Path | str) -> Path:
        """Write `data` as `filename` into a folder, which is made if it does not exist.

        A file of this name is replaced. After an error the folder contains no part of the new one.

        Returns:
            The path of the file.

        Raises:
            OSError: The folder or the file cannot be written.
        """
        path = Path(folder) / self.filename
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, self.data)
        return path


class Stopwatch:
    """Seconds of work here, by laps; between a `yield` and `resume` the time is the caller's."""

    def __init__(self) -> None:
        self.total = 0.0
        self._since = time.perf_counter()

    def lap(self) -> float:
        """End a stage: its seconds, which also go into `total`."""
        now = time.perf_counter()
        seconds, self._since = round(now - self._since, 4), now
        self.total = round(self.total + seconds, 4)
        return seconds

    def resume(self) -> None:
        """Start a stage now, whatever has passed since the last one."""
        self._since = time.perf_counter()


def generate(
    request: TileRequest, engine: Engine, monitor: ResourceMonitor | None = None
) -> Generator[Result]:
    """Draw a request: preview, final picture, colour map, maps, sheet, each as soon as it is finished.

    The caller's `for` is the progress and the cancellation: nothing is drawn before the first file is asked
    for, and closing the generator early leaves the engine usable. The final picture is begun in a thread when
    the preview is drawn; a caller that closes the generator at the preview ends it at its next step. The same
    request, engine, versions and kind of device give the same files; a sheet without a date has today's.

    Args:
        request: What `parse_request` returns.
        engine: What `load_engine` returns; it can draw any number of requests, one at a time.
        monitor: Adds the peaks of memory to the last file's metrics.

    Returns:
        A generator of results: "preview", "final", "colormap", a map for each name in `request.maps`, and
        "sheet" if the request has one.

    Raises:
        RequestError: At the call, before anything is drawn, if this engine cannot draw this request.
        DrawingError: From the generator, if a picture cannot be drawn.
    """
    watch = Stopwatch()
    if monitor is not None:
        monitor.reset_peaks()
    settings = settings_for(request, engine.defaults)
    prompt = build_prompt(request.mix, settings.negative_prompt)
    engine.check(request, prompt)
    watch.lap()
    return _draw(request, settings, prompt, engine, monitor, watch, current_stage())


def _draw(
    request: TileRequest,
    settings: DrawingSettings,
    prompt: Prompt,
    engine: Engine,
    monitor: ResourceMonitor | None,
    watch: Stopwatch,
    trace: Stage,
) -> Generator[Result]:
    watch.resume()
    # Plan and colour map are made in a thread: a picture that starts from noise waits for neither.
    with Worker("plitka-files") as worker:
        timed = worker.submit(_timed_plan, request, trace)
        job = Job(request, settings, prompt, worker.submit(lambda: timed.result()[0]))
        planned = [worker.submit(_colormap, job, engine, trace)]
        # One piece of work each, so that a caller who leaves early waits for one at most.
        maps = worker.submit(lambda: PlanMaps(job.plan, job.plan.scale.width))
        planned += [worker.submit(_map, name, maps, job, engine, trace) for name in request.maps]
        with closing(_pictures(job, engine, watch, timed, trace)) as pictures:
            for final in pictures:
                yield final
        count = len(planned) + (request.overrides.sheet is not None)
        for number, result in enumerate(_files_after(request, final, planned, watch, trace), start=1):
            watch.lap()
            metrics = dict(result.metrics)
            if number == count:
                metrics["timing.total"] = watch.total
                metrics |= memory_metrics(monitor.peaks()) if monitor else {}
            yield replace(result, metrics=metrics)
            watch.resume()


def _files_after(
    request: TileRequest, final: Result, planned: list[Future[Result]], watch: Stopwatch, trace: Stage
) -> Generator[Result]:
    """Colour map, maps and sheet; metrics of maps are of all that are finished."""
    known: dict[str, Any] = {"maps": {}, "timing.maps": {}}
    for waiting in planned:
        result = waiting.result()
        known = {name: known[name] | result.metrics.get(name, {}) for name in known}
        yield replace(result, metrics=result.metrics | known)
    if request.overrides.sheet is not None:
        with trace.stage("sheet"):
            sheet = _sheet(request, final, request.overrides.sheet, watch)
        yield sheet


def _sheet(request: TileRequest, final: Result, fields: SheetFields, watch: Stopwatch) -> Result:
    # Its libraries are loaded by those who ask for one.
    from plitka.output.sheet import SHEET_FILE, make_sheet, sheet_date

    data = make_sheet(request, final.data, fields, sheet_date(fields))
    return Result("sheet", final.image, SHEET_FILE, data, None, {"timing.sheet": {"draw": watch.lap()}})


def _pictures(
    job: Job, engine: Engine, watch: Stopwatch, timed: Future[tuple[TilePlan, float]], trace: Stage
) -> Generator[Result]:
    # Leaving early, by an error here too, must end the drawing at once.
    with closing(draw_ahead(engine, job)) as drawings:
        for drawing, drawn_in, begun_ns in drawings:
            watch.lap()
            with trace.stage(drawing.name, begun_ns, engine=engine.name) as stage:
                stage.note(quality=job.request.quality, steps=drawing.steps_run)
                stage.past("draw", begun_ns, drawn_in)
                with stage.stage("correction") as correction:
                    picture = measure_and_correct(drawing.name, drawing.image, job.plan, job.settings)
                    correction.note(corrected=picture.corrected)
                stage.note(share_error_pp=picture.measured.fidelity.worst_error_pp)
                seconds = {"draw": round(drawn_in, 4), "measure": watch.lap()}
                with stage.stage("encode"):
                    filename, data = _file(job.settings.output_format, job, engine, drawing, picture)
                seconds["encode"] = watch.lap()
            metrics = picture_metrics(drawing, picture, seconds)
            if drawing.name == "preview":
                metrics |= {"timing.plan": timed.result()[1], "timing.first_picture": watch.total}
            yield Result(drawing.name, picture.image, filename, data, picture, metrics)
            watch.resume()


def _timed_plan(request: TileRequest, trace: Stage) -> tuple[TilePlan, float]:
    """The plan, and the seconds that it took."""
    watch = Stopwatch()
    with trace.stage("plan"):
        plan = plan_for(request)
    return plan, watch.lap()


def _colormap(job: Job, engine: Engine, trace: Stage) -> Result:
    watch = Stopwatch()
    with trace.stage("colormap"):
        image = draw_colormap(job.plan, job.plan.scale.width)
        seconds = {"draw": watch.lap()}
        provenance = provenance_of("colormap", job.request, job.prompt, engine.name, engine.identity())
        data = encode(image, EXACT_FORMAT, provenance)
    seconds["encode"] = watch.lap()
    filename = f"colormap.{EXACT_FORMAT}"
    return Result("colormap", image, filename, data, None, {"timing.colormap": seconds})


def _map(name: MapName, maps: Future[PlanMaps], job: Job, engine: Engine, trace: Stage) -> Result:
    watch = Stopwatch()
    with trace.stage("map", map=name):
        drawn = maps.result().draw(name, job.request.normal_convention)
        seconds = {"draw": watch.lap()}
        data = encode_map(drawn, provenance_of(name, job.request, job.prompt, engine.name, engine.identity()))
    seconds["encode"] = watch.lap()
    metrics = {"maps": {name: drawn.meaning}, "timing.maps": {name: seconds}}
    return Result(name, drawn.image, f"{name}.{EXACT_FORMAT}", data, None, metrics)


def _file(
    output_format: OutputFormat, job: Job, engine: Engine, drawing: Drawing, picture: MeasuredPicture
) -> tuple[str, bytes]:
    measured = {"fidelity": picture.measured.as_dict(), "correction": picture.correction()}
    approximations = drawing.denoising.approximations if drawing.denoising else ()
    provenance = provenance_of(
        drawing.name, job.request, job.prompt, engine.name, engine.identity(), measured, approximations
    )
    return f"{drawing.name}.{output_format}", encode(picture.image, output_format, provenance)
