"""A catalogue as one zip file, written whole."""

from __future__ import annotations

import secrets
import zipfile
from collections.abc import Iterable
from pathlib import Path

# A fixed time: the same catalogue gives the same bytes.
_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = 0o644 << 16


def write_zip(path: Path, folder: Path, names: Iterable[str]) -> None:
    """Pack files of a folder, by their paths in it, into `path`; a file there is replaced.

    Pictures are packed already, and stay as they are. After an OSError, which names the file, `path` is as it
    was.
    """
    part = path.with_name(f".plitka-{secrets.token_hex(8)}.part")
    try:
        with zipfile.ZipFile(part, "x", zipfile.ZIP_STORED) as file:
            for name in names:
                about = zipfile.ZipInfo(name, _TIME)
                about.external_attr = _MODE
                file.writestr(about, (folder / name).read_bytes())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise
