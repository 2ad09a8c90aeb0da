"""`/metrics` for Prometheus, on an address of its own, answered from a thread of its own."""

import asyncio
import threading
from http import HTTPStatus
from types import TracebackType
from typing import Self

import httpx2
from prometheus_client import Gauge
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from plitka.server.access import SenderGuard, is_loopback
from plitka.server.answers import RefusedError
from plitka.server.counting import Counting
from plitka.server.figures import UNKNOWN, Figures
from plitka.server.gateway import bounded_server, listen
from plitka.server.limits import Limits
from plitka.server.relay import HEALTH_PATH

# What Cog's server says of itself, and what stands for no answer in time.
STATES = ("READY", "BUSY", "STARTING", "UNHEALTHY", "SETUP_FAILED", "DEFUNCT")
NO_ANSWER = "NO_ANSWER"
_HEALTH_SECONDS = 2.0
_LIMITS = Limits(connections=8, body_bytes=0)


class MetricsPort:
    """Listens and answers as long as its context lasts.

    Args:
        host: A name or an address of this machine.
        port: 0 takes any that is free.
        figures: What is shown.
        cog_port: The loopback port of Cog's server, which is asked for its state whenever somebody looks.

    Raises:
        OSError: The address cannot be bound.
    """

    def __init__(self, host: str, port: int, figures: Figures, cog_port: int) -> None:
        self._figures = figures
        self._health = f"http://127.0.0.1:{cog_port}{HEALTH_PATH}"
        self._state = Gauge(
            "plitka_server_state",
            "1 for the state that Cog's server is in, 0 for all others.",
            ("state",),
            registry=figures.registry,
        )
        self._client = httpx2.Client(timeout=_HEALTH_SECONDS, trust_env=False)
        self._socket = listen(host, port)
        address, self.port, *_ = self._socket.getsockname()
        names = frozenset({"localhost", host.lower()}) if is_loopback(address) else None
        app = Starlette(
            routes=[Route("/metrics", self._show)],
            middleware=[Middleware(SenderGuard, names=names)],
            exception_handlers={HTTPException: _refuse},
        )
        app.router.redirect_slashes = False
        self._server = bounded_server(app, _LIMITS, Counting())
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
        self._client.close()

    def _run(self) -> None:
        asyncio.run(self._server.serve([self._socket]))

    def _show(self, request: Request) -> Response:
        """The figures; in a thread of the pool, so that another caller need not wait for Cog's server."""
        state = self._find_state()
        for known in (*STATES, NO_ANSWER, UNKNOWN):
            self._state.labels(known).set(known == state)
        text = generate_latest(self._figures.registry)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4, "Cache-Control": "no-store"})

    def _find_state(self) -> str:
        try:
            said = self._client.get(self._health).json()["status"]
        except (httpx2.HTTPError, ValueError, LookupError, TypeError):
            return NO_ANSWER
        return said if said in STATES else UNKNOWN


async def _refuse(request: Request, error: Exception) -> Response:
    words = "There is no such path or method here: GET /metrics is all."
    return RefusedError(HTTPStatus.NOT_FOUND, words).answer()
