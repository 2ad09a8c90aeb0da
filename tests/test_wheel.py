"""The wheel, installed where nothing else of the project is: it draws, serves its page, can be imported."""

import os
import subprocess
import sysconfig
import venv
from pathlib import Path

import local_http
import pytest
from cog_server import CogServer, small_json
from command_line import FILES, written
from wheels import pip

from plitka import __version__
from plitka.server.serve import ROOT

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The Python of an environment with the wheel, which takes all packages but ours from this one."""
    home = tmp_path_factory.mktemp("home")
    venv.create(home, symlinks=True)
    python = home / "bin" / "python"
    pip("--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    (packages,) = home.glob("lib/python*/site-packages")
    # A folder in a .pth file is a place to import from, but the .pth files within it are not read: the
    # editable install of this checkout stays out.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.fixture
def run(python, tmp_path):
    """Run the environment's Python in an empty folder."""

    def run(*words):
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PLITKA_", "PYTHON", "COVERAGE", "COV_CORE"))
        }
        line = [str(python), *words]
        done = subprocess.run(
            line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_package_comes_from_the_wheel_and_not_from_the_checkout(run, python):
    said = run("-c", "import plitka; print(plitka.__file__, plitka.__version__)").split()
    assert Path(said[0]).is_relative_to(python.parent.parent)
    assert said[1] == __version__


def test_every_module_of_the_checkout_is_in_the_wheel(run):
    code = (
        "import plitka, pathlib; root = pathlib.Path(plitka.__file__).parent;"
        "print(*(path.relative_to(root) for path in root.rglob('*.py')), sep='\\n')"
    )
    ours = {str(path.relative_to(ROOT / "plitka")) for path in (ROOT / "plitka").rglob("*.py")}
    assert set(run("-c", code).splitlines()) == ours


def test_it_draws(run, tmp_path):
    said = run("-m", "plitka", "generate", "--colors", "60% black, 40% white", "--seed", "1")
    assert said.startswith("preview")
    assert written(tmp_path / "out") == FILES


def test_a_request_is_read_and_planned(run):
    code = (
        "import plitka;"
        """request = plitka.parse_request('{"colors": [{"name": "red", "proportion": 100}], "seed": 1}');"""
        "print(plitka.plan_for(request).labels(64).shape)"
    )
    assert run("-c", code) == "(64, 64)\n"


def test_engines_with_models_say_that_an_installed_package_has_none(run):
    code = "import plitka; plitka.load_engine('mini')"
    said = run("-c", f"try:\n    {code}\nexcept Exception as error: print(type(error).__name__, error)")
    assert said.startswith("ModelFileError") and "PLITKA_MODEL_DIR" in said


def test_it_serves_the_page_and_draws_over_http(python, tmp_path):
    server = CogServer.start(tmp_path, "render", python=python)
    try:
        assert server.wait_until_started()["status"] == "READY"
        page = local_http.get(f"{server.url}/")
        assert page.status_code == 200
        assert page.text.startswith("<!doctype html>") and "<script" in page.text
        assert server.predict(params_json=small_json())["status"] == "succeeded"
    finally:
        server.stop()
