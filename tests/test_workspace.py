"""Temporary folders: what a process leaves goes, whatever ended it, and nothing else ever does."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from neighbours import FLAWS, NEIGHBOURS, Neighbours, abandoned, described
from thorough import examples

from plitka.files.temporary_folders import MARK, OwnFolder, own_folder, sweep_abandoned
from plitka.server.output_folders import Workspace


def without_mark(folder):
    return [path for path in folder.iterdir() if path.name != MARK]


def test_new_folder_is_empty_and_the_earlier_ones_are_gone(tmp_path):
    workspace = Workspace(tmp_path)
    first = workspace.new_folder()
    (first / "final.png").write_bytes(b"x")
    second = workspace.new_folder()
    assert not first.exists()
    assert list(second.iterdir()) == []
    assert without_mark(workspace.root) == [second]


def test_sweep_leaves_nothing(tmp_path):
    workspace = Workspace(tmp_path)
    (workspace.new_folder() / "preview.png").write_bytes(b"x")
    workspace.sweep()
    assert without_mark(workspace.root) == []


def test_two_servers_in_one_temporary_folder_leave_each_other_alone(tmp_path):
    one = Workspace(tmp_path)
    kept = one.new_folder()
    other = Workspace(tmp_path)
    other.new_folder()
    other.close()
    assert kept.is_dir()


def test_close_removes_everything(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.new_folder()
    workspace.close()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_closed_to_others(tmp_path):
    assert Workspace(tmp_path).root.stat().st_mode & 0o777 == 0o700


# After a process


CODE = {
    "workspace": "from plitka.server.output_folders import Workspace; "
    "own = Workspace(); folder = own.new_folder()",
    "weights": "from plitka.files.temporary_folders import OwnFolder; "
    "own = OwnFolder('plitka-w-'); folder = own.path",
}


def run_process(folder, kind, ending):
    code = f"import os, signal\n{CODE[kind]}\n(folder / 'final.png').write_bytes(b'x')\n{ending}"
    environment = os.environ | {"TMPDIR": str(folder)}
    subprocess.run([sys.executable, "-c", code], check=False, timeout=300, env=environment)


@pytest.mark.parametrize("kind", CODE)
def test_files_of_a_process_that_ends_go_with_it(tmp_path, kind):
    run_process(tmp_path, kind, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", CODE)
@pytest.mark.parametrize("number", ["SIGKILL", "SIGSEGV", "SIGTERM"])
def test_files_of_a_killed_process_are_swept_by_the_next_one(tmp_path, kind, number):
    run_process(tmp_path, kind, f"os.kill(os.getpid(), signal.{number})")
    assert len(list(tmp_path.rglob("final.png"))) == 1
    workspace = Workspace(tmp_path)
    assert list(tmp_path.iterdir()) == [workspace.root]


# Beside others


@examples(25)
@given(NEIGHBOURS)
def test_what_is_not_ours_is_byte_for_byte_what_it_was(wanted):
    with tempfile.TemporaryDirectory() as folder:
        parent, elsewhere = Path(folder, "tmp"), Path(folder, "elsewhere")
        parent.mkdir()
        elsewhere.mkdir()
        (elsewhere / "years of work.txt").write_bytes(b"x")
        neighbours = Neighbours(parent, elsewhere, wanted)
        before = described(Path(folder))
        left = abandoned(parent)
        (left / "link").symlink_to(elsewhere)
        (left / "deep").mkdir()
        (left / "deep" / "link").symlink_to(elsewhere)
        OwnFolder(parent=parent).close()
        assert not left.exists()
        assert described(Path(folder)) == before
        neighbours.close()


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_folder_with_one_flaw_is_left_alone_and_without_it_goes(tmp_path, flaw):
    """Each flaw counts by itself: the same folder without it is removed."""
    (tmp_path / "tmp").mkdir()
    neighbours = Neighbours(tmp_path / "tmp", tmp_path, {"plitka-x": (flaw, False)})
    sweep_abandoned(tmp_path / "tmp")
    assert (tmp_path / "tmp" / "plitka-x" / "precious.txt").is_file()
    neighbours.close()
    abandoned(tmp_path / "tmp", tmp_path / "tmp" / "plitka-y")
    sweep_abandoned(tmp_path / "tmp")
    assert not (tmp_path / "tmp" / "plitka-y").exists()


def test_a_folder_put_in_the_place_of_ours_outlives_us(tmp_path):
    own = OwnFolder(parent=tmp_path)
    own.path.rename(tmp_path / "moved")
    own.path.mkdir()
    (own.path / "precious.txt").write_text("years of it")
    own.close()
    assert (own.path / "precious.txt").is_file()


def test_a_link_put_in_the_place_of_ours_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    own = OwnFolder(parent=tmp_path)
    # With a mark that would do, were it looked at through the link.
    own.path.rename(tmp_path / "elsewhere" / "moved")
    own.path.symlink_to(tmp_path / "elsewhere" / "moved")
    own.close()
    assert (tmp_path / "elsewhere" / "moved" / MARK).is_file()


def start_and_stop(parent, count):
    for _ in range(count):
        with own_folder("plitka-race-") as folder:
            (folder / "mine").write_bytes(b"x")
            abandoned(parent)
            assert (folder / "mine").is_file()


def test_processes_that_start_at_once_sweep_what_is_left_and_nothing_of_each_other(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=start_and_stop, args=(tmp_path, 40)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
    assert [worker.exitcode for worker in workers] == [0] * 4
    sweep_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == []
