"""Folders that Cog's server leaves for every prediction: they do not fill the disk in the end."""

import os
import time
import uuid
from pathlib import Path

import pytest
from door import Door, run

from plitka import cog_folders
from plitka.cog_folders import FOLDER, LEFT_SECONDS, PARTS, SWEEP_SECONDS, CogFolders


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
    run(Door(tmp_path))
    assert not old.exists()


def test_the_server_makes_its_folders_where_they_are_swept(render_server):
    name = uuid.uuid4().hex
    assert render_server.post({"colors": "black"}, id=name).json()["id"] == name
    left = sorted(path.relative_to(FOLDER / name) for path in (FOLDER / name).rglob("*"))
    assert left == [Path(part) for part in PARTS]
