"""The documentation's web site, without mkdocs: its files, its navigation in Russian, the API reference."""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# The pages, and whatever they show or link to.
PATTERNS = (
    "README*.md",
    "CONTRIBUTING.md",
    "docs/*.md",
    "docs/ru/*.md",
    "model_files/README.md",
    "model_files/mini/README.md",
    "docs/images/*",
    "docs/web_examples.html",
    "docs/operations/*",
    "references/**/*.jpg",
    "references/scenarios/*.json",
    "examples/*.*",
    "plitka/colors/palette.json",
    "LICENSE",
    "cog-safe-push.yaml",
    "constraints.txt",
    "requirements.lock",
)
ENGLISH, RUSSIAN = "en", "ru"
LANGUAGES = {ENGLISH: "English", RUSSIAN: "Русский"}
SECTIONS = {"Use it": "Пользоваться", "Run it": "Запускать", "Change it": "Изменять"}
REFERENCE = "<!-- reference -->"
REFERENCE_PAGE = "docs/python.md"
NAMES = re.compile(r"^\| (`.+?`) \|", re.MULTILINE)


def russian_page(page: str) -> str:
    """The path that the Russian twin of an English page has."""
    if page == "README.md":
        return "README.ru.md"
    return page.replace("docs/", "docs/ru/", 1)


def english_page(page: str) -> str:
    """The path of the English page that a Russian one is the twin of."""
    return "README.md" if page == "README.ru.md" else page.replace("docs/ru/", "docs/", 1)


def language_of(page: str) -> str:
    """The language of a page, by its path."""
    return RUSSIAN if page == "README.ru.md" or page.startswith("docs/ru/") else ENGLISH


def russian(nav: list[Any]) -> list[Any]:
    """The same navigation of the Russian pages that there are."""
    items: list[Any] = []
    for item in nav:
        if isinstance(item, dict):
            items += [{SECTIONS[title]: russian(pages)} for title, pages in item.items()]
        elif russian_page(item) != item and (ROOT / russian_page(item)).is_file():
            items.append(russian_page(item))
    return items


def reference(page: str, markdown: str) -> str:
    """A page with the docstrings of the names in its table in place of the mark; Russian pages get a link."""
    if REFERENCE not in markdown:
        return markdown
    if page != REFERENCE_PAGE:
        return markdown.replace(REFERENCE, "[Reference](../python.md#reference)")
    documented = [f"::: plitka.{name}" for name in names_of(markdown) if not name.startswith("_")]
    return markdown.replace(REFERENCE, "\n\n".join(["## Reference", *documented]))


def names_of(markdown: str) -> list[str]:
    """The names of the API in the table of a page, in its order."""
    return [name for cell in NAMES.findall(markdown) for name in re.findall(r"`(\w+)`", cell)]


def site_files() -> list[str]:
    """The paths of the site's files, in the repository and on the site."""
    paths = {path for pattern in PATTERNS for path in ROOT.glob(pattern) if path.is_file()}
    return sorted(path.relative_to(ROOT).as_posix() for path in paths)
