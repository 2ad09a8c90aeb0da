"""What docstrings, comments and pages call by a name of the package, or say that it imports, is so."""

import ast
import re
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec

import pytest

from plitka.server.serve import ROOT

NAME = re.compile(r"`plitka((?:\.\w+)+)`")
FOLDERS = ("plitka", "tests", "docs", "benchmarks", "examples", "references", "training", "verification")
TEXTS = (
    "*.md",
    "*.toml",
    "predict.py",
    *(f"{name}/**/*.{kind}" for name in FOLDERS for kind in ("py", "md", "js")),
)
PACKAGES = sorted(path for path in ROOT.glob("plitka/**/__init__.py") if "Imports" in path.read_text("utf-8"))


def texts():
    """Every text of the repository by its path."""
    paths = (path for pattern in TEXTS for path in ROOT.glob(pattern))
    return {path: path.read_text("utf-8") for path in paths if path.name != "Changelog.md"}


def is_there(dotted):
    """Whether a name such as `plitka.output.metrics.METRICS` is that of a module or of something in one."""
    package, _, last = dotted.rpartition(".")
    # Looking for a module imports only the packages that it is in.
    with suppress(ModuleNotFoundError):
        if find_spec(dotted) is not None:
            return True
    return find_spec(package) is not None and hasattr(import_module(package), last)


def test_names_of_modules_lead_to_something():
    named = {f"plitka{rest}": path for path, text in texts().items() for rest in NAME.findall(text)}
    assert len(named) > 10
    assert {name: path for name, path in named.items() if not is_there(name)} == {}


def imported(package):
    """The parts of `plitka` that the modules of a package import, itself left out."""
    found = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("plitka."):
                found.add(node.module.split(".")[1])
    return found - {package.name}


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: path.parent.name)
def test_a_package_imports_what_its_docstring_says(path):
    said = re.search(
        r"Imports (.+?)\.(?:\s|$)", ast.get_docstring(ast.parse(path.read_text("utf-8"))), re.DOTALL
    )[1]
    names, found = set(re.findall(r"`(\w+)`", said)), imported(path.parent)
    if " below" in said:
        assert names <= found
    else:
        assert names == found
