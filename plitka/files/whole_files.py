"""Atomic writing: a full disk or a signal leaves the old file or none, never a partial one."""

import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Replace the content of a file, or leave it unchanged; see `write_all_whole`."""
    write_all_whole({path: data})


def write_all_whole(files: Mapping[Path, bytes]) -> None:
    """Replace the content of several files, or leave all of them unchanged.

    The content is written to files beside them, which are renamed once all are complete; a new file gets the
    mode that the umask allows. An existing one keeps its mode and, where that may be set, its owner, and must
    itself be writable. Links are followed. A device or a pipe is written to directly. Nothing waits for the
    disk: after a power cut either content may be there.

    Raises:
        OSError: It names the path, whichever step failed.
    """
    parts: list[tuple[Path, Path, Path]] = []
    try:
        for path, data in files.items():
            with _named(path):
                before = _status(path)
                if before is None or stat.S_ISREG(before.st_mode):
                    target = Path(os.path.realpath(path)) if path.is_symlink() else path
                    # A unique name: two processes may write the same file.
                    part = target.with_name(f".plitka-{secrets.token_hex(8)}.part")
                    parts.append((path, part, target))
                    _write_part(part, data, before)
                else:
                    with path.open("wb") as file:
                        file.write(data)
        for path, part, target in parts:
            with _named(path):
                part.replace(target)
    except BaseException:
        for _, part, _ in parts:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        raise


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let an OSError name this file, and not the one beside it."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _status(path: Path) -> os.stat_result | None:
    """The status of a file that can be written to; None where there is none. Raises OSError otherwise."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISREG(status.st_mode):
        os.close(os.open(path, os.O_WRONLY))
    return status


def _write_part(part: Path, data: bytes, before: os.stat_result | None) -> None:
    with part.open("xb") as file:
        file.write(data)
        # Windows has neither.
        if before is not None and hasattr(os, "fchown") and hasattr(os, "fchmod"):
            # Not every file system has owners and modes to set.
            with suppress(PermissionError):
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            with suppress(PermissionError):
                os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
