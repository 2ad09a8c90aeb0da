"""Weight files on disk: is this one whole, is it the one we expect, and what is in an archive of them.

Nothing here needs torch: a `.safetensors` file says in its first bytes what it holds and how long it must be.
"""

import hashlib
import logging
import textwrap
from collections.abc import Mapping
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

log = logging.getLogger(__name__)


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
