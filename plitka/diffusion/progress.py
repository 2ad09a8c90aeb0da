"""Progress: the phases of loading, timed; one bar for each picture, readable in a terminal and in a log."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from plitka.engine.pace import HeldText

# Seconds between two lines of a bar in a log; a terminal redraws its one line as it likes.
LOG_INTERVAL = 5.0

log = logging.getLogger(__name__)


def bar_options(stage: str, output: HeldText | None = None) -> dict[str, Any]:
    """Arguments of `tqdm.tqdm` for the bar of one stage, shown on `output` or else on standard error."""
    terminal = sys.stderr.isatty()
    return {
        "desc": stage,
        "unit": "step",
        "file": sys.stderr if output is None else output,
        "dynamic_ncols": terminal,
        "mininterval": 0.1 if terminal else LOG_INTERVAL,
    }


@contextmanager
def timed_phase(on_phase: Callable[[str, float], None] | None, name: str) -> Iterator[None]:
    """Time one phase of loading, for the log and for `on_phase(name, seconds)`."""
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    log.info("%s: %.1f s", name, seconds)
    if on_phase is not None:
        on_phase(name, seconds)
