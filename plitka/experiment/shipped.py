"""The plans that come with the package."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

from plitka.experiment.yaml_text import read_yaml

_ENDING = ".yaml"


def shipped_names() -> list[str]:
    """The names of the plans, in order."""
    folder = resources.files("plitka.experiment").joinpath("plans")
    return sorted(path.name.removesuffix(_ENDING) for path in folder.iterdir() if path.name.endswith(_ENDING))


def shipped_text(name: str) -> bytes:
    """The text of a plan, by one of `shipped_names`."""
    return resources.files("plitka.experiment").joinpath("plans", name + _ENDING).read_bytes()


def shipped_plans() -> Iterator[tuple[str, str]]:
    """Name of every plan and what it is for."""
    for name in shipped_names():
        document, _ = read_yaml(shipped_text(name))
        yield name, document["about"]
