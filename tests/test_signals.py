"""The command as a process: a signal at any moment, and too little memory."""

import os
import re
import signal
import subprocess
import time
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from command_line import COMMAND, FILES, run_process, written
from thorough import one_in

from plitka.server.serve import ROOT

pytestmark = pytest.mark.long

# Of the usual size: there is a moment for every signal in it, and it needs the usual memory.
DRAWING = ("generate", "--colors", "60% black, 40% white", "--seed", "1")


def catches(pid, number):
    """Whether a process has a way of its own of taking a signal."""
    (mask,) = re.findall(r"^SigCgt:\s*(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.M)
    return int(mask, 16) >> (number - 1) & 1


def catches_alone(process, number):
    """Whether it has a way of taking this signal, as Python gives it, and none yet of taking SIGTERM."""
    return process.poll() is None and catches(process.pid, number) > catches(process.pid, signal.SIGTERM)


@pytest.mark.parametrize(
    ("number", "delay"),
    one_in(
        3,
        [
            *((signal.SIGINT, delay) for delay in (0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)),
            *((number, delay) for number in (signal.SIGTERM, signal.SIGHUP) for delay in (0.15, 0, 0.5)),
        ],
    ),
)
def test_a_signal_ends_the_work_without_output_and_without_half_a_file(tmp_path, number, delay):
    """At any moment from the first lines of ours on: while the libraries load, plan, draw and write."""
    line = [*COMMAND, *DRAWING]
    with subprocess.Popen(line, stdout=-1, stderr=-1, text=True, cwd=tmp_path) as process:
        while process.poll() is None and not catches(process.pid, signal.SIGTERM):
            time.sleep(0.001)
        time.sleep(delay)
        process.send_signal(number)
        out, err = process.communicate(timeout=300)
    assert process.returncode in (128 + number, 0), err
    assert err in ("", "seed 1\n")
    files = list((tmp_path / "out").iterdir()) if (tmp_path / "out").exists() else []
    assert {path.name for path in files} <= set(FILES)
    assert all(path.read_bytes().endswith(b"IEND\xaeB`\x82") for path in files)
    if process.returncode == 0:
        assert len(files) == 3
        assert "colour guidance" in out


def test_ctrl_c_before_the_libraries_are_loaded_is_quiet(tmp_path):
    """Python itself would take it as an error until our first line; from there on it ends the process."""
    line = [*COMMAND, "--help"]
    for _ in range(5):
        with subprocess.Popen(line, stdout=-1, stderr=-1, text=True, cwd=tmp_path) as process:
            while process.poll() is None and not catches(process.pid, signal.SIGINT):
                pass
            while catches_alone(process, signal.SIGINT):
                pass
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=300)
        assert process.returncode in (-signal.SIGINT, 128 + signal.SIGINT, 0)
        assert err == ""


def test_a_signal_that_was_ignored_from_the_start_stays_so(tmp_path):
    line = ["nohup", *COMMAND, *DRAWING]
    with subprocess.Popen(line, stdout=-1, stderr=-1, text=True, cwd=tmp_path) as process:
        while process.poll() is None and not catches(process.pid, signal.SIGTERM):
            time.sleep(0.001)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=300)
    assert process.returncode == 0
    assert written(tmp_path / "out") == FILES


def test_the_installed_command_starts_with_what_sees_to_all_this():
    script = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["plitka"]
    module, _, name = script.partition(":")
    assert getattr(import_module(module), name).__module__ == "plitka.__main__"


# Memory
@pytest.mark.parametrize("mebibytes", one_in(4, [60, 100, 160, 250, 400, 500, 600, 700, 900]))
def test_too_little_memory_is_one_sentence(tmp_path, mebibytes):
    line = ["prlimit", f"--as={mebibytes * 2**20}", *COMMAND, *DRAWING]
    threads = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    done = run_process(line=line, cwd=tmp_path, env=os.environ | threads)
    files = written(tmp_path / "out") if (tmp_path / "out").exists() else []
    if done.returncode == 0:
        assert files == FILES
        return
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert "too little memory" in last or "llocat" in last, done.stderr
    assert set(files) <= set(FILES)
    assert mebibytes < 900
