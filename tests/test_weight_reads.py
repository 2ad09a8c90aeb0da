"""How often loading opens a weight file: once by Plitka, as Python itself reports every opening."""

import contextlib
import functools
import os
import sys
import threading
from collections import Counter

import pytest
from drawing import load_small_engine
from single_file import write_single_file

# What is counted now: a hook of Python's own, once it is there, stays.
_counters = []


def _count(event, given):
    if not _counters or event != "open" or not isinstance(given[0], (str, os.PathLike)):
        return
    name = os.fspath(given[0])
    # The one thread that opens files for the system's sake reads nothing.
    if name.endswith(".safetensors") and threading.current_thread().name != "plitka-read-ahead":
        _counters[-1][name] += 1


@functools.cache
def _listen():
    sys.addaudithook(_count)


@contextlib.contextmanager
def openings():
    """How often each weight file is opened meanwhile, by its path."""
    _listen()
    _counters.append(Counter())
    try:
        yield _counters[-1]
    finally:
        _counters.clear()


@pytest.mark.long
@pytest.mark.parametrize("base", ["folder", "single file"])
def test_every_weight_file_is_opened_once_and_its_header_read_once(folder, base):
    if base == "single file":
        write_single_file(folder / "one.safetensors", folder / "base")
    given = str(folder / "one.safetensors") if base == "single file" else ""
    with openings() as opened:
        load_small_engine(folder, PLITKA_BASE_MODEL=given)
    files = {str(path) for path in folder.rglob("*.safetensors")}
    if base == "single file":
        files = {file for file in files if not file.startswith(str(folder / "base/"))}
    assert opened == dict.fromkeys(files, 1)
