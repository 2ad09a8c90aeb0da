"""Atomic writing: a full disk or a signal leaves the old file or none, never a partial one."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Replace the content of a file, or leave it unchanged.

    The content is written to a file beside it, which is renamed once it is complete; a new file gets the mode
    that the umask allows. An existing one keeps its mode and, where that may be set, its owner, and must
    itself be writable. Links are followed. A device or a pipe is written to directly. Nothing waits for the
    disk: after a power cut either content may be there.

    Raises:
        OSError: It names `path`, whichever step failed.
    """
    try:
        before = _status(path)
        if before is None or stat.S_ISREG(before.st_mode):
            _replace(Path(os.path.realpath(path)) if path.is_symlink() else path, data, before)
        else:
            with path.open("wb") as file:
                file.write(data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _status(path: Path) -> os.stat_result | None:
    """The status of a file that can be written to; None where there is none. Raises OSError otherwise."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISREG(status.st_mode):
        os.close(os.open(path, os.O_WRONLY | os.O_CLOEXEC))
    return status


def _replace(path: Path, data: bytes, before: os.stat_result | None) -> None:
    # A unique name: two processes may write the same file.
    part = path.with_name(f".plitka-{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            file.write(data)
            if before is not None:
                # Not every file system has owners and modes to set.
                with suppress(PermissionError):
                    os.fchown(file.fileno(), before.st_uid, before.st_gid)
                with suppress(PermissionError):
                    os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
