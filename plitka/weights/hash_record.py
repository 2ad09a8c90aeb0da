"""Which weight files have had their sha256 checked already, so that a start need not read 7 GB again.

A file counts as checked while its size and its time of change are those it had when it was hashed. The record
is beside the weights; where that folder cannot be written, every start hashes again. A byte that changes on
the disk without a write is found by `plitka models verify`, which always reads everything.
"""

import json
import os
from contextlib import suppress
from pathlib import Path

from plitka.files.whole_files import write_whole
from plitka.weights.files import Stamp, stamp

RECORD_NAME = ".verified.json"


class VerifiedFiles:
    """The record of one model folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamps: dict[str, list[object]] = {}
        with suppress(OSError, ValueError):
            stamps = json.loads((folder / RECORD_NAME).read_bytes())
            self._stamps = stamps if isinstance(stamps, dict) else {}

    def has(self, path: Path, sha256: str) -> bool:
        """True if this very file has been found to have this hash."""
        with suppress(OSError):
            return self._stamps.get(self._key(path)) == [*stamp(path), sha256]
        return False

    def add(self, path: Path, opened: Stamp, sha256: str) -> None:
        """Remember that the file has this hash; the record is replaced whole or not at all.

        `opened` is its stamp from before it was hashed: another file may lie there by the time of the end.
        """
        self._stamps[self._key(path)] = [*opened, sha256]
        with suppress(OSError):
            write_whole(self._folder / RECORD_NAME, json.dumps(self._stamps, indent=1).encode())

    def _key(self, path: Path) -> str:
        return os.path.relpath(path, self._folder)
