"""What the system and the GPU's driver can do for loading while the libraries are being imported.

The interpreter waits for these threads when it ends: a thread that ends inside of torch ends the process too.
"""

import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import torch

from plitka.device.select import DeviceInfo


def read_ahead(files: Iterable[Path]) -> threading.Thread:
    """Ask the system, from a thread, to have these files in its page cache soon; the thread is returned.

    Files that are in it already cost next to nothing. Where the system has no such call, nothing happens.
    """
    thread = threading.Thread(target=_ask_for, args=(tuple(files),), name="plitka-read-ahead")
    thread.start()
    return thread


def start_device(device_info: DeviceInfo) -> None:
    """Have a GPU's driver make ready for this process, from a thread; nothing on a CPU.

    It does so at the first use in any case; an error here comes again there, where it can be reported.
    """
    if device_info.is_gpu:
        threading.Thread(target=_touch, args=(device_info,), name="plitka-device").start()


def _touch(device_info: DeviceInfo) -> None:
    with suppress(RuntimeError, AssertionError):
        torch.empty(1, device=device_info.device)


def _ask_for(files: tuple[Path, ...]) -> None:
    advise = getattr(os, "posix_fadvise", None)
    if advise is None:
        return
    for file in files:
        with suppress(OSError), file.open("rb") as opened:
            advise(opened.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
