"""A process of the local runner: loads the engine once and draws one task after the other.

Imports nothing large: the libraries are to be loaded after `work` has limited their threads.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from plitka.batch.runner import Finished, Task

if TYPE_CHECKING:
    from plitka.engine.protocol import Engine

# Each process has a core; more threads would only get into each other's way.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")


def work(connection: Connection, engine_name: str, weights: Path | None, cores: int) -> None:
    """Draw what comes until the connection closes, as it does when the parent ends, by force too.

    Sends whether the engine draws on a GPU, or why it cannot be loaded, then a `Finished` for every task.
    """
    # What the libraries keep in the system is given back, as it is not where a signal just ends the process.
    signal.signal(signal.SIGTERM, _end)
    for name in THREADS:
        os.environ.setdefault(name, str(cores))
    # The steps of several processes would run through each other; the command shows the tiles.
    os.environ.setdefault("TQDM_DISABLE", "1")
    # What the pictures themselves say: the index has it.
    logging.getLogger("plitka").setLevel(logging.ERROR)
    from plitka.engines import load_engine
    from plitka.errors import PlitkaError

    try:
        engine = load_engine(engine_name, weights=weights)
    except (PlitkaError, OSError) as error:
        connection.send(str(error))
        return
    try:
        connection.send(engine.device.is_gpu)
        while engine.is_healthy():
            connection.send(draw_task(connection.recv(), engine))
    except (EOFError, ConnectionError):
        return


def _end(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def draw_task(task: Task, engine: Engine) -> Finished:
    """The task's final picture, or why it cannot be drawn."""
    from plitka.errors import PlitkaError
    from plitka.generation import draw_final
    from plitka.request.tile_request import parse_request

    since = time.perf_counter()
    try:
        drawn = draw_final(parse_request(task.request), engine)
    # Whatever it is, it is this task's: the next one may do.
    except Exception as error:
        words = str(error) if isinstance(error, PlitkaError) else f"{type(error).__name__}: {error}"
        return Finished(task.hash, None, None, words)
    return Finished(task.hash, drawn.data, round(time.perf_counter() - since, 4))
