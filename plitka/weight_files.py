"""Weight files on disk: is this one whole, is it the one we expect, and what is in an archive of them.

Nothing here needs torch: a `.safetensors` file says in its first bytes what it holds and how long it must be.
"""

import hashlib
import logging
import tarfile
import textwrap
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from plitka.errors import printable
from plitka.own_folders import FULL
from plitka.tensor_header import MAX_HEADER_BYTES, HeaderError, TensorHeader, parse_header

GIT_LFS_SIGNATURE = b"version https://git-lfs"
# A production LoRA is about 100 MB, its embeddings 8 kB.
MAX_ARCHIVE_BYTES = 4 * 1024**3
# What weights are stored in; whole numbers are taken only as single values and positions.
FLOATS = ("F64", "F32", "F16", "BF16")
POSITIONS = "position_ids"
WEIGHT_SUFFIXES = (".safetensors", ".pti", ".json")
# The names of `clip_l` and `clip_g` in the files of Replicate's trainer.
REPLICATE_NAMES = {"text_encoders_0": "clip_l", "text_encoders_1": "clip_g"}
# How a pickle begins: by itself, and in the zip that PyTorch puts around it.
PICKLE_SIGNATURES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")

log = logging.getLogger(__name__)


class ModelFileError(RuntimeError):
    """A weight file is missing, broken or not what it should be; says which, what is wrong, what to do."""

    def __init__(self, path: Path | str, problem: str, remedy: str) -> None:
        # Names in a file may hold anything, and this goes to terminals and logs.
        super().__init__(printable(f"{path}: {problem}. {remedy}"))
        self.path = str(path)
        self.problem = printable(problem)


def in_one_line(error: Exception) -> str:
    """A library's message as part of a sentence: many of them go on for pages."""
    return textwrap.shorten(str(error) or type(error).__name__, 300, placeholder=" …").rstrip(" .:")


def check_weight_file(path: Path, remedy: str, size: int | None = None, sha256: str | None = None) -> None:
    """Raise ModelFileError unless the file is there, whole, and of this size and hash where given."""
    if not path.is_file():
        raise ModelFileError(path, "the file is missing", remedy)
    actual = path.stat().st_size
    refuse_lfs_pointer(path, remedy)
    if path.suffix in (".safetensors", ".pti"):
        refuse_other_formats(path, read_tensor_header(path, remedy), remedy)
    if size is not None and actual != size:
        raise ModelFileError(path, f"the file has {actual:,} bytes where {size:,} are expected", remedy)
    if sha256 is not None and (found := hash_file(path)) != sha256:
        raise ModelFileError(path, f"the file's sha256 is {found}, expected {sha256}", remedy)


def refuse_other_formats(path: Path, tensors: Mapping[str, Any], remedy: str) -> None:
    """Raise ModelFileError for weights that are whole numbers or quantised: they would load as nonsense."""
    for name, entry in tensors.items():
        # A tensor without numbers only marks something.
        if (
            entry["dtype"] not in FLOATS
            and entry["shape"]
            and 0 not in entry["shape"]
            and not name.endswith(POSITIONS)
        ):
            problem = f"its tensor '{name}' is {entry['dtype']}, where weights are {', '.join(FLOATS)}"
            raise ModelFileError(path, problem, remedy)


def refuse_lfs_pointer(path: Path, remedy: str) -> None:
    """Raise ModelFileError if the file is the short text that Git LFS leaves in place of a large one."""
    with path.open("rb") as file:
        start = file.read(len(GIT_LFS_SIGNATURE))
    if start == GIT_LFS_SIGNATURE:
        problem = "this is a Git LFS pointer, not the weights: the clone did not fetch the large files"
        raise ModelFileError(path, problem, f"Run `git lfs pull` where the file came from. {remedy}")


def read_tensor_header(path: Path, remedy: str) -> dict[str, Any]:
    """The tensors of a `.safetensors` file, name to dtype, shape and place. ModelFileError if cut short."""
    return dict(read_header(path, remedy).tensors)


def read_header(path: Path, remedy: str) -> TensorHeader:
    """The tensors of a `.safetensors` file and its metadata, whatever the file is called.

    Raises ModelFileError, and nothing else, for a file that is cut short or of another format.
    """
    refuse_lfs_pointer(path, remedy)
    actual = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        header_bytes = int.from_bytes(start, "little")
        if not 2 <= header_bytes <= min(MAX_HEADER_BYTES, max(actual - 8, 0)):
            # Only here: a sound header may be as long as these bytes say.
            if start.startswith(PICKLE_SIGNATURES):
                problem = "this is a pickle, which can run code, and not a safetensors file"
                raise ModelFileError(path, problem, f"Save it as .safetensors. {remedy}")
            raise ModelFileError(path, f"not a safetensors file, or cut short at {actual:,} bytes", remedy)
        try:
            header = parse_header(file.read(header_bytes))
        except HeaderError as error:
            problem = f"not a safetensors file ({in_one_line(error)})"
            raise ModelFileError(path, problem, remedy) from error
    end = 8 + header_bytes + header.data_bytes
    if actual != end:
        raise ModelFileError(path, f"the file has {actual:,} bytes where its header promises {end:,}", remedy)
    return header


def hash_file(path: Path) -> str:
    """The file's sha256, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack_weights(archive: Path, target: Path) -> None:
    """Copy the weights and `.json` files of a `.tar` or `.zip` into `target`, without their folders.

    Raises ModelFileError for anything that is no such archive, for entries with absolute paths, `..` or
    links, for two files of one name, and for more than MAX_ARCHIVE_BYTES in all.
    """
    remedy = "Pack the LoRA and the embeddings as plain files into a .tar or .zip."
    room = MAX_ARCHIVE_BYTES
    try:
        for name, source in _archive_files(archive, remedy):
            path = PurePosixPath(name.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or ":" in name:
                raise ModelFileError(archive, f"the entry '{name}' points outside the archive", remedy)
            if path.suffix.lower() not in WEIGHT_SUFFIXES or path.name.startswith("."):
                log.info("%s: '%.80s' is no weight file that is read here", archive.name, path.name)
                continue
            if (target / path.name).exists():
                raise ModelFileError(archive, f"there are two files named '{path.name}'", remedy)
            room -= _copy(source, target / path.name, room)
            if room < 0:
                raise ModelFileError(archive, f"it unpacks to more than {MAX_ARCHIVE_BYTES:,} bytes", remedy)
    except ModelFileError:
        raise
    # Of a damaged, encrypted or exotic archive the libraries let through what their decompressors raise.
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        raise ModelFileError(archive, f"the archive cannot be read ({in_one_line(error)})", remedy) from error


def _archive_files(archive: Path, remedy: str) -> Iterator[tuple[str, IO[bytes]]]:
    """Every plain file of the archive as (name, open stream). Raises ModelFileError for links and devices."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                # The upper half of the attributes is the Unix mode; 0o12 is a symbolic link.
                if entry.external_attr >> 28 == 0o12:
                    raise ModelFileError(archive, f"the entry '{entry.filename}' is a link", remedy)
                if not entry.is_dir():
                    with opened.open(entry) as source:
                        yield entry.filename, source
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            for member in tar:
                if not (member.isreg() or member.isdir()):
                    raise ModelFileError(archive, f"the entry '{member.name}' is a link or a device", remedy)
                if member.isreg() and (stream := tar.extractfile(member)) is not None:
                    yield member.name, stream
            _check_to_the_end(tar.fileobj)
    else:
        raise ModelFileError(archive, "this is neither a folder nor a .tar or .zip", remedy)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _check_to_the_end(archive: _Readable) -> None:
    """Read what follows the last entry: a compressed tar's checksum stands there. Raises OSError if wrong."""
    read = 0
    while block := archive.read(1 << 20):
        read += len(block)
        if read > MAX_ARCHIVE_BYTES:
            raise OSError(f"more than {MAX_ARCHIVE_BYTES:,} bytes follow its last entry")


def _copy(source: IO[bytes], target: Path, room: int) -> int:
    """Copy at most `room` bytes and one more, so that too much is seen and not written. Returns the count."""
    with target.open("wb") as out:
        while out.tell() <= room and (block := source.read(min(1 << 20, room + 1 - out.tell()))):
            out.write(block)
        return out.tell()


def adapter_kind(tensors: Mapping[str, Any]) -> str | None:
    """What a file's tensors are: "LoRA" for low-rank pairs, "embeddings" for one per encoder, or None."""
    if set(tensors) in ({"clip_l", "clip_g"}, set(REPLICATE_NAMES)):
        return "embeddings"
    return "LoRA" if any("lora" in name for name in tensors) else None
