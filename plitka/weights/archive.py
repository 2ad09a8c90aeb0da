"""Weights unpacked from a `.tar` or `.zip`: plain files only, none outside the target, not too many bytes."""

import logging
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from plitka.errors import ModelFileError, remedied
from plitka.files.temporary_folders import FULL, named_when_full, own_folder
from plitka.weights.files import in_one_line

# A production LoRA is about 100 MB, its embeddings 8 kB.
MAX_ARCHIVE_BYTES = 4 * 1024**3
REMEDY = "Pack the LoRA and the embeddings as plain files into a .tar or .zip."
WEIGHT_SUFFIXES = (".safetensors", ".pti", ".json")

log = logging.getLogger(__name__)


@contextmanager
def opened_weights(weights: Path | None) -> Iterator[Path | None]:
    """The folder with an operator's own weights; an archive is unpacked for as long as it is needed."""
    if weights is None or weights.is_dir():
        yield weights
        return
    with own_folder("plitka-weights-") as folder:
        with named_when_full(folder):
            unpack_weights(weights, folder)
        yield folder


@remedied(REMEDY)
def unpack_weights(archive: Path, target: Path) -> None:
    """Copy the weights and `.json` files of a `.tar` or `.zip` into `target`, without their folders.

    Raises ModelFileError for anything that is no such archive, for entries with absolute paths, `..` or
    links, for two files of one name, and for more than MAX_ARCHIVE_BYTES in all.
    """
    room = MAX_ARCHIVE_BYTES
    try:
        for name, source in _archive_files(archive):
            path = path_in_archive(name)
            if leads_outside(name):
                raise ModelFileError(archive, f"the entry '{name}' points outside the archive")
            if path.suffix.lower() not in WEIGHT_SUFFIXES or path.name.startswith("."):
                log.info("%s: '%.80s' is no weight file that is read here", archive.name, path.name)
                continue
            if (target / path.name).exists():
                raise ModelFileError(archive, f"there are two files named '{path.name}'")
            room -= copy_at_most(source, target / path.name, room)
            if room < 0:
                raise ModelFileError(archive, f"it unpacks to more than {MAX_ARCHIVE_BYTES:,} bytes")
    except ModelFileError:
        raise
    # Of a damaged, encrypted or exotic archive the libraries let through what their decompressors raise.
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        raise ModelFileError(archive, f"the archive cannot be read ({in_one_line(error)})") from error


def path_in_archive(name: str) -> PurePosixPath:
    """An entry's path, whichever system wrote it."""
    return PurePosixPath(name.replace("\\", "/"))


def leads_outside(name: str) -> bool:
    """Whether an entry's name would leave the folder that an archive is unpacked into."""
    path = path_in_archive(name)
    return path.is_absolute() or ".." in path.parts or ":" in name


def is_link(entry: zipfile.ZipInfo) -> bool:
    """Whether an entry of a zip is a symbolic link: the upper half of its attributes is the Unix mode."""
    return entry.external_attr >> 28 == 0o12


def _archive_files(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Every plain file of the archive as (name, open stream). Raises ModelFileError for links and devices."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                if is_link(entry):
                    raise ModelFileError(archive, f"the entry '{entry.filename}' is a link")
                if not entry.is_dir():
                    with opened.open(entry) as source:
                        yield entry.filename, source
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            for member in tar:
                if not (member.isreg() or member.isdir()):
                    raise ModelFileError(archive, f"the entry '{member.name}' is a link or a device")
                if member.isreg() and (stream := tar.extractfile(member)) is not None:
                    yield member.name, stream
            _check_to_the_end(tar.fileobj)
    else:
        raise ModelFileError(archive, "this is neither a folder nor a .tar or .zip")


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _check_to_the_end(archive: _Readable) -> None:
    """Read what follows the last entry: a compressed tar's checksum stands there. Raises OSError if wrong."""
    read = 0
    while block := archive.read(1 << 20):
        read += len(block)
        if read > MAX_ARCHIVE_BYTES:
            raise OSError(f"more than {MAX_ARCHIVE_BYTES:,} bytes follow its last entry")


def copy_at_most(source: IO[bytes], target: Path, room: int) -> int:
    """Copy at most `room` bytes and one more, so that too much is seen and not written. Returns the count."""
    with target.open("wb") as out:
        while out.tell() <= room and (block := source.read(min(1 << 20, room + 1 - out.tell()))):
            out.write(block)
        return out.tell()
