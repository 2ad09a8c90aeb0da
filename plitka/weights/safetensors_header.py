"""The first bytes of a `.safetensors` file: its tensors, checked before any library reads it.

Eight bytes of header length, a JSON header, then the tensors without gap or overlap
(https://github.com/huggingface/safetensors). Strict enough that what passes here also loads: no name twice,
only the format's own fields, every tensor as long as its shape and type say.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from plitka.errors import HeaderError

# The format's own limit on its header.
MAX_HEADER_BYTES = 100_000_000
METADATA_KEY = "__metadata__"
FIELDS = ("dtype", "shape", "data_offsets")
# Bytes of one number of each type that torch has; newer types of half a byte are none of them.
NUMBER_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64"), 8),
}
# More than any weight has, and little enough that nothing overflows in 64 bits.
MAX_DIMENSIONS, MAX_LENGTH = 8, 2**31


@dataclass(frozen=True)
class TensorHeader:
    """`tensors` is name to `dtype` (as the format spells it), `shape` and `data_offsets`; `data_bytes` is
    what must follow the header."""

    tensors: Mapping[str, dict[str, Any]]
    metadata: Mapping[str, str]
    data_bytes: int


def parse_header(raw: bytes) -> TensorHeader:
    """Read a header's JSON text. Raises HeaderError, and nothing else, whatever the bytes."""
    try:
        text = raw.decode("utf-8")
        if not text.startswith("{"):
            raise HeaderError("its header is no JSON object")
        document = json.loads(
            text, object_pairs_hook=_without_duplicates, parse_int=_whole, parse_constant=_refuse
        )
    except RecursionError:
        raise HeaderError("its header is nested too deep") from None
    # Of json and the hooks; a cut surrogate pair or a number of 5,000 digits is one too.
    except ValueError as error:
        raise HeaderError(str(error)) from None
    metadata = document.pop(METADATA_KEY, {})
    if not (isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values())):
        raise HeaderError("its metadata is not text")
    _check_text([*document, *metadata, *metadata.values()])
    for name, entry in document.items():
        _check_entry(name, entry)
    return TensorHeader(document, metadata, _check_places(document))


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise HeaderError(f"its header names '{twice[:80]}' twice")
    return found


def _whole(digits: str) -> int:
    """Sizes and places are never negative; `-0` is no whole number to the format's own parser."""
    if digits.startswith("-") or len(digits) > 19:
        raise HeaderError(f"its header holds the number {digits[:30]}")
    return int(digits)


def _refuse(constant: str) -> NoReturn:
    raise HeaderError(f"its header holds {constant}")


def _check_text(texts: list[str]) -> None:
    """JSON can spell half a surrogate pair, which is no character."""
    try:
        "".join(texts).encode("utf-8")
    except UnicodeEncodeError:
        raise HeaderError("its header holds half a character") from None


def _check_entry(name: str, entry: Any) -> None:
    shown = name[:80]
    if not isinstance(entry, dict) or sorted(entry) != sorted(FIELDS):
        raise HeaderError(f"its tensor '{shown}' is without a type or a shape, or has more than that")
    dtype, shape, places = (entry[field] for field in FIELDS)
    if not isinstance(dtype, str) or dtype not in NUMBER_BYTES:
        raise HeaderError(f"its tensor '{shown}' is of an unknown type, {str(dtype)[:30]!r}")
    if not (_are_sizes(shape) and len(shape) <= MAX_DIMENSIONS and all(size < MAX_LENGTH for size in shape)):
        raise HeaderError(f"its tensor '{shown}' has no possible shape")
    if not (_are_sizes(places) and len(places) == 2 and places[0] <= places[1]):
        raise HeaderError(f"its tensor '{shown}' has no possible place")
    if places[1] - places[0] != math.prod(shape) * NUMBER_BYTES[dtype]:
        raise HeaderError(f"its tensor '{shown}' has a place of another length than its shape")


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int for item in value)


def _check_places(tensors: Mapping[str, dict[str, Any]]) -> int:
    """The end of the last tensor. Raises HeaderError where one does not begin at the end of another."""
    end = 0
    for name, entry in sorted(tensors.items(), key=lambda item: item[1]["data_offsets"]):
        begin, stop = entry["data_offsets"]
        if begin != end:
            raise HeaderError(f"its tensor '{name[:80]}' overlaps another, or leaves a gap before it")
        end = stop
    return end
