"""The command `plitka serve`."""

from __future__ import annotations

from typing import Annotated

import typer

from plitka.cli.failures import FAILURE, exit_status, fail, messages
from plitka.cli.options import Engines
from plitka.cli.report import print_lines
from plitka.errors import ServeError

NO_SERVER = "is not there. Windows itself has none: run plitka serve within WSL or Docker"

Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every one.")]
# Variables are shown, so that an error about a value names the variable that gives it.
Port = Annotated[
    int,
    typer.Option(
        min=1, max=65535, envvar="PORT", show_envvar=True, help="Port to listen on; PORT, if it is set."
    ),
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads for numeric libraries; default: theirs.")]
NoWebhooks = Annotated[
    bool, typer.Option("--no-webhooks", help="Refuse requests whose answer is to be sent elsewhere.")
]
Queue = Annotated[
    int,
    typer.Option(
        min=0,
        max=100,
        envvar="PLITKA_QUEUE",
        show_envvar=True,
        help="Predictions that may wait in line; 0: none.",
    ),
]
QueueSeconds = Annotated[
    int,
    typer.Option(
        min=1,
        max=3600,
        envvar="PLITKA_QUEUE_SECONDS",
        show_envvar=True,
        help="Seconds that each may wait in line.",
    ),
]
Origins = Annotated[
    list[str] | None,
    typer.Option(help="Origin whose web pages may use the server (CORS); may be repeated."),
]
MetricsPort = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=65535,
        envvar="PLITKA_METRICS_PORT",
        show_envvar=True,
        help="Port of /metrics for Prometheus; without it nothing is counted.",
    ),
]
MetricsHost = Annotated[
    str,
    typer.Option(
        envvar="PLITKA_METRICS_HOST", show_envvar=True, help="Address of /metrics; 0.0.0.0 for every one."
    ),
]


def serve(
    host: Host = "127.0.0.1",
    port: Port = 5000,
    threads: Threads = None,
    engine: Engines = None,
    no_webhooks: NoWebhooks = False,
    queue: Queue = 16,
    queue_seconds: QueueSeconds = 600,
    allow_origin: Origins = None,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "127.0.0.1",
) -> None:
    """Start the Cog HTTP server, the same that runs in the container, without Docker, and its web page."""
    try:
        from plitka.server.access import Access, check_origin
        from plitka.server.line import Line
        from plitka.server.serve import serve as run_server
    except ModuleNotFoundError as missing:
        fail(f"the server needs the module '{missing.name}', which {NO_SERVER}", status=FAILURE)

    def print_address(url: str) -> None:
        print_lines(messages, f"web page: {url}")

    for option, given in (("--host", host), ("--metrics-host", metrics_host)):
        if not given.strip():
            words = f"{option} is empty; 127.0.0.1 is this machine alone, 0.0.0.0 every address"
            raise typer.BadParameter(words)
    try:
        origins = tuple(check_origin(origin) for origin in allow_origin or ())
    except ServeError as error:
        raise typer.BadParameter(f"--allow-origin: {error}") from None
    if port == metrics_port:
        words = f"--metrics-port: {metrics_port} is the port of the server itself; name another one"
        raise typer.BadParameter(words)
    access, line = Access(not no_webhooks, origins), Line(queue, queue_seconds)
    metrics = (metrics_host, metrics_port) if metrics_port is not None else None
    with exit_status():
        status = run_server(
            host, port, engine, threads, print_address, access=access, line=line, metrics=metrics
        )
        raise typer.Exit(status)
