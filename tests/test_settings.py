"""The environment: read in one place, where every variable is explained."""

import ast
import os
import re
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plitka import settings
from plitka.errors import DeviceError, EngineError, ModelFileError, PlitkaError
from plitka.weights.download import local_path
from plitka.weights.locate import find_files

# Read by the command line, as options of `plitka serve`.
OPTIONS = {"PLITKA_QUEUE", "PLITKA_QUEUE_SECONDS", "PLITKA_METRICS_PORT", "PLITKA_METRICS_HOST"}
PACKAGE = Path(settings.__file__).parent
NAMES = {
    name
    for key, value in vars(settings).items()
    if key.endswith(("_VARIABLE", "_VARIABLES"))
    for name in ([value] if isinstance(value, str) else value)
}


def readings(path):
    """Lines that read a variable of the environment: `os.environ.get(…)`, `os.environ[…]`, `os.getenv(…)`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        indexed = isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load)
        if called in ("os.environ.get", "os.getenv") or (indexed and ast.unparse(node.value) == "os.environ"):
            yield node.lineno


def test_nothing_else_in_the_package_reads_the_environment():
    # A terminal's width is looked at to be removed, so that a library does not read it.
    allowed = {PACKAGE / "settings.py", PACKAGE / "cli/terminal.py"}
    assert list(readings(PACKAGE / "settings.py"))
    others = {path: list(readings(path)) for path in PACKAGE.rglob("*.py") if path not in allowed}
    assert {path: lines for path, lines in others.items() if lines} == {}


def test_every_variable_is_explained_where_it_is_read():
    assert set(re.findall(r"`([A-Z0-9_]{5,})`", settings.__doc__)) == NAMES | {"TMPDIR"} | OPTIONS


# Names, each of which may stand in a path: also those that no file system takes, alone or together.
NAMES_IN_PATHS = ("models", "b" * 100, "c" * 255, "d" * 256, "..", "a\nb", "é" * 200, " ", "x.safetensors")


@given(st.lists(st.sampled_from(NAMES_IN_PATHS), max_size=45), st.sampled_from(["", "/", "/dev/null/"]))
@pytest.mark.parametrize("variable", ["PLITKA_MODEL_DIR", "PLITKA_BASE_MODEL", "PLITKA_PRIOR_MODEL"])
def test_whatever_names_models_is_found_or_refused_in_one_sentence(variable, names, start):
    path = start + "/".join(names)
    with mock.patch.dict(os.environ, {"PLITKA_BASE_MODEL": "", "PLITKA_MODEL_DIR": ""} | {variable: path}):
        try:
            find_files("sdxl")
        except PlitkaError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("variable", ["PLITKA_MODEL_DIR", "PLITKA_BASE_MODEL", "PLITKA_PRIOR_MODEL"])
@pytest.mark.parametrize("path", ["d" * 300, "/".join(["e" * 200] * 30), f"/{'f' * 200}" * 20])
def test_a_path_that_no_system_takes_is_refused_by_the_variables_name(monkeypatch, variable, path):
    monkeypatch.setenv(variable, path)
    with pytest.raises(EngineError, match=rf"^{variable}: .* cannot be looked up: File name too long$"):
        find_files("sdxl")


@pytest.mark.parametrize("path", ["d" * 300, f"file:///{'e' * 300}", "/dev/null/weights"])
def test_weights_that_cannot_be_looked_up_are_refused_in_one_sentence(path):
    with pytest.raises(ModelFileError):
        local_path(path)


def test_what_is_set_later_counts(monkeypatch):
    monkeypatch.setenv("PLITKA_ENGINE", " Mini ")
    assert settings.engine_name() == "mini"
    monkeypatch.setenv("PLITKA_ENGINE", "")
    assert settings.engine_name() == "render"


@pytest.mark.parametrize(
    ("variable", "value", "read", "error"),
    [
        ("PLITKA_ENGINE", "cuda", settings.engine_name, EngineError),
        ("PLITKA_VRAM_FRACTION", "0.99", settings.vram_fraction, DeviceError),
        ("PLITKA_VRAM_FRACTION", "half", settings.vram_fraction, DeviceError),
        ("PLITKA_COMPILE", "all", settings.compile_mode, DeviceError),
        ("PLITKA_GRAPHS", "yes", settings.records_graphs, DeviceError),
        ("PLITKA_CUDNN_BENCHMARK", "on", settings.cudnn_benchmark, DeviceError),
        ("PLITKA_FUSED", "layers", settings.fused_works, DeviceError),
        ("PLITKA_OFFLOAD", "models", settings.offload, DeviceError),
        ("PLITKA_VAE_TILING", "yes", settings.vae_tiling, DeviceError),
        ("PLITKA_CPU_BF16", "auto", settings.cpu_bfloat16, DeviceError),
        ("PLITKA_ALLOW_BASE", "yes", settings.allows_base, EngineError),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_by_the_variables_name(
    monkeypatch, variable, value, read, error
):
    monkeypatch.setenv(variable, value)
    with pytest.raises(error, match=f"{variable}.*{value}"):
        read()


@pytest.mark.parametrize(("text", "records"), [("", None), ("0", False), ("1", True)])
def test_recording_that_is_not_mentioned_is_left_to_the_device(monkeypatch, text, records):
    monkeypatch.setenv("PLITKA_GRAPHS", text)
    assert settings.records_graphs() is records


@pytest.mark.parametrize(
    ("text", "threads"), [("", None), ("0", None), ("two", None), ("3", 3), ("²", None), ("9" * 5000, None)]
)
def test_threads_of_the_libraries(monkeypatch, text, threads):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert settings.library_threads() == threads


def test_a_model_folder_that_is_none_is_refused_by_the_variables_name(monkeypatch, tmp_path):
    from plitka.weights.locate import find_files

    monkeypatch.setenv("PLITKA_MODEL_DIR", str(tmp_path / "nothing"))
    with pytest.raises(ModelFileError, match=r"nothing.*PLITKA_MODEL_DIR"):
        find_files("mini")
