"""The real Cog HTTP server, without Docker: the same process that runs in the container, behind the web page.

The Cog server listens on a loopback port; the gateway listens on the given address and passes requests on.
"""

import json
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from importlib import resources
from pathlib import Path

from plitka.choices import ControlKind, Quality
from plitka.engines import RENDER
from plitka.errors import SchemaError, ServeError
from plitka.files.temporary_folders import named_when_full, own_folder
from plitka.server.access import OWN_PAGE_ALONE, Access
from plitka.server.cog_process import CogProcess, held_port
from plitka.server.gateway import Gateway
from plitka.server.line import Line
from plitka.server.page_palette import page_in_use
from plitka.server.relay import Upstream
from plitka.server.schema_file import PREDICTOR_CLASS, PREDICTOR_FILE, SCHEMA_FILE, install_schema
from plitka.server.stuck_worker import StuckWatch
from plitka.settings import (
    ADAPTERS_VARIABLE,
    BASE_MODEL_VARIABLE,
    ENGINE_VARIABLE,
    FEW_STEP_LORA_VARIABLE,
    MODEL_DIR_VARIABLE,
    PALETTE_VARIABLE,
    PRIOR_MODEL_VARIABLE,
    TEMPORARY_VARIABLE,
    engine_name,
)
from plitka.weights.adapter_list import listed_adapters
from plitka.weights.qualities import WITHOUT_FEW_STEP, control_kinds_of, qualities_of

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
PAGE = resources.files("plitka.server") / "page/index.html"
# Seconds between checks of the server, and how often it may be restarted within an hour.
LOOK_SECONDS = 1.0
RESTARTS_AN_HOUR = 5
# Variables that are a path, which may be relative to the caller's working folder and is not to the server's;
# and those that are one if something is there.
PATH_VARIABLES = (
    MODEL_DIR_VARIABLE,
    ADAPTERS_VARIABLE,
    FEW_STEP_LORA_VARIABLE,
    PALETTE_VARIABLE,
    TEMPORARY_VARIABLE,
)
PATH_OR_NAME_VARIABLES = (BASE_MODEL_VARIABLE, PRIOR_MODEL_VARIABLE, "COG_WEIGHTS")
# The container has the same. Any of the server's threads may run a prediction, and glibc gives each a heap of
# its own, whose free end `plitka.server.malloc_trim` cannot release.
ALLOCATOR = {"MALLOC_ARENA_MAX": "1"}


