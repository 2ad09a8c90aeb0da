"""A table of mixes: the rows of a CSV file or of JSON Lines as documents of requests, each with its line.

A row that cannot be read costs only itself. What concerns all rows (a heading that is no colour) is an error.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plitka.errors import CatalogueError, RequestError, shown
from plitka.request.fields import RequestFields
from plitka.request.json_text import find_clashes, read_document
from plitka.request.tile_request import parse_request

NAME, OVERRIDES = "name", "overrides."
JSON_ENDINGS, CSV_ENDINGS = (".jsonl", ".ndjson"), (".csv", ".tsv")
# A hundred thousand rows of the usual length are a tenth of it.
MAX_TABLE_BYTES = 128 * 2**20
_DIVIDERS = ",;\t"
# Excel opens a table by the divider that such a first line names, and some programs write one for it.
_NAMED_DIVIDER = re.compile(r"\s*(\"?)sep=([,;\t|])\1[ ]*\r?(?:\n|$)", re.IGNORECASE)
# Keys of a request that have a column of their own; every other heading is a colour's.
_FIELDS = frozenset(RequestFields.model_fields) - {"overrides"}
_NO_TEXT = "there are bytes that are not UTF-8; save the table as UTF-8 (in Excel: CSV UTF-8)"
_SWITCHES: Mapping[str, bool] = {"true": True, "false": False}


@dataclass(frozen=True)
class Row:
    """One row as it stands.

    Attributes:
        line: The line of the file that it begins at, from 1; of a rule, its number.
        name: What the row calls its picture; empty if nothing.
        document: Its request as a dictionary, unchecked.
        problem: Why it cannot be read; empty if it can.
    """

    line: int
    name: str
    document: Mapping[str, Any]
    problem: str = ""


def read_table(path: Path) -> list[Row]:
    """Read every row of a table, by its ending: .csv, .tsv, .jsonl or .ndjson.

    Raises:
        CatalogueError: The file is of another kind, too large or empty, or its first line names a column that
            is neither a key of a request nor a colour.
        OSError: It cannot be read.
    """
    ending = path.suffix.lower()
    if ending not in (*JSON_ENDINGS, *CSV_ENDINGS):
        kinds = ", ".join((*CSV_ENDINGS, *JSON_ENDINGS))
        raise CatalogueError(f"{path}: a table's name ends in one of {kinds}")
    if path.stat().st_size > MAX_TABLE_BYTES:
        raise CatalogueError(f"{path}: a table may have {MAX_TABLE_BYTES:,} bytes, and this one has more")
    # What is not UTF-8 costs its own row, and not the table.
    text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
    rows = list(_json_rows(text) if ending in JSON_ENDINGS else _csv_rows(text, path))
    if not rows:
        raise CatalogueError(f"{path}: the table has no rows")
    return rows


def _json_rows(text: str) -> Iterator[Row]:
    for line, written in enumerate(text.split("\n"), start=1):
        if not written.strip():
            continue
        if not _is_text(written):
            yield Row(line, "", {}, _NO_TEXT)
            continue
        try:
            document = read_document(written)
        except RequestError as error:
            yield Row(line, "", {}, str(error.problems[0]))
            continue
        name, problem = document.pop(NAME, ""), ""
        if not isinstance(name, str):
            name, problem = "", f"name: {shown(name)} is not text. Allowed: text."
        for clash in find_clashes(document):
            problem = problem or str(clash)
        yield Row(line, name, document, problem)


def _csv_rows(text: str, path: Path) -> Iterator[Row]:
    # csv.reader divides lines itself; a table from an old Mac has \r alone.
    divider, begin = _divider(text)
    reader = csv.reader(io.StringIO(text[begin:], newline=""), delimiter=divider, strict=True)
    before = text.count("\n", 0, begin)
    line = before + 1
    headings: list[str] | None = None
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield Row(line, "", {}, f"the row cannot be read: {error}")
            line = before + reader.line_num + 1
            continue
        if cells is None:
            return
        begun, line = line, before + reader.line_num + 1
        if not any(cell.strip() for cell in cells):
            continue
        if headings is None:
            headings = _headings(cells, path)
        else:
            yield _csv_row(begun, headings, cells)


def _divider(text: str) -> tuple[str, int]:
    """What divides the cells, and where in the text the first row of cells begins.

    A first line such as `sep=;` says so; else it is what stands most often in the first line: commas,
    semicolons (as where a comma is in numbers) or tabs.
    """
    if named := _NAMED_DIVIDER.match(text):
        return named[2], named.end()
    first = text.lstrip("\r\n").partition("\n")[0]
    return max(_DIVIDERS, key=first.count), 0


def _headings(cells: list[str], path: Path) -> list[str]:
    if not all(map(_is_text, cells)):
        raise CatalogueError(f"{path}, first line: {_NO_TEXT}")
    found = [cell.strip() for cell in cells]
    found = [cell.lower() if cell.lower() in {NAME, *_FIELDS} else cell for cell in found]
    problems = [
        f"the column {shown(cell)} stands there twice" for cell in found if cell and found.count(cell) > 1
    ]
    for cell in found:
        # Spreadsheets write columns that somebody had the cursor in.
        if not cell or cell in {NAME, *_FIELDS} or cell.startswith(OVERRIDES):
            continue
        try:
            parse_request({"colors": [{**_color(cell), "proportion": 1}]})
        except RequestError as error:
            problems.append(
                f"the column {shown(cell)} is no key of a request, and as a colour: {error.problems[0]}"
            )
    if problems:
        raise CatalogueError(f"{path}, first line: {'; '.join(dict.fromkeys(problems))}")
    return found


def _color(heading: str) -> dict[str, str]:
    return {"hex" if heading.startswith("#") else "name": heading}


def _csv_row(line: int, headings: list[str], cells: list[str]) -> Row:
    given = dict(zip(headings, (_utf8(cell).strip() for cell in cells), strict=False))
    name = given.pop(NAME, "")
    if not all(map(_is_text, cells)):
        return Row(line, name, {}, _NO_TEXT)
    if len(cells) != len(headings):
        counts = f"the row has {len(cells)} cells where the first line has {len(headings)}"
        return Row(line, name, {}, counts)
    if nameless := [
        cell for heading, cell in zip(headings, cells, strict=True) if not heading and cell.strip()
    ]:
        return Row(line, name, {}, f"{shown(nameless[0])} stands in a column without a name")
    document: dict[str, Any] = {}
    overrides: dict[str, Any] = {}
    colors = []
    for heading, cell in given.items():
        if not cell:
            continue
        if heading.startswith(OVERRIDES):
            overrides[heading.removeprefix(OVERRIDES)] = _json_or_text(cell)
        elif heading in _FIELDS:
            document[heading] = _value(heading, cell)
        else:
            colors.append({**_color(heading), "proportion": cell})
    if colors and "colors" in document:
        return Row(line, name, {}, "colours stand in the column colors and in columns of their own")
    document |= {"colors": colors} if colors else {}
    document |= {"overrides": overrides} if overrides else {}
    return Row(line, name, document)


def _value(heading: str, cell: str) -> Any:
    """A cell as JSON would have it, where text would be refused."""
    if heading == "seamless":
        return _SWITCHES.get(cell.lower(), cell)
    if heading == "tile_mm":
        return cell.replace("×", "x").split("x")
    return cell


def _json_or_text(cell: str) -> Any:
    try:
        return json.loads(cell)
    # Its parser calls itself for every bracket.
    except (ValueError, RecursionError):
        return cell


def _is_text(cell: str) -> bool:
    """Whether its bytes were UTF-8."""
    try:
        cell.encode()
    except UnicodeEncodeError:
        return False
    return True


def _utf8(text: str) -> str:
    """Text whose bytes that are not UTF-8 are shown as such."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
