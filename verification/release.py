"""Is this checkout a release? `make release-check` asks, and the release workflow takes its notes from here.

    python -m verification.release check
    python -m verification.release notes

`check` wants a clean tree, the tag vX.Y.Z of `plitka.__version__` on its commit, and for that version a dated
section at the top of both changelogs and an entry of the same date in CITATION.cff; it names everything that
differs. `notes` prints the English section. Needs git and nothing that is not in Python.
"""

import argparse
import datetime
import re
import subprocess
import sys
from pathlib import Path

from plitka import __version__

ROOT = Path(__file__).resolve().parent.parent
CHANGELOGS = ("docs/Changelog.md", "docs/ru/Changelog.md")
CITATION = "CITATION.cff"
UNRELEASED = "[Unreleased]"
SECTION = re.compile(r"^## (.+)\n", re.MULTILINE)
RELEASE = re.compile(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2})")


def sections(changelog: str) -> dict[str, str]:
    """The second-level sections of a changelog, heading to text, in their order."""
    _, *parts = SECTION.split(changelog)
    return {heading: text.strip() for heading, text in zip(parts[::2], parts[1::2], strict=True)}


def newest_release(changelog: str) -> tuple[str, str]:
    """Version and date (ISO 8601) of the first section that has them.

    Raises ValueError if no section is a release, or a date does not exist.
    """
    for heading in sections(changelog):
        if found := RELEASE.fullmatch(heading):
            datetime.date.fromisoformat(found[2])
            return found[1], found[2]
    raise ValueError("no section `## [X.Y.Z] - YYYY-MM-DD`")


def notes(changelog: str, version: str) -> str:
    """The text of a version's section; ValueError if there is none."""
    for heading, text in sections(changelog).items():
        if heading.startswith(f"[{version}]"):
            return text
    raise ValueError(f"no section for {version}")


def citation_field(citation: str, name: str) -> str:
    """A top-level text of CITATION.cff, empty where it is missing."""
    found = re.search(rf'^{name}: "?([^"\n]*)"?$', citation, re.MULTILINE)
    return found[1] if found else ""


def version_problems(root: Path, version: str) -> list[str]:
    """What in the files under `root` contradicts `version`; empty if nothing does."""
    problems, dates = [], set()
    for name in CHANGELOGS:
        try:
            found, date = newest_release((root / name).read_text(encoding="utf-8"))
        except ValueError as error:
            problems.append(f"{name}: {error}")
            continue
        dates.add(date)
        if found != version:
            problems.append(f"{name}: the newest release is {found}, __version__ is {version}")
    citation = (root / CITATION).read_text(encoding="utf-8")
    if (found := citation_field(citation, "version")) != version:
        problems.append(f"{CITATION}: version is {found or 'missing'}, __version__ is {version}")
    dates.add(citation_field(citation, "date-released"))
    if len(dates) > 1:
        problems.append(f"the dates of the release differ: {', '.join(sorted(dates))}")
    return problems


def tree_problems(root: Path, version: str) -> list[str]:
    """What git says against releasing this commit as `version`; empty if nothing."""
    problems = []
    if changed := _git(root, "status", "--porcelain"):
        problems.append(f"the tree is not clean:\n{changed}")
    tags, wanted = _git(root, "tag", "--points-at", "HEAD").split(), f"v{version}"
    if wanted not in tags:
        problems.append(f"this commit has no tag {wanted}; its tags: {', '.join(tags) or 'none'}")
    return problems


def unreleased_problems(root: Path) -> list[str]:
    """The changelogs that hold text under the heading for what comes next."""
    texts = {name: sections((root / name).read_text(encoding="utf-8")) for name in CHANGELOGS}
    return [
        f"{name}: something stands under {UNRELEASED}" for name, text in texts.items() if text.get(UNRELEASED)
    ]


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.rstrip()


def main(arguments: list[str] | None = None) -> None:
    """The command; exits with 1 and every problem on stderr if this is no release."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=["check", "notes"])
    given = parser.parse_args(arguments)
    if given.command == "notes":
        print(notes((ROOT / CHANGELOGS[0]).read_text(encoding="utf-8"), __version__))
        return
    problems = [
        *version_problems(ROOT, __version__),
        *unreleased_problems(ROOT),
        *tree_problems(ROOT, __version__),
    ]
    if problems:
        sys.exit("\n".join(f"No release: {problem}" for problem in problems))
    print(f"Version {__version__}: tree, tag, changelogs and citation agree.")


if __name__ == "__main__":
    main()
