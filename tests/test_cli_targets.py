"""Where the command writes: nothing is overwritten unasked, a folder holds one run, a file is that file."""

import json
from pathlib import Path

import pytest
from command_line import FILES, PARAMS, request_in, written
from PIL import Image
from small import SMALL

from plitka.choices import OutputFormat, one_of
from plitka.cli.targets import PICTURES, RUN_FILES, RunFolder
from plitka.errors import FolderError

PLAN = ("plan", "-p", json.dumps({"colors": [{"name": "black"}], "seed": 1, **SMALL}))
JPG = '{"colors": [{"name": "red"}], "overrides": {"output_format": "jpg"}}'
PLAN_FILES = [
    "canny.png",
    "colormap.png",
    "control_depth.png",
    "control_normal.png",
    "lineart.png",
    "softedge.png",
    "swatch.png",
]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def is_one_sentence(result, *texts):
    said = [line for line in result.stderr.splitlines() if not line.startswith(("seed ", "note: "))]
    return len(said) == 1 and all(text in said[0] for text in texts)


@pytest.mark.parametrize("name", sorted(RUN_FILES))
def test_a_folder_with_any_picture_of_an_earlier_run_is_left_as_it_is(invoke, tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_bytes(b"earlier")
    result = invoke(*PLAN)
    assert result.exit_code == 1
    assert is_one_sentence(result, "out", name, "--out", "--force")
    assert result.stdout == ""
    assert contents(tmp_path / "out") == {name: b"earlier"}


@pytest.mark.parametrize("command", [("generate", "-p", PARAMS), ("demo", "--tiles", "2")])
def test_no_command_overwrites(invoke, tmp_path, command):
    folder = tmp_path / ("out/render/terracotta-bricks" if command[0] == "demo" else "out")
    folder.mkdir(parents=True)
    (folder / "final.webp").write_bytes(b"earlier")
    result = invoke(*command, "-o", "out")
    assert result.exit_code == 1
    assert is_one_sentence(result, str(folder.relative_to(tmp_path)), "final.webp", "--force")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [folder / "final.webp"]


def test_other_files_in_the_folder_are_nobodys_business(invoke, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "photo.png").write_bytes(b"mine")
    assert invoke(*PLAN).exit_code == 0
    assert written(tmp_path / "out") == sorted([*PLAN_FILES, "photo.png"])


def test_force_leaves_the_pictures_of_the_new_run_alone(invoke, tmp_path):
    webp = json.dumps(
        {"colors": [{"name": "red"}], "seed": 1, "overrides": {"output_format": "webp"}, **SMALL}
    )
    assert invoke("generate", "-p", webp).exit_code == 0
    assert written(tmp_path / "out") == ["colormap.png", "final.webp", "preview.webp"]
    (tmp_path / "out" / "lineart.jpg").write_bytes(b"not of Plitka's making")
    result = invoke(*PLAN, "--force")
    assert result.exit_code == 0, result.output
    assert written(tmp_path / "out") == sorted([*PLAN_FILES, "lineart.jpg"])
    assert all(f"out/{name}" in result.stdout for name in PLAN_FILES)
    assert {request_in(tmp_path / "out" / name)["colors"][0]["name"] for name in PLAN_FILES} == {"BLACK"}


def test_a_run_that_fails_leaves_the_earlier_one_whole(tmp_path):
    """However many of its pictures are done."""
    for done in range(len(PICTURES)):
        folder = tmp_path / str(done)
        folder.mkdir()
        before = {f"{name}.png": b"earlier" for name in PICTURES}
        for name, data in before.items():
            (folder / name).write_bytes(data)
        later = RunFolder(folder, force=True)
        for name in PICTURES[:done]:
            later.write(f"{name}.png", b"later")
        assert contents(folder) == before
        (folder / f"{PICTURES[-1]}.png").unlink()
        (folder / f"{PICTURES[-1]}.png").mkdir()
        later.write(f"{PICTURES[-1]}.png", b"later")
        with pytest.raises(OSError, match=f"{PICTURES[-1]}.png"):
            later.finish()
        assert {path.name for path in folder.iterdir()} == set(before)
        assert {path.read_bytes() for path in folder.iterdir() if path.is_file()} == {b"earlier"}


def test_of_two_runs_at_once_in_a_folder_one_stops(tmp_path):
    first, second = (RunFolder(tmp_path / "out", force=False) for _ in range(2))
    first.write("preview.png", b"first")
    with pytest.raises(FolderError, match="another run"):
        second.write("preview.png", b"second")
    assert contents(tmp_path / "out") == {"preview.png": b"first"}


# One file


@pytest.mark.parametrize(
    ("name", "kind"), [("tile.png", "PNG"), ("tile.WEBP", "WEBP"), ("new/tile.jpeg", "JPEG")]
)
def test_a_picture_file_is_written_under_its_own_name_and_nothing_else(invoke, tmp_path, name, kind):
    result = invoke("generate", "-p", PARAMS, "-o", name)
    assert result.exit_code == 0, result.output
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / name]
    assert name in result.stdout
    with Image.open(tmp_path / name) as picture:
        assert (picture.format, picture.size) == (kind, (SMALL["width"],) * 2)
    assert request_in(tmp_path / name)["seed"] == 11
    again = invoke("generate", "-p", PARAMS, "-o", name)
    assert again.exit_code == 1
    assert is_one_sentence(again, name, "exists", "--force")
    copy = Path(name).with_stem("copy")
    assert invoke("generate", "--from", name, "-o", copy).exit_code == 0
    assert (tmp_path / copy).read_bytes() == (tmp_path / name).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (("generate", "-p", PARAMS, "-o", "tile.gif"), ("tile.gif", one_of(OutputFormat, quote=""))),
        (("generate", "-p", PARAMS, "-o", "tile.pdf"), ("tile.pdf", one_of(OutputFormat, quote=""))),
        ((*PLAN, "-o", "tile.png"), ("tile.png", "several pictures", "folder")),
        (("demo", "-o", "tile.png"), ("tile.png", "several pictures", "folder")),
        (
            ("generate", "-p", JPG, "-o", "tile.png"),
            ("overrides.output_format", "tile.png"),
        ),
    ],
)
def test_a_file_that_cannot_be_written_so_is_refused_with_the_reason(invoke, tmp_path, arguments, texts):
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert all(text in result.stderr for text in texts), result.stderr
    assert written(tmp_path) == []


def test_the_picture_made_again_as_a_file_is_the_same_picture(invoke, tmp_path):
    assert invoke("generate", "-p", PARAMS, "-o", "first").exit_code == 0
    for name in ("colormap.png", "preview.png"):
        assert invoke("generate", "--from", f"first/{name}", "-o", name).exit_code == 0
        assert (tmp_path / name).read_bytes() == (tmp_path / "first" / name).read_bytes()
    result = invoke("generate", "--from", "first/final.png", "-o", "again.webp")
    assert result.exit_code == 2
    assert "again.webp is not made again to the byte" in result.stderr
    assert written(tmp_path / "first") == FILES


@pytest.mark.parametrize("name", ["v1.2", "tiles.2026", "tile"])
def test_a_folder_may_have_a_point_in_its_name(invoke, tmp_path, name):
    assert invoke(*PLAN, "-o", name).exit_code == 0
    assert written(tmp_path / name) == PLAN_FILES
