"""Disks that are really full, without inodes or read-only; a broken download, a clock that jumps."""

import itertools
import json
import os
import re
import time
from functools import cache
from pathlib import Path

import pytest
from cog_server import small_json
from command_line import PARAMS, run_process
from disks import Disk, small_disk
from local_predictor import DEFAULTS, LocalPredictor, predict, run

from plitka import generation
from plitka.engine.render import RenderEngine
from plitka.errors import FolderError
from plitka.request.tile_request import parse_request
from plitka.server import schema_file as schema
from plitka.server.output_folders import Workspace, room_for
from plitka.server.serve import ROOT
from plitka.weights.archive import opened_weights
from plitka.weights.files import stamp
from plitka.weights.hash_record import RECORD_NAME, VerifiedFiles

FULL, READ_ONLY = "No space left on device", "Read-only file system"
COMMANDS = {
    "generate": ("generate", "-p", PARAMS),
    "plan": ("plan", "-p", PARAMS),
    "demo": ("demo", "--tiles", "1"),
}


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        yield disk


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# The command line


def draw(name, folder, *options):
    return run_process(*COMMANDS[name], "-o", str(folder), "--force", *options)


SEED = {"generate": (), "plan": (), "demo": ()}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """What a command writes where there is room, by its name."""

    @cache
    def files(name):
        folder = tmp_path_factory.mktemp(name)
        assert draw(name, folder, *SEED[name]).returncode == 0
        return contents(folder)

    return files


