"""What single measures of the engine give, each against the same work without it.

Those of the pipeline are left out of the baseline, one at a time; the threads are left out of the engine.
"""

import statistics
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Self
from unittest import mock

from card import baseline
from card.baseline import PREDECESSORS
from card.bench import Bench
from card.predictions import loaded, predict
from plitka import generation
from plitka.diffusion import engine as diffusion


def run(bench: Bench) -> None:
    """Time every measure beside the work without it, in the same process."""
    fused = _measure_pipeline(bench)
    bench.reset_peak()
    beside = _seconds(bench, partial(baseline.prediction, bench, baseline.load(bench, fused=False)))
    _emit(bench, "LoRA in the weights", beside, fused)
    bench.reset_peak()
    with loaded(bench, bench.eager()) as engine:
        prediction = partial(predict, bench, engine, bench.request())
        overlapped = _seconds(bench, prediction)
        with _in_turn():
            _emit(bench, "work beside the GPU", _seconds(bench, prediction), overlapped)


def _measure_pipeline(bench: Bench) -> float:
    """What can be left out of the baseline; its own seconds are returned."""
    pipeline = baseline.load(bench)
    prediction = partial(baseline.prediction, bench, pipeline)
    seconds = _seconds(bench, prediction)
    once = partial(prediction, replace(PREDECESSORS, encodes_twice=False))
    _emit(bench, "prompt encoded once", seconds, _seconds(bench, once))
    kept = partial(prediction, replace(PREDECESSORS, empties_cache=False))
    _emit(bench, "cache never emptied", seconds, _seconds(bench, kept))
    pipeline.vae.register_to_config(force_upcast=False)
    _emit(bench, "VAE in half precision", seconds, _seconds(bench, prediction))
    return seconds


def _seconds(bench: Bench, work: Callable[[], object]) -> float:
    """Median seconds of some work that has been done once before."""
    work()
    return statistics.median(bench.seconds(work) for _ in range(bench.repeats))


def _emit(bench: Bench, figure: str, without: float, seconds: float) -> None:
    bench.emit(
        "measures", f"measure: {figure}", seconds=seconds, without_seconds=without, gain=without / seconds - 1
    )


class InTurn:
    """A worker that does everything at once, in the caller's thread."""

    def __init__(self, name: str) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing is left to do."""

    def submit(self, work: Callable[..., Any], *given: object) -> Future[Any]:
        """Do it now."""
        done: Future[Any] = Future()
        done.set_result(work(*given))
        return done


@contextmanager
def _in_turn() -> Iterator[None]:
    with (
        mock.patch.object(diffusion, "Worker", InTurn),
        mock.patch.object(generation, "Worker", InTurn),
    ):
        yield
