"""Services that draw over HTTP: a Cog server (`plitka serve` too), and the API of Replicate."""

from __future__ import annotations

import asyncio
import base64
import binascii
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from plitka.batch.http_calls import CallError, Calls
from plitka.batch.runner import Task
from plitka.errors import printable

REPLICATE_API = "https://api.replicate.com"
# Seconds between two looks at a prediction: the first and the longest.
_FIRST_LOOK, _LONGEST_LOOK = 0.5, 5.0
# What Plitka gives first, in this order.
_FIRST_FILES = ("preview", "final", "colormap")
_OVER = ("succeeded", "failed", "canceled", "aborted")


# A picture's file, and the seconds that the service charges for, where it says so.
Drawn = tuple[bytes, float | None]


class _LostError(Exception):
    """A prediction of an earlier run whose picture cannot be had any more."""


class Service(Protocol):
    """Draws one task."""

    async def draw(self, task: Task, calls: Calls, begun: Callable[[str], None]) -> Drawn:
        """The final picture's file, and the seconds that the service charges for.

        `begun` gets the address of a prediction that goes on without its caller. Raises CallError.
        """
        ...

    async def cancel(self, task: Task, calls: Calls) -> None:
        """Stop drawing a task that `draw` was cancelled at. Raises CallError."""
        ...


class CogService:
    """A Cog server, called in one piece: the answer comes when the picture is done.

    It has no way to fetch a prediction later; `plitka serve` ends one whose caller goes away.
    """

    def __init__(self, url: str) -> None:
        self._predictions = f"{url.rstrip('/')}/predictions"
        # An id of this run's own: the same call again follows the first and draws nothing twice.
        self._run = secrets.token_hex(4)

    async def draw(self, task: Task, calls: Calls, begun: Callable[[str], None]) -> Drawn:
        """See `Service.draw`."""
        while True:
            found = await calls.json("PUT", self._address(task), json=_body(task))
            if found.get("status") in _OVER:
                return await _picture(found, calls)
            # Another call of this id is being answered, whose connection is lost.
            await asyncio.sleep(_FIRST_LOOK)

    async def cancel(self, task: Task, calls: Calls) -> None:
        """See `Service.cancel`."""
        await calls.json("POST", f"{self._address(task)}/cancel")

    def _address(self, task: Task) -> str:
        return f"{self._predictions}/catalogue-{self._run}-{task.hash[:24]}"


class ReplicateService:
    """The HTTP API of Replicate: a prediction is made, looked at until it is over, and its file fetched.

    Source: https://replicate.com/docs/reference/http. Webhooks would need an address of this machine that
    Replicate reaches, which a command rarely has; looking costs nothing.

    Args:
        model: "owner/name", or "owner/name:version".
        api: Where the API is.
    """

    def __init__(self, model: str, api: str = REPLICATE_API) -> None:
        name, _, version = model.partition(":")
        path = "predictions" if version else f"models/{name}/predictions"
        self._made_at = f"{api}/v1/{path}"
        self._version = {"version": version} if version else {}
        self._api = api
        self._running: dict[str, str] = {}

    async def draw(self, task: Task, calls: Calls, begun: Callable[[str], None]) -> Drawn:
        """See `Service.draw`."""
        if task.prediction is not None and task.prediction.startswith(f"{self._api}/"):
            with suppress(_LostError):
                return await self._earlier(task, task.prediction, calls)
        found = await calls.json("POST", self._made_at, json=self._version | _body(task))
        address = self._address(found)
        begun(address)
        return await _picture(await self._ended(task, address, found, calls), calls)

    async def _earlier(self, task: Task, address: str, calls: Calls) -> Drawn:
        """The picture that an earlier run has begun. Raises _LostError if it came to nothing."""
        try:
            found = await calls.json("GET", address, is_key=False)
            return await _picture(await self._ended(task, address, found, calls), calls)
        except CallError as error:
            # It failed, or Replicate has removed the files, as it does after an hour.
            raise _LostError from error

    async def _ended(self, task: Task, address: str, found: dict[str, Any], calls: Calls) -> dict[str, Any]:
        """A prediction once it is over."""
        look = _FIRST_LOOK
        self._running[task.hash] = address
        while found.get("status") not in _OVER:
            await asyncio.sleep(look)
            look = min(1.5 * look, _LONGEST_LOOK)
            found = await calls.json("GET", address)
        del self._running[task.hash]
        return found

    async def cancel(self, task: Task, calls: Calls) -> None:
        """See `Service.cancel`."""
        if (address := self._running.pop(task.hash, None)) is not None:
            await calls.json("POST", f"{address}/cancel")

    def _address(self, found: dict[str, Any]) -> str:
        address = (found.get("urls") or {}).get("get")
        # The token goes with every look, and so to nobody else.
        if not isinstance(address, str) or not address.startswith(f"{self._api}/"):
            raise CallError("the service does not say where the prediction is")
        return address


def _body(task: Task) -> dict[str, Any]:
    return {"input": {"params_json": task.request}}


async def _picture(found: dict[str, Any], calls: Calls) -> Drawn:
    """The final picture of a prediction that is over, and its `predict_time`. Raises CallError."""
    if found.get("status") != "succeeded":
        reason = found.get("error") or "no reason is given"
        raise CallError(printable(f"the prediction has ended as {found.get('status')}: {reason}"))
    output = found.get("output")
    addresses = [url for url in output if isinstance(url, str)] if isinstance(output, list) else []
    if len(addresses) < len(_FIRST_FILES):
        raise CallError("the prediction has no final picture: is it Plitka?")
    data = await _data(addresses[_FIRST_FILES.index("final")], calls)
    seconds = (found.get("metrics") or {}).get("predict_time")
    return data, float(seconds) if isinstance(seconds, int | float) else None


async def _data(address: str, calls: Calls) -> bytes:
    if not address.startswith("data:"):
        return await calls.file(address)
    try:
        return base64.b64decode(address.partition(",")[2], validate=True)
    except binascii.Error as error:
        raise CallError("the prediction's picture is damaged") from error
