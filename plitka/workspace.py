"""Folders for output files, one per prediction, that nobody has to remember to delete.

The Cog server reads the files of a prediction and never removes them, so they are swept when the next
prediction starts. Several servers may share one temporary folder: each holds a lock on its own root, and a
root whose lock is free belonged to a process that is gone.
"""

import fcntl
import shutil
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path
from typing import IO

ROOT_PREFIX = "plitka-"
LOCK_SUFFIX = ".lock"


class Workspace:
    """The output folders of one process, under the system's temporary folder (`TMPDIR`)."""

    def __init__(self, parent: Path | None = None) -> None:
        parent = parent or Path(tempfile.gettempdir())
        _sweep_abandoned(parent)
        # Held before its root exists: no other process can take a new root for an abandoned one.
        self._lock = tempfile.NamedTemporaryFile(  # noqa: SIM115
            prefix=ROOT_PREFIX, suffix=LOCK_SUFFIX, dir=parent, delete=False
        )
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.root = Path(self._lock.name).with_suffix("")
        self.root.mkdir(mode=0o700)
        self._remove = weakref.finalize(self, _remove, self.root, self._lock)

    def new_folder(self) -> Path:
        """Sweep the folders of earlier predictions and make an empty one."""
        # Somebody may have cleaned the temporary folder under a server that lives for weeks.
        self.root.mkdir(mode=0o700, exist_ok=True)
        self.sweep()
        return Path(tempfile.mkdtemp(dir=self.root))

    def sweep(self) -> None:
        """Remove every folder handed out so far."""
        for folder in self.root.iterdir():
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Remove everything; happens by itself when the process ends in order."""
        self._remove()


def _sweep_abandoned(parent: Path) -> None:
    for lock_path in parent.glob(f"{ROOT_PREFIX}*{LOCK_SUFFIX}"):
        # An OSError: the lock is held by a living process, or the file is another user's.
        with suppress(OSError), lock_path.open("r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(lock_path.with_suffix(""), lock)


def _remove(root: Path, lock: IO[bytes]) -> None:
    shutil.rmtree(root, ignore_errors=True)
    root.with_name(root.name + LOCK_SUFFIX).unlink(missing_ok=True)
    lock.close()
