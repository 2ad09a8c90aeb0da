"""Draws in a thread, so that the next picture is begun before its reader asks for it."""

import time
from collections.abc import Generator
from contextlib import closing
from typing import NamedTuple

from plitka.device.worker_thread import Worker, result_of
from plitka.engine.protocol import Drawing, Engine, Job
from plitka.tracing import now_ns

# One thread for all of them: cuDNN's plans and a GPU's handles belong to the thread that made them.
DRAWING_THREAD = "plitka-drawing"


class Drawn(NamedTuple):
    """A picture, the seconds that drawing it took, and when it was begun (`plitka.tracing.now_ns`)."""

    drawing: Drawing
    seconds: float
    begun_ns: int


def draw_ahead(engine: Engine, job: Job) -> Generator[Drawn]:
    """Yield an engine's pictures; the next one is drawn while the reader has the last.

    Its progress is shown once the reader asks for it. Closing the generator, or an error, ends the drawing at
    its next step and waits for that. Raises what the engine raises.
    """
    with closing(engine.draw(job)) as drawings, Worker(DRAWING_THREAD) as worker, job.pace as pace:
        ahead = worker.submit(_next, drawings)
        while (drawn := result_of(ahead)) is not None:
            pace.output.hold()
            ahead = worker.submit(_next, drawings)
            yield drawn
            pace.output.release()


def _next(drawings: Generator[Drawing]) -> Drawn | None:
    """The next picture; None if there is none."""
    since, begun_ns = time.perf_counter(), now_ns()
    drawing = next(drawings, None)
    return None if drawing is None else Drawn(drawing, time.perf_counter() - since, begun_ns)
