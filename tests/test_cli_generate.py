"""`plitka generate`: the request, the files, the words, and the pictures made again from themselves."""

import io
import json
import re
from typing import get_args

import numpy as np
import pytest
from command_line import FILES, PARAMS, request_in, written
from PIL import Image
from rich.console import Console
from small import SMALL

from plitka.choices import OutputFormat
from plitka.cli.report import colors_table
from plitka.fidelity.color_lock import measure_and_correct
from plitka.request.drawing_settings import settings_for
from plitka.request.tile_request import parse_request
from plitka.tile.plan import plan_for
from plitka.tile.swatch import draw_swatch


def test_request_gives_three_files_and_a_table_of_shares(invoke, tmp_path):
    result = invoke("generate", "-p", PARAMS, "-o", "tiles")
    assert result.exit_code == 0, result.output
    assert written(tmp_path / "tiles") == FILES
    assert "BLACK" in result.stdout
    assert "60.0 %" in result.stdout
    for name in FILES:
        assert f"tiles/{name}" in result.stdout
    assert "seed 11" in result.stderr


@pytest.mark.long
def test_error_of_nothing_has_no_minus(invoke):
    result = invoke("generate", "--colors", "60% black, 40% white", "--angle", "45", "--seed", "7")
    assert "+0.0 pp" in result.stdout
    assert "-0.0 pp" not in result.stdout


@pytest.mark.parametrize("source", ["text", "file", "standard input", "options"])
def test_request_may_come_from_four_places(invoke, tmp_path, source):
    (tmp_path / "request.json").write_text(PARAMS, encoding="utf-8")
    options = ("--colors", "60% black, 40% white", "--angle", "45", "--seed", "11")
    arguments = {
        "text": ("-p", PARAMS),
        "file": ("-p", "@request.json"),
        "standard input": ("-p", "-"),
        "options": options,
    }[source]
    result = invoke("generate", *arguments, stdin=PARAMS)
    assert result.exit_code == 0, result.output
    said = request_in(tmp_path / "out/final.png")
    assert [color["name"] for color in said["colors"]] == ["BLACK", "WHITE"]
    assert (said["angle"], said["seed"]) == (45, 11)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("-p", '{"colors": [{"name": "blakc", "proportion": 1}]}'), ["colors[0].name", "blakc"]),
        (("-p", '{"colors": [], "angle": "x"}'), ["colors", "angle"]),
        (("-p", "{"), ["params_json"]),
        (("-p", ""), ["params_json"]),
        (("-p", "@missing.json"), ["missing.json"]),
        (("--colors", "half black"), ["colors"]),
        (("--angle", "north"), ["angle", "north"]),
        (("--quality", "ultra"), ["quality", "high"]),
        (("--seed", "-2"), ["seed", "-2"]),
        (("-p", PARAMS, "--angle", "30"), ["params_json", "angle"]),
        (("--engine", "cuda"), ["--engine", "render"]),
        (("--from", "missing.png"), ["missing.png"]),
        (("--from", "picture.png", "--seed", "1"), ["--from"]),
        (("--weights", "missing.tar"), ["missing.tar"]),
    ],
)
def test_bad_request_or_option_exits_with_2_and_writes_nothing(invoke, tmp_path, arguments, expected):
    result = invoke("generate", *arguments)
    assert result.exit_code == 2, result.output
    for text in expected:
        assert text in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert written(tmp_path) == []


def test_empty_standard_input_is_no_wish_for_the_default_tile(invoke):
    assert invoke("generate", "-p", "-", stdin="\n").exit_code == 2


def test_notices_and_the_random_seed_are_printed(invoke, tmp_path):
    colors = [{"name": "red", "proportion": 30}, {"name": "blue", "proportion": 30}]
    result = invoke("generate", "-p", json.dumps({"colors": colors, **SMALL}))
    assert "note: " in result.stderr
    assert f"seed {request_in(tmp_path / 'out/final.png')['seed']}" in result.stderr


