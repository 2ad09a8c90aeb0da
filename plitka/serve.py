"""The real Cog HTTP server, without Docker: the same process that runs in the container, behind the web page.

The Cog server listens on a port of this machine alone; the gateway listens where the caller wants it and
passes requests on.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from plitka.engines import ENGINE_VARIABLE
from plitka.gateway import Gateway
from plitka.schema import PREDICTOR_CLASS, PREDICTOR_FILE, install_schema

ROOT = Path(__file__).resolve().parent.parent
PAGE = Path("docs/web_examples.html")
LOOPBACK = "127.0.0.1"
# How long the server has to end a prediction and its worker before it is killed.
STOP_SECONDS = 15.0
# Variables that may hold a path, relative to where the caller stands, not to where the server runs.
PATH_VARIABLES = ("PLITKA_MODEL_DIR", "PLITKA_BASE_MODEL", "COG_WEIGHTS")
# The container has the same. Any of the server's threads may serve a prediction, and glibc gives each a heap
# of its own, of which `plitka.heap` can release all but the end.
ALLOCATOR = {"MALLOC_ARENA_MAX": "1"}


class ServeError(RuntimeError):
    """The server cannot be started from this installation."""


def server_command() -> list[str]:
    """The command line of the server."""
    return [sys.executable, "-m", "cog.server.http", "--host", LOOPBACK]


def server_environment(port: int, engine: str | None, threads: int | None) -> dict[str, str]:
    """The environment in which the server finds the predictor, this Python and its port.

    `threads` bounds the threads of every numeric library in the worker; None leaves them their own choice.
    """
    environment = ALLOCATOR | dict(os.environ)
    for name in PATH_VARIABLES:
        if name in environment and Path(environment[name]).exists():
            environment[name] = str(Path(environment[name]).resolve())
    environment |= {
        "COG_PREDICT_TYPE_STUB": f"{PREDICTOR_FILE}:{PREDICTOR_CLASS}",
        "PORT": str(port),
        # The server starts its worker as `python` from PATH: that must be this one.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)]),
    }
    if sys.stderr.isatty():
        environment.setdefault("LOG_FORMAT", "console")  # the default is one JSON object a line
    if engine:
        environment[ENGINE_VARIABLE] = engine
    if threads:
        environment |= {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    return environment


def serve(
    host: str,
    port: int,
    engine: str | None = None,
    threads: int | None = None,
    on_listening: Callable[[str], None] = lambda url: None,
) -> int:
    """Run the server and the page until one of them ends or a signal asks for it.

    `on_listening` is told the address of the page. Returns the exit status: 0 after SIGINT or SIGTERM, else
    that of the server.

    Raises:
        ServeError: `predict.py` or the page is not beside the package (Plitka was installed without its
            source tree), or the address cannot be listened on.
    """
    for name in (PREDICTOR_FILE, str(PAGE)):
        if not (ROOT / name).is_file():
            raise ServeError(
                f"{ROOT / name} is missing: the server runs from a checkout, "
                "so install Plitka from one with pip install --editable"
            )
    install_schema(ROOT)
    cog_port = free_port()
    with listening(host, port, cog_port) as gateway:
        server = subprocess.Popen(
            server_command(),
            cwd=ROOT,
            env=server_environment(cog_port, engine, threads),
            # A Ctrl-C of the terminal reaches this process alone, which then ends the server once.
            process_group=0,
        )
        signals = _ended_by_signals(server)
        threading.Thread(target=gateway.serve_forever, daemon=True).start()
        on_listening(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
        status = server.wait()
        gateway.shutdown()
    return 0 if signals else abs(status)


def listening(host: str, port: int, cog_port: int) -> Gateway:
    """The gateway, its page read. Raises ServeError where the address is taken or none of this machine."""
    try:
        return Gateway(host, port, cog_port, (ROOT / PAGE).read_bytes())
    except OSError as error:
        raise ServeError(f"cannot listen on {host} port {port}: {error.strerror}") from error


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _ended_by_signals(server: subprocess.Popen[bytes]) -> list[int]:
    """Pass SIGINT and SIGTERM on to the server; the list holds those that have come."""
    received: list[int] = []

    def end(number: int, _frame: object) -> None:
        if not received:
            killer = threading.Timer(STOP_SECONDS, server.kill)
            killer.daemon = True
            killer.start()
            server.terminate()
        received.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return received
