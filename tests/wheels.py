"""The wheel, built from a copy of the sources."""

import shutil
import subprocess
import sys

from plitka.server.serve import ROOT

# What the build reads; neither what an earlier build has left, nor anything the wheel must do without.
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "plitka", "predict.py")


def build_wheel(folder):
    """Its path, in an empty folder."""
    source, built = folder / "source", folder / "wheel"
    source.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(built), str(source))
    shutil.rmtree(source)
    (path,) = built.glob("*.whl")
    return path


def pip(*arguments):
    line = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    subprocess.run(line, check=True, capture_output=True, text=True)
