"""The command line but for `generate` and `models`: plan, demo, schema, serve, help, and how it starts."""

import numpy as np
import pytest
from command_line import FILES, PARAMS, request_in, run_process, written
from PIL import Image
from small import SMALL

import plitka
from plitka.choices import CONTROL_PICTURES, ENGINE_NAMES


@pytest.mark.parametrize(("size", "width"), [(512, SMALL["width"] // 2), (1024, SMALL["width"])])
def test_plan_draws_every_picture_of_the_plan_without_a_model(invoke, tmp_path, size, width):
    result = invoke("plan", "-p", PARAMS, "--size", size)
    assert result.exit_code == 0, result.output
    names = [f"{name}.png" for name in sorted(["colormap", "swatch", *CONTROL_PICTURES.values()])]
    assert written(tmp_path / "out") == names
    for name in names:
        with Image.open(tmp_path / "out" / name) as picture:
            assert picture.size == (width, width)
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


def test_schema_check_passes_on_the_committed_file(invoke):
    result = invoke("schema", "--check")
    assert result.exit_code == 0, result.output


def test_version_is_the_packages(invoke):
    assert invoke("--version").stdout.strip() == f"plitka {plitka.__version__}"


def test_help_names_the_exit_statuses_and_every_engine(invoke):
    assert "Exit status" in invoke("--help").stdout
    options = invoke("generate", "--help").stdout
    assert all(name in options for name in ENGINE_NAMES)


def test_serve_without_the_source_tree_says_what_is_missing(invoke, tmp_path, monkeypatch):
    monkeypatch.setattr("plitka.server.serve.ROOT", tmp_path)
    result = invoke("serve")
    assert result.exit_code == 1
    assert "predict.py" in result.stderr


# In a process of its own


def test_output_in_a_pipe_has_no_colours_and_no_broken_lines(tmp_path):
    long_folder = tmp_path / ("long-" * 20)
    done = run_process("generate", "-p", PARAMS, "-o", str(long_folder))
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert str(long_folder / "final.png") in done.stdout


def test_a_question_for_help_loads_nothing_heavy():
    code = (
        "import sys, atexit; atexit.register(lambda: print(*sys.modules)); "
        "from plitka.cli.commands import app; app()"
    )
    done = run_process("--help", code=code)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert {"plitka.cli.commands", "typer"} <= loaded
    assert not loaded & {"numpy", "cv2", "PIL", "coloraide", "pydantic", "cog", "torch"}


@pytest.mark.long
def test_everything_without_models_runs_where_torch_is_not_installed(tmp_path):
    code = (
        "import sys\n"
        "for name in ('torch', 'diffusers', 'transformers', 'peft', 'accelerate', 'safetensors',\n"
        "             'huggingface_hub'):\n"
        "    sys.modules[name] = None\n"
        "from plitka.cli.commands import app\n"
        "app()\n"
    )
    for arguments in (
        ("demo", "--tiles", "1", "-o", "demo"),
        ("plan", "-p", PARAMS, "-o", "plan"),
        ("models", "list"),
    ):
        done = run_process(*arguments, code=code, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    done = run_process("generate", "-p", PARAMS, "--engine", "sdxl", code=code, cwd=tmp_path)
    assert done.returncode == 1
    assert "needs the diffusion part" in done.stderr
    assert "Traceback" not in done.stderr
