"""The documentation's web site, as far as it can be checked without mkdocs: `make site` checks the rest."""

import re

import pytest
import yaml
from pages import (
    CODE_BLOCK,
    ENGLISH,
    PAGES,
    README,
    README_RU,
    ROOT,
    RUSSIAN,
    code,
    links,
    page_id,
    read,
    twin,
)

import plitka
from plitka.request.python_values import NOT_A_KEY, NOT_A_VALUE

PYTHON_PAGE = ROOT / "docs/python.md"


class Configuration(yaml.SafeLoader):
    """mkdocs.yml without the Python objects that it names."""


Configuration.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


@pytest.fixture
def layout(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import site_layout

    return site_layout


@pytest.fixture(scope="module")
def configuration():
    return yaml.load(read(ROOT / "mkdocs.yml"), Loader=Configuration)


def pages_of(nav):
    """Every page of a navigation, in its order."""
    for item in nav:
        yield from [item] if isinstance(item, str) else pages_of(next(iter(item.values())))


def test_navigation_names_every_page_in_both_languages(layout, configuration):
    english, russian = (
        list(pages_of(configuration["nav"])),
        list(pages_of(layout.russian(configuration["nav"]))),
    )
    assert len({*english, *russian}) == len(english) + len(russian)
    assert {README, *ENGLISH} <= {ROOT / page for page in english}
    # A page that gets its Russian twin later is found by its name.
    assert {README_RU, *RUSSIAN} == {ROOT / page for page in russian}
    assert {page for page in layout.site_files() if page.endswith(".md")} == {*english, *russian}
    assert [page for page in russian if layout.english_page(page) not in english] == []
    assert [page for page in russian if layout.russian_page(layout.english_page(page)) != page] == []


def test_every_page_that_is_read_on_github_is_on_the_site(layout):
    assert {page_id(page) for page in PAGES} <= set(layout.site_files())


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_what_a_page_links_to_is_on_the_site(layout, page):
    files = {(page.parent / link.partition("#")[0]).resolve() for link in links(page) if is_local(link)}
    assert {page_id(file) for file in files} - set(layout.site_files()) == set()


def is_local(link):
    return not link.startswith(("http://", "https://", "#"))


def test_the_site_needs_nothing_from_elsewhere(configuration):
    assert configuration["theme"]["font"] is False
    assert configuration["strict"] is True
    (proofer,) = [plugin["htmlproofer"] for plugin in configuration["plugins"] if "htmlproofer" in plugin]
    assert proofer["validate_external_urls"] is False
    assert re.findall(r"https?://", read(ROOT / "mkdocs.yml")) == []


@pytest.mark.parametrize("page", [PYTHON_PAGE, twin(PYTHON_PAGE)], ids=page_id)
def test_the_page_shows_the_problems_that_only_python_can_cause(page):
    assert NOT_A_VALUE in read(page)
    assert NOT_A_KEY in read(page)


@pytest.mark.parametrize("page", [PYTHON_PAGE, twin(PYTHON_PAGE)], ids=page_id)
def test_the_reference_names_every_exported_name(layout, page):
    assert sorted(layout.names_of(read(page))) == sorted(plitka.__all__)


def test_the_site_shows_the_docstring_of_every_name_once_and_in_one_language(layout):
    shown = layout.reference("docs/python.md", read(PYTHON_PAGE))
    directives = re.findall(r"^::: plitka\.(\w+)$", shown, re.MULTILINE)
    assert sorted(directives) == sorted(set(plitka.__all__) - {"__version__"})
    russian = layout.reference("docs/ru/python.md", read(twin(PYTHON_PAGE)))
    assert ":::" not in russian
    assert "(../python.md#reference)" in russian
    assert "## Reference\n" in shown


@pytest.mark.parametrize("page", [PYTHON_PAGE, README, README_RU], ids=page_id)
def test_the_first_program_of_a_page_is_the_example(page):
    example = read(ROOT / "examples/draw_a_tile.py").split('"""')[2].strip()
    assert code(page, "python")[0].strip() == example


@pytest.mark.long
def test_the_programs_of_the_python_page_run_in_its_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    for kind, program in CODE_BLOCK.findall(read(PYTHON_PAGE)):
        assert kind == "python"
        exec(program, namespace)
    printed = capsys.readouterr().out
    assert (tmp_path / "out/tile/final.png").is_file()
    assert "(512, 512, 3) uint8\n(512, 512) [" in printed
    assert '\ncolors[0].name | "blakc" | a code or name of one of' in printed
    assert '\nangle | "steep" | any finite number of degrees\n' in printed
