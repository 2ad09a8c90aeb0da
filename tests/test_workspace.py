import subprocess
import sys

from plitka.workspace import Workspace


def test_new_folder_is_empty_and_the_earlier_ones_are_gone(tmp_path):
    workspace = Workspace(tmp_path)
    first = workspace.new_folder()
    (first / "final.png").write_bytes(b"x")
    second = workspace.new_folder()
    assert not first.exists()
    assert list(second.iterdir()) == []
    assert list(workspace.root.iterdir()) == [second]


def test_sweep_leaves_nothing(tmp_path):
    workspace = Workspace(tmp_path)
    (workspace.new_folder() / "preview.png").write_bytes(b"x")
    workspace.sweep()
    assert list(workspace.root.iterdir()) == []


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


def run_process(folder, ending):
    code = (
        "import os, signal, sys; from pathlib import Path; from plitka.workspace import Workspace\n"
        "workspace = Workspace(Path(sys.argv[1])); (workspace.new_folder() / 'final.png').write_bytes(b'x')\n"
    )
    subprocess.run([sys.executable, "-c", code + ending, str(folder)], check=False, timeout=60)


def test_files_of_a_process_that_ends_go_with_it(tmp_path):
    run_process(tmp_path, "")
    assert list(tmp_path.iterdir()) == []


def test_files_of_a_killed_process_are_swept_by_the_next_one(tmp_path):
    run_process(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    assert len(list(tmp_path.rglob("final.png"))) == 1
    workspace = Workspace(tmp_path)
    assert list(tmp_path.rglob("final.png")) == []
    assert {path.name for path in tmp_path.iterdir()} == {workspace.root.name, workspace.root.name + ".lock"}
