"""Weight files read into the system's page cache while something else is being done."""

import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def read_ahead(files: Iterable[Path]) -> threading.Thread:
    """Ask the system, from a thread, to have these files in its page cache soon; the thread is returned.

    Files that are in it already cost next to nothing. Where the system has no such call, nothing happens.
    """
    thread = threading.Thread(target=_ask_for, args=(tuple(files),), name="plitka-read-ahead", daemon=True)
    thread.start()
    return thread


def _ask_for(files: tuple[Path, ...]) -> None:
    advise = getattr(os, "posix_fadvise", None)
    if advise is None:
        return
    for file in files:
        with suppress(OSError), file.open("rb") as opened:
            advise(opened.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
