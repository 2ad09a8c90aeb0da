"""The command for programs, for a terminal, and on systems that lack what only Unix has."""

import errno
import json
import os
import pty
import subprocess
import sys

import pytest
from command_line import COMMAND, FILES, PARAMS, run_process, written
from PIL import Image

from plitka.request.tile_request import parse_request

PLAN = ("plan", "--size", "512", "--seed", "1")


def document(result):
    assert result.exit_code == 0, result.output
    assert result.stdout.isascii()
    return json.loads(result.stdout)


# JSON


def test_generate_prints_one_document_that_says_what_the_lines_say(invoke, tmp_path):
    seed = 2**63 - 1
    params = json.dumps({"colors": [{"name": "чёрный", "proportion": 3}], "seed": seed})
    said = document(invoke("generate", "-p", params, "-o", "плитка", "--json"))
    assert [file["name"] for file in said["files"]] == ["preview", "final", "colormap"]
    assert sorted(tmp_path.joinpath(file["path"]) for file in said["files"]) == [
        tmp_path / "плитка" / name for name in FILES
    ]
    assert [file["width"] for file in said["files"]] == [512, 1024, 1024]
    assert said["engine"] == "render"
    assert said["seed"] == str(seed)
    assert said["notices"]
    assert parse_request(said["request"]) == parse_request(params)
    assert said["fidelity"]["colors"][0]["requested"] == 1
    assert said["correction"]["reason"]
    assert said["seconds"] > 0


def test_generate_of_one_file_names_that_file_alone(invoke):
    said = document(invoke("generate", "-p", PARAMS, "-o", "tile.webp", "--json"))
    assert [(file["name"], file["path"]) for file in said["files"]] == [("final", "tile.webp")]


@pytest.mark.long
def test_generate_and_plan_write_the_maps_that_are_asked_for(invoke, tmp_path):
    asked = ["--maps", "ids, Height"]
    said = document(invoke("generate", "--colors", "red", "--seed", "1", *asked, "-o", "tile", "--json"))
    assert [file["name"] for file in said["files"]] == ["preview", "final", "colormap", "ids", "height"]
    assert said["request"]["maps"] == ["ids", "height"]
    assert written(tmp_path / "tile") == sorted([*FILES, "height.png", "ids.png"])
    planned = document(invoke("plan", "--size", "1024", "--colors", "red", "--seed", "1", *asked, "--json"))
    assert [file["name"] for file in planned["files"]][-2:] == ["ids", "height"]
    for name in ("ids.png", "height.png"):
        ours, plans = (Image.open(tmp_path / folder / name) for folder in ("tile", "out"))
        assert (ours.mode, ours.tobytes()) == (plans.mode, plans.tobytes())
    again = invoke("generate", "--from", "tile/height.png", "-o", "again.png")
    assert again.exit_code == 0, again.output
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "tile" / "height.png").read_bytes()


def test_maps_are_not_left_out_of_a_single_file(invoke, tmp_path):
    result = invoke("generate", "--colors", "red", "--maps", "ao", "-o", "tile.png")
    assert result.exit_code == 2
    assert 'maps: ["ao"] does not fit into the one file --out tile.png. Allowed: none, or a folder' in (
        result.output
    )
    assert list(tmp_path.iterdir()) == []


def test_plan_prints_files_and_shares(invoke, tmp_path):
    said = document(invoke(*PLAN, "--colors", "60% black, 40% white", "--json"))
    assert {file["path"] for file in said["files"]} == {f"out/{name}" for name in written(tmp_path / "out")}
    assert [color["id"] for color in said["colors"]] == ["BLACK", "WHITE"]
    assert [color["requested"] for color in said["colors"]] == [0.6, 0.4]
    assert [color["planned"] for color in said["colors"]] == pytest.approx([0.6, 0.4], abs=0.01)


@pytest.mark.parametrize("command", ["list", "verify"])
def test_models_prints_every_file(invoke, folder, command):
    result = invoke("models", command, "--engine", "sdxl", "--json")
    said = json.loads(result.stdout)
    assert said["folder"] == str(folder)
    assert {"base", "lora", "embeddings"} <= {file["part"] for file in said["engines"]["sdxl"]}
    assert said["whole"] is True
    (folder / next(folder.glob("*lora*.safetensors")).name).write_bytes(b"broken")
    result = invoke("models", command, "--engine", "sdxl", "--json")
    said = json.loads(result.stdout)
    assert said["whole"] is False
    assert result.exit_code == (1 if command == "verify" else 0)


def test_an_error_prints_no_document(invoke):
    result = invoke("generate", "--colors", "blakc", "--json")
    assert (result.exit_code, result.stdout) == (2, "")


# Paths


