"""JSON files of the operator's: read strictly and at a bounded cost."""

import json
from pathlib import Path
from typing import Any

from plitka.errors import OperatorFileError, shown

MOST_BYTES = 2**20


def read_bytes(path: Path, error: type[OperatorFileError], of_folder: str = "is a folder") -> bytes:
    """The bytes of a regular file, at most MOST_BYTES and one more.

    Raises `error` if it cannot be read; `of_folder` is what is said of a folder.
    """
    try:
        if path.is_dir():
            raise error(path, [of_folder])
        if path.exists() and not path.is_file():
            raise error(path, ["is no regular file"])
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as failure:
        raise error(path, [f"cannot be read: {failure.strerror}"]) from failure


def decode_json(data: bytes, source: Path | str, error: type[OperatorFileError]) -> Any:
    """The document in the bytes of a file.

    Raises `error`, naming `source`, for what is no JSON in UTF-8, is too long, has a key twice in one object,
    or has NaN or Infinity.
    """
    if len(data) > MOST_BYTES:
        raise error(source, [f"is longer than {MOST_BYTES} bytes"])
    try:
        return json.loads(
            data.decode("utf-8-sig"), object_pairs_hook=_without_twins, parse_constant=_no_number
        )
    except UnicodeDecodeError as failure:
        raise error(source, [f"is not in UTF-8: {failure.reason} at byte {failure.start}"]) from failure
    except json.JSONDecodeError as failure:
        place = f"line {failure.lineno}, column {failure.colno}"
        raise error(source, [f"is no JSON: {failure.msg} at {place}"]) from failure
    except (ValueError, RecursionError) as failure:
        raise error(source, [f"is no JSON that can be read: {failure}"]) from failure


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {shown(max(keys, key=keys.count))} stands twice in one object")
    return found


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number")
