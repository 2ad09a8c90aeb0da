"""Writes docs/components.md: every package of the container, its version and its licence.

    python docs/components.py

Names and versions come from requirements.lock, licences from the metadata of each installed package.
"""

import importlib.metadata
import re
from pathlib import Path

from plitka.files.whole_files import write_whole

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/components.md"
PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s\\]+)", re.MULTILINE)
LICENCE_CLASSIFIER = "License :: "
LONGEST_NAME = 60
NOT_INSTALLED = "not stated here: belongs to the CUDA build of PyTorch, which was not installed"
NOT_STATED = "not stated"
HEADER = """# Components

What the container has in it besides Plitka itself, made by `make lock` from \
[requirements.lock](../requirements.lock), which also has the hash of every file. \
The licences are those that each package states in its metadata.

The packages of NVIDIA come with PyTorch's CUDA build and are under NVIDIA's own terms: read them before \
you pass the container on.

| package | version | licence |
|---|---|---|
"""


def licence_of(package: str) -> str:
    """The licence that an installed package states, in a few words."""
    try:
        metadata = importlib.metadata.metadata(package)
    except importlib.metadata.PackageNotFoundError:
        return NOT_INSTALLED
    if "License-Expression" in metadata:
        return metadata["License-Expression"]
    classifiers = [
        text.rpartition(" :: ")[2]
        for text in metadata.get_all("Classifier") or []
        if text.startswith(LICENCE_CLASSIFIER)
    ]
    if classifiers:
        return ", ".join(classifiers)
    # Some put the whole text of the licence here; its first line is its name.
    text = "\n".join(metadata.get_all("License") or [])
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines and len(lines[0]) <= LONGEST_NAME else NOT_STATED


def main() -> None:
    """Write the page."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    rows = [f"| {name} | {version} | {licence_of(name)} |" for name, version in PIN.findall(lock)]
    write_whole(PAGE, (HEADER + "\n".join(rows) + "\n").encode())


if __name__ == "__main__":
    main()