def assert_one_sentence(done, *texts):
    """Exit status 1 and, at the end of the messages, one line with these texts."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert all(text in last for text in texts), done.stderr
    assert "Errno" not in done.stderr


@pytest.mark.long
@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_leaves_whole_files_and_says_which_it_could_not_write(name, disk, drawn):
    """Whatever room there is: the files are those of the new run or of the older one."""
    new = drawn(name)
    old = dict.fromkeys(new, b"older " * 1000)
    sizes = list(itertools.accumulate(len(data) for data in new.values()))
    frees = (0, sizes[0], sizes[-1] // 2, sizes[-1]) if name == "generate" else (sizes[-1] // 2 - 1,)
    for free in frees:
        for path, data in old.items():
            (disk.path / path).parent.mkdir(parents=True, exist_ok=True)
            (disk.path / path).write_bytes(data)
        disk.fill(free + 4096)
        done = draw(name, disk.path, *SEED[name])
        disk.empty()
        found = contents(disk.path)
        assert found.keys() == new.keys()
        # Of each run that is replaced, all or nothing: the demonstration has several.
        for folder in {str(Path(path).parent) for path in new}:
            run = {path for path in new if str(Path(path).parent) == folder}
            assert any(all(found[path] == state[path] for path in run) for state in (old, new))
        if free < sizes[-1] // 2:
            assert_one_sentence(done, FULL, str(disk.path))
            (named,) = re.findall(re.escape(str(disk.path)) + r"/(\S+):", done.stderr)
            assert found[named] == old[named]


@pytest.mark.long
def test_the_preview_stays_when_the_final_picture_finds_no_room(disk, drawn):
    known = drawn("generate")
    disk.fill(len(known["preview.png"]) * 2)
    done = draw("generate", disk.path, *SEED["generate"])
    assert_one_sentence(done, FULL, "final.png")
    disk.empty()
    assert contents(disk.path) == {"preview.png": known["preview.png"]}
    assert "preview" in done.stdout
    assert "final" not in done.stdout


@pytest.mark.long
@pytest.mark.each_value
@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("reason", [FULL, READ_ONLY])
def test_a_folder_that_cannot_be_made_is_named(name, reason, disk):
    if reason == FULL:
        disk.fill_inodes()
    else:
        disk.make_read_only()
    assert_one_sentence(draw(name, disk.path / "out"), reason, str(disk.path / "out"))
    assert not (disk.path / "out").exists()


# The predictor


def test_a_full_disk_fails_the_prediction_before_anything_is_drawn(disk):
    predictor = LocalPredictor(disk.path)
    expected = [Path(file).read_bytes() for file in run(predictor)]
    disk.fill(room_for(parse_request(small_json())) // 2)
    drawn = []
    predictor.engine.draw = lambda job: (picture for picture in drawn.append(job) or ())
    # The caller is not told where the folder is.
    with pytest.raises(FolderError, match=rf"^plitka-\w+: .*: {FULL}. Free"):
        run(predictor)
    assert drawn == []
    assert [path for path in predictor.workspace.root.rglob("*/*") if path.is_file()] == []
    disk.empty()
    del predictor.engine.draw
    assert [Path(file).read_bytes() for file in run(predictor)] == expected


def test_a_disk_that_gets_full_meanwhile_keeps_no_half_file(disk):
    predictor = LocalPredictor(disk.path)
    files = predictor.run(small_json(), **DEFAULTS)
    preview = Path(next(files))
    disk.fill()
    with pytest.raises(OSError, match=rf"{FULL}: .*final\.png"):
        next(files)
    assert [path.name for path in preview.parent.iterdir()] == ["preview.png"]
    disk.empty()
    assert len(run(predictor)) == 3


def test_a_disk_without_inodes_fails_the_prediction_and_the_next_one_is_drawn(disk):
    predictor = LocalPredictor(disk.path)
    disk.fill_inodes()
    with pytest.raises(FolderError, match="No inodes left on device"):
        run(predictor)
    disk.empty()
    assert len(run(predictor)) == 3


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (Disk.fill, FULL),
        (Disk.fill_inodes, "No inodes left on device"),
        (Disk.make_read_only, READ_ONLY),
        (lambda disk: disk.path.joinpath("none").rmdir(), "No such file or directory"),
    ],
)
def test_a_temp_folder_of_no_use_stops_the_start_by_name(disk, spoil, reason, monkeypatch):
    """Never another folder in its place, as the standard library would take."""
    (disk.path / "none").mkdir()
    folder = disk.path / "none" if "such" in reason else disk.path
    monkeypatch.setenv("TMPDIR", str(folder))
    spoil(disk)
    with pytest.raises(FolderError, match=rf"^{folder}: .*{reason}.*TMPDIR"):
        Workspace()


def test_a_temp_folder_cleaned_under_the_server_is_made_again(tmp_path):
    predictor = LocalPredictor(tmp_path)
    for clean in (lambda root: os.system(f"rm -r {root}"), lambda root: next(root.glob(".*")).unlink()):
        clean(predictor.workspace.root)
        assert len(run(predictor)) == 3


# The other files


def test_the_record_of_checked_files_and_the_schema_stay_whole(disk):
    model = disk.path / "model.safetensors"
    model.write_bytes(b"weights")
    VerifiedFiles(disk.path).add(model, stamp(model), "a" * 64)
    (disk.path / schema.PREDICTOR_FILE).write_bytes((ROOT / schema.PREDICTOR_FILE).read_bytes())
    schema.install_schema(disk.path)
    (disk.path / schema.SCHEMA_FILE).write_text("{}")
    before = contents(disk.path)
    disk.fill()
    VerifiedFiles(disk.path).add(model, stamp(model), "b" * 64)
    with pytest.raises(schema.SchemaError, match=rf"openapi_schema\.json: .*: {FULL}\. Run"):
        schema.install_schema(disk.path)
    disk.empty()
    assert contents(disk.path) == before
    assert json.loads(before[RECORD_NAME])


def test_weights_that_do_not_fit_when_unpacked_name_the_folder(disk, tmp_path, monkeypatch):
    import zipfile

    with zipfile.ZipFile(tmp_path / "w.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("lora.safetensors", bytes(2**20))
    monkeypatch.setenv("TMPDIR", str(disk.path))
    disk.fill(2**19)
    with pytest.raises(FolderError, match=f"{FULL}.*TMPDIR"), opened_weights(tmp_path / "w.zip"):
        pass
    disk.empty()
    assert list(disk.path.iterdir()) == []


def test_a_download_that_does_not_fit_or_breaks_off_leaves_nothing_behind(disk, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(disk.path))
    disk.fill(4 * 4096)
    with pytest.raises(FolderError, match=f"{FULL}.*TMPDIR"), predict.fetched(DOWNLOAD):
        pass

    def stop(source, target):
        target.write(b"half")
        raise OSError("connection reset")

    disk.empty()
    monkeypatch.setattr("plitka.weights.download.shutil.copyfileobj", stop)
    with pytest.raises(OSError, match="connection reset"), predict.fetched(DOWNLOAD):
        pass
    assert list(disk.path.iterdir()) == []


DOWNLOAD = "data:application/x-tar;base64," + "dGFy" * 10_000


@pytest.mark.parametrize("hours", [-1, 1, 24 * 365])
def test_a_clock_that_jumps_leaves_the_durations_true(monkeypatch, hours):
    now = itertools.count(10**9, 3600 * hours)
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    results = list(generation.generate(parse_request(small_json()), RenderEngine()))
    seconds = results[-1].metrics["timing.total"]
    # What a jump would make of it is an hour and more, or less than nothing.
    assert 0 < seconds < 3600
