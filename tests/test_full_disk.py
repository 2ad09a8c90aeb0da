"""A disk that is full, read-only or swept under the server, a broken download, a clock that jumps."""

import errno
import itertools
import os
import time
from pathlib import Path

import pytest
from cog_server import as_json
from door import Door, predict, run

from plitka import generate
from plitka.engine import RenderEngine
from plitka.request import parse_request


def test_a_full_disk_is_named_and_keeps_no_half_file(tmp_path, monkeypatch):
    door, write = Door(tmp_path), Path.write_bytes
    expected = [Path(file).read_bytes() for file in run(door)]

    def full(self, data):
        write(self, data[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match=r"No space left on device: .*preview\.png"):
            run(door)
    assert [path for path in door.workspace.root.rglob("*") if path.is_file()] == []
    assert [Path(file).read_bytes() for file in run(door)] == expected


def test_a_temp_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    door = Door(tmp_path)

    def refuse(*given, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(door.workspace.root))

    with monkeypatch.context() as patch:
        patch.setattr("tempfile.mkdtemp", refuse)
        with pytest.raises(OSError, match=r"Read-only file system: .*plitka-"):
            run(door)
    assert len(run(door)) == 3


def test_a_temp_folder_cleaned_under_the_server_is_made_again(tmp_path):
    door = Door(tmp_path)
    door.workspace.root.rmdir()
    assert len(run(door)) == 3


def test_a_download_that_breaks_off_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def stop(source, target):
        target.write(b"half")
        raise OSError("connection reset")

    monkeypatch.setattr(predict.shutil, "copyfileobj", stop)
    with (
        pytest.raises(OSError, match="connection reset"),
        predict.fetched("data:application/x-tar;base64,dGFy"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("hours", [-1, 1, 24 * 365])
def test_a_clock_that_jumps_leaves_the_durations_true(monkeypatch, hours):
    now = itertools.count(10**9, 3600 * hours)
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    results = list(generate.generate(parse_request(as_json()), RenderEngine()))
    seconds = results[-1].metrics["timing.total"]
    assert 0 < seconds < 60
