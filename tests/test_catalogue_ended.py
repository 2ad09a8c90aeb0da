"""A catalogue that is ended early goes on where it was: no tile is lost or doubled."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress

import psutil
import pytest
from catalogues import COMMON, MIXES, index_of, table_of
from cog_server import small_json
from command_line import COMMAND
from disks import small_disk

from plitka.batch.local_runner import LocalRunner
from plitka.batch.plan import request_hash
from plitka.batch.runner import Finished, Note, Task
from plitka.output.provenance_reader import read_provenance
from plitka.request.tile_request import parse_request


def ended(folder, number, workers, count):
    """The command, ended by a signal once there are so many pictures; what it said.

    Where it was done before the signal came, it is tried again from where it began.
    """
    before = folder / f"before-{workers}"
    if (folder / "out").exists():
        shutil.copytree(folder / "out", before)
    while not (found := end_once(folder, number, workers, count))[0]:
        shutil.rmtree(folder / "out")
        if before.exists():
            shutil.copytree(before, folder / "out")
    return found


def end_once(folder, number, workers, count):
    """The exit status, 0 if it was done before, and what it said."""
    line = [*COMMAND, "catalogue", "mixes.csv", *COMMON, "-o", "out", "--workers", workers]
    pictures = folder / "out/pictures"
    with subprocess.Popen(line, cwd=folder, stderr=-1, text=True, start_new_session=True) as process:
        while not pictures.is_dir() or len(list(pictures.glob("*.png"))) < count:
            if process.poll() is not None:
                break
            time.sleep(0.01)
        try:
            children = psutil.Process(process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            children = []
        # As a terminal does it: to every process of the group.
        with suppress(ProcessLookupError):
            (os.kill if number == signal.SIGKILL else os.killpg)(process.pid, number)
        _, err = process.communicate(timeout=300)
    assert "Traceback" not in err
    assert psutil.wait_procs(children, timeout=300)[1] == []
    assert children or process.returncode in (0, -number, 128 + number), err
    # Without a worker left, everything was drawn: only the table and the page were written yet.
    return process.returncode if children else 0, err


@pytest.mark.long
def test_a_run_that_is_ended_goes_on_without_losing_or_doubling_one(invoke, tmp_path):
    mixes = [f"{share}% black, {100 - share}% white" for share in range(10, 20)]
    table_of(tmp_path / "mixes.csv", mixes)
    status, err = ended(tmp_path, signal.SIGINT, "2", count=1)
    assert status == 130
    assert "the same command goes on" in err
    assert list((tmp_path / "out/pictures").glob(".*")) == []
    status, err = ended(tmp_path, signal.SIGKILL, "1", count=5)
    assert status == -signal.SIGKILL
    result = invoke("catalogue", "mixes.csv", *COMMON, "-o", "out", "--workers", 1)
    assert result.exit_code == 0, result.output
    assert "of 10 tiles are there already" in result.stderr
    files = list((tmp_path / "out/pictures").iterdir())
    found = {request_hash(parse_request(read_provenance(path).request)) for path in files}
    assert len(files) == len(found) == len(index_of(tmp_path / "out")) == len(mixes)
    assert {row["hash"] for row in index_of(tmp_path / "out")} == found


@pytest.mark.long
def test_a_process_that_is_killed_is_started_again():
    tasks = [Task(str(share), small_json(seed=share)) for share in range(3)]
    said, before = [], set(psutil.Process().children())
    for event in LocalRunner("render", workers=1).run(tasks):
        if not said:
            new = set(psutil.Process().children()) - before
            (child,) = filter(is_worker, new)
            child.kill()
        said.append(event)
    assert any(isinstance(event, Note) and "by signal 9" in event.text for event in said)
    drawn = [event.hash for event in said if isinstance(event, Finished) and event.data]
    assert sorted(drawn) == ["0", "1", "2"]


def is_worker(process):
    return "spawn_main" in " ".join(process.cmdline())


@pytest.mark.long
def test_a_full_or_read_only_disk_ends_it_with_words_and_room_lets_it_go_on(invoke, tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        table = table_of(tmp_path / "mixes.csv", MIXES[:2])
        command = ("catalogue", table, *COMMON, "--workers", 1, "-o", disk.path / "out")
        (disk.path / "out").mkdir()
        disk.make_read_only()
        result = invoke(*command)
        assert result.exit_code == 1
        assert "Read-only file system" in result.stderr
        disk.make_read_only(False)
        disk.fill(free=200_000)
        result = invoke(*command)
        assert result.exit_code == 1
        assert "No space left on device" in result.stderr.splitlines()[-1]
        disk.empty()
        result = invoke(*command)
        assert result.exit_code == 0, result.output
        assert "1 of 2 tiles are there already" in result.stderr
        assert len(index_of(disk.path / "out")) == 2
