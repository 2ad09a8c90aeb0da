"""Photographs with captions out of a zip that anybody may have made.

Every entry is judged and every problem is listed. Nothing is written under a name from the archive: files
get numbers, so no name can lead anywhere, and names in any script and spelling are only compared.
"""

from __future__ import annotations

import json
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from plitka.errors import PhotographError, Problem, RequestError, shown
from plitka.files.temporary_folders import FULL, named_when_full
from plitka.match.photo import MOST_BYTES, read_photograph
from plitka.weights.archive import copy_at_most, is_link, leads_outside, path_in_archive
from plitka.weights.files import in_one_line
from training.pictures import CAPTION_SUFFIX, METADATA, SUFFIXES, Picture

FIELD = "photographs"
ARCHIVE = "the archive"
ALLOWED = (
    "a .zip of JPEG, PNG or WebP photographs, each with its caption in a .txt file of the same name beside "
    f"it, or all of them with one {METADATA}"
)
MOST_PHOTOGRAPHS, MOST_ENTRIES = 1000, 10_000
MOST_UNPACKED = 4 * 1024**3
MOST_CAPTION_BYTES, MOST_METADATA_BYTES = 16 * 1024, 4 * 1024**2
# What systems leave in folders, and archivers pack with them.
LITTER = ("__MACOSX", "Thumbs.db", "desktop.ini")
_UTF8_NAMES, _ENCRYPTED = 0x800, 0x1
# The code page of Russian Windows, whose Explorer does not say which it writes.
_RUSSIAN = "cp866"


@dataclass
class _Contents:
    """What an archive holds: pictures and captions by their key, the names that messages use, problems.

    `refused` has the keys of those that are in the archive and cannot be used; `is_whole` is false where more
    of them may be there, or all captions.
    """

    pictures: dict[str, tuple[str, Path]] = field(default_factory=dict)
    captions: dict[str, tuple[str, str]] = field(default_factory=dict)
    metadata: tuple[PurePosixPath, str] | None = None
    problems: list[Problem] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    is_whole: bool = True

    def refuse(self, name: str, reason: str) -> None:
        self.problems.append(Problem(FIELD, shown(name), reason, ALLOWED))

    def refuse_file(self, name: str, reason: str) -> None:
        """Refuse an entry; what belongs to it is then not said to be without it."""
        self.refuse(name, reason)
        self.refused.add(_key(path_in_archive(name)))

    def refuse_archive(self, reason: str) -> None:
        self.is_whole = False
        self.problems.append(Problem(FIELD, ARCHIVE, reason, ALLOWED))


def read_archive(archive: Path | str | None, folder: Path) -> list[Picture]:
    """The photographs of a zip, unpacked into `folder`, in the order of their names.

    Args:
        archive: The file; a text is what Cog's server could not fetch, and refused.
        folder: An empty one.

    Raises:
        RequestError: With every problem: of the archive, its entries, its captions.
        FolderError: The folder's disk is full.
    """
    # Text of a caller's: a path of this machine is not opened, and an address not called.
    if not isinstance(archive, Path):
        raise _refused(shown(archive), "is no file that was sent")
    contents = _Contents()
    try:
        with named_when_full(folder), zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
            if len(entries) > MOST_ENTRIES:
                raise _refused(ARCHIVE, f"has {len(entries)} entries; at most {MOST_ENTRIES} are read")
            _unpack(opened, entries, folder, contents)
    except zipfile.BadZipFile as error:
        raise _refused(ARCHIVE, f"is no .zip, or damaged ({in_one_line(error)})") from error
    pictures = _with_captions(contents)
    if not contents.pictures and not contents.problems:
        contents.refuse_archive("holds no photographs")
    if contents.problems:
        raise RequestError(contents.problems)
    return pictures


def _refused(value: str, reason: str) -> RequestError:
    return RequestError([Problem(FIELD, value, reason, ALLOWED)])


def _unpack(
    opened: zipfile.ZipFile, entries: list[zipfile.ZipInfo], folder: Path, contents: _Contents
) -> None:
    room = MOST_UNPACKED
    for entry, name in _judged(entries, contents):
        try:
            with opened.open(entry) as source:
                room -= _take(source, name, folder, contents)
        # Of a damaged or exotic entry the library lets through what its decompressors raise.
        except Exception as error:
            if isinstance(error, OSError) and error.errno in FULL:
                raise
            contents.refuse_file(name, f"cannot be unpacked ({in_one_line(error)})")
        if room < 0:
            contents.refuse_archive(f"unpacks to more than {MOST_UNPACKED // 1024**3} GiB")
            return
        if len(contents.pictures) > MOST_PHOTOGRAPHS:
            contents.refuse_archive(f"holds more than {MOST_PHOTOGRAPHS} photographs")
            return


def _judged(entries: list[zipfile.ZipInfo], contents: _Contents) -> Iterator[tuple[zipfile.ZipInfo, str]]:
    """The entries that are worth opening, with their names as they were meant."""
    for entry in entries:
        name = _name(entry)
        parts = path_in_archive(name).parts
        if any(part in LITTER or (part.startswith(".") and part != "..") for part in parts):
            continue
        if leads_outside(name):
            contents.refuse(name, "leads outside the archive")
        elif is_link(entry):
            contents.refuse_file(name, "is a link")
        elif entry.is_dir():
            continue
        elif entry.flag_bits & _ENCRYPTED:
            contents.refuse_file(name, "is encrypted")
        else:
            yield entry, name


