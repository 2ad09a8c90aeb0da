"""One run at a time in a folder. Windows has no such locks: there it is the user's to see to."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plitka.errors import FolderError, printable

try:
    import fcntl
except ModuleNotFoundError:
    fcntl = None  # type: ignore[assignment]


def lock(descriptor: int, folder: Path, program: str) -> None:
    """Lock an open file or folder until it is closed. Raises FolderError if another run has locked it."""
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        words = f"{folder}: another run of {program} is at work in this folder"
        raise FolderError(printable(words)) from error


@contextmanager
def locked_folder(folder: Path, program: str) -> Iterator[None]:
    """Lock a folder that exists for as long as the context lasts. Raises FolderError as `lock` does."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        lock(descriptor, folder, program)
        yield
    finally:
        os.close(descriptor)
