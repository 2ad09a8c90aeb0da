"""Whole predictions by the project's own engine: eager, recorded, compiled, guided, with a ControlNet."""

import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch._inductor.config
from PIL import Image

from card.bench import Bench
from card.pictures import difference_from_baseline, is_as_kept, keep_picture, kept_picture
from card.step import count_step_flops, step_seconds
from plitka.device.monitor import ResourceMonitor
from plitka.diffusion.acceleration import Acceleration
from plitka.diffusion.engine import DiffusionEngine
from plitka.diffusion.recordings import Recordings
from plitka.generation import generate
from plitka.request.tile_request import TileRequest
from plitka.results import Result

TUNED, TUNED_AGAIN = "ours, tuned UNet", "ours, tuned UNet, from the compiler's cache"


@dataclass(frozen=True)
class Prediction:
    """One prediction: seconds of all of it, its files, its metrics."""

    seconds: float
    results: list[Result]
    metrics: Mapping[str, Any]


def predict(bench: Bench, engine: DiffusionEngine, request: TileRequest) -> Prediction:
    """Draw preview, final picture and colour map; everything is timed that a caller waits for."""
    results: list[Result] = []
    seconds = bench.seconds(lambda: results.extend(generate(request, engine)))
    metrics: dict[str, Any] = {}
    for result in results:
        metrics |= result.metrics
    return Prediction(seconds, results, metrics)


