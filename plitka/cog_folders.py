"""The folders that Cog's server makes for every prediction and leaves behind, empty."""

import time
from contextlib import suppress
from pathlib import Path

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
