"""One progress bar a stage, readable in a terminal and in a log."""

import sys
from typing import Any

from plitka.engine.pace import HeldText

# Seconds between two lines of a bar in a log; a terminal redraws its one line as it likes.
LOG_INTERVAL = 5.0


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
