"""Cog's server as a child process of `plitka serve`: started, restarted, and ended with its own children."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from plitka.server.cog_server import STOP_SECONDS

LOOPBACK = "127.0.0.1"


@contextmanager
def held_port() -> Iterator[int]:
    """A free loopback port that nobody else gets until the end of this, while a server starts or restarts.

    A socket that is bound and does not listen keeps it, where the system lets another listen beside it.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((LOOPBACK, 0))
        port: int = holder.getsockname()[1]
        if sys.platform != "linux":
            holder.close()
        yield port


def server_command() -> list[str]:
    """The command line of the server."""
    return [sys.executable, "-m", "plitka.server.cog_server", "--host", LOOPBACK]


class CogProcess:
    """The server's process, running between `start` and the end of the context.

    Args:
        folder: The source tree, where the server finds the predictor.
        environment: Its environment.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder, self._environment = folder, environment
        self._process: subprocess.Popen[bytes]
        self.is_ending = False

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill()
        self._process.wait()
        self._close()

    def wait(self, seconds: float) -> int | None:
        """The exit status once the server has ended; None if it still runs after `seconds`."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        """Ask the server to end, and kill it after STOP_SECONDS. Returns at once."""
        if not self.is_ending:
            self.is_ending = True
            self._terminate()

    def restart(self) -> None:
        """End this server and its prediction, and start another."""
        killer = self._terminate()
        self._process.wait()
        killer.cancel()
        self._kill()
        self._close()
        if not self.is_ending:
            self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            server_command(),
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.PIPE,  # open as long as this process lives
            # A Ctrl-C of the terminal reaches only this process, which then ends the server once.
            process_group=0,
        )

    def _terminate(self) -> threading.Timer:
        killer = threading.Timer(STOP_SECONDS, self._process.kill)
        killer.daemon = True
        killer.start()
        self._process.terminate()
        return killer

    def _kill(self) -> None:
        """Kill what is left of the server and its worker."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _close(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
