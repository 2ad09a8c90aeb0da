"""The standard streams of the command: text that any encoding can write, errors that name the stream."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO, TypeGuard

from plitka.errors import OutputError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

ERROR_HANDLER = "plitka-replacements"
# Replacements for the characters beyond ASCII in tables and messages, for encodings that lack them. Of the
# same width, so that columns stay aligned.
REPLACEMENTS: Mapping[str, str] = {"Δ": "d", "█": "#", "–": "-", "−": "-", "×": "x", "…": "..."}


class _Results(io.FileIO):
    """Standard output. Write errors become OutputError, which no library ignores, with the stream's name."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise OutputError(f"standard output: {error.strerror}") from error


class _Messages(io.FileIO):
    """Standard error. Text that cannot be written is lost; the work goes on."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def prepare_streams() -> None:
    """Replace `sys.stdout` and `sys.stderr` by streams that can write every character.

    Raises:
        OutputError: Standard output is closed.
    """
    has_results = sys.stdout is not None
    _remove_zero_size()
    _reopen_closed()
    sys.stderr = _wrapped(_Messages(2, "w", closefd=False), sys.stderr)
    if not has_results:
        raise OutputError("standard output is closed: the results have nowhere to go")
    sys.stdout = _wrapped(_Results(1, "w", closefd=False), sys.stdout)


def drop_results() -> None:
    """Discard what standard output did not take; Python would try again at exit and print an error."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OutputError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)


def _remove_zero_size() -> None:
    """Unset a terminal width or height of 0, with which rich would print nothing."""
    for name in ("COLUMNS", "LINES"):
        if not os.environ.get(name, "").strip("0"):
            os.environ.pop(name, None)


def _reopen_closed() -> None:
    """Open /dev/null in place of closed standard streams.

    The next file opened would get their descriptor otherwise, and with it everything that is printed."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # Opens the lowest free descriptor, which is this one. Child processes need it open as well.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _wrapped(raw: io.FileIO, stream: TextIO | None) -> TextIO:
    """A text stream over `raw` with the encoding of `stream`, and its error handler if one was chosen.

    A Windows console is left as it is.
    """
    if _is_windows_console(stream):
        return stream
    given = stream if isinstance(stream, io.TextIOWrapper) else io.TextIOWrapper(io.BytesIO(), "utf-8")
    is_chosen = given.errors not in ("strict", "surrogateescape", "backslashreplace")
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=given.encoding,
        errors=given.errors if is_chosen else ERROR_HANDLER,
        line_buffering=given.line_buffering,
        write_through=given.write_through,
    )


def _is_windows_console(stream: TextIO | None) -> TypeGuard[TextIO]:
    """Whether Python writes this stream to a Windows console: all characters, and not by its descriptor."""
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return type(raw).__name__ == "_WindowsConsoleIO"


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Characters that an encoding lacks: their replacement if there is one, else an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(map(_replacement, lacking)), error.end


def _replacement(char: str) -> str:
    return REPLACEMENTS.get(char) or char.encode("ascii", "backslashreplace").decode()


codecs.register_error(ERROR_HANDLER, _replace)
