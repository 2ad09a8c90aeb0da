"""The real server beside disks that are full, without inodes or read-only, and from a read-only tree."""

import json
import shutil
import sys
from contextlib import contextmanager

import pytest
from cog_server import CogServer, pictures, small_json, wait_for
from command_line import run_process
from disks import Disk, namespace, small_disk
from thorough import one_in

from plitka.server import schema_file as schema
from plitka.server.cog_folders import FOLDER
from plitka.server.serve import ROOT

pytestmark = pytest.mark.long

COGLET = FOLDER.parent
REQUEST = {"params_json": small_json()}


@contextmanager
def started(folder, wrapper, **environment):
    server = CogServer.start(folder, "render", wrapper, **environment)
    try:
        yield server, server.wait_until_started()
    finally:
        server.stop()


@pytest.fixture
def coglet():
    """Cog's folder on a disk that this test alone sees."""
    with small_disk(COGLET, inodes=100) as disk:
        yield disk


def as_file(disk):
    (disk.path / "predictions").touch()


def as_link(disk):
    (disk.path / "predictions").symlink_to("/etc")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    one_in(
        3,
        [
            (Disk.fill_inodes, "No inodes left on device"),
            (Disk.make_read_only, "Read-only file system"),
            (as_file, "is no folder"),
            (as_link, "is a link"),
        ],
    ),
)
def test_a_start_fails_by_name_where_cog_could_not_take_a_prediction(coglet, spoil, reason, tmp_path):
    spoil(coglet)
    with started(tmp_path, coglet.space.inside()) as (_, health):
        assert health["status"] == "SETUP_FAILED"
        assert f"{FOLDER}: " in health["setup"]["logs"]
        assert reason in health["setup"]["logs"]


def test_a_server_whose_disk_gets_full_says_so_before_it_is_asked(coglet, tmp_path):
    with started(tmp_path, coglet.space.inside()) as (server, health):
        assert health["status"] == "READY"
        pictures(server.predict(**REQUEST))
        coglet.fill_inodes()
        assert server.health()["status"] == "UNHEALTHY"
        wait_for(lambda: "No inodes left on device" in server.log.read_text())
        coglet.empty()
        wait_for(lambda: server.health()["status"] == "READY")
        pictures(server.predict(**REQUEST))


def test_a_full_temporary_folder_fails_predictions_and_the_next_one_is_drawn(tmp_path):
    with (
        small_disk(tmp_path / "disk") as disk,
        started(tmp_path, disk.space.inside(), TMPDIR=disk.at) as (server, health),
    ):
        assert health["status"] == "READY"
        expected = [picture.tobytes() for picture in pictures(server.predict(**REQUEST))]
        for spoil, reason in ((Disk.fill, "No space left"), (Disk.fill_inodes, "No inodes left")):
            spoil(disk)
            failed = server.predict(**REQUEST)
            assert failed["status"] == "failed"
            assert "TMPDIR/plitka-" in failed["error"]
            assert str(disk.at) not in failed["error"]
            assert f"{disk.at}/plitka-" in server.log.read_text()
            assert reason in failed["error"]
            assert server.idle_status() == "READY"
            disk.empty()
        assert [picture.tobytes() for picture in pictures(server.predict(**REQUEST))] == expected


def test_a_start_fails_by_name_where_the_temporary_folder_is_full(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        disk.fill()
        with started(tmp_path, disk.space.inside(), TMPDIR=disk.at) as (_, health):
            assert health["status"] == "SETUP_FAILED"
            assert f"{disk.at}: this folder for temporary files" in health["setup"]["logs"]
            assert "No space left on device" in health["setup"]["logs"]


# A source tree that cannot be written


@pytest.fixture
def tree(tmp_path):
    """A copy of what the server needs of the source tree."""
    root = tmp_path / "tree"
    for name in ("plitka", ".cog"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "predict.py", root / "predict.py")
    return root


def commands(space, tree):
    """What runs a command from the tree, in the namespace."""
    return space.inside("env", f"PYTHONPATH={tree}")


@contextmanager
def read_only(tree):
    with namespace(f"--bind '{tree}' '{tree}'", f"-o remount,bind,ro '{tree}'") as space:
        yield commands(space, tree)


def test_a_read_only_tree_serves_whatever_the_layout_of_its_schema(tree, tmp_path):
    path = tree / schema.SCHEMA_FILE
    written = json.dumps(json.loads(path.read_bytes()), sort_keys=True).replace(
        '"default": 0.0', '"default": 0'
    )
    path.write_text(f"\r\n{written}\r\n")
    before = path.read_bytes()
    with read_only(tree) as wrapper, started(tmp_path, wrapper, PYTHONPATH=tree) as (server, health):
        assert health["status"] == "READY"
        assert len(pictures(server.predict(**REQUEST))) == 3
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", one_in(3, ["no JSON", None, "{}"]))
def test_a_read_only_tree_with_a_wrong_schema_serves_nevertheless(tree, tmp_path, content):
    path = tree / schema.SCHEMA_FILE
    path.unlink()
    if content:
        path.write_text(content)
    with read_only(tree) as wrapper:
        done = run_process(line=[*wrapper, sys.executable, "-m", "plitka", "schema"], cwd=tmp_path)
        assert done.returncode == 1
        (said,) = done.stderr.splitlines()
        assert f"{path}: the file does not fit predict.py" in said
        assert "Read-only file system" in said
        done = run_process(line=[*wrapper, sys.executable, "-m", "plitka", "schema", "--check"], cwd=tmp_path)
        assert done.returncode == 1
        assert "run: plitka schema" in done.stderr
        with started(tmp_path, wrapper, PYTHONPATH=tree) as (server, health):
            assert health["status"] == "READY"
            assert len(pictures(server.predict(**REQUEST))) == 3
    assert not list(server.temp.glob("plitka-server-*"))
    assert (path.read_text() if path.exists() else None) == content
