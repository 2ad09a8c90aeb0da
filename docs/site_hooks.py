"""What mkdocs calls while `make site` builds: the repository's folders, two languages, the API reference."""

from __future__ import annotations

from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Navigation, Section
from mkdocs.structure.pages import Page
from site_layout import (
    ENGLISH,
    LANGUAGES,
    ROOT,
    RUSSIAN,
    english_page,
    language_of,
    reference,
    russian,
    russian_page,
    site_files,
)


def on_config(config: MkDocsConfig) -> None:
    """Put the Russian pages into the navigation too; `on_page_context` takes the languages apart again."""
    assert config.nav is not None
    config.nav = [*config.nav, {LANGUAGES[RUSSIAN]: russian(config.nav)}]


# Before the check of links, which looks at the files then.
@event_priority(100)  # type: ignore[untyped-decorator]
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The files of the repository under their own paths, in place of those in docs/; the theme's stay."""
    mine = [File(name, str(ROOT), config.site_dir, config.use_directory_urls) for name in site_files()]
    themes = [file for file in files if file.src_dir != config.docs_dir]
    return Files([*themes, *mine])


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """The text of a page, the reference included."""
    return reference(page.file.src_uri, markdown)


def on_page_context(context: dict[str, Any], page: Page, config: MkDocsConfig, nav: Navigation) -> None:
    """Show a page with navigation and words of its language, and the way to its twin."""
    language = language_of(page.file.src_uri)
    config.theme["language"] = language
    context["nav"] = _navigation(nav, language)
    twins = _twins(page, nav)
    config.extra["alternate"] = [
        {"name": LANGUAGES[key], "link": twins[key].url, "lang": key} for key in LANGUAGES
    ]
    for neighbour in ("previous_page", "next_page"):
        other = context.get(neighbour)
        if other is not None and language_of(other.file.src_uri) != language:
            context[neighbour] = None


def _navigation(nav: Navigation, language: str) -> Navigation:
    *english, russian_section = nav.items
    assert isinstance(russian_section, Section)
    items = russian_section.children if language == RUSSIAN else english
    pages = [page for page in nav.pages if language_of(page.file.src_uri) == language]
    shown = Navigation(items, pages)
    shown.homepage = pages[0]
    return shown


def _twins(page: Page, nav: Navigation) -> dict[str, Page]:
    """A page in each language; the language's first page where it has none."""
    paths = {other.file.src_uri: other for other in nav.pages}
    mine = page.file.src_uri
    if language_of(mine) == RUSSIAN:
        return {ENGLISH: paths.get(english_page(mine), paths["README.md"]), RUSSIAN: page}
    twin = russian_page(mine)
    return {ENGLISH: page, RUSSIAN: paths.get(twin if twin != mine else "", paths["README.ru.md"])}
