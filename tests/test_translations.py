"""The Russian catalogue of the documentation: complete, checked, and what the pages are made of."""

import importlib
import re

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from plitka.colors.palette import PALETTE
from plitka.server.serve import ROOT

PLACES = re.compile(r"(README|docs/\w+)\.md, block [a-z: -]+")


@pytest.fixture
def docs(monkeypatch):
    """A module of the folder `docs`, by its name."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    return importlib.import_module


NEEDED = []


@pytest.fixture
def needed(docs, monkeypatch):
    """Every text that the documentation needs, with its places; found once, by drawing what it shows."""
    if not NEEDED:
        NEEDED.append(docs("messages").needed_texts())
    monkeypatch.setattr(docs("messages"), "needed_texts", lambda: NEEDED[0])
    return NEEDED[0]


@pytest.fixture
def catalogue(docs):
    with docs("language").CATALOGUE.open("rb") as file:
        return read_po(file, locale="ru")


@pytest.fixture
def small(docs, monkeypatch):
    """Put a small catalogue in place of the stored one."""

    def place(entries, flags=()):
        made = Catalog(locale="ru")
        for english, russian in entries.items():
            made.add(english, russian, flags=flags)
        monkeypatch.setattr(docs("language"), "russian_catalogue", lambda: made)

    return place


def entries(catalogue):
    return [message for message in catalogue if message.id]


def test_every_text_of_the_documentation_has_a_russian_and_no_other_entry_is_kept(docs, catalogue, needed):
    english = {docs("language").english_of(text, catalogue) for text in needed}
    assert len(english) > 200
    assert english == {message.id for message in entries(catalogue)}
    assert not catalogue.obsolete


def test_every_entry_is_translated_and_none_is_a_guess(catalogue):
    assert [message.id for message in entries(catalogue) if not message.string or message.fuzzy] == []


def test_placeholders_code_and_links_agree(catalogue):
    assert [error for message in entries(catalogue) for error in message.check(catalogue)] == []
    for kind in (r"%\(\w+\)s", r"`[^`]+`", r"\]\(([^)]+)\)"):
        for message in entries(catalogue):
            english, russian = (sorted(re.findall(kind, text)) for text in (message.id, message.string))
            assert english == russian, message.id


@pytest.mark.usefixtures("needed")
def test_every_entry_says_where_it_comes_from(docs, catalogue):
    assert [m.id for m in entries(catalogue) if not all(map(PLACES.fullmatch, m.auto_comments))] == []
    assert all(message.auto_comments for message in entries(catalogue))
    fresh = {message.id: message.auto_comments for message in entries(docs("messages").template())}
    assert {message.id: message.auto_comments for message in entries(catalogue)} == fresh, (
        "run: make messages"
    )


def test_a_text_without_a_russian_is_named(docs, small):
    language = docs("language")
    small({"known": "известно", "empty": ""})
    assert language.in_russian("known") == "известно"
    for text in ("unknown", "empty"):
        with pytest.raises(language.UntranslatedError, match=f"'{text}'"):
            language.in_russian(text)


def test_a_fuzzy_entry_is_no_translation(docs, small):
    small({"known": "известно"}, flags=["fuzzy"])
    with pytest.raises(docs("language").UntranslatedError):
        docs("language").in_russian("known")


@pytest.mark.parametrize(
    ("english", "russian"),
    [
        ("`0.8` 12.5 %", "`0.8` 12,5 %"),
        ("100,000", "100\u00a0000"),
        ("2,567,463,684", "2\u00a0567\u00a0463\u00a0684"),
        ("50, 0, 0", "50, 0, 0"),
        ("9.0, 10.8", "9,0; 10,8"),
        ("45%", "45 %"),
        ("-", "-"),
    ],
)
def test_figures_need_no_entry_and_get_russian_marks(docs, small, english, russian):
    small({})
    assert docs("language").in_russian(english) == russian


@pytest.mark.parametrize(
    ("text", "russian"),
    [
        ("a number from 1 to 20", "число от 1 до 20"),
        ("a number from -0.5 to 2,000", "число от -0,5 до 2\u00a0000"),
        ("any of the keys a, b", "любой из ключей a, b"),
        ("under 5 %", "меньше 5 %"),
    ],
)
def test_what_the_code_fills_in_is_filled_into_the_russian(docs, small, text, russian):
    small(
        {
            "a number from %(number_low)s to %(number_high)s": "число от %(number_low)s до %(number_high)s",
            "any of the keys %(keys)s": "любой из ключей %(keys)s",
            "under %(number)s %%": "меньше %(number)s %%",
        }
    )
    assert docs("language").in_russian(text) == russian


def test_a_placeholder_for_a_number_takes_nothing_else(docs, small):
    small({"a number from %(number)s": "число от %(number)s"})
    with pytest.raises(docs("language").UntranslatedError):
        docs("language").in_russian("a number from one")


TABLE = """
| mixes | label | figure |
|---|---|---|
| mini | 60 % black, 40 % dark green | 1 s; 2 s |
| in words | `code` | - |

![Two curves](images/curves.png)

"""


def test_a_shared_block_is_the_english_one_with_its_words_translated(docs):
    words = {"mixes": "смеси", "label": "подпись", "figure": "число", "in words": "словами"}
    words |= {"1 s": "1 с", "2 s": "2 с", "Two curves": "Две кривые"}

    def say(text):
        return words.get(text, text)

    english = f"Text\n<!-- measured: pairs -->\n{TABLE}<!-- end -->\nmore\n"
    russian = "Текст\n<!-- measured: pairs -->\nold\n<!-- end -->\nещё\n"
    black, green = PALETTE["BLACK"].russian, PALETTE["DKGREEN"].russian
    assert docs("shared_blocks").translated(english, russian, say) == (
        "Текст\n<!-- measured: pairs -->\n\n"
        "| смеси | подпись | число |\n|---|---|---|\n"
        f"| mini | 60 % {black}, 40 % {green} | 1 с; 2 с |\n| словами | `code` | - |\n\n"
        "![Две кривые](../images/curves.png)\n\n<!-- end -->\nещё\n"
    )


def test_updating_keeps_translations_and_adds_what_is_missing(docs, monkeypatch, small):
    messages = docs("messages")
    small({"kept": "осталось", "gone": "ушло"})
    for module in (messages, docs("language")):
        monkeypatch.setattr(module, "russian_catalogue", docs("language").russian_catalogue)
    monkeypatch.setattr(messages, "needed_texts", lambda: {"kept": ["a"], "brand new": ["b"]})
    updated = messages.updated()
    assert {message.id: message.string or "" for message in entries(updated)} == {
        "kept": "осталось",
        "brand new": "",
    }
    assert set(updated.obsolete) == {"gone"}
