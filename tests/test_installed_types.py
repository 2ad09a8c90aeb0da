"""What a type checker says of a program that uses Plitka as installed from its wheel."""

import subprocess
import sys
import sysconfig
import venv
import zipfile

import pytest

pytestmark = pytest.mark.long

CALLER = """
from pathlib import Path
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import plitka
from plitka import RequestError, Result, load_engine


def preview(colors: list[dict[str, object]]) -> Result:
    try:
        request = plitka.parse_request({"colors": colors, "seed": 7})
    except RequestError as error:
        print(error.problems[0].field)
        raise
    return next(plitka.generate(request, load_engine("render")))


result = preview([{"name": "black"}])
assert_type(result.image, NDArray[Any])
assert_type(result.save("out"), Path)
assert_type(result.fidelity, plitka.Fidelity | None)
if result.fidelity:
    assert_type(result.fidelity.colors[0].measured, float)
plan = plitka.plan_for(plitka.parse_request("{}"))
assert_type(plan.labels(512), NDArray[np.int32])
engine: plitka.Engine = load_engine("render")
"""
MISTAKES = """
import plitka

plitka.parse_request(["black"])
plitka.generate(plitka.parse_request("{}"))
plitka.draw_everything()
"""


@pytest.fixture(scope="module")
def interpreter(wheel, tmp_path_factory):
    """The Python of an environment with Plitka's wheel, and beside it what the tests' own has."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "environment")
    packages = next((folder / "environment").glob("lib/python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(packages)
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "environment/bin/python"


@pytest.fixture(scope="module")
def checked(interpreter, tmp_path_factory):
    """mypy's words about two programs that lie outside of the repository."""
    folder = tmp_path_factory.mktemp("caller")
    (folder / "caller.py").write_text(CALLER)
    (folder / "mistakes.py").write_text(MISTAKES)
    command = [sys.executable, "-m", "mypy", "--strict", "--hide-error-context", "caller.py", "mistakes.py"]
    options = ["--python-executable", interpreter, "--cache-dir", folder / "cache"]
    done = subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout


def test_a_caller_sees_the_types(interpreter, checked):
    found = subprocess.run(
        [interpreter, "-c", "import plitka; print(plitka.__file__)"],
        cwd=interpreter.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "installed" in found.stdout
    assert checked.endswith("Found 3 errors in 1 file (checked 2 source files)\n")
    assert "caller.py" not in checked


def test_a_caller_is_told_of_mistakes(checked):
    assert [line.partition("error: ")[2] for line in checked.splitlines() if "error: " in line] == [
        'Argument 1 to "parse_request" has incompatible type "list[str]"; '
        'expected "str | Mapping[str, Any]"  [arg-type]',
        'Missing positional argument "engine" in call to "generate"  [call-arg]',
        'Module has no attribute "draw_everything"  [attr-defined]',
    ]
