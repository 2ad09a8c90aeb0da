"""What may lie beside Plitka's folders in a temporary folder: a generator, and a description to compare."""

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from hypothesis import strategies as st

from plitka.files.temporary_folders import MARK, OwnFolder

NAMES = st.one_of(
    st.sampled_from(["plitka-pro", "plitka-", "plitka-a.lock", "plitka-weights-x", "pytest-0", "plitka-é"]),
    st.text("ab-._", min_size=1, max_size=5).map("plitka-{}".format),
)
OTHER_USER = 12345
# What may be wrong with a folder that looks like one of ours: then it is none.
FLAWS = (
    "no mark",
    "empty mark",
    "other words",
    "copied mark",
    "linked mark",
    "hard link",
    "folder as mark",
    "pipe as mark",
    "open to others",
    "in use",
    *(["other owner", "other owner of the mark"] if os.geteuid() == 0 else []),
)
KINDS = ("file", "folder", "checkout", "link to a folder", "link to nothing", "pipe", *FLAWS)
NEIGHBOURS = st.dictionaries(NAMES, st.tuples(st.sampled_from(KINDS), st.booleans()), max_size=6)


class Neighbours:
    """Things in `parent`; `elsewhere` is what links lead to. Close it to let go of the locks."""

    def __init__(self, parent, elsewhere, wanted):
        self.parent, self.elsewhere, self.locks = parent, elsewhere, []
        for name, (kind, has_lock) in wanted.items():
            if not os.path.lexists(parent / name):
                self._make(parent / name, kind)
            # What the older way of telling ours went by: an unlocked file of that name beside it.
            if has_lock and not os.path.lexists(parent / f"{name}.lock"):
                (parent / f"{name}.lock").touch()

    def close(self):
        for lock in self.locks:
            os.close(lock)

    def _make(self, path, kind):
        if kind == "file":
            path.write_bytes(b"mine")
        elif kind == "link to a folder":
            path.symlink_to(self.elsewhere)
        elif kind == "link to nothing":
            path.symlink_to("nothing")
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind in FLAWS:
            self._make_flawed(path, kind)
        else:
            path.mkdir()
            if kind == "checkout":
                (path / ".git").mkdir()
                (path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
                (path / "work.txt").write_text("years of it")

    def _make_flawed(self, path, flaw):
        """A folder of ours, whose process is gone, and one thing wrong with it."""
        abandoned(self.parent, path)
        (path / "precious.txt").write_text("years of it")
        mark = path / MARK
        words = mark.read_bytes()
        other = self.elsewhere / f"mark of {path.name}"
        if flaw in ("no mark", "linked mark", "hard link", "folder as mark", "pipe as mark"):
            mark.rename(other)
        if flaw == "empty mark":
            mark.write_bytes(b"")
        elif flaw == "other words":
            mark.write_bytes(words[:-1] + b" .\n")
        elif flaw == "copied mark":
            path.rename(other)
            path.mkdir(mode=0o700)
            (path / "precious.txt").write_text("years of it")
            mark.write_bytes((other / MARK).read_bytes())
        elif flaw == "linked mark":
            mark.symlink_to(other)
        elif flaw == "hard link":
            mark.hardlink_to(other)
        elif flaw == "folder as mark":
            mark.mkdir()
        elif flaw == "pipe as mark":
            os.mkfifo(mark)
        elif flaw == "open to others":
            path.chmod(0o777)
        elif flaw == "in use":
            self.locks.append(os.open(mark, os.O_RDWR))
            fcntl.flock(self.locks[-1], fcntl.LOCK_EX)
        elif flaw.startswith("other owner"):
            os.chown(mark if flaw.endswith("mark") else path, OTHER_USER, OTHER_USER)


def abandoned(parent, path=None):
    """A folder as a killed process of ours leaves it, under a name of its own or as `path`."""
    own = OwnFolder(parent=parent)
    os.close(own._mark)
    own._remove.detach()
    if path is not None:
        own.path.rename(path)
    return path or own.path


def described(folder):
    """Everything about everything in a folder but the times."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = None
        with suppress(OSError):
            if stat.S_ISLNK(status.st_mode):
                content = path.readlink()
            elif stat.S_ISREG(status.st_mode):
                content = path.read_bytes()
        key = str(Path(path).relative_to(folder))
        found[key] = (status.st_ino, status.st_mode, status.st_uid, status.st_nlink, content)
    return found
