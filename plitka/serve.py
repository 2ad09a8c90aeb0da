"""The real Cog HTTP server, without Docker: the same process that runs in the container."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from plitka.engines import ENGINE_VARIABLE
from plitka.schema import PREDICTOR_CLASS, PREDICTOR_FILE, install_schema

ROOT = Path(__file__).resolve().parent.parent
# Variables that may hold a path, relative to where the caller stands, not to where the server runs.
PATH_VARIABLES = ("PLITKA_MODEL_DIR", "PLITKA_BASE_MODEL", "COG_WEIGHTS")


class ServeError(RuntimeError):
    """The server cannot be started from this installation."""


def server_command(host: str) -> list[str]:
    """The command line of the server."""
    return [sys.executable, "-m", "cog.server.http", "--host", host]


def server_environment(port: int, engine: str | None, threads: int | None) -> dict[str, str]:
    """The environment in which the server finds the predictor, this Python and its port.

    `threads` bounds the threads of every numeric library in the worker; None leaves them their own choice.
    """
    environment = dict(os.environ)
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


def serve(host: str, port: int, engine: str | None = None, threads: int | None = None) -> NoReturn:
    """Become the server: this process is replaced by it, so signals and the exit status are the server's own.

    Raises:
        ServeError: `predict.py` is not beside the package: Plitka was installed without its source tree.
    """
    if not (ROOT / PREDICTOR_FILE).is_file():
        raise ServeError(
            f"{ROOT / PREDICTOR_FILE} is missing: the server runs from a checkout, "
            "so install Plitka from one with pip install --editable"
        )
    install_schema(ROOT)
    command, environment = server_command(host), server_environment(port, engine, threads)
    os.chdir(ROOT)
    os.execve(command[0], command, environment)
