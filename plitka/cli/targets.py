"""Where the pictures of a run go: a folder that holds one run, or one picture file.

Nothing is overwritten unless that is asked for, and no folder gets pictures of two runs.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import get_args

import typer

from plitka.choices import CONTROL_PICTURES, MAP_NAMES, OutputFormat, one_of
from plitka.errors import FolderError, MetadataError, printable

VARIANTS = tuple(f"final_{number}" for number in range(2, 9))
PICTURES = (
    "preview",
    "final",
    *VARIANTS,
    "colormap",
    "swatch",
    *CONTROL_PICTURES.values(),
    *MAP_NAMES,
)
# Every file that `generate` and `plan` may write.
SHEET = "sheet.pdf"
RUN_FILES = frozenset(f"{name}.{ending}" for name in PICTURES for ending in get_args(OutputFormat)) | {SHEET}
# By the extension; a format is called like its own.
FORMATS: Mapping[str, OutputFormat] = MappingProxyType(
    {f".{ending}": ending for ending in get_args(OutputFormat)} | {".jpeg": "jpg"}
)


def file_format(out: Path) -> OutputFormat | None:
    """The format of a picture file by its name; None for a folder.

    A folder that exists is one whatever it is called.

    Raises:
        typer.BadParameter: The name is that of a picture in another format.
    """
    if out.is_dir():
        return None
    found = FORMATS.get(out.suffix.lower())
    kind = mimetypes.guess_type(f"a{out.suffix}")[0] or ""
    if found is None and (kind.startswith("image/") or kind == "application/pdf"):
        allowed = one_of(OutputFormat, quote="")
        raise typer.BadParameter(f"--out: {out} is no folder, and pictures are written as {allowed}")
    return found


def check_is_folder(out: Path, several: str) -> None:
    """Raise typer.BadParameter if `out` names a picture file; `several` says what is to be written."""
    if file_format(out) is not None:
        raise typer.BadParameter(f"--out: {out} is the name of one file, and {several}; name a folder")


class RunFolder:
    """A folder for the pictures of one run, made with the first of them.

    In a folder without any, each is there as soon as it is written. Where pictures of an earlier run are
    replaced, the new ones take their place together, in `finish`: until then, and after an error, the earlier
    run stays as it was.

    Raises:
        FolderError: There are pictures of an earlier run, and `force` is not given.
        OSError: The folder cannot be read.
    """

    def __init__(self, path: Path, *, force: bool) -> None:
        self.path = path
        self._earlier = _pictures_in(path)
        self._held: dict[Path, bytes] = {}
        if self._earlier and not force:
            names = ", ".join(sorted(file.name for file in self._earlier))
            raise _taken(path, f"holds pictures of an earlier run ({names}); name another folder with --out")

    @property
    def replaces(self) -> bool:
        """Whether the pictures are written by `finish` only."""
        return bool(self._earlier)

    def write(self, filename: str, data: bytes) -> Path:
        """Take a finished picture; returns the path of its file."""
        from plitka.files.whole_files import write_whole

        path = self.path / filename
        if self.replaces:
            self._held[path] = data
            return path
        self.path.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise _taken(path, "has been made by another run since this one began")
        write_whole(path, data)
        return path

    def finish(self) -> None:
        """Put new pictures in the place of the earlier ones, and remove those that have no successor."""
        from plitka.files.whole_files import write_all_whole

        write_all_whole(self._held)
        if self._held:
            for path in self._earlier:
                if path not in self._held and _is_ours(path):
                    path.unlink()


class PictureFile:
    """One picture, or a sheet, under a name of the user's.

    Raises:
        FolderError: It exists, and `force` is not given.
    """

    replaces = False

    def __init__(self, path: Path, *, force: bool) -> None:
        self.path = path
        self._force = force
        self._check()

    def write(self, _filename: str, data: bytes) -> Path:
        """Write the file; returns its path."""
        from plitka.files.whole_files import write_whole

        self._check()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, data)
        return self.path

    def finish(self) -> None:
        """Nothing is left to be done."""

    def _check(self) -> None:
        if not self._force and self.path.exists():
            raise _taken(self.path, "exists; name another file with --out")


Target = RunFolder | PictureFile


def _pictures_in(folder: Path) -> frozenset[Path]:
    try:
        return frozenset(path for path in folder.iterdir() if path.name.lower() in RUN_FILES)
    except FileNotFoundError:
        return frozenset()


def _is_ours(path: Path) -> bool:
    """Whether a picture or a sheet says that Plitka made it."""
    from plitka.output.provenance_reader import read_provenance

    if path.name == SHEET:
        from plitka.output.pdf import is_ours

        return is_ours(path.read_bytes())

    try:
        read_provenance(path)
    except MetadataError:
        return False
    return True


def _taken(path: Path, problem: str) -> FolderError:
    return FolderError(printable(f"{path}: {problem}, or give --force to replace what is there"))