def median_of(predictions: list[Prediction]) -> Prediction:
    """The prediction of median time."""
    return sorted(predictions, key=lambda prediction: prediction.seconds)[len(predictions) // 2]


@contextmanager
def loaded(
    bench: Bench, acceleration: Acceleration, phases: dict[str, float] | None = None
) -> Iterator[DiffusionEngine]:
    """An engine that has drawn once, so that every library has chosen its kernels; released afterwards."""
    with closing(bench.load_engine(acceleration, phases)) as engine:
        predict(bench, engine, bench.request())
        yield engine
    bench.reset_peak()


def timing_of(prediction: Prediction) -> dict[str, Any]:
    """The metrics of a prediction that are seconds."""
    return {name: value for name, value in prediction.metrics.items() if name.startswith("timing.")}


def uncompiled(bench: Bench) -> dict[str, Acceleration]:
    """Eager and, where that is possible, recorded."""
    return {"eager": bench.eager(), **({"recorded": bench.fastest()} if bench.records else {})}


def run_ours(bench: Bench) -> None:
    """Eager, its other memory format, recorded, and the guided prediction, which is other work."""
    eager = bench.eager()
    with loaded(bench, eager) as engine:
        measure(bench, "ours", "ours, eager", engine)
        _measure_guided(bench, "eager", engine)
    if eager.channels_last:
        with loaded(bench, replace(eager, channels_last=False)) as engine:
            measure(bench, "ours", "ours, eager, channels first", engine)
    if bench.records:
        with loaded(bench, bench.fastest()) as engine:
            measure(bench, "ours", "ours, recorded", engine)
            _measure_guided(bench, "recorded", engine)


def _measure_guided(bench: Bench, name: str, engine: DiffusionEngine) -> None:
    guided = bench.request(color_guidance=0.5)
    predict(bench, engine, guided)
    prediction = median_of([predict(bench, engine, guided) for _ in range(bench.repeats)])
    bench.emit(
        "ours",
        f"ours, {name}, guided by the swatch (fewer steps)",
        seconds=prediction.seconds,
        steps=[prediction.metrics["steps.preview"], prediction.metrics["steps.final"]],
    )


def run_layout(bench: Bench) -> None:
    """Weights with the channels first and last, recorded where that is possible."""
    name = "recorded" if bench.records else "eager"
    for order, channels_last in (("first", False), ("last", True)):
        with loaded(bench, replace(bench.fastest(), channels_last=channels_last)) as engine:
            measure(bench, "layout", f"layout: {name}, channels {order}", engine)


def run_compiled(bench: Bench) -> None:
    """Compiled blocks, alone and recorded."""
    compiled = replace(bench.eager(), compile="blocks")
    _measure_compiled(bench, "compiled", "ours, compiled", compiled)
    if bench.records:
        recorded = replace(compiled, graphs=True)
        # What the first has compiled is there for the second, so that its warm-up says nothing.
        with loaded(bench, recorded) as engine:
            measure(bench, "compiled", "ours, compiled and recorded", engine)


def run_compiled_unet(bench: Bench) -> None:
    """The whole UNet compiled, and recorded where that is possible."""
    compiled = replace(bench.fastest(), compile="unet")
    _measure_compiled(bench, "compiled-unet", "ours, whole UNet compiled", compiled)


def _measure_compiled(bench: Bench, section: str, figure: str, acceleration: Acceleration) -> None:
    phases: dict[str, float] = {}
    with loaded(bench, acceleration, phases) as engine:
        measure(bench, section, figure, engine, warm_up_seconds=phases["warm-up"])


def run_tuned_unet(bench: Bench, figure: str) -> None:
    """The whole UNet compiled with every kernel tuned by timing, under the engine's own recording.

    The engine does not offer it. A second process with the same compiler cache takes the first one's choices.
    """
    with closing(bench.load_engine(bench.eager())) as engine:
        unet = engine.pipelines.base.unet
        torch._inductor.config.deterministic = False
        unet.forward = torch.compile(
            unet.forward, mode="max-autotune-no-cudagraphs", fullgraph=True, dynamic=False
        )
        if bench.records:
            Recordings().record("unet", unet)
        seconds = bench.seconds(lambda: predict(bench, engine, bench.request()))
        measure(bench, "tuned-unet", figure, engine, warm_up_seconds=seconds)


def run_tuned_unet_again(bench: Bench) -> None:
    """The same with the choices that the first process has left in the compiler's cache."""
    run_tuned_unet(bench, TUNED_AGAIN)
    final = np.asarray(kept_picture(bench, TUNED_AGAIN, "final"))
    bench.emit(
        "tuned-unet",
        "tuned UNet, bytes",
        same_in_another_process=is_as_kept(bench, TUNED, "final", final),
    )


def measure(bench: Bench, section: str, figure: str, engine: DiffusionEngine, **more: Any) -> None:
    """Time predictions against the baseline, compare the pictures, and time the UNet's step alone."""
    bench.reset_peak()
    predictions = [predict(bench, engine, bench.request()) for _ in range(bench.repeats)]
    prediction, peak = median_of(predictions), bench.peak()
    alike = {}
    for result in prediction.results[:2]:
        keep_picture(bench, figure, result.name, Image.fromarray(result.image))
        alike[result.name] = difference_from_baseline(bench, result.name, result.image)
    bench.emit(
        section,
        figure,
        seconds=prediction.seconds,
        runs=[run.seconds for run in predictions],
        times_baseline=ratio(bench, "baseline", prediction.seconds),
        first_picture=prediction.metrics["timing.first_picture"],
        against_baseline=alike,
        same_each_time=len({run.results[1].data for run in predictions}) == 1,
        timing=timing_of(prediction),
        **peak,
        **more,
    )
    _measure_step(bench, section, figure, engine)


def ratio(bench: Bench, figure: str, seconds: float) -> float | None:
    """How many times faster than a figure measured before; None without one."""
    before = bench.find(figure)
    return before["seconds"] / seconds if before else None


def _measure_step(bench: Bench, section: str, figure: str, engine: DiffusionEngine) -> None:
    """The UNet's guided step at both sizes, against the rate of plain matrix products on this device."""
    rate = bench.find("matrix rate")
    for size in bench.architecture.sizes:
        seconds = step_seconds(bench, engine.pipelines.base.unet, size)
        tflop = count_step_flops(bench.architecture, size) / 1e12
        bench.emit(
            section,
            f"{figure}: guided step at {size}",
            seconds=seconds,
            tflop=tflop,
            tflops=tflop / seconds,
            share_of_matrix_rate=tflop / seconds / rate["tflops"] if rate else None,
        )


def run_controlnet(bench: Bench) -> None:
    """A prediction guided by a ControlNet against one without, eager and recorded."""
    for name, acceleration in uncompiled(bench).items():
        with loaded(bench, acceleration) as engine:
            compare_with_controlnet(bench, f"ControlNet, {name}", engine)


def compare_with_controlnet(bench: Bench, figure: str, engine: DiffusionEngine, **more: Any) -> None:
    """Time predictions with and without a ControlNet in turn."""
    guided = bench.request(use_controlnet=True)
    predict(bench, engine, guided)
    pairs = [
        (predict(bench, engine, bench.request()).seconds, predict(bench, engine, guided).seconds)
        for _ in range(bench.repeats)
    ]
    base, controlled = (statistics.median(times) for times in zip(*pairs, strict=True))
    bench.emit(
        "controlnet",
        figure,
        base_seconds=base,
        seconds=controlled,
        times_base=controlled / base,
        **more,
    )


def run_preview(bench: Bench) -> None:
    """Time to the first picture, and the part of a prediction that is not the UNet."""
    for name, acceleration in uncompiled(bench).items():
        with loaded(bench, acceleration) as engine:
            runs = [_clocked(bench, engine) for _ in range(bench.repeats)]
            prediction, unet = sorted(runs, key=lambda run: run[0].seconds)[len(runs) // 2]
            final = prediction.results[1].image
            bench.emit(
                "preview",
                f"first picture and what is not the UNet, {name}",
                first_picture=prediction.metrics["timing.first_picture"],
                seconds=prediction.seconds,
                unet_seconds=unet,
                not_unet_share=1 - unet / prediction.seconds,
                timing=timing_of(prediction),
                same_in_another_process=is_as_kept(bench, f"ours, {name}", "final", final),
            )


def _clocked(bench: Bench, engine: DiffusionEngine) -> tuple[Prediction, float]:
    """A prediction, and the seconds of its UNet calls together.

    On a GPU from the first kernel of a call to its last, gaps between them included.
    """
    marks: list[Any] = []

    def mark(*call: Any) -> None:
        if bench.device_info.is_gpu:
            event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            event.record()
            marks.append(event)
        else:
            marks.append(time.perf_counter())

    unet = engine.pipelines.base.unet
    hooks = [unet.register_forward_pre_hook(mark), unet.register_forward_hook(mark)]
    try:
        prediction = predict(bench, engine, bench.request())
    finally:
        for hook in hooks:
            hook.remove()
    calls = zip(marks[::2], marks[1::2], strict=True)
    if bench.device_info.is_gpu:
        return prediction, sum(float(start.elapsed_time(end)) for start, end in calls) / 1000
    return prediction, sum(end - start for start, end in calls)


def run_monitor(bench: Bench) -> None:
    """What one sample of the monitor takes, as a part of the time between two."""
    with loaded(bench, bench.eager()) as engine, ResourceMonitor(bench.device_info) as monitor:
        samples = 100

        def sample_often() -> None:
            for _ in range(samples):
                monitor.sample()

        sample = bench.seconds(sample_often) / samples
        watched = [predict(bench, engine, bench.request()).seconds for _ in range(bench.repeats)]
        monitor.stop()
        alone = [predict(bench, engine, bench.request()).seconds for _ in range(bench.repeats)]
        bench.emit(
            "monitor",
            "monitor",
            sample_seconds=sample,
            interval_seconds=monitor.interval,
            share=sample / monitor.interval,
            watched_seconds=statistics.median(watched),
            alone_seconds=statistics.median(alone),
        )
