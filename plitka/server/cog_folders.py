"""The folders that Cog's server makes for every prediction and leaves behind, empty.

If it cannot make one, it stays busy for good, so this is checked before it tries.
"""

import logging
import os
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from plitka.errors import FolderError
from plitka.files.temporary_folders import reason

log = logging.getLogger(__name__)

# Fixed in Cog's server; TMPDIR has no effect.
FOLDER = Path("/tmp/coglet/predictions")
PARTS = ("inputs", "outputs")
# Longer than any prediction takes: other servers on this machine use the same folder.
LEFT_SECONDS = 24 * 3600.0
SWEEP_SECONDS = 600.0


class CogFolders:
    """Removes the folders that earlier predictions left, after a day, and only if they are empty."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._next_sweep = 0.0

    def check(self) -> None:
        """Make and remove the folders of a prediction, as a trial.

        Raises:
            FolderError: It cannot be made, or not by this user alone: the folder is a link, no folder, or
                another user's.
        """
        try:
            for folder in (self._folder.parent, self._folder):
                _refuse_foreign(folder)
            self._folder.mkdir(parents=True, exist_ok=True)
            trial = Path(tempfile.mkdtemp(prefix="plitka-trial-", dir=self._folder))
            try:
                for part in PARTS:
                    (trial / part).mkdir()
            finally:
                shutil.rmtree(trial, ignore_errors=True)
        except OSError as error:
            raise FolderError(
                f"{self._folder}: Cog's server cannot make its folder for a prediction in there: "
                f"{reason(error, _nearest(self._folder))}. Free space there or make it writable; if it is a "
                f"leftover, remove {self._folder.parent}, which is made anew when it is needed"
            ) from error

    def is_usable(self) -> bool:
        """Whether the server could make the folders of a prediction now; if not, the reason is logged."""
        try:
            self.check()
        except FolderError as error:
            log.error("%s", error)
            return False
        return True

    def sweep(self) -> None:
        """Remove old folders; looks at most every ten minutes, since there may be thousands."""
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP_SECONDS
        oldest = time.time() - LEFT_SECONDS
        # An OSError: there is no such folder, another process removed it first, or a file is in it.
        with suppress(OSError):
            for prediction in self._folder.iterdir():
                with suppress(OSError):
                    is_old = prediction.stat(follow_symlinks=False).st_mtime < oldest
                    if is_old and not prediction.is_symlink():
                        _remove_empty(prediction)


def _remove_empty(prediction: Path) -> None:
    for part in PARTS:
        with suppress(FileNotFoundError):
            (prediction / part).rmdir()
    prediction.rmdir()


def _refuse_foreign(folder: Path) -> None:
    """Raise OSError for a link, a file or another user's folder, which could redirect the server."""
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(status.st_mode):
        raise OSError(0, f"{folder} is a link to another place")
    if not stat.S_ISDIR(status.st_mode):
        raise OSError(0, f"{folder} is no folder")
    if status.st_uid not in (os.geteuid(), 0):
        raise OSError(0, f"{folder} belongs to another user, number {status.st_uid}")


def _nearest(folder: Path) -> Path:
    """The folder or the first one above it that exists."""
    return folder if folder.exists() or folder == folder.parent else _nearest(folder.parent)
