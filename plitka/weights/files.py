"""Weight files on disk: whether one is whole, and whether it is the one that is expected.

Nothing here needs torch: the first bytes of a `.safetensors` file state its tensors and its length.
"""

import hashlib
import logging
import os
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from plitka.errors import HeaderError, ModelFileError
from plitka.weights.safetensors_header import MAX_HEADER_BYTES, TensorHeader, parse_header

GIT_LFS_SIGNATURE = b"version https://git-lfs"
# What weights are stored in; whole numbers are taken only as single values and positions.
FLOATS = ("F64", "F32", "F16", "BF16")
POSITIONS = "position_ids"
# How a pickle begins: by itself, and in the zip that PyTorch puts around it.
PICKLE_SIGNATURES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")

# Size in bytes, and nanoseconds of the last change of content and of name: a file written to has another.
Stamp = tuple[int, int, int]

log = logging.getLogger(__name__)


def in_one_line(error: Exception) -> str:
    """A library's message as part of a sentence: many of them go on for pages."""
    return textwrap.shorten(str(error) or type(error).__name__, 300, placeholder=" …").rstrip(" .:")


def stamp(file: Path | int) -> Stamp:
    """Which state of a file (or open file's number) lies on the disk. Raises OSError."""
    status = os.stat(file)  # noqa: PTH116  # takes numbers too
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


@dataclass(frozen=True)
class WeightFile:
    """A weight file that is there and whole.

    Attributes:
        path: Where it lies.
        header: Its tensors and metadata; None for a file that is not in the safetensors format.
        sha256: Its hash, hexadecimal; None where it was not computed.
        stamp: Its `stamp` as it was opened: that of the bytes that were read.
    """

    path: Path
    header: TensorHeader | None
    sha256: str | None
    stamp: Stamp


def check_weight_file(
    path: Path, size: int | None = None, sha256: str | None = None, *, hashed: bool = False
) -> WeightFile:
    """Open a weight file once and find out what it is.

    `size` and `sha256` are what it must have, where given; `hashed` computes the hash in any case. Raises
    ModelFileError unless the file is there, whole, of floating-point numbers and as it must be.
    """
    if not path.is_file():
        raise ModelFileError(path, "this is no file" if path.exists() else "the file is missing")
    with path.open("rb") as file:
        opened = stamp(file.fileno())
        refuse_lfs_pointer(path, file)
        header = None
        if path.suffix in (".safetensors", ".pti"):
            header = _header_of(path, file)
            refuse_other_formats(path, header.tensors)
        actual = os.fstat(file.fileno()).st_size
        if size is not None and actual != size:
            raise ModelFileError(path, f"the file has {actual:,} bytes where {size:,} are expected")
        found = _hash_of(file) if hashed or sha256 is not None else None
        if sha256 is not None and found != sha256:
            raise ModelFileError(path, f"the file's sha256 is {found}, expected {sha256}")
        return WeightFile(path, header, found, opened)


def read_weight_file(path: Path) -> WeightFile:
    """Open a safetensors file of any numbers once, for its header and its hash. Raises ModelFileError."""
    if not path.is_file():
        raise ModelFileError(path, "this is no file, or a link to none")
    with path.open("rb") as file:
        opened = stamp(file.fileno())
        return WeightFile(path, _header_of(path, file), _hash_of(file), opened)


def refuse_other_formats(path: Path, tensors: Mapping[str, Any]) -> None:
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
            raise ModelFileError(path, problem)


def refuse_lfs_pointer(path: Path, file: BufferedReader) -> None:
    """Raise ModelFileError if the file is the short text that Git LFS leaves in place of a large one."""
    file.seek(0)
    if file.read(len(GIT_LFS_SIGNATURE)) == GIT_LFS_SIGNATURE:
        problem = "this is a Git LFS pointer, not the weights: the clone did not fetch the large files"
        raise ModelFileError(path, problem, hint="Run `git lfs pull` where the file came from.")


def read_header(path: Path) -> TensorHeader:
    """The tensors of a `.safetensors` file and its metadata, whatever the file is called.

    Raises ModelFileError, and nothing else, for a file that is cut short or of another format.
    """
    with path.open("rb") as file:
        return _header_of(path, file)


def _header_of(path: Path, file: BufferedReader) -> TensorHeader:
    refuse_lfs_pointer(path, file)
    actual = os.fstat(file.fileno()).st_size
    file.seek(0)
    start = file.read(8)
    header_bytes = int.from_bytes(start, "little")
    if not 2 <= header_bytes <= min(MAX_HEADER_BYTES, max(actual - 8, 0)):
        # Only here: a sound header may be as long as these bytes say.
        if start.startswith(PICKLE_SIGNATURES):
            problem = "this is a pickle, which can run code, and not a safetensors file"
            raise ModelFileError(path, problem, hint="Save it as .safetensors.")
        raise ModelFileError(path, f"not a safetensors file, or cut short at {actual:,} bytes")
    try:
        header = parse_header(file.read(header_bytes))
    except HeaderError as error:
        raise ModelFileError(path, f"not a safetensors file ({in_one_line(error)})") from error
    end = 8 + header_bytes + header.data_bytes
    if actual != end:
        raise ModelFileError(path, f"the file has {actual:,} bytes where its header promises {end:,}")
    return header


def hash_file(path: Path) -> str:
    """The file's sha256, hexadecimal."""
    with path.open("rb") as file:
        return _hash_of(file)


def _hash_of(file: BufferedReader) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()
