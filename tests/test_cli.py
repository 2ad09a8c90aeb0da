import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import plitka
from plitka.cli import app
from plitka.engines import ENGINE_NAMES
from plitka.metadata import read_provenance

REQUEST = {
    "colors": [{"name": "black", "proportion": 60}, {"name": "white", "proportion": 40}],
    "angle": 45,
    "seed": 11,
}
PARAMS = json.dumps(REQUEST)
FILES = ["colormap.png", "final.png", "preview.png"]


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    """Run the command line in an empty folder, without an engine in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PLITKA_ENGINE", raising=False)

    def run(*arguments, stdin=None):
        return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)

    return run


def written(folder):
    return sorted(path.name for path in folder.iterdir())


def request_in(path):
    return json.loads(read_provenance(path).request)


def test_request_gives_three_files_and_a_table_of_shares(invoke, tmp_path):
    result = invoke("generate", "-p", PARAMS, "-o", "tiles")
    assert result.exit_code == 0, result.output
    assert written(tmp_path / "tiles") == FILES
    assert "BLACK" in result.stdout
    assert "60.0 %" in result.stdout
    for name in FILES:
        assert f"tiles/{name}" in result.stdout
    assert "seed 11" in result.stderr


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


def test_notices_and_the_drawn_seed_are_said(invoke, tmp_path):
    colors = [{"name": "red", "proportion": 30}, {"name": "blue", "proportion": 30}]
    result = invoke("generate", "-p", json.dumps({"colors": colors}))
    assert "note: " in result.stderr
    assert f"seed {request_in(tmp_path / 'out/final.png')['seed']}" in result.stderr


@pytest.mark.parametrize("output_format", ["png", "webp", "jpg"])
@pytest.mark.parametrize("picture", ["preview", "final", "colormap"])
def test_picture_is_made_again_from_itself_to_the_byte(invoke, tmp_path, output_format, picture):
    colors = [{"name": "red", "proportion": 1}, {"hex": "#123456", "proportion": 2}]
    params = {"colors": colors, "angle": 30.5, "overrides": {"output_format": output_format}}
    assert invoke("generate", "-p", json.dumps(params), "-o", "first").exit_code == 0
    (source,) = (tmp_path / "first").glob(f"{picture}.*")
    result = invoke("generate", "--from", source, "-o", "second")
    assert result.exit_code == 0, result.output
    assert "may differ" not in result.stderr
    assert written(tmp_path / "first") == written(tmp_path / "second")
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()


def test_other_version_of_a_library_is_said_when_a_picture_is_made_again(invoke, tmp_path, monkeypatch):
    assert invoke("generate", "-p", PARAMS, "-o", "first").exit_code == 0
    monkeypatch.setattr("plitka.metadata.library_versions", lambda: {"plitka": "99.0"})
    result = invoke("generate", "--from", "first/final.png", "-o", "second")
    assert result.exit_code == 0
    assert "plitka" in result.stderr
    assert "99.0" in result.stderr


def test_foreign_picture_cannot_be_made_again(invoke, tmp_path):
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "photo.png")
    result = invoke("generate", "--from", "photo.png")
    assert result.exit_code == 2
    assert "does not say how it was made" in result.stderr


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


@pytest.mark.parametrize("size", [512, 1024])
def test_plan_draws_every_view_without_a_model(invoke, tmp_path, size):
    result = invoke("plan", "-p", PARAMS, "--size", size)
    assert result.exit_code == 0, result.output
    names = ["canny.png", "colormap.png", "lineart.png", "softedge.png", "swatch.png"]
    assert written(tmp_path / "out") == names
    for name in names:
        with Image.open(tmp_path / "out" / name) as picture:
            assert picture.size == (size, size)
        assert request_in(tmp_path / "out" / name)["seed"] == 11
    assert "60.00 %" in result.stdout


def test_plan_is_the_colormap_and_swatch_of_generate(invoke, tmp_path):
    assert invoke("plan", "-p", PARAMS, "-o", "plan").exit_code == 0
    assert invoke("generate", "-p", PARAMS, "-o", "tile").exit_code == 0
    pairs = [("plan/colormap.png", "tile/colormap.png"), ("plan/swatch.png", "tile/final.png")]
    for one, other in pairs:
        with Image.open(tmp_path / one) as a, Image.open(tmp_path / other) as b:
            assert np.array_equal(np.asarray(a), np.asarray(b))


def test_demo_prints_shares_seconds_and_where_the_pictures_are(invoke, tmp_path):
    result = invoke("demo")
    assert result.exit_code == 0, result.output
    folders = list((tmp_path / "out/demo/render").iterdir())
    assert len(folders) >= 3
    for folder in folders:
        assert written(folder) == FILES
        assert folder.name in result.stdout
    for title in ("requested", "measured", "seconds", str(tmp_path / "out/demo")):
        assert title in result.stdout


def test_generate_prints_shares_and_colours_as_measured(invoke):
    result = invoke("generate", "-p", PARAMS)
    assert "not corrected" in result.stdout
    for title in ("requested", "measured", "outsider", "ΔE00", "mean colour"):
        assert title in result.stdout
    assert re.search(r"██ #[0-9A-F]{6}", result.stdout)


def test_a_patch_has_the_measured_colour_where_the_terminal_can(tmp_path):
    import io

    from rich.console import Console

    from plitka.color_lock import hold_colors
    from plitka.plan import plan_for
    from plitka.report import colors_table
    from plitka.request import parse_request
    from plitka.swatch import draw_swatch

    request = parse_request(PARAMS)
    tile = plan_for(request)
    held = hold_colors("final", draw_swatch(tile, 512), request, tile)
    terminal = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=120)
    terminal.print(colors_table(held))
    for color in held.measured.fidelity.colors:
        red, green, blue = bytes.fromhex(color.hex[1:])
        assert f"38;2;{red};{green};{blue}m" in terminal.file.getvalue()


def test_models_lists_every_engine_of_the_manifest(invoke, model_folder, monkeypatch):
    monkeypatch.setenv("PLITKA_MODEL_DIR", str(model_folder))
    result = invoke("models", "list")
    assert result.exit_code == 0, result.output
    for text in ("sdxl", "base", "lora", "embeddings", "ok"):
        assert text in result.stdout


def test_models_verify_passes_on_whole_files_and_fails_on_a_broken_one(
    invoke, model_folder, tmp_path, monkeypatch
):
    import shutil

    folder = tmp_path / "models"
    shutil.copytree(model_folder, folder)
    monkeypatch.setenv("PLITKA_MODEL_DIR", str(folder))
    assert invoke("models", "verify", "--engine", "sdxl").exit_code == 0
    lora = next(folder.glob("*lora*.safetensors"))
    lora.write_bytes(lora.read_bytes()[:-10])
    result = invoke("models", "verify", "--engine", "sdxl")
    assert result.exit_code == 1
    assert "broken" in result.stdout


def test_models_of_an_engine_without_models_are_refused(invoke):
    result = invoke("models", "list", "--engine", "render")
    assert result.exit_code == 1
    assert "render" in result.stderr


def test_schema_check_passes_on_the_committed_file(invoke):
    result = invoke("schema", "--check")
    assert result.exit_code == 0, result.output


def test_version_is_the_packages(invoke):
    assert invoke("--version").stdout.strip() == f"plitka {plitka.__version__}"


def test_help_names_the_exit_statuses_and_every_engine(invoke):
    assert "Exit status" in invoke("--help").stdout
    options = invoke("generate", "--help").stdout
    assert all(name in options for name in ENGINE_NAMES)


def run_process(*arguments, code=None, **options):
    command = [sys.executable, *(["-c", code] if code else ["-m", "plitka"]), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


def test_output_in_a_pipe_has_no_colours_and_no_broken_lines(tmp_path):
    long_folder = tmp_path / ("long-" * 20)
    done = run_process("generate", "-p", PARAMS, "-o", str(long_folder))
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert str(long_folder / "final.png") in done.stdout


def test_command_line_starts_in_well_under_a_second():
    fastest = 9.0
    for _ in range(3):
        before = os.times()
        assert run_process("--help").returncode == 0
        after = os.times()  # the command's own seconds: those of a busy machine are not its fault
        fastest = min(fastest, sum(after[2:4]) - sum(before[2:4]))
    assert fastest < 0.8


def test_everything_without_models_runs_where_torch_is_not_installed(tmp_path):
    code = (
        "import sys\n"
        "for name in ('torch', 'diffusers', 'transformers', 'peft', 'accelerate', 'safetensors',\n"
        "             'huggingface_hub', 'pynvml'):\n"
        "    sys.modules[name] = None\n"
        "from plitka.cli import app\n"
        "app()\n"
    )
    for arguments in (("demo", "-o", "demo"), ("plan", "-o", "plan"), ("models", "list")):
        done = run_process(*arguments, code=code, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    done = run_process("generate", "--engine", "sdxl", code=code, cwd=tmp_path)
    assert done.returncode == 1
    assert "needs the diffusion part" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_without_the_source_tree_says_what_is_missing(invoke, tmp_path, monkeypatch):
    monkeypatch.setattr("plitka.serve.ROOT", tmp_path)
    result = invoke("serve")
    assert result.exit_code == 1
    assert "predict.py" in result.stderr
