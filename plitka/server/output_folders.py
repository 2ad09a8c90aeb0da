"""Folders for output files, one per prediction, removed automatically.

The Cog server reads the files of a prediction and never removes them, so they are removed when the
next prediction starts. Several servers may share one temporary folder: each has a folder of its own there.
"""

import shutil
import tempfile
from pathlib import Path

from plitka.files.temporary_folders import OwnFolder, unusable
from plitka.request.tile_request import TileRequest
from plitka.tile.canvas import preview_size

BLOCK_BYTES = 2**20
# What is free when a server starts: the files of a request that says nothing of its size.
ROOM_BYTES = 3 * (512**2 + 2 * 1024**2) + 4 * BLOCK_BYTES


def room_for(request: TileRequest) -> int:
    """Bytes that the files of a request take at most.

    No file is larger than its raw pixels, of three bytes or fewer; one block more for the metadata of the
    three pictures, one for each other file and variant. A sheet has the final picture once more, and three
    blocks are enough for its logo and font.
    """
    scale, more = request.scale, len(request.maps) + request.variants - 1
    width, height = preview_size(scale.width, scale.height)
    pictures = 2 + more + (request.overrides.sheet is not None)
    return 3 * (width * height + pictures * scale.width * scale.height) + (4 + more) * BLOCK_BYTES


class Workspace:
    """The output folders of one process, under the system's temporary folder (`TMPDIR`).

    Raises:
        FolderError: Here and from `new_folder`, if the files of a prediction would not fit.
    """

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent
        self._own = OwnFolder(parent=parent)
        _check_room(self.root, ROOM_BYTES)

    @property
    def root(self) -> Path:
        """The folder of this process, in which the others are made."""
        return self._own.path

    def new_folder(self, room: int = ROOM_BYTES) -> Path:
        """Remove the folders of earlier predictions and make an empty one with room for so many bytes."""
        if self._own.is_there():
            self.sweep()
        else:
            self._own.close()
            self._own = OwnFolder(parent=self._parent)
        _check_room(self.root, room)
        return Path(tempfile.mkdtemp(dir=self.root))

    def sweep(self) -> None:
        """Remove every folder made so far."""
        for entry in self.root.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)

    def close(self) -> None:
        """Remove everything; done automatically when the process ends normally."""
        self._own.close()


def _check_room(root: Path, room: int) -> None:
    """Raise FolderError unless files of so many bytes would fit, before anything is drawn."""
    try:
        with tempfile.TemporaryFile(dir=root, buffering=0) as trial:
            for _ in range(0, room, BLOCK_BYTES):
                trial.write(bytes(BLOCK_BYTES))
    except OSError as error:
        raise unusable(root, error) from error
