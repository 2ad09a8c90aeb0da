"""Draws in a thread, so that the next picture is begun before its reader asks for it."""

import time
from collections.abc import Generator, Iterable
from contextlib import closing
from itertools import chain
from typing import NamedTuple

from plitka.device.worker_thread import Worker, result_of
from plitka.engine.protocol import Drawing, Engine, Job
from plitka.tracing import now_ns

# One thread for all of them: cuDNN's plans and a GPU's handles belong to the thread that made them.
DRAWING_THREAD = "plitka-drawing"


class Drawn(NamedTuple):
    """A picture, its job, the seconds that it took, and when it was begun (`plitka.tracing.now_ns`)."""

    job: Job
    drawing: Drawing
    seconds: float
    begun_ns: int


def draw_ahead(engine: Engine, job: Job, following: Iterable[Job] = ()) -> Generator[Drawn]:
    """Yield an engine's pictures; the next one is drawn while the reader has the last.

    Its progress is shown once the reader asks for it. Closing the generator, or an error, ends the drawing at
    its next step and waits for that. Raises what the engine raises.

    Args:
        engine: What draws.
        job: What it draws first.
        following: What it draws then, with the pace of the first; each is asked for when it is begun.
    """
    drawings = _drawings(engine, chain([job], following))
    with closing(drawings), Worker(DRAWING_THREAD) as worker, job.pace as pace:
        ahead = worker.submit(_next, drawings)
        while (drawn := result_of(ahead)) is not None:
            pace.output.hold()
            ahead = worker.submit(_next, drawings)
            yield drawn
            pace.output.release()


def _drawings(engine: Engine, jobs: Iterable[Job]) -> Generator[tuple[Job, Drawing]]:
    for job in jobs:
        with closing(engine.draw(job)) as drawings:
            for drawing in drawings:
                yield job, drawing


def _next(drawings: Generator[tuple[Job, Drawing]]) -> Drawn | None:
    """The next picture; None if there is none."""
    since, begun_ns = time.perf_counter(), now_ns()
    found = next(drawings, None)
    return None if found is None else Drawn(*found, time.perf_counter() - since, begun_ns)