def test_no_path_is_broken_by_a_table_or_a_box(invoke, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    long = tmp_path / ("long-" * 30) / "deep folder"
    monkeypatch.setenv("PLITKA_MODEL_DIR", str(long))
    listed = invoke("models", "list", "--engine", "sdxl").stdout
    assert any(str(long) in line and "lora" in line for line in listed.splitlines())
    for arguments in (("--weights", long / "w.tar"), ("-p", f"@{long}/r.json"), ("-o", long / "a.gif")):
        result = invoke("generate", "--colors", "black", *arguments)
        assert result.exit_code == 2
        assert any(str(long) in line for line in result.stderr.splitlines()), result.stderr


def test_the_engine_that_needs_weights_names_the_option_for_them(invoke, folder):
    next(folder.glob("*lora*.safetensors")).unlink()
    result = invoke("generate", "--colors", "black", "--engine", "sdxl")
    assert result.exit_code == 1
    assert "--weights" in result.stderr


# A terminal


def at_a_terminal(arguments, answers, folder):
    """Exit status and everything shown by the command, to which somebody answers at a terminal."""
    ours, its = pty.openpty()
    process = subprocess.Popen([*COMMAND, *arguments], stdin=its, stdout=its, stderr=its, cwd=folder)
    os.close(its)
    os.write(ours, answers.encode())
    shown = b""
    while True:
        try:
            data = os.read(ours, 4096)
        except OSError as error:
            assert error.errno == errno.EIO
            break
        if not data:
            break
        shown += data
    os.close(ours)
    return process.wait(300), shown.decode()


def test_without_a_mix_a_person_at_a_terminal_is_asked_until_it_can_be_drawn(tmp_path):
    status, shown = at_a_terminal(PLAN, "60% blakc\n70% синий, 30% red\n", tmp_path)
    assert status == 0, shown
    assert shown.count("Colours and shares (Enter for 60% black, 40% white): ") == 2
    assert 'did you mean "black"' in shown
    assert "BLUE" in shown
    assert "note: " not in shown


@pytest.mark.long
def test_the_answer_enter_is_the_default_mix_and_the_end_of_input_none(tmp_path):
    status, shown = at_a_terminal((*PLAN, "-o", "one"), "\n", tmp_path)
    assert status == 0, shown
    assert "WHITE" in shown
    status, shown = at_a_terminal((*PLAN, "-o", "two"), "\x04", tmp_path)
    assert status == 2
    assert "no mix is given" in shown
    assert not (tmp_path / "two").exists()


@pytest.mark.long
def test_nobody_is_asked_for_a_mix_that_could_not_be_drawn(tmp_path):
    status, shown = at_a_terminal((*PLAN, "--angle", "north"), "", tmp_path)
    assert status == 2
    assert "Colours and shares (" not in shown


@pytest.mark.parametrize("command", ["generate", "plan"])
def test_where_nobody_can_be_asked_everything_that_is_wrong_is_said_at_once(invoke, tmp_path, command):
    result = invoke(command, "--angle", "north")
    assert result.exit_code == 2
    assert "colors: no mix is given" in result.stderr
    assert "--colors" in result.stderr
    assert 'angle: "north"' in result.stderr
    assert written(tmp_path) == []


# Where Unix is not

# Other packages know how to do without; ours must too.
HIDE_UNIX = """
import os, signal, sys
import asyncio, coloraide, cv2, multiprocessing, numpy, PIL.Image, psutil, pydantic, rich.console
import shutil, subprocess, tarfile, tempfile, typer, typer.rich_utils
for name in ("fcntl", "resource", "termios", "tty", "pty", "pwd", "grp", "readline", "cog", "coglet"):
    sys.modules[name] = None
for name in ("O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "fchmod", "fchown", "fork", "geteuid",
             "getuid", "killpg", "pread", "sched_getaffinity", "statvfs"):
    delattr(os, name)
for name in ("SIGALRM", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGUSR1", "setitimer", "alarm"):
    delattr(signal, name)
"""
RUN = "from plitka.__main__ import main; sys.exit(main())"


def without_unix(folder, *arguments):
    return run_process(*arguments, code=HIDE_UNIX + RUN, cwd=folder)


@pytest.mark.long
def test_what_draws_needs_nothing_that_only_unix_has(tmp_path):
    draw = ("generate", "-p", PARAMS)
    for arguments in ((*draw, "-o", "out"), (*draw, "-o", "out", "--force"), ("models", "list")):
        done = without_unix(tmp_path, *arguments)
        assert done.returncode == 0, done.stderr
    assert written(tmp_path / "out") == FILES
    assert without_unix(tmp_path, "generate", "--from", "out/final.png", "-o", "t.png").returncode == 0
    assert (tmp_path / "t.png").read_bytes() == (tmp_path / "out/final.png").read_bytes()


@pytest.mark.long
def test_the_server_says_that_it_needs_unix(tmp_path):
    done = without_unix(tmp_path, "serve")
    assert done.returncode == 1
    assert "WSL or Docker" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_archive_of_weights_finds_a_folder_without_locks(tmp_path):
    code = (
        f"{HIDE_UNIX}\nfrom plitka.files.temporary_folders import own_folder\n"
        "with own_folder('plitka-') as folder: (folder / 'file').write_bytes(b'x'); print(folder)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))
    assert written(tmp_path) == []
