"""The provenance of a picture file, read back from whatever somebody has, at a bounded cost."""

import json
import stat
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, BinaryIO

from plitka.errors import ContainerError, MetadataError
from plitka.output.picture_texts import PNG_SIGNATURE, read_description, read_png_texts
from plitka.output.provenance import PNG_KEY_PREFIX, Provenance

# The largest picture, noise in PNG, has 192 MiB.
MAX_FILE_BYTES = 256 * 2**20


def read_provenance(path: Path) -> Provenance:
    """Read the metadata of the picture at `path`, whatever else the file contains, at a bounded cost.

    Raises:
        MetadataError: The file cannot be read, is no picture, or was not made by Plitka or lost its metadata.
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise ContainerError("this is not a file with a picture")
        if about.st_size > MAX_FILE_BYTES:
            raise ContainerError(f"{about.st_size:,} bytes are too many for a picture of Plitka's")
        with path.open("rb") as file:
            return provenance_in(file)
    except OSError as error:
        raise MetadataError(path, f"cannot be read: {error.strerror}") from error
    except ContainerError as error:
        raise MetadataError(path, str(error)) from error


def provenance_in(file: BinaryIO) -> Provenance:
    """The metadata of a picture file, at its beginning, at a bounded cost.

    Raises:
        ContainerError: The file is no picture, or was not made by Plitka or lost its metadata.
    """
    texts = _read_texts(file)
    names = [field.name for field in fields(Provenance) if field.name in texts or field.default is MISSING]
    if all(isinstance(texts.get(name), str) for name in names):
        provenance = Provenance(**{name: texts[name] for name in names})
        if all(_is_object_of_texts(text) for text in (provenance.identity, provenance.versions)):
            return provenance
    raise ContainerError(
        "this picture does not say how it was made; "
        "only pictures from Plitka that no other program has rewritten do"
    )


def _read_texts(file: BinaryIO) -> dict[str, Any]:
    """Every text under the keys of Plitka."""
    is_png = file.read(len(PNG_SIGNATURE)) == PNG_SIGNATURE
    file.seek(0)
    if is_png:
        texts = read_png_texts(file)
        keys = (key for key in texts if key.startswith(PNG_KEY_PREFIX))
        return {key.removeprefix(PNG_KEY_PREFIX): texts[key] for key in keys}
    return _json_object(read_description(file))


def _json_object(text: str) -> dict[str, Any]:
    """The JSON object in `text`; an empty one if there is none."""
    try:
        value = json.loads(text)
    # Besides what is no JSON: digits beyond Python's limit, brackets beyond its stack.
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _is_object_of_texts(text: str) -> bool:
    texts = _json_object(text)
    return bool(texts) and all(isinstance(value, str) for value in texts.values())
