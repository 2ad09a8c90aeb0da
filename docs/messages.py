"""Bring the Russian catalogue up to date: add what has no entry yet, mark what nothing says any more.

    python docs/messages.py

Then translate the entries with an empty or fuzzy `msgstr` in docs/locale/ru/LC_MESSAGES/plitka.po, and delete
those that it marks with `#~`. A number or a list that the code fills in may be made a placeholder there, in
both texts: see `docs/language.py`.
"""

import io
from datetime import UTC, datetime

from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po
from generate import BLOCK, BLOCKS, PAGES
from language import CATALOGUE, Say, english_of, has_words, russian_catalogue
from shared_blocks import SHARED, translated
from site_layout import ROOT, RUSSIAN, english_page, language_of

from plitka.files.whole_files import write_whole

# Fixed, for a second run to write the same bytes.
CREATED = datetime(2026, 1, 1, tzinfo=UTC)
WIDTH = 110


def needed_texts() -> dict[str, list[str]]:
    """Every English text that the Russian pages need, with the places it comes from."""
    texts: dict[str, list[str]] = {}
    for page in PAGES:
        if language_of(page) == RUSSIAN:
            english = (ROOT / english_page(page)).read_text(encoding="utf-8")
            for name in (match["name"] for match in BLOCK.finditer(english)):
                BLOCKS[name](_recorder(texts, f"{english_page(page)}, block {name}"))
            for match in SHARED.finditer(english):
                place = f"{english_page(page)}, block {match['name']}"
                translated(english, match[0], _recorder(texts, place))
    return texts


def _recorder(texts: dict[str, list[str]], place: str) -> Say:
    def record(text: str) -> str:
        if has_words(text) and place not in texts.setdefault(text, []):
            texts[text].append(place)
        return text

    return record


def template() -> Catalog:
    """Every entry that the catalogue has to have, without translations."""
    catalogue = Catalog(project="Plitka", fuzzy=False)
    for text, places in needed_texts().items():
        english = english_of(text, russian_catalogue()) or text
        catalogue.add(english, auto_comments=places)
    return catalogue


def updated() -> Catalog:
    """The stored catalogue with the entries of `template`."""
    catalogue = russian_catalogue()
    catalogue.update(template(), update_header_comment=False, update_creation_date=False)
    catalogue.creation_date = catalogue.revision_date = CREATED
    return catalogue


def text_of(catalogue: Catalog) -> bytes:
    """The catalogue as a .po file, in the order of the pages."""
    buffer = io.BytesIO()
    write_po(buffer, catalogue, width=WIDTH)
    return buffer.getvalue()


def main() -> None:
    """Write the catalogue and say what is to be translated."""
    catalogue = updated()
    write_whole(CATALOGUE, text_of(catalogue))
    for message in catalogue:
        if message.id and (message.fuzzy or not message.string):
            print(f"to be translated: {message.id}")
    for message in catalogue.obsolete.values():
        print(f"no longer needed: {message.id}")


if __name__ == "__main__":
    main()
