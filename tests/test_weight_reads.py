"""How often loading opens a weight file: once by Plitka, as Python itself reports every opening."""

import json
import os
import subprocess
import sys

import pytest
from single_file import write_single_file

# The one thread that opens files for the system's sake, and reads nothing.
SCRIPT = """
import collections, json, os, sys, threading

opened = collections.Counter()

def count(event, given):
    if event == "open" and isinstance(given[0], (str, os.PathLike)):
        name = os.fspath(given[0])
        if name.endswith(".safetensors") and threading.current_thread().name != "plitka-read-ahead":
            opened[name] += 1

sys.addaudithook(count)
from plitka.diffusion.engine import DiffusionEngine

DiffusionEngine.load("sdxl", preview_size=64, final_size=128)
print(json.dumps(opened))
"""


@pytest.mark.parametrize("base", ["folder", "single file"])
def test_every_weight_file_is_opened_once_and_its_header_read_once(folder, base):
    environment = {**os.environ, "PLITKA_BASE_MODEL": "", "OMP_NUM_THREADS": "1"}
    if base == "single file":
        environment["PLITKA_BASE_MODEL"] = str(folder / "one.safetensors")
        write_single_file(folder / "one.safetensors", folder / "base")
    run = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    opened = json.loads(run.stdout.splitlines()[-1])
    files = {str(path) for path in folder.rglob("*.safetensors")}
    if base == "single file":
        files = {file for file in files if not file.startswith(str(folder / "base/"))}
    assert opened == dict.fromkeys(files, 1)