def server_environment(port: int, engine: str | None, threads: int | None) -> dict[str, str]:
    """The environment in which the server finds the predictor, this Python and its port.

    `threads` limits the threads of every numeric library in the worker; None leaves their defaults.
    """
    environment = ALLOCATOR | dict(os.environ)
    for name in filter(environment.get, PATH_VARIABLES):
        environment[name] = str(Path(environment[name]).absolute())
    for name in filter(environment.get, PATH_OR_NAME_VARIABLES):
        # A path that cannot be looked up is refused by the engine, which names the variable.
        with suppress(OSError):
            if Path(environment[name]).exists():
                environment[name] = str(Path(environment[name]).absolute())
    environment |= {
        "COG_PREDICT_TYPE_STUB": f"{PREDICTOR_FILE}:{PREDICTOR_CLASS}",
        "PORT": str(port),
        # Wherever the server runs, it finds this package and no other.
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")])),
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
    *,
    access: Access = OWN_PAGE_ALONE,
    line: Line | None = None,
    metrics: tuple[str, int] | None = None,
) -> int:
    """Run the server and the page until one of them ends or a signal comes.

    `on_listening` is called with the address of the page. `metrics` are host and port of the figures for
    Prometheus; without them nothing is counted. Returns the exit status: 0 after SIGINT, SIGTERM or
    SIGHUP, 1 if the gateway has failed, else that of the server.

    Raises:
        EngineError: `PLITKA_ENGINE` names no engine.
        PaletteError: The palette of `PLITKA_PALETTE` cannot be used.
        AdapterListError: The list of `PLITKA_ADAPTERS` cannot be used.
        ServeError: `predict.py` is not beside the package, or the address cannot be bound.
    """
    _check_predictor()
    engine = engine_name() if engine is None else engine
    with _server_folder() as folder, held_port() as cog_port:
        upstream, figures = new_upstream(cog_port, metrics)
        gateway = new_gateway(
            host,
            port,
            upstream,
            access=access,
            line=line,
            folder=folder,
            adapters=adapters_of(engine),
            qualities=offered_qualities(engine),
            controlnets=offered_controlnets(engine),
        )
        with (
            gateway,
            figures,
            CogProcess(folder, server_environment(upstream.port, engine, threads)) as server,
        ):
            signals = _ended_by_signals(server, gateway)
            on_listening(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
            status = _watch(server, gateway, upstream)
            has_failed = not gateway.is_running()
    return 1 if has_failed else 0 if signals else abs(status)


def _check_predictor() -> None:
    """Raise ServeError if the predictor is not beside the package."""
    path = ROOT / PREDICTOR_FILE
    if not path.is_file():
        raise ServeError(f"{path} is missing: install Plitka again, or run it from a checkout")


def new_upstream(
    cog_port: int, metrics: tuple[str, int] | None
) -> tuple[Upstream, AbstractContextManager[object]]:
    """Cog's server on a port, and what shows its figures on this host and port. Raises ServeError."""
    if metrics is None:
        return Upstream(cog_port), nullcontext()
    from plitka.server.figures import Figures
    from plitka.server.metrics_port import MetricsPort

    figures = Figures()
    upstream = Upstream(cog_port, figures)
    with _bound(*metrics):
        return upstream, MetricsPort(*metrics, figures, upstream.port)


@contextmanager
def _bound(host: str, port: int) -> Iterator[None]:
    """Turn the error of an address that is in use, or not of this machine, into a ServeError."""
    try:
        yield
    except OSError as error:
        # Python's own text of this error repeats the address.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise ServeError(f"cannot listen on {host or 'no host'} port {port}: {reason}") from error


@contextmanager
def _server_folder() -> Iterator[Path]:
    """The folder that the server runs in: the predictor's, or a copy where the schema cannot be written.

    An installed package has no schema beside it, and may belong to another user.
    """
    try:
        install_schema(ROOT)
        is_ready = True
    except SchemaError as error:
        log.info("%s", error)
        is_ready = False
    if is_ready:
        yield ROOT
        return
    with own_folder("plitka-server-") as folder:
        with named_when_full(folder):
            shutil.copyfile(ROOT / PREDICTOR_FILE, folder / PREDICTOR_FILE)
        install_schema(folder)
        yield folder


def new_gateway(
    host: str,
    port: int,
    upstream: Upstream,
    *,
    access: Access = OWN_PAGE_ALONE,
    line: Line | None = None,
    folder: Path = ROOT,
    adapters: Sequence[str] = (),
    qualities: Sequence[str] = (),
    controlnets: Sequence[str] | None = None,
) -> Gateway:
    """The gateway, with its page, of a server in `folder` whose requests may name these.

    No quality stands for all of them, None for ControlNets that are not known.

    Raises ServeError if the address is in use or not of this machine, PaletteError for the palette in use.
    """
    page = page_in_use(PAGE.read_bytes(), adapters, qualities, controlnets)
    with _bound(host, port):
        return Gateway(host, port, upstream, page, input_names(folder), access=access, line=line)


def adapters_of(engine: str) -> tuple[str, ...]:
    """The names of the adapters that an engine's requests may give. Raises AdapterListError."""
    return () if engine == RENDER else tuple(listed_adapters())


def offered_qualities(engine: str) -> tuple[Quality, ...]:
    """The qualities that an engine draws; all of them where that cannot be told before it is loaded."""
    return WITHOUT_FEW_STEP if engine == RENDER else qualities_of(engine)


def offered_controlnets(engine: str) -> tuple[ControlKind, ...] | None:
    """The kinds of ControlNets that an engine has; None where that cannot be told before it is loaded."""
    return () if engine == RENDER else control_kinds_of(engine)


def input_names(folder: Path = ROOT) -> tuple[str, ...]:
    """The names of the predictor's inputs, from the schema that Cog's server reads."""
    schema = json.loads((folder / SCHEMA_FILE).read_text(encoding="utf-8"))
    return tuple(schema["components"]["schemas"]["Input"]["properties"])


def _watch(server: CogProcess, gateway: Gateway, upstream: Upstream) -> int:
    """Wait for the server's end and return its status.

    It is started again if it can draw no more, and if it has ended by itself while predictions wait in line.
    """
    watch, restarts = StuckWatch(upstream.port, upstream.predictions), Restarts()
    while True:
        status, reason = server.wait(LOOK_SECONDS), ""
        if status is not None:
            if server.is_ending or not len(gateway.line):
                return status
            reason = f"the Cog server has ended with status {status} while predictions wait"
        elif not gateway.is_running():
            server.end()
        elif not server.is_ending:
            reason = watch.reason()
        if not reason:
            continue
        if restarts.may_restart():
            log.error("%s: it is started again", reason)
            upstream.is_restarting = True
            upstream.counting.restarted("stuck" if status is None else "ended")
            server.restart()
        elif status is not None:
            return status
        watch.forget()


class Restarts:
    """Counts restarts: there may be so many within an hour."""

    def __init__(self, an_hour: int = RESTARTS_AN_HOUR) -> None:
        self._an_hour, self._times = an_hour, list[float]()

    def may_restart(self) -> bool:
        """Whether there may be one now; it is counted."""
        now = time.monotonic()
        self._times = [when for when in self._times if when > now - 3600]
        if len(self._times) >= self._an_hour:
            return False
        self._times.append(now)
        return True


def _ended_by_signals(server: CogProcess, gateway: Gateway) -> list[int]:
    """End the server at SIGINT, SIGTERM and SIGHUP, and send away who waits in line.

    Returns the list of signals received, filled later.
    """
    received: list[int] = []

    def end(number: int, _frame: object) -> None:
        received.append(number)
        gateway.close_line()
        server.end()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A SIGHUP that is ignored at the start, as with nohup, stays ignored.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)
    return received
