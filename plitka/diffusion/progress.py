"""One progress bar a stage, readable in a terminal and in a log."""

import sys
from typing import Any

# Seconds between two lines of a bar in a log; a terminal redraws its one line as it likes.
LOG_INTERVAL = 5.0


def bar_options(stage: str) -> dict[str, Any]:
    """Arguments of `tqdm.tqdm` for the bar of one stage."""
    terminal = sys.stderr.isatty()
    return {
        "desc": stage,
        "unit": "step",
        "file": sys.stderr,
        "dynamic_ncols": terminal,
        "mininterval": 0.1 if terminal else LOG_INTERVAL,
    }
