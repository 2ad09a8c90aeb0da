"""The catalogue as one HTML file that needs no network: small pictures in it, the large ones beside it."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

from plitka.batch.captions import WORDS, color_word, title_of
from plitka.batch.folder import PICTURES
from plitka.batch.index import Entry

PAGE = "catalogue.html"
_DATA, _LANGUAGE = "__DATA__", "__LANGUAGE__"


def catalogue_page(entries: Sequence[Entry], title: str, language: str) -> bytes:
    """The page, with the words of a language and everything that it shows."""
    colors: dict[str, dict[str, Any]] = {}
    for entry in entries:
        for color in entry.item.request.mix:
            words = {each: color_word(color, each) for each in WORDS}
            found = {"id": color.id, "hex": color.hex, "word": words[language], "names": [*words.values()]}
            colors.setdefault(color.id, found)
    data = {
        "title": title,
        "words": dict(WORDS[language]),
        "language": language,
        "colors": sorted(colors.values(), key=lambda color: color["word"]),
        "tiles": [_tile(entry) for entry in entries],
    }
    # Nothing in the data may end the script that it stands in.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    page = resources.files("plitka.batch").joinpath(PAGE).read_text(encoding="utf-8")
    return page.replace(_LANGUAGE, language).replace(_DATA, text).encode()


def _tile(entry: Entry) -> dict[str, Any]:
    row = entry.row()
    return {
        "name": title_of(entry),
        "file": f"{PICTURES}/{entry.item.file}",
        "mix": [[color.id, round(100 * color.share, 4)] for color in entry.item.request.mix],
        "mean": entry.small.mean_hex,
        "seed": row["seed"],
        "angle": row["angle"],
        "error": round(row["worst_error_pp"], 2),
        "size": [entry.small.width, entry.small.height],
        "small": base64.b64encode(entry.small.page).decode(),
    }
