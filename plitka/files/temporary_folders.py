"""Temporary folders of a process that are removed after it, even if it is killed.

Each contains a marker file: a fixed line with the folder's inode number, locked as long as the process lives.
A process that starts later removes the folders whose lock is free. A folder counts as one of Plitka's only if
it belongs to this user, is closed to others and contains such a marker. Between that check and the removal
nothing is looked up by name again, so a link that is put in its place meanwhile is not followed.
"""

import errno
import os
import shutil
import stat
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from plitka.errors import FolderError
from plitka.settings import temporary_dir

try:
    import fcntl
except ModuleNotFoundError:
    # Windows: no locks, and no descriptors of folders. Only `own_folder` is of use there.
    fcntl = None  # type: ignore[assignment]

PREFIX = "plitka-"
MARK = ".plitka-temporary"
# Error numbers of a full disk and of an exceeded quota.
FULL = (errno.ENOSPC, errno.EDQUOT)
_LINE = "Made by Plitka for one process, and removed with everything in it by the next one. Folder"
# Python itself opens descriptors that no child process gets.
_READ_FOLDER_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_FOLDER_FLAGS = _READ_FOLDER_FLAGS | getattr(os, "O_NOFOLLOW", 0)
# Without O_NONBLOCK, opening a named pipe would wait for its other end.
_MARK_FLAGS = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class OwnFolder:
    """An empty folder of this process, removed by `close` or when the process ends.

    Raises:
        FolderError: It cannot be made in the temporary folder (`TMPDIR`).
    """

    def __init__(self, prefix: str = PREFIX, parent: Path | None = None) -> None:
        parent = temporary_folder() if parent is None else parent
        try:
            # An error of the clean-up, such as a folder that may not be listed, must not stop the process.
            with suppress(OSError):
                sweep_abandoned(parent)
            self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent.absolute()))
            try:
                self._mark = _put_mark(self.path)
            except BaseException:
                shutil.rmtree(self.path, ignore_errors=True)
                raise
        except OSError as error:
            raise unusable(parent, error) from error
        self._remove = weakref.finalize(self, _remove_marked, self.path, self._mark)

    def is_there(self) -> bool:
        """False if the folder has been removed by others, as by a cleaner of the temporary folder."""
        with suppress(OSError):
            return os.path.samestat((self.path / MARK).lstat(), os.fstat(self._mark))
        return False

    def close(self) -> None:
        """Remove the folder with everything in it; done automatically when the process ends normally."""
        self._remove()


@contextmanager
def own_folder(prefix: str) -> Iterator[Path]:
    """A folder of this process that lives as long as the `with`.

    On Windows one that is left behind by a killed process stays.

    Raises:
        FolderError: It cannot be made in the temporary folder (`TMPDIR`).
    """
    if fcntl is None:
        with _plain_folder(prefix) as path:
            yield path
        return
    with closing(OwnFolder(prefix)) as folder:
        yield folder.path


@contextmanager
def _plain_folder(prefix: str) -> Iterator[Path]:
    parent = temporary_folder()
    try:
        folder = tempfile.TemporaryDirectory(prefix=prefix, dir=parent.absolute(), ignore_cleanup_errors=True)
    except OSError as error:
        raise unusable(parent, error) from error
    with folder as path:
        yield Path(path)


def temporary_folder() -> Path:
    """`TMPDIR` if it is set, even if it does not exist; else the system's."""
    # tempfile silently replaces a TMPDIR that is full or missing, in the end by the working folder.
    return temporary_dir() or Path(tempfile.gettempdir())


def unusable(folder: Path, error: OSError) -> FolderError:
    """The error of a folder for temporary files that cannot take what it must."""
    return FolderError(
        f"{folder}: this folder for temporary files cannot be used: {reason(error, folder)}. "
        "Free space there or make it writable, or set TMPDIR to another folder"
    )


@contextmanager
def named_when_full(folder: Path) -> Iterator[None]:
    """Turn the error of a full disk, which names no file, into one that names the folder."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise unusable(folder, error) from error
        raise


def reason(error: OSError, folder: Path) -> str:
    """Why a folder cannot be used, in words; distinguishes a lack of inodes from a lack of space."""
    if error.errno == errno.ENOSPC:
        with suppress(OSError):
            status = os.statvfs(folder)
            if status.f_files and not status.f_favail:
                return "No inodes left on device: it holds as many files as it can"
    return error.strerror or str(error)


def sweep_abandoned(parent: Path) -> None:
    """Remove the folders of processes that have ended. Anything that is not certainly one is left alone."""
    with _opened(parent, _READ_FOLDER_FLAGS) as above, os.scandir(above) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(PREFIX)]
        for name in names:
            # An OSError: not a folder, another user's, without a marker, in use, or already removed.
            with (
                suppress(OSError),
                _opened(name, _FOLDER_FLAGS, above) as folder,
                _opened(MARK, _MARK_FLAGS, folder) as mark,
            ):
                if _is_ours(folder, mark):
                    fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _empty(folder)
                    os.rmdir(name, dir_fd=above)


def _put_mark(path: Path) -> int:
    """Write the marker and lock it; returns its open descriptor, which keeps the lock."""
    mark = os.open(path / MARK, _MARK_FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        # Locked before it has its content: until then the folder does not count as abandoned.
        fcntl.flock(mark, fcntl.LOCK_EX)
        os.write(mark, _line(path.lstat()))
    except BaseException:
        os.close(mark)
        raise
    return mark


def _is_ours(folder: int, mark: int) -> bool:
    """Whether the open folder is this user's and closed to others, and the open file in it is its marker."""
    status, marked = os.fstat(folder), os.fstat(mark)
    return (
        status.st_uid == marked.st_uid == os.geteuid()
        and not status.st_mode & 0o077
        and stat.S_ISREG(marked.st_mode)
        and marked.st_nlink == 1
        and os.pread(mark, 1000, 0) == _line(status)
    )


def _line(status: os.stat_result) -> bytes:
    """The content of a folder's marker. A copy of the folder has another inode number and does not match."""
    return f"{_LINE} {status.st_ino}.\n".encode()


def _empty(folder: int) -> None:
    """Remove everything in an open folder, the marker last: an interrupted removal can be continued."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name == MARK):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.name, ignore_errors=True, dir_fd=folder)
            else:
                os.unlink(entry.name, dir_fd=folder)


def _remove_marked(path: Path, mark: int) -> None:
    """Remove the folder with this marker, if it is still at `path`."""
    try:
        with suppress(OSError), _opened(path, _FOLDER_FLAGS) as folder:
            if os.path.samestat(os.stat(MARK, dir_fd=folder, follow_symlinks=False), os.fstat(mark)):
                _empty(folder)
                path.rmdir()
    finally:
        os.close(mark)


@contextmanager
def _opened(path: Path | str, flags: int, within: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, flags, dir_fd=within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
