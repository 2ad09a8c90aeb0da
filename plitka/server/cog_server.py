"""Cog's HTTP server as a process that ends when `plitka serve` does, however that ends.

Run with `python -m plitka.server.cog_server`. The standard input is a pipe that `plitka serve` keeps open
and never writes to: it closes when that process ends, even if it is killed. Cog's worker is in the same
process group and would otherwise go on drawing and using the GPU's memory.
"""

import os
import runpy
import signal
import sys
import threading
import time

# Seconds for the server to end a prediction and its worker before both are killed.
STOP_SECONDS = 15.0
_MODULE = "cog.server.http"


def main() -> None:
    """Run the server with this process's own arguments, and watch the pipe beside it."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv[0] = _MODULE
    runpy.run_module(_MODULE, run_name="__main__", alter_sys=True)


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
