"""Versions: one resolution in two files, and nothing installed here that stands in neither."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from pins import CONTAINER, HASH, pins

from plitka.server.serve import ROOT

DIRECT = ("requirements.txt", "requirements-dev.txt", "requirements-ray.txt")
# Other systems and Pythons that `make` is for.
ELSEWHERE = [
    {**CONTAINER, "python_version": "3.13", "python_full_version": "3.13.1"},
    {**CONTAINER, "platform_machine": "aarch64"},
    {**CONTAINER, "sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
]


def installed():
    """Package to version in this environment, without Plitka itself and the variant of a build (`+cpu`)."""
    found = {
        canonicalize_name(package.metadata["Name"]): Version(Version(package.version).public)
        for package in importlib.metadata.distributions()
    }
    return {name: version for name, version in found.items() if name != "plitka"}


def test_everything_that_is_installed_here_is_pinned_to_its_version():
    constraints = pins("constraints.txt")
    strangers = {
        name: str(version) for name, version in installed().items() if constraints.get(name) != version
    }
    assert not strangers, (
        f"not from constraints.txt: {strangers}; `make clean test` installs what stands there"
    )


def test_what_the_container_and_the_tests_need_is_installed_here():
    here = installed()
    for requirement in map(Requirement, importlib.metadata.requires("plitka")):
        if requirement.marker and 'extra == "ray"' in str(requirement.marker):
            # `make ray-test` has it in an environment of its own.
            continue
        assert canonicalize_name(requirement.name) in here, requirement


def test_the_container_gets_the_versions_of_the_constraints():
    constraints, lock = pins("constraints.txt", CONTAINER), pins("requirements.lock")
    assert lock.items() <= constraints.items()
    assert len(lock) > 50


@pytest.mark.parametrize("name", DIRECT)
def test_what_is_pinned_by_hand_has_been_taken_over_by_make_lock(name):
    direct = pins(name)
    assert direct.items() <= pins("constraints.txt").items()
    if name == "requirements.txt":
        assert direct.items() <= pins("requirements.lock").items()


@pytest.mark.parametrize("machine", ELSEWHERE)
def test_another_machine_gets_the_same_versions(machine):
    here, there = pins("constraints.txt", CONTAINER), pins("constraints.txt", machine)
    assert {name: there[name] for name in here.keys() & there.keys()} == {
        name: here[name] for name in here.keys() & there.keys()
    }
    assert pins("requirements.txt").items() <= there.items()


def test_every_name_in_the_project_file_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    named = [project["build-system"]["requires"], project["project"]["dependencies"], *extras]
    constraints = pins("constraints.txt")
    for requirement in (Requirement(line) for lines in named for line in lines):
        version = constraints[canonicalize_name(requirement.name)]
        assert version in requirement.specifier, requirement


def test_the_lock_holds_a_hash_of_every_package_and_nothing_of_whoever_made_it():
    text = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(pins("requirements.lock"))
    assert all(HASH.search(entry) for entry in entries)
    for name in ("requirements.lock", "constraints.txt"):
        address = re.compile(r"://|^-|--(index|extra|find|trusted)|file:", re.MULTILINE)
        assert not address.search((ROOT / name).read_text()), name


def commands_of_make(folder, *targets):
    """What `make` would run in a fresh checkout, without running it."""
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("pyproject.toml", "constraints.txt"):
        (folder / name).touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    dry = ["make", "--dry-run", *targets]
    done = subprocess.run(dry, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "target", ["demo", "test", "lint", "coverage", "ray-test", "mini", "verify-sdxl", "lock", "audit", "site"]
)
def test_make_installs_nothing_that_a_newer_release_could_change(target, tmp_path):
    installs = [line for line in commands_of_make(tmp_path, target) if " pip install " in line]
    assert installs
    for line in installs:
        assert " --constraint constraints.txt" in line, line
        # A package that is built gets its tools from an environment of its own.
        assert "--editable" not in line or " --build-constraint constraints.txt" in line, line
    # The pip of a new environment is as old as its Python, and knows no constraints of builds.
    for environment in {line.split()[0] for line in installs}:
        first = next(line for line in installs if line.startswith(environment))
        assert first.endswith(" pip setuptools")


def test_every_page_and_message_that_says_how_to_install_names_the_versions():
    paths = [
        *ROOT.glob("*.md"),
        *(path for path in ROOT.glob("[a-z]*/**/*") if path.suffix in (".md", ".py")),
    ]
    lines = [(path, line) for path in paths for line in path.read_text().splitlines()]
    installs = [(path, line) for path, line in lines if re.search(r"pip install .*--editable ['\"]?\.", line)]
    assert len(installs) >= 3
    for path, line in installs:
        assert "--constraint constraints.txt" in line, f"{path}: {line}"


@pytest.mark.parametrize("name", ["constraints.txt", "requirements.lock"])
def test_a_file_that_make_lock_writes_is_in_its_order_and_has_no_line_by_hand(name):
    lines = HASH.sub("", (ROOT / name).read_text()).split("\n")
    packages = [re.split("[=;<> ]", line)[0] for line in lines if re.match("[a-z0-9]", line)]
    assert packages == sorted(packages)
