"""Who may ask for what: web pages of other sites, and answers sent elsewhere."""

import ipaddress
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from plitka.errors import ServeError, shown
from plitka.server.answers import RefusedError

# As a browser sends it: lower case, without a path, without the scheme's own port.
_ORIGIN = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?")
_OWN_PORTS = {("http", ":80"), ("https", ":443")}


@dataclass(frozen=True)
class Access:
    """What callers may do.

    Attributes:
        allow_webhooks: Whether a request may have its answer sent to an address.
        origins: Origins whose web pages may use this server from a browser.
    """

    allow_webhooks: bool = True
    origins: tuple[str, ...] = ()

    def middleware(self) -> Iterator[Middleware]:
        """What answers the browsers of the origins (CORS); nothing without any."""
        if self.origins:
            yield Middleware(
                CORSMiddleware,
                allow_origins=self.origins,
                allow_methods=("GET", "POST", "PUT"),
                allow_headers=("Prefer", "Cache-Control"),
                expose_headers=("Retry-After",),
                # A public page may reach a server of the reader's own network if it is named here.
                allow_private_network=True,
            )


OWN_PAGE_ALONE = Access()


def check_origin(text: str) -> str:
    """`text` if it is exactly one origin, such as `https://shop.example`. Raises ServeError."""
    found = _ORIGIN.fullmatch(text)
    if not found or (found[1], found[3]) in _OWN_PORTS:
        raise ServeError(
            f"{shown(text)} is no origin. Allowed: a scheme and a host as browsers send them, in lower case, "
            "with a port unless it is the scheme's own, and without a path, such as https://shop.example or "
            "http://localhost:3000; no * and no null"
        )
    return text


class SenderGuard:
    """Refuses, on a server that only this machine reaches, requests of other web sites through its browsers.

    They could point a name of theirs at this machine (DNS rebinding), or post a form without reading the
    answer. JSON of another origin needs a preflight request, which is refused. A request with two body
    lengths is refused on every server.

    Args:
        app: The application behind it.
        names: The names of this machine, besides its addresses; None for a server that others may reach.
        origins: Other web sites that may send what they like.
    """

    def __init__(self, app: ASGIApp, names: frozenset[str] | None, origins: Collection[str] = ()) -> None:
        self._app, self._names, self._origins = app, names, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a refusal or pass the request to the application."""
        is_request = scope["type"] == "http"
        refusal = self._refusal(scope["method"], Headers(scope=scope)) if is_request else None
        await (refusal.answer() if refusal else self._app)(scope, receive, send)

    def _refusal(self, method: str, headers: Headers) -> RefusedError | None:
        if "content-length" in headers and "transfer-encoding" in headers:
            words = "A request has a Content-Length or a Transfer-Encoding, not both."
            return RefusedError(HTTPStatus.BAD_REQUEST, words, {"Connection": "close"})
        if self._names is None:
            return None
        host = headers.get("host", "")
        name = re.sub(r":\d*$", "", host).strip("[]").lower()
        if name not in self._names and not is_loopback(name):
            words = "This server listens on this machine alone: open it as http://127.0.0.1 or localhost."
            return RefusedError(HTTPStatus.FORBIDDEN, words)
        origin = headers.get("origin")
        is_own = origin in (None, f"http://{host}", *self._origins)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if not is_own and method != "OPTIONS" and kind != "application/json":
            words = f"A request from another page, here {origin:.100}, must be application/json."
            return RefusedError(HTTPStatus.FORBIDDEN, words)
        return None


def is_loopback(host: str) -> bool:
    """Whether an address is a loopback address, or the name `localhost`."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
