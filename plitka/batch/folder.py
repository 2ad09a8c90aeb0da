"""The folder of a catalogue: one run at a time, and what is done is read from the pictures themselves.

A file `.plitka-catalogue` marks it. The file is locked as long as a run is at work, and has lines of JSON for
every picture that was drawn, with what no picture says of itself: its file's sha256, the seconds, the cost. A
picture without such a line is done if it can be decoded.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from PIL import Image

from plitka.batch.plan import Item, request_hash
from plitka.errors import FolderError, MetadataError, RequestError, printable
from plitka.files.folder_locks import lock
from plitka.files.whole_files import write_whole
from plitka.output.provenance import Provenance, palette_difference
from plitka.output.provenance_reader import read_provenance
from plitka.request.tile_request import parse_request

MARK = ".plitka-catalogue"
PICTURES = "pictures"
_FIRST_LINE = b'{"plitka": "a catalogue, and what its runs drew"}\n'
_LISTED = 5
# What a line may tell of a picture; None for a prediction that is over.
_TOLD: Mapping[str, tuple[type, ...]] = {
    "seconds": (float,),
    "cost": (float,),
    "prediction": (str, type(None)),
}
# What a picture's file ends with if it is whole: a power cut may leave half a file.
_ENDS = {"png": b"IEND\xaeB\x60\x82", "jpg": b"\xff\xd9"}
# What `write_whole` leaves behind where it is killed.
_PARTS = ".plitka-*.part"


class CatalogueFolder:
    """The folder, to be entered: within the `with` no other run gets in.

    Args:
        path: Made where it is missing.

    Raises:
        FolderError: On entering: it is no folder, holds something else, or another run is at work in it.
        OSError: On entering: it cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pictures = path / PICTURES
        self._mark = -1
        self._known: dict[str, dict[str, Any]] = {}
        # By the file's name: rows with one request may have a picture each.
        self._digests: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._check_is_catalogue()
        self.pictures.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        self._mark = os.open(self._mark_path, flags, 0o666)
        try:
            self._lock()
            self._known = self._read_mark()
            for part in (*self.path.glob(_PARTS), *self.pictures.glob(_PARTS)):
                part.unlink(missing_ok=True)
            self._try_to_write()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    @property
    def _mark_path(self) -> Path:
        return self.path / MARK

    def picture(self, item: Item) -> Path:
        """Where an item's picture is, or will be."""
        return self.pictures / item.file

    def record_of(self, item: Item, engine: str | None) -> Provenance | None:
        """What the item's picture says of itself, if it goes on to its end and is of this very request.

        None otherwise. `engine` is what must have drawn it; None takes any.
        """
        path = self.picture(item)
        try:
            found = read_provenance(path)
        except MetadataError:
            return None
        is_done = is_of(found, item.hash, engine) and _is_whole(path, item.format)
        return found if is_done else None

    def is_done(self, item: Item, engine: str | None) -> bool:
        """Whether the item's picture need not be drawn: it is of this very request, and as it was written.

        Of one that no line tells of, every pixel must be there. `engine` is as for `record_of`.
        """
        if self.record_of(item, engine) is None:
            return False
        digest = self._digests.get(item.file)
        return _can_be_decoded(self.picture(item)) if digest is None else self._has(item, digest)

    def _has(self, item: Item, digest: str) -> bool:
        try:
            with self.picture(item).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == digest
        except OSError:
            return False

    def write(self, item: Item, data: bytes, noted: Mapping[str, Any]) -> None:
        """Write a line with a picture's hash, the picture, and a line with what is noted of it.

        Raises OSError naming the file, and FolderError where something else than a file is in its place: a
        pipe would be waited for.
        """
        path = self.picture(item)
        if path.exists() and not path.is_file():
            raise FolderError(printable(f"{path}: is in the place of a picture and no file; move it away"))
        # First: a run that is killed in between leaves a picture that is drawn again.
        digest = hashlib.sha256(data).hexdigest()
        self._append({"file": item.file, "sha256": digest})
        self._digests[item.file] = digest
        write_whole(path, data)
        self.note(item, {**noted, "prediction": None})

    def note(self, item: Item, noted: Mapping[str, Any]) -> None:
        """Remember something about an item for later runs. Raises OSError naming the file."""
        known = self._known.setdefault(item.hash, {})
        known |= noted
        self._append({"hash": item.hash, **noted})

    def _append(self, told: Mapping[str, Any]) -> None:
        with _named(self._mark_path):
            os.write(self._mark, json.dumps(told).encode() + b"\n")

    def noted(self, item: Item) -> Mapping[str, Any]:
        """What is remembered about an item; empty if nothing is."""
        return self._known.get(item.hash, {})

    def _check_is_catalogue(self) -> None:
        try:
            names = sorted(entry.name for entry in self.path.iterdir())
        except FileNotFoundError:
            return
        except NotADirectoryError as error:
            raise FolderError(printable(f"{self.path}: is no folder; name another one with --out")) from error
        if not names or MARK in names:
            return
        listed = ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
        words = f"{self.path}: holds something else ({listed}); name a new or an empty folder with --out"
        raise FolderError(printable(words))

    def _lock(self) -> None:
        if not stat.S_ISREG(os.fstat(self._mark).st_mode):
            raise FolderError(printable(f"{self._mark_path}: is no file of a catalogue"))
        lock(self._mark, self.path, "plitka catalogue")

    def _read_mark(self) -> dict[str, dict[str, Any]]:
        """What earlier runs have noted, by hash; writes the first line of a new one."""
        written = self._mark_path.read_bytes()
        if not written.startswith(_FIRST_LINE):
            # A run that was killed, or a disk that was full, may have left a part of the line.
            if not _FIRST_LINE.startswith(written):
                raise FolderError(printable(f"{self._mark_path}: is not the file of a catalogue"))
            os.ftruncate(self._mark, 0)
            with _named(self._mark_path):
                os.write(self._mark, _FIRST_LINE)
        elif not written.endswith(b"\n"):
            with _named(self._mark_path):
                os.write(self._mark, b"\n")
        known: dict[str, dict[str, Any]] = {}
        for line in written.split(b"\n")[1:]:
            with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
                noted = json.loads(line, parse_int=float)
                if isinstance(noted.get("file"), str) and isinstance(noted.get("sha256"), str):
                    self._digests[noted["file"]] = noted["sha256"]
                    continue
                right = {
                    key: noted[key]
                    for key, kind in _TOLD.items()
                    if key in noted and isinstance(noted[key], kind)
                }
                known.setdefault(noted["hash"], {}).update(right)
        return known

    def _try_to_write(self) -> None:
        for folder in (self.path, self.pictures):
            probe = folder / f".plitka-{secrets.token_hex(8)}.part"
            with _named(folder):
                probe.touch()
                probe.unlink()

    def _close(self) -> None:
        os.close(self._mark)


def is_of(record: Provenance, wanted: str, engine: str | None) -> bool:
    """Whether a record is of the final picture of the request with this hash, in this palette.

    `engine` is what must have drawn it; None takes any.
    """
    try:
        is_same = request_hash(parse_request(record.request)) == wanted
    except RequestError:
        return False
    is_right = record.picture == "final" and engine in (None, record.engine)
    return is_same and is_right and not palette_difference(record)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let an OSError name this path."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _can_be_decoded(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            picture.load()
    # Pillow's decoders raise whatever a damaged file leads them to (OSError, SyntaxError, struct.error…).
    except Exception:
        return False
    return True


def _is_whole(path: Path, kind: str) -> bool:
    """Whether a picture's file goes on to its end."""
    with path.open("rb") as file:
        if kind == "webp":
            size = int.from_bytes(file.read(8)[4:], "little")
            return file.seek(0, os.SEEK_END) >= 8 + size
        end = _ENDS[kind]
        file.seek(0, os.SEEK_END)
        file.seek(-min(file.tell(), len(end)), os.SEEK_END)
        return file.read() == end
