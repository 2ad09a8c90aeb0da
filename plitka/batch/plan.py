"""What a catalogue has: each row's request, the name of its picture, and its hash; bad rows apart."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic_core import PydanticCustomError

from plitka.batch.table import Row
from plitka.choices import OutputFormat
from plitka.errors import Problem, RequestError, shown
from plitka.request.fields import MAX_SEED
from plitka.request.numbers import read_integer
from plitka.request.overrides import DEFAULT_OUTPUT_FORMAT
from plitka.request.tile_request import (
    ANY_COLOR,
    RANDOM_SEED,
    TileRequest,
    parse_request,
    parse_with_color_text,
)

DEFAULT_SEED = 1
MAX_NAME = 80
# In UTF-8: file systems take 255 with the ending.
_MAX_NAME_BYTES = 240
NAMES = (
    f"1 to {MAX_NAME} letters, digits, spaces and any of _ . , ( ) + - % that begin and end with no stop, "
    f"{_MAX_NAME_BYTES} bytes at most, and no device of Windows such as CON"
)
_NAME = re.compile(r"\w(?:[\w .,()+%-]*[\w,()+%-])?")
# Names of devices on Windows, whatever their ending.
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[\d¹²³]|lpt[\d¹²³]) *(?:\..*)?", re.IGNORECASE)
# Characters of a picture's name that the mix is written in, and those of the hash behind it.
_MIX_CHARACTERS, _HASH_CHARACTERS = 48, 12
# What a row may not ask for: it has one picture.
_SEVERAL = ("maps", "variants")


@dataclass(frozen=True)
class Item:
    """A picture of the catalogue.

    Attributes:
        line: Of the table.
        name: Of the picture, without its ending; no other item has it.
        request: What is drawn, with its seed.
        is_named_by_mix: Whether the table gives it no name.
    """

    line: int
    name: str
    request: TileRequest
    is_named_by_mix: bool = False

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical request, hexadecimal."""
        return request_hash(self.request)

    @property
    def format(self) -> OutputFormat:
        """The format of the picture's file."""
        return self.request.overrides.output_format or DEFAULT_OUTPUT_FORMAT

    @property
    def file(self) -> str:
        """The name of the picture's file."""
        return f"{self.name}.{self.format}"


@dataclass(frozen=True)
class BadRow:
    """A row without a picture, and why: sentences."""

    line: int
    name: str
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Catalogue:
    """What is to be made.

    Attributes:
        items: Every picture, in the order of the rows.
        bad: Rows that cannot be drawn.
        again: Rows with the request of an earlier one, which is drawn once: their line and that one's.
    """

    items: tuple[Item, ...]
    bad: tuple[BadRow, ...]
    again: tuple[tuple[int, int], ...]


def request_hash(request: TileRequest) -> str:
    """SHA-256 of the canonical request, as it stands in the picture's own record."""
    return hashlib.sha256(request.without_sheet().to_json().encode()).hexdigest()


def check_common(common: Mapping[str, Any]) -> None:
    """Check what every row has unless it says otherwise. Raises RequestError."""
    problems = [
        Problem(key, shown(common[key]), "belongs into the table", "a row's own")
        for key in ("colors", "name")
        if key in common
    ]
    if problems:
        raise RequestError(problems)
    _read(common, {"colors": [{"hex": ANY_COLOR}]})


def plan_catalogue(rows: Iterable[Row], common: Mapping[str, Any]) -> Catalogue:
    """Check every row, with `common` where it says nothing itself; see `check_common`."""
    items: list[Item] = []
    bad: list[BadRow] = []
    again: list[tuple[int, int]] = []
    first_with: dict[str, Item] = {}
    names: dict[str, int] = {}
    for row in rows:
        if row.problem:
            bad.append(BadRow(row.line, row.name, (row.problem,)))
            continue
        try:
            item = _item(row, common)
        except RequestError as error:
            bad.append(BadRow(row.line, row.name, tuple(map(str, error.problems))))
            continue
        if (earlier := first_with.get(item.hash)) is not None:
            again.append((row.line, earlier.line))
            continue
        # Some file systems take both for the same.
        line = names.setdefault(item.name.casefold(), row.line)
        if line != row.line:
            words = f"name: {shown(item.name)} is that of line {line}, which is another tile."
            bad.append(BadRow(row.line, row.name, (words,)))
            continue
        first_with[item.hash] = item
        items.append(item)
    return Catalogue(tuple(items), tuple(bad), tuple(again))


def _item(row: Row, common: Mapping[str, Any]) -> Item:
    problems: list[Problem] = []
    name = unicodedata.normalize("NFC", row.name.strip())
    if name and not _is_file_name(name):
        problems.append(Problem("name", shown(name), "cannot be the name of a file everywhere", NAMES))
    try:
        request = _read(common, row.document)
    except RequestError as error:
        raise RequestError([*problems, *error.problems]) from None
    if problems:
        raise RequestError(problems)
    return Item(row.line, name or _mix_name(request), request, is_named_by_mix=not name)


def _is_file_name(name: str) -> bool:
    is_short = len(name) <= MAX_NAME and len(name.encode()) <= _MAX_NAME_BYTES
    return is_short and _NAME.fullmatch(name) is not None and _DEVICES.fullmatch(name) is None


def _read(common: Mapping[str, Any], document: Mapping[str, Any]) -> TileRequest:
    """The request of a row. Raises RequestError."""
    whole = {**common, **document}
    if whole.get("seed") is None:
        whole["seed"] = DEFAULT_SEED
    general, own = common.get("overrides"), document.get("overrides")
    if isinstance(general, Mapping) and isinstance(own, Mapping):
        whole["overrides"] = {**general, **own}
    read = parse_with_color_text if isinstance(whole.get("colors"), str) else parse_request
    request = read(whole)
    problems = []
    if _is_random(whole["seed"]):
        reason = "would be another tile in every run"
        problems.append(Problem("seed", shown(whole["seed"]), reason, f"0 to {MAX_SEED}"))
    for key in _SEVERAL:
        if getattr(request, key) not in ((), 1):
            reason = "are not part of a catalogue"
            problems.append(Problem(key, shown(whole[key]), reason, "one picture a row"))
    if request.overrides.sheet is not None or request.overrides.order is not None:
        reason = "are not part of a catalogue"
        problems.append(Problem("overrides.sheet, overrides.order", "", reason, "one picture a row"))
    if problems:
        raise RequestError(problems)
    return request


def _is_random(seed: object) -> bool:
    try:
        return read_integer(seed, RANDOM_SEED, MAX_SEED) == RANDOM_SEED
    except PydanticCustomError:
        return False


def _mix_name(request: TileRequest) -> str:
    """A name that follows from the request: the mix in words and the beginning of the hash."""
    parts = (f"{color.id.strip('#').lower()}-{100 * color.share:.4g}" for color in request.mix)
    words = re.sub(r"[^a-z0-9.-]+", "_", "-".join(parts))[:_MIX_CHARACTERS].strip("-._")
    return f"{words}-{request_hash(request)[:_HASH_CHARACTERS]}"
