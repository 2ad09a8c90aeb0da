"""Real disks for tests: small ones that get full, and read-only ones, mounted where nobody else sees them.

Each lies in a mount namespace of its own, which ends with the process that holds it. Other processes reach
into it through /proc, or run inside.
"""

import errno
import os
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

# .ci/run sets it for root, who may mount: there a test must not be skipped in silence.
REQUIRED = os.environ.get("PLITKA_TEST_MOUNTS") == "required"


class Namespace:
    """A process that holds mounts of its own."""

    def __init__(self, holder):
        self.holder = holder

    def path(self, path):
        """Where the rest of the machine finds a path of the namespace."""
        return Path(f"/proc/{self.holder.pid}/root{Path(path).absolute()}")

    def inside(self, *command):
        """The command line that runs a command, or whatever is put behind it, in the namespace."""
        owner = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", f"--target={self.holder.pid}", "--mount", *owner, "--", *map(str, command)]

    def run(self, *command):
        subprocess.run(self.inside(*command), check=True, capture_output=True, timeout=300)


@contextmanager
def namespace(*mounts):
    """A namespace with these mounts, the arguments of `mount` each; skips where nobody may mount."""
    owner = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    script = "\n".join(["set -e", *(f"mount {mount}" for mount in mounts), "echo ready", "exec cat"])
    holder = subprocess.Popen(
        ["unshare", "--mount", *owner, "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with holder:
        try:
            if holder.stdout.readline() != "ready\n":
                reason = f"nothing can be mounted here: {holder.stderr.read().strip()}"
                (pytest.fail if REQUIRED else pytest.skip)(reason)
            yield Namespace(holder)
        finally:
            holder.kill()


class Disk:
    """A file system in memory with a fixed size and a fixed number of files."""

    def __init__(self, space, at):
        self.space, self.at, self.path = space, at, space.path(at)

    def fill(self, free=0):
        """Fill it but for so many bytes; a block is 4 KiB."""
        self.empty()
        blocks = os.statvfs(self.path)
        with (self.path / "filler").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, blocks.f_bavail * blocks.f_frsize)
            size = file.seek(0, os.SEEK_END)
            file.truncate(max(size - free, 0))

    def fill_inodes(self):
        """Make files until there may be no more."""
        with suppress(OSError):
            for number in range(10_000):
                (self.path / f"filler-{number}").touch()
        with pytest.raises(OSError, match="No space left") as caught:
            (self.path / "one-more").touch()
        assert caught.value.errno == errno.ENOSPC

    def empty(self):
        """Remove what filled it."""
        for filler in self.path.glob("filler*"):
            filler.unlink()

    def make_read_only(self, is_read_only=True):
        self.space.run("mount", "-o", f"remount,{'ro' if is_read_only else 'rw'}", self.at)


@contextmanager
def small_disk(at, size="16m", inodes=1000):
    """A disk at an empty folder."""
    Path(at).mkdir(exist_ok=True)
    with namespace(f"-t tmpfs -o size={size},nr_inodes={inodes},mode=0755 tmpfs '{at}'") as space:
        yield Disk(space, at)
