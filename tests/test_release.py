"""A release: version, changelogs, citation and tag agree, and `make release-check` sees where they do not."""

import re
import shutil
import subprocess

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from thorough import examples

from plitka import __version__
from plitka.server.serve import ROOT
from verification.release import (
    CHANGELOGS,
    CITATION,
    newest_release,
    notes,
    sections,
    tree_problems,
    unreleased_problems,
    version_problems,
)

VERSIONS = st.tuples(*[st.integers(0, 99)] * 3).map(lambda numbers: ".".join(map(str, numbers)))
DATES = st.dates().map(str)
FILES = (*CHANGELOGS, CITATION)


@pytest.fixture
def copy(tmp_path):
    """The files that name the version, in a git repository of their own, with nothing left to commit."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "A release")
    return tmp_path


def git(folder, *words):
    who = ("-c", "user.name=Nobody", "-c", "user.email=nobody@example.com", "-c", "tag.gpgSign=false")
    subprocess.run(["git", *who, "-c", "commit.gpgSign=false", *words], cwd=folder, check=True)


def replace(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_version_changelogs_and_citation_agree():
    assert version_problems(ROOT, __version__) == []


def test_both_changelogs_have_the_same_releases():
    english, russian = (list(sections((ROOT / name).read_text(encoding="utf-8"))) for name in CHANGELOGS)
    assert english == russian


def test_the_citation_is_what_the_format_asks_for():
    citation = yaml.safe_load((ROOT / CITATION).read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    assert citation["authors"] == [{"name": "Plitka Pro contributors"}]
    assert citation["version"] == __version__


@pytest.mark.parametrize("name", FILES)
def test_a_file_with_another_version_or_date_is_named(copy, name):
    _, date = newest_release((ROOT / CHANGELOGS[0]).read_text(encoding="utf-8"))
    assert version_problems(copy, __version__) == []
    # A changelog also names the version of its format.
    given, other = (f"[{__version__}]", "[0.0.7]") if name in CHANGELOGS else (__version__, "0.0.7")
    replace(copy / name, given, other)
    (problem,) = version_problems(copy, __version__)
    assert problem.startswith(name) and "0.0.7" in problem
    replace(copy / name, other, given)
    replace(copy / name, date, "2001-01-01")
    (problem,) = version_problems(copy, __version__)
    assert "2001-01-01" in problem and date in problem


def test_a_changelog_without_a_dated_section_is_named(copy):
    for name in CHANGELOGS:
        path = copy / name
        path.write_text(re.sub(r"^(## \[.*\]) - .*$", r"\1", path.read_text(), flags=re.MULTILINE))
    problems = version_problems(copy, __version__)
    assert [problem.partition(":")[0] for problem in problems] == [*CHANGELOGS]


def test_what_is_not_released_yet_is_named(copy):
    first = (copy / CHANGELOGS[0]).read_text(encoding="utf-8")
    heading = next(heading for heading in sections(first) if heading != "[Unreleased]")
    for name, news in zip(CHANGELOGS, ("", "- New.\n\n"), strict=True):
        path = copy / name
        before, _, after = path.read_text(encoding="utf-8").partition(f"## {heading}")
        path.write_text(f"{before.partition('## ')[0]}## [Unreleased]\n\n{news}## {heading}{after}")
    assert [problem.partition(":")[0] for problem in unreleased_problems(copy)] == [CHANGELOGS[1]]


def test_a_clean_tree_with_its_tag_is_a_release_and_any_other_is_none(copy):
    (missing,) = tree_problems(copy, "1.2.3")
    assert "no tag v1.2.3" in missing
    git(copy, "tag", "v1.2.2")
    (other,) = tree_problems(copy, "1.2.3")
    assert "its tags: v1.2.2" in other
    git(copy, "tag", "v1.2.3")
    assert tree_problems(copy, "1.2.3") == []
    (copy / "left.txt").touch()
    (unclean,) = tree_problems(copy, "1.2.3")
    assert "left.txt" in unclean
    git(copy, "add", ".")
    git(copy, "commit", "--quiet", "--message", "After the release")
    (after,) = tree_problems(copy, "1.2.3")
    assert "its tags: none" in after


TEXTS = st.lists(st.sampled_from(["- A line.", "### Added", "", "Words [link](x.md)."]), max_size=4).map(
    "\n".join
)


@examples(15)
@given(
    st.lists(st.tuples(VERSIONS, DATES, TEXTS), min_size=1, max_size=4, unique_by=lambda release: release[0])
)
def test_the_notes_of_a_version_are_its_section_and_no_other(releases):
    changelog = "# Changelog\n\nWords.\n\n## [Unreleased]\n\n" + "\n".join(
        f"## [{version}] - {date}\n\n{text}\n" for version, date, text in releases
    )
    assert newest_release(changelog) == releases[0][:2]
    for version, _, text in releases:
        assert notes(changelog, version) == text.strip()
    with pytest.raises(ValueError, match=r"no section for 100\.0\.0"):
        notes(changelog, "100.0.0")
