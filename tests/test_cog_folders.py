"""Folders that Cog's server makes for every prediction: it can, and they do not fill the disk in the end."""

import os
import time
import uuid
from pathlib import Path

import pytest
from cog_server import small_json
from disks import Disk, small_disk
from local_predictor import LocalPredictor, run

from plitka.errors import FolderError
from plitka.server import cog_folders
from plitka.server.cog_folders import FOLDER, LEFT_SECONDS, PARTS, SWEEP_SECONDS, CogFolders


def leave(folder, name, age_seconds):
    """What the server has made for a prediction so long ago."""
    prediction = folder / name
    for part in ("inputs", "outputs"):
        (prediction / part).mkdir(parents=True)
    then = time.time() - age_seconds
    os.utime(prediction, (then, then))
    return prediction


@pytest.fixture
def left(tmp_path):
    folder = tmp_path / "coglet"
    return folder, leave(folder, "old", LEFT_SECONDS + 60), leave(folder, "young", LEFT_SECONDS - 60)


def test_only_old_ones_go(left):
    folder, old, young = left
    CogFolders(folder).sweep()
    assert not old.exists()
    assert (young / "outputs").is_dir()


def test_a_file_in_one_is_left_alone(left):
    folder, old, _ = left
    file = old / "outputs" / "picture.png"
    file.write_bytes(b"picture")
    then = time.time() - LEFT_SECONDS - 60
    os.utime(old, (then, then))
    CogFolders(folder).sweep()
    assert file.read_bytes() == b"picture"


def test_a_link_is_not_followed(left, tmp_path):
    folder, old, _ = left
    elsewhere = leave(tmp_path, "elsewhere", LEFT_SECONDS + 60)
    (folder / "link").symlink_to(elsewhere)
    then = time.time() - LEFT_SECONDS - 60
    os.utime(folder / "link", (then, then), follow_symlinks=False)
    CogFolders(folder).sweep()
    assert not old.exists()
    assert (elsewhere / "outputs").is_dir()


def test_a_folder_that_is_not_there_is_no_error(tmp_path):
    CogFolders(tmp_path / "none").sweep()


def test_it_looks_again_only_after_a_while(left, monkeypatch):
    folder, _, _ = left
    folders = CogFolders(folder)
    folders.sweep()
    late = leave(folder, "late", LEFT_SECONDS + 60)
    folders.sweep()
    assert late.exists()
    now = time.monotonic()
    monkeypatch.setattr(cog_folders.time, "monotonic", lambda: now + SWEEP_SECONDS)
    folders.sweep()
    assert not late.exists()


def test_every_prediction_sweeps(tmp_path):
    old = leave(tmp_path / "coglet", "old", LEFT_SECONDS + 60)
    run(LocalPredictor(tmp_path))
    assert not old.exists()


def test_the_server_makes_its_folders_where_they_are_swept(render_server):
    name = uuid.uuid4().hex
    assert render_server.post({"params_json": small_json()}, id=name).json()["id"] == name
    left = sorted(path.relative_to(FOLDER / name) for path in (FOLDER / name).rglob("*"))
    assert left == [Path(part) for part in PARTS]


# Whether the server could make them


def test_a_check_makes_what_is_missing_and_leaves_nothing_in_it(tmp_path):
    folders = CogFolders(tmp_path / "coglet" / "predictions")
    folders.check()
    assert list((tmp_path / "coglet" / "predictions").iterdir()) == []
    assert folders.is_usable()


@pytest.mark.parametrize("name", ["coglet", "coglet/predictions"])
@pytest.mark.parametrize("kind", ["link", "link to nothing", "file", "other user's"])
def test_what_is_no_folder_of_ours_is_named(tmp_path, name, kind, caplog):
    place = tmp_path / name
    place.parent.mkdir(exist_ok=True)
    (tmp_path / "elsewhere").mkdir()
    if kind == "file":
        place.touch()
    elif kind == "other user's":
        if os.geteuid() != 0:
            pytest.skip("only root can give a folder away")
        place.mkdir()
        os.chown(place, 12345, 12345)
    else:
        place.symlink_to(tmp_path / ("elsewhere" if kind == "link" else "nothing"))
    folders = CogFolders(tmp_path / "coglet" / "predictions")
    with pytest.raises(
        FolderError, match=rf"coglet/predictions: .*: {place} (is|belongs).* remove {tmp_path}"
    ):
        folders.check()
    assert not folders.is_usable()
    assert str(place) in caplog.text
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(Disk.fill_inodes, "No inodes left on device"), (Disk.make_read_only, "Read-only file system")],
)
def test_a_disk_that_takes_no_folder_is_named(tmp_path, spoil, reason):
    with small_disk(tmp_path / "disk") as disk:
        folders = CogFolders(disk.path / "coglet" / "predictions")
        spoil(disk)
        with pytest.raises(FolderError, match=rf"coglet/predictions: .*: {reason}.*Free"):
            folders.check()
