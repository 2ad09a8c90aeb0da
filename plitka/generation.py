"""One request in, finished files out: three pictures, then the variants, maps and sheet that it asks for."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plitka.choices import MapName, OutputFormat
from plitka.device.monitor import ResourceMonitor
from plitka.device.worker_thread import Worker
from plitka.engine.ahead import Drawn, draw_ahead
from plitka.engine.protocol import Drawing, Engine, Job
from plitka.fidelity.color_lock import MeasuredPicture, measure_and_correct
from plitka.output.metrics import memory_metrics, picture_metrics, variant_metrics
from plitka.output.provenance import Provenance, encode, encode_map, provenance_of
from plitka.output.scale_bar import with_scale_bar
from plitka.request.drawing_settings import DrawingSettings, prompt_of, settings_for
from plitka.request.prompt import Prompt
from plitka.request.sheet import SheetFields
from plitka.request.tile_request import TileRequest
from plitka.results import VARIANT, Result, Stopwatch
from plitka.tile.colormap import draw_colormap
from plitka.tile.maps import PlanMaps
from plitka.tile.plan import TilePlan, plan_for
from plitka.tracing import Stage, current_stage

# Of all but the pictures, which are read back by value: never lossy, and PNG is the one everybody opens.
EXACT_FORMAT: OutputFormat = "png"


def generate(
    request: TileRequest, engine: Engine, monitor: ResourceMonitor | None = None
) -> Generator[Result]:
    """Draw a request: preview, final picture, colour map, then what else it asks for, as it is finished.

    The caller's `for` is the progress and the cancellation: nothing is drawn before the first file is asked
    for, and closing the generator early leaves the engine usable. The final picture is begun in a thread when
    the preview is drawn; a caller that closes the generator at the preview ends it at its next step. The same
    request, engine, versions and kind of device give the same files; a sheet without a date has today's.

    Args:
        request: What `parse_request` returns.
        engine: What `load_engine` returns; it can draw any number of requests, one at a time.
        monitor: Adds the peaks of memory to the last file's metrics.

    Returns:
        A generator of results: "preview", "final", "colormap", "final_2" and so on for `request.variants`, a
        map of the first variant for each name in `request.maps`, and its "sheet" if the request has one.

    Raises:
        RequestError: At the call, before anything is drawn, if this engine cannot draw this request.
        DrawingError: From the generator, if a picture cannot be drawn.
    """
    watch = Stopwatch()
    if monitor is not None:
        monitor.reset_peaks()
    settings = settings_for(request, engine.defaults)
    prompt = prompt_of(request, settings)
    engine.check(request, prompt)
    watch.lap()
    return _draw(request, settings, prompt, engine, monitor, watch, current_stage())


def draw_final(request: TileRequest, engine: Engine) -> Result:
    """Draw the final picture of a request's first variant, and nothing else that it asks for.

    The file is the same, to the byte, as that of `generate` for the same request without variants.

    Raises:
        RequestError: If this engine cannot draw this request.
        DrawingError: If the picture cannot be drawn.
    """
    watch, trace = Stopwatch(), current_stage()
    alone = replace(request.without_sheet().variant(1), maps=())
    settings = settings_for(alone, engine.defaults)
    prompt = prompt_of(alone, settings)
    engine.check(alone, prompt)
    with Worker("plitka-files") as worker:
        timed = worker.submit(_timed_plan, alone, trace)
        planned = worker.submit(lambda: timed.result()[0])
        job = Job(alone, settings, prompt, planned, pictures=("final",))
        with closing(_pictures(job, (), engine, watch, timed, trace)) as pictures:
            return next(pictures)


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
    count = 3 + (request.variants - 1) + len(request.maps) + (request.overrides.sheet is not None)
    with closing(_files(request, settings, prompt, engine, watch, trace)) as files:
        for number, result in enumerate(files, start=1):
            watch.lap()
            metrics = dict(result.metrics)
            if number == count:
                metrics["timing.total"] = watch.total
                metrics |= memory_metrics(monitor.peaks()) if monitor else {}
            yield replace(result, metrics=metrics)
            watch.resume()


def _files(
    request: TileRequest,
    settings: DrawingSettings,
    prompt: Prompt,
    engine: Engine,
    watch: Stopwatch,
    trace: Stage,
) -> Generator[Result]:
    # Plans, colour map and maps are made in a thread: a picture that starts from noise waits for none.
    with Worker("plitka-files") as worker:
        first = request.variant(1)
        timed = worker.submit(_timed_plan, first, trace)
        planned = worker.submit(lambda: timed.result()[0])
        job = Job(first, settings, prompt, planned, variant=(1, request.variants))
        colormap = worker.submit(_colormap, job, engine, trace)
        # One piece of work each, so that a caller who leaves early waits for one at most.
        drawn = worker.submit(lambda: PlanMaps(job.plan, job.plan.scale.width))

        def mapped() -> list[Future[Result]]:
            return [worker.submit(_map, name, drawn, job, engine, trace) for name in request.maps]

        # Beside the final picture, large maps would take too much memory.
        maps = [] if first.scale.is_large else mapped()
        variants = _variants(request, job, worker, trace)
        with closing(_pictures(job, variants, engine, watch, timed, trace)) as pictures:
            for result in pictures:
                yield result
                if result.name == "final":
                    final = result
                    # What grows with later files begins empty.
                    nothing: dict[str, Any] = {"variants": [], "maps": {}, "timing.maps": {}}
                    colors = colormap.result()
                    yield replace(colors, metrics=colors.metrics | nothing)
        yield from _finished(maps or mapped())
        if request.overrides.sheet is not None:
            with trace.stage("sheet"):
                sheet = _sheet(first, final, request.overrides.sheet, watch)
            yield sheet


def _variants(request: TileRequest, job: Job, worker: Worker, trace: Stage) -> Iterator[Job]:
    """The job of each further variant; the plan of the next one is made while one is drawn."""

    def planned(number: int) -> Job:
        own = request.variant(number)
        plan = worker.submit(lambda: _timed_plan(own, trace)[0])
        which = number, request.variants
        return replace(job, request=own, planned=plan, pictures=("final",), variant=which)

    ahead: Job | None = None
    for number in range(2, request.variants + 1):
        now, ahead = ahead, planned(number)
        if now is not None:
            yield now
    if ahead is not None:
        yield ahead


def _finished(maps: list[Future[Result]]) -> Iterator[Result]:
    """The maps; metrics of each are of all that are finished."""
    known: dict[str, Any] = {"maps": {}, "timing.maps": {}}
    for waiting in maps:
        result = waiting.result()
        known = {name: known[name] | result.metrics[name] for name in known}
        yield replace(result, metrics=known)


def _sheet(request: TileRequest, final: Result, fields: SheetFields, watch: Stopwatch) -> Result:
    # Its libraries are loaded by those who ask for one.
    from plitka.output.sheet import SHEET_FILE, make_sheet, sheet_date

    data = make_sheet(request, final.data, fields, sheet_date(fields))
    return Result("sheet", final.image, SHEET_FILE, data, None, {"timing.sheet": {"draw": watch.lap()}})


def _pictures(
    job: Job,
    following: Iterable[Job],
    engine: Engine,
    watch: Stopwatch,
    timed: Future[tuple[TilePlan, float]],
    trace: Stage,
) -> Generator[Result]:
    """Preview and final picture of the first job, and the final pictures of the following ones."""
    variants: list[dict[str, Any]] = []
    # Leaving early, by an error here too, must end the drawing at once.
    with closing(draw_ahead(engine, job, following)) as drawings:
        for drawn in drawings:
            watch.lap()
            number, name = drawn.job.variant[0], drawn.drawing.name
            title = name if number == 1 else f"{VARIANT}{number}"
            with trace.stage(title, drawn.begun_ns, engine=engine.name) as stage:
                picture, image, data, seconds = _finished_picture(title, drawn, engine, watch, stage)
            if number == 1:
                metrics = picture_metrics(drawn.drawing, picture, seconds)
            else:
                variants.append(
                    variant_metrics(title, drawn.job.request.seed, drawn.drawing, picture, seconds)
                )
                metrics = {"variants": list(variants)}
            if name == "preview":
                metrics |= {"timing.plan": timed.result()[1], "timing.first_picture": watch.total}
            filename = f"{title}.{job.settings.output_format}"
            yield Result(title, image, filename, data, picture, metrics)
            watch.resume()


def _finished_picture(
    title: str, drawn: Drawn, engine: Engine, watch: Stopwatch, stage: Stage
) -> tuple[MeasuredPicture, NDArray[np.uint8], bytes, dict[str, float]]:
    """A picture measured and corrected, as it is delivered, its file, and the seconds of each step."""
    job, drawing = drawn.job, drawn.drawing
    stage.note(quality=job.request.quality, steps=drawing.steps_run)
    stage.past("draw", drawn.begun_ns, drawn.seconds)
    with stage.stage("correction") as correction:
        picture = measure_and_correct(title, drawing.image, job.plan, job.settings)
        correction.note(corrected=picture.corrected)
    stage.note(share_error_pp=picture.measured.fidelity.worst_error_pp)
    seconds = {"draw": round(drawn.seconds, 4), "measure": watch.lap()}
    with stage.stage("encode"):
        image, data = picture_file(engine, job, drawing, picture)
    seconds["encode"] = watch.lap()
    return picture, image, data, seconds


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
        data = encode(image, EXACT_FORMAT, _provenance("colormap", job, engine))
    seconds["encode"] = watch.lap()
    filename = f"colormap.{EXACT_FORMAT}"
    return Result("colormap", image, filename, data, None, {"timing.colormap": seconds})


def _map(name: MapName, maps: Future[PlanMaps], job: Job, engine: Engine, trace: Stage) -> Result:
    watch = Stopwatch()
    with trace.stage("map", map=name):
        drawn = maps.result().draw(name, job.request.normal_convention)
        seconds = {"draw": watch.lap()}
        data = encode_map(drawn, _provenance(name, job, engine))
    seconds["encode"] = watch.lap()
    metrics = {"maps": {name: drawn.meaning}, "timing.maps": {name: seconds}}
    return Result(name, drawn.image, f"{name}.{EXACT_FORMAT}", data, None, metrics)


def _provenance(
    picture: str,
    job: Job,
    engine: Engine,
    measured: Mapping[str, Any] = MappingProxyType({}),
    approximations: Sequence[str] = (),
) -> Provenance:
    """The provenance of one of a job's pictures."""
    identity = engine.identity(job.request.adapter, job.request.quality)
    return provenance_of(picture, job.request, job.prompt, engine.name, identity, measured, approximations)


def picture_file(
    engine: Engine, job: Job, drawing: Drawing, picture: MeasuredPicture
) -> tuple[NDArray[np.uint8], bytes]:
    """The picture as it is delivered, with its scale bar if there is one, and its file."""
    measured = {"fidelity": picture.measured.as_dict(), "correction": picture.correction()}
    approximations = drawing.denoising.approximations if drawing.denoising else ()
    provenance = _provenance(drawing.name, job, engine, measured, approximations)
    image = picture.image
    if job.request.overrides.scale_bar:
        image = with_scale_bar(image, job.request.scale.width_mm)
    return image, encode(image, job.settings.output_format, provenance)
