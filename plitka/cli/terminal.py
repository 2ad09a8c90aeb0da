"""The standard streams of the command: any encoding carries what it says, and errors name their stream."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from plitka.errors import OutputError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

SPELLING = "plitka-spelling"
# What tables and messages hold beyond ASCII, for encodings that lack it; as wide, so that columns stay.
SPELLED: Mapping[str, str] = {"Δ": "d", "█": "#", "–": "-", "−": "-", "×": "x", "…": "..."}


class _Results(io.FileIO):
    """Standard output. Its errors say that it was that, and are none that libraries pass over in silence."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise OutputError(f"standard output: {error.strerror}") from error


class _Messages(io.FileIO):
    """Standard error. What it does not take is lost; the work goes on."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def prepare_streams() -> None:
    """Put streams that carry every character in place of `sys.stdout` and `sys.stderr`.

    Raises:
        OutputError: Standard output is closed.
    """
    has_results = sys.stdout is not None
    _forget_no_width()
    _occupy_closed()
    sys.stderr = _wrapped(_Messages(2, "w", closefd=False), sys.stderr)
    if not has_results:
        raise OutputError("standard output is closed: the results have nowhere to go")
    sys.stdout = _wrapped(_Results(1, "w", closefd=False), sys.stdout)


def drop_results() -> None:
    """Let go of what standard output did not take; Python would try again at its end, and complain."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OutputError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)


def _forget_no_width() -> None:
    """Drop a width or height of nothing, as terminals without a size say: rich would print nothing at all."""
    for name in ("COLUMNS", "LINES"):
        if not os.environ.get(name, "").strip("0"):
            os.environ.pop(name, None)


def _occupy_closed() -> None:
    """Take the numbers of closed standard streams: the next file opened would get one, and what is said."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is taken: this one. Servers started from here need it open as well.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _wrapped(raw: io.FileIO, stream: TextIO | None) -> TextIO:
    """A text stream over `raw` with the encoding of `stream`; how errors are spelled, too, if it was told."""
    given = stream if isinstance(stream, io.TextIOWrapper) else io.TextIOWrapper(io.BytesIO(), "utf-8")
    is_told = given.errors not in ("strict", "surrogateescape", "backslashreplace")
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=given.encoding,
        errors=given.errors if is_told else SPELLING,
        line_buffering=given.line_buffering,
        write_through=given.write_through,
    )


def _spell(error: UnicodeError) -> tuple[str, int]:
    """What an encoding lacks: spelled otherwise where that reads well, else as an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(map(_spelled, lacking)), error.end


def _spelled(char: str) -> str:
    return SPELLED.get(char) or char.encode("ascii", "backslashreplace").decode()


codecs.register_error(SPELLING, _spell)