def _name(entry: zipfile.ZipInfo) -> str:
    """An entry's name as it was meant: macOS and Windows write theirs without saying in which encoding."""
    name = entry.filename
    if not entry.flag_bits & _UTF8_NAMES:
        raw = name.encode("cp437", "replace")
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            name = raw.decode(_RUSSIAN, "replace")
    return unicodedata.normalize("NFC", name)


def _key(path: PurePosixPath) -> str:
    """What a picture and its caption have in common."""
    return str(path.parent / path.stem).casefold()


def _take(source: IO[bytes], name: str, folder: Path, contents: _Contents) -> int:
    """Take one entry in; returns the bytes that were unpacked."""
    path = path_in_archive(name)
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return _take_picture(source, name, folder / f"{len(contents.pictures):05d}{suffix}", contents)
    if path.name == METADATA:
        if contents.metadata:
            contents.refuse(name, f"is a second {METADATA}")
        elif (text := _text(source, name, MOST_METADATA_BYTES, contents)) is not None:
            contents.metadata = (path.parent, text)
        else:
            contents.is_whole = False
        return MOST_METADATA_BYTES
    if suffix == CAPTION_SUFFIX:
        if (text := _text(source, name, MOST_CAPTION_BYTES, contents)) is not None:
            if _key(path) in contents.captions:
                contents.refuse(name, "is a second caption of this name")
            contents.captions[_key(path)] = (name, " ".join(text.split()))
        return MOST_CAPTION_BYTES
    contents.refuse_file(name, f"is neither a photograph ({', '.join(SUFFIXES)}) nor a caption")
    return 0


def _take_picture(source: IO[bytes], name: str, file: Path, contents: _Contents) -> int:
    size = copy_at_most(source, file, MOST_BYTES)
    key = _key(path_in_archive(name))
    if key in contents.pictures:
        contents.refuse(name, "is a second photograph of this name")
        return size
    contents.pictures[key] = (name, file)
    try:
        read_photograph(file)
    except PhotographError as error:
        contents.refuse(name, error.problem)
    return size


def _text(source: IO[bytes], name: str, most: int, contents: _Contents) -> str | None:
    data = source.read(most + 1)
    if len(data) > most:
        contents.refuse_file(name, f"has more than {most:,} bytes")
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        contents.refuse_file(name, "is not in UTF-8")
        return None


def _with_captions(contents: _Contents) -> list[Picture]:
    """The pictures with their captions; none where it cannot be known which belong together."""
    if not contents.is_whole:
        return []
    return _of_metadata(contents) if contents.metadata else _of_texts(contents)


def _of_texts(contents: _Contents) -> list[Picture]:
    pictures = []
    for key, (name, file) in sorted(contents.pictures.items()):
        caption = contents.captions.get(key)
        if caption is None:
            if key not in contents.refused:
                beside = shown(path_in_archive(name).stem + CAPTION_SUFFIX)
                contents.refuse(name, f"has no caption beside it ({beside})")
        elif not caption[1]:
            contents.refuse(caption[0], "is an empty caption")
        else:
            pictures.append(Picture(file, caption[1], name=name))
    for key, (name, _) in contents.captions.items():
        if key not in contents.pictures and key not in contents.refused:
            contents.refuse(name, "is the caption of no photograph")
    return pictures


def _of_metadata(contents: _Contents) -> list[Picture]:
    assert contents.metadata is not None
    folder, text = contents.metadata
    known = {str(path_in_archive(name)).casefold(): key for key, (name, _) in contents.pictures.items()}
    found: dict[str, Picture] = {}
    # Other ends of lines, such as U+2028, may stand in a text of JSON.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{METADATA} line {number}"
        said = _line(line)
        if said is None:
            contents.refuse(place, 'is no JSON object such as {"file_name": "1.jpg", "text": "100% red"}')
            continue
        name, caption = said
        path = folder / unicodedata.normalize("NFC", name)
        key = known.get(str(path).casefold())
        if key is None and _key(path) in contents.refused:
            continue
        if key is None:
            contents.refuse(place, f"names {shown(name)}, which is not in the archive")
        elif key in found:
            contents.refuse(place, f"names {shown(name)} once more")
        elif not caption.strip():
            contents.refuse(place, "has an empty text")
        else:
            title, file = contents.pictures[key]
            found[key] = Picture(file, " ".join(caption.split()), name=title)
    for key, (name, _) in contents.pictures.items():
        if key not in found:
            contents.refuse(name, f"has no line in {METADATA}")
    for name, _ in contents.captions.values():
        contents.refuse(name, f"is a caption beside {METADATA}, which holds them all")
    return [found[key] for key in sorted(found)]


def _line(line: str) -> tuple[str, str] | None:
    try:
        said: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    name, text = said.get("file_name"), said.get("text")
    return (name, text) if isinstance(name, str) and isinstance(text, str) else None
