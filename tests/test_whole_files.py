"""Files that are written: whole or as they were, with the mode, the owner and the links of a plain write."""

import ast
import os
import stat
import threading
from pathlib import Path

import pytest
from disks import small_disk
from hypothesis import given
from hypothesis import strategies as st
from thorough import examples

from plitka.files.whole_files import write_whole
from plitka.server.serve import ROOT

BLOCK = 4096


def parts(folder):
    return [path.name for path in folder.iterdir() if path.name.endswith(".part")]


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    with small_disk(tmp_path_factory.mktemp("disk"), size="512k") as disk:
        yield disk


@examples(30)
@given(
    old=st.none() | st.integers(0, 20 * BLOCK),
    new=st.integers(0, 40 * BLOCK),
    free=st.integers(0, 45).map(lambda blocks: blocks * BLOCK),
)
def test_on_a_full_disk_a_file_is_new_or_as_it_was(disk, old, new, free):
    disk.empty()
    path = disk.path / "picture.png"
    path.unlink(missing_ok=True)
    before = None if old is None else b"o" * old
    if before is not None:
        path.write_bytes(before)
    disk.fill(free)
    try:
        write_whole(path, b"n" * new)
    except OSError as error:
        assert str(error) == f"[Errno 28] No space left on device: '{path}'"
        assert new > free - BLOCK
        assert (path.read_bytes() if path.exists() else None) == before
    else:
        assert path.read_bytes() == b"n" * new
    assert parts(disk.path) == []


def test_without_an_inode_left_the_older_file_stays(disk):
    disk.empty()
    path = disk.path / "picture.png"
    path.write_bytes(b"old")
    disk.fill_inodes()
    with pytest.raises(OSError, match=r"No space left on device: .*picture\.png"):
        write_whole(path, b"new")
    disk.empty()
    assert path.read_bytes() == b"old"


def test_a_read_only_disk_is_named(disk):
    path = disk.path / "picture.png"
    path.write_bytes(b"old")
    disk.make_read_only()
    try:
        with pytest.raises(OSError, match=r"Read-only file system: .*picture\.png"):
            write_whole(path, b"new")
    finally:
        disk.make_read_only(False)
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077, 0o002])
def test_a_new_file_has_the_mode_of_a_plain_write(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_whole(tmp_path / "ours", b"x")
        (tmp_path / "plain").write_bytes(b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o666])
def test_an_older_file_keeps_its_mode_and_its_owner(tmp_path, mode):
    path = tmp_path / "picture.png"
    path.write_bytes(b"old")
    path.chmod(mode)
    if os.geteuid() == 0:
        os.chown(path, 12345, 54321)
    before = path.stat()
    write_whole(path, b"new")
    after = path.stat()
    assert path.read_bytes() == b"new"
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_leads_to_the_new_file(tmp_path, exists):
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "picture.png", tmp_path / "picture.png"
    link.symlink_to("elsewhere/picture.png")
    if exists:
        target.write_bytes(b"old")
    write_whole(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_what_is_no_file_is_written_to_or_named(tmp_path):
    write_whole(Path(os.devnull), b"x")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    os.mkfifo(tmp_path / "pipe")
    taken = []
    reader = threading.Thread(target=lambda: taken.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write_whole(tmp_path / "pipe", b"through")
    reader.join()
    assert taken == [b"through"]
    (tmp_path / "loop").symlink_to("loop")
    for path, reason in (
        (tmp_path, "Is a directory"),
        (tmp_path / "loop", "Too many levels of symbolic links"),
        (tmp_path / "pipe" / "picture.png", "Not a directory"),
        (tmp_path / "none" / "picture.png", "No such file or directory"),
        (tmp_path / ("n" * 256), "File name too long"),
        (Path("/dev/full"), "No space left on device"),
    ):
        with pytest.raises(OSError, match=reason) as caught:
            write_whole(path, b"x")
        assert caught.value.filename == str(path)


def test_whoever_reads_meanwhile_sees_an_old_or_a_new_file_and_no_other(tmp_path):
    path, seen, done = tmp_path / "picture.png", set(), threading.Event()
    contents = [bytes([number]) * 200_000 for number in range(20)]
    write_whole(path, contents[0])

    def read():
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for content in contents:
        write_whole(path, content)
    done.set()
    reader.join()
    assert seen <= set(contents)


WRITERS = {"write_bytes", "write_text"}


def writes(tree):
    """The lines of calls that put content into a file by its name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            modes = [value.value for value in node.args if isinstance(value, ast.Constant)]
            is_opened = name == "open" and any(str(mode)[:1] in "wx" for mode in modes if mode)
            if name in WRITERS or is_opened:
                yield node.lineno


# Into a folder of their own that goes, and where whole files are made.
EXCEPTIONS = {"predict.py": 1, "plitka/weights/archive.py": 1, "plitka/files/whole_files.py": 2}


def test_no_file_is_written_any_other_way():
    paths = [ROOT / "predict.py", *sorted((ROOT / "plitka").rglob("*.py"))]
    found = {
        str(path.relative_to(ROOT)): len(list(writes(ast.parse(path.read_text("utf-8"))))) for path in paths
    }
    assert {name: count for name, count in found.items() if count} == EXCEPTIONS
