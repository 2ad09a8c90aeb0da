"""What a caller is told of a fault on the server's side: no path of the machine, and still which file."""

import json
import re
from pathlib import Path

import pytest
from adapter_lists import write_adapters
from cog_server import REQUEST
from drawing import load_small_engine
from hypothesis import given
from hypothesis import strategies as st
from local_predictor import DEFAULTS, LocalPredictor
from small import SMALL_OF_MODELS

from plitka.errors import ModelFileError, Problem, RequestError
from plitka.server.caller_errors import told_to_callers, without_paths

NAMES = st.text("abcxyzABC019_-.", min_size=1, max_size=8).filter(lambda name: name.strip("."))
PATHS = st.lists(NAMES, min_size=2, max_size=6).map(lambda names: "/" + "/".join(names))
FRAMES = ("{}: it is gone.", "No such file: '{}'", "({})", "found in directory {}.", "a={}, b", "{}\n{}")


@given(st.lists(PATHS, min_size=1, max_size=3), st.sampled_from(FRAMES))
def test_no_folder_of_a_path_is_left_wherever_it_stands(paths, frame):
    for path in paths:
        said = without_paths(frame.replace("{}", path))
        assert f"/{path.split('/')[1]}" not in said
        assert path.split("/")[-1].rstrip(".") in said


@given(
    st.lists(st.text("ab /,:;()<>|é.", min_size=1, max_size=6), min_size=1, max_size=4),
    NAMES,
    st.sampled_from(["[Errno 2] No such file or directory: {!r}", "cannot read `{}`", "{!r} -> {!r}"]),
)
def test_in_quotes_a_folder_may_be_called_anything(folders, name, frame):
    """As Python quotes the path of an error."""
    path = f"/secret folder's {'/'.join(folders)}/{name}"
    # Python takes double quotes where there is an apostrophe.
    assert without_paths(frame.format(path, path)).replace('"', "'") == frame.format(name, name)


@pytest.mark.parametrize("before", ["error:", "PATH=/usr/bin:", "file://", "file:", "модель:"])
def test_a_path_behind_a_colon_is_one_too(before):
    said = without_paths(f"{before}/home/someone/a.bin: it is gone")
    assert said.endswith("a.bin: it is gone")
    assert "home" not in said
    assert "usr" not in said


@pytest.mark.parametrize("folder", ["/mnt/my models (new)", "/mnt/модели, все", "/srv/a+b[1]"])
@pytest.mark.parametrize(
    "variable", ["TMPDIR", "PLITKA_MODEL_DIR", "PLITKA_BASE_MODEL", "PLITKA_PRIOR_MODEL"]
)
def test_a_folder_that_the_operator_names_stands_as_its_variable(monkeypatch, variable, folder):
    """Whatever it is called: a name with blanks is no single word."""
    monkeypatch.setenv(variable, folder)
    assert without_paths(f"{folder}/unet/a.json: cut") == f"{variable}/unet/a.json: cut"
    assert without_paths(f"{folder}: no space") == f"{variable}: no space"


@pytest.mark.parametrize(
    "text",
    [
        "See model_files/README.md.",
        "it took 3 steps/s, and 1/2 of it",
        "the server https://example.org/a/b answers 404",
        "a/b.safetensors: the file is missing",
        "their mean is 5 / 7",
        "it's 1/2 of 'a/b.json', and \"https://example.org/a b\" isn't there",
    ],
)
def test_what_is_no_path_of_the_machine_stays(text):
    assert without_paths(text) == text


def test_what_the_caller_sent_is_told_as_it_was_sent():
    error = RequestError([Problem("photo", '"/etc/passwd"', "is no file that was sent", "a photograph")])
    with pytest.raises(RequestError, match="/etc/passwd"), told_to_callers():
        raise error


@pytest.fixture
def predictor(folder, tmp_path):
    """The predictor with models, and adapters of which the one asked for is not in memory."""
    adapters = write_adapters(folder / "adapters", ("kohya", "diffusers", "peft"))
    made = LocalPredictor(tmp_path)
    made.engine = load_small_engine(folder, PLITKA_ADAPTERS=str(adapters))
    return made


def spoilt(path, change):
    if change == "gone":
        path.unlink()
    elif change == "unreadable":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(path.read_bytes()[:-10])


CHANGES = ("gone", "cut short", "unreadable")


@pytest.mark.long
def test_every_model_file_that_a_request_reads_is_told_of_without_its_folder(predictor, folder, capfd):
    """Each file away, cut short, or a folder in its place, and the request that needs it."""
    needed = {
        "adapters/kohya.tar": {"adapter": "kohya"},
        "controlnet-lines/config.json": {"angle": 45},
        "controlnet-lines/diffusion_pytorch_model.fp16.safetensors": {"angle": 45},
        "controlnet-union/config.json": {"angle": 90},
        "controlnet-union/diffusion_pytorch_model.safetensors": {"angle": 90},
    }
    tried = 0
    for file, more in needed.items():
        for change in CHANGES:
            kept = (folder / file).read_bytes()
            spoilt(folder / file, change)
            with pytest.raises(ModelFileError) as raised:
                list(predictor.run(json.dumps(REQUEST | SMALL_OF_MODELS | more), **DEFAULTS))
            text = str(raised.value)
            assert not re.search(r"(?<!\w)/\w", text), text
            assert Path(file).name in text or Path(file).parent.name in text
            assert str(folder) not in json.dumps([str(part) for part in raised.value.args])
            # The operator has it whole.
            assert str(folder) in capfd.readouterr().err
            if (folder / file).is_dir():
                (folder / file).rmdir()
            (folder / file).write_bytes(kept)
            tried += 1
    assert tried == len(needed) * len(CHANGES)
