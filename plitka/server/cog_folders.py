"""The folders that Cog's server makes for every prediction and leaves behind, empty.

Where it cannot make one, it stays busy for good, so that has to be known before it tries.
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

# Fixed in the server, whatever TMPDIR says.
FOLDER = Path("/tmp/coglet/predictions")
PARTS = ("inputs", "outputs")
# Longer than any prediction takes: other servers of this machine keep theirs here too.
LEFT_SECONDS = 24 * 3600.0
SWEEP_SECONDS = 600.0


class CogFolders:
    """Removes what earlier predictions have left, a day after; only folders, and only empty ones."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._next_sweep = 0.0

    def check(self) -> None:
        """Make and remove what the server makes for a prediction.

        Raises:
            FolderError: It cannot be made, or not by this user alone: the folder is a link, no folder, or
                another user's.
        """
        try:
            for folder in (self._folder.parent, self._folder):
                _refuse_strange(folder)
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
        """Whether the server could make the folders of a prediction now; if not, the log says why."""
        try:
            self.check()
        except FolderError as error:
            log.error("%s", error)
            return False
        return True

    def sweep(self) -> None:
        """Remove what is old; looks at most every ten minutes, since there may be thousands."""
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP_SECONDS
        oldest = time.time() - LEFT_SECONDS
        # An OSError: there is no such folder, somebody else was quicker, or a file is in it.
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


def _refuse_strange(folder: Path) -> None:
    """Raise OSError for what lies there if it is not a folder of ours: others could lead the server away."""
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
    """The folder or the first one above it that is there."""
    return folder if folder.exists() or folder == folder.parent else _nearest(folder.parent)