def test_generate_prints_shares_and_colours_as_measured(invoke):
    result = invoke("generate", "-p", PARAMS)
    assert "not corrected" in result.stdout
    for title in ("requested", "measured", "without plan", "ΔE00", "mean colour"):
        assert title in result.stdout
    assert re.search(r"██ #[0-9A-F]{6}", result.stdout)


def test_a_patch_has_the_measured_colour_where_the_terminal_can():
    request = parse_request(PARAMS)
    tile = plan_for(request)
    picture = measure_and_correct(
        "final", draw_swatch(tile, request.scale.width), tile, settings_for(request)
    )
    terminal = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=120)
    terminal.print(colors_table(picture))
    for color in picture.measured.fidelity.colors:
        red, green, blue = bytes.fromhex(color.hex[1:])
        assert f"38;2;{red};{green};{blue}m" in terminal.file.getvalue()


# Made again


@pytest.mark.parametrize("output_format", get_args(OutputFormat))
def test_every_picture_is_made_again_from_itself_to_the_byte(invoke, tmp_path, output_format):
    colors = [{"name": "red", "proportion": 1}, {"hex": "#123456", "proportion": 2}]
    params = {"colors": colors, "angle": 30.5, "overrides": {"output_format": output_format}, **SMALL}
    assert invoke("generate", "-p", json.dumps(params), "-o", "first").exit_code == 0
    for source in sorted((tmp_path / "first").iterdir()):
        result = invoke("generate", "--from", source, "-o", f"from-{source.stem}")
        assert result.exit_code == 0, result.output
        assert "may differ" not in result.stderr
        again = tmp_path / f"from-{source.stem}"
        assert written(tmp_path / "first") == written(again)
        for path in (tmp_path / "first").iterdir():
            assert path.read_bytes() == (again / path.name).read_bytes()


def test_other_version_of_a_library_is_named_when_a_picture_is_made_again(invoke, tmp_path, monkeypatch):
    assert invoke("generate", "-p", PARAMS, "-o", "first").exit_code == 0
    monkeypatch.setattr("plitka.output.provenance.library_versions", lambda: {"plitka": "99.0"})
    result = invoke("generate", "--from", "first/final.png", "-o", "second")
    assert result.exit_code == 0
    assert "plitka" in result.stderr
    assert "99.0" in result.stderr


def test_foreign_picture_cannot_be_made_again(invoke, tmp_path):
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "photo.png")
    result = invoke("generate", "--from", "photo.png")
    assert result.exit_code == 2
    assert "does not say how it was made" in result.stderr


# What fails


def test_folder_that_cannot_be_written_exits_with_1(invoke, tmp_path):
    (tmp_path / "out").write_text("a file")
    result = invoke("generate", "-p", PARAMS)
    assert result.exit_code == 1
    assert "out" in result.stderr


def test_wrong_engine_in_the_environment_exits_with_1(invoke, monkeypatch):
    monkeypatch.setenv("PLITKA_ENGINE", "cuda")
    result = invoke("generate", "-p", PARAMS)
    assert result.exit_code == 1
    assert "render, mini, sdxl" in result.stderr


def test_missing_model_exits_with_1_and_says_which(invoke, tmp_path, monkeypatch):
    monkeypatch.setenv("PLITKA_MODEL_DIR", str(tmp_path / "empty"))
    result = invoke("generate", "-p", PARAMS, "--engine", "sdxl")
    assert result.exit_code == 1
    assert str(tmp_path / "empty") in result.stderr


def test_weights_for_the_engine_that_has_none_are_refused(invoke, tmp_path):
    result = invoke("generate", "-p", PARAMS, "--engine", "render", "--weights", tmp_path)
    assert result.exit_code == 1
    assert "draws without any; use mini or sdxl" in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["list", "verify"])
def test_the_engine_without_weights_has_nothing_to_list_or_to_verify(invoke, command):
    result = invoke("models", command, "--engine", "render")
    assert result.exit_code == 0
    assert "render draws without weights" in result.output
