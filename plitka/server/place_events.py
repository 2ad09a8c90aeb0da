"""The events of a prediction in line: server-sent events before those of Cog's server."""

import asyncio
import json

from starlette.types import Send

from plitka.server.line import Line, Ticket
from plitka.server.turns import EVENT_STREAM

QUEUE_EVENT = "queue"
# Seconds after which the place is sent again though nobody has moved: a connection on which nothing comes is
# closed by many a proxy.
_AGAIN_SECONDS = 15.0


class PlaceEvents:
    """Tells the caller of a stream its place, and the end of a prediction that is not drawn.

    Attributes:
        has_begun: Whether the head of the answer, with status 200, has been sent.
    """

    def __init__(self, line: Line, ticket: Ticket, send: Send) -> None:
        self._line, self._ticket, self._send = line, ticket, send
        self.has_begun = False

    async def tell(self) -> None:
        """Send an event `queue` at once and at every change, for as long as the prediction waits."""
        sent = None
        while True:
            changed, state = self._line.next_change(), self._line.state(self._ticket)
            if "queue" in state and state != sent:
                await self._event(QUEUE_EVENT, json.dumps(state).encode())
                sent = state
            try:
                async with asyncio.timeout(_AGAIN_SECONDS):
                    await changed.wait()
            except TimeoutError:
                sent = None

    async def complete(self, prediction: bytes) -> None:
        """Send a last event, `completed`, with the prediction as JSON."""
        await self._event("completed", prediction)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _event(self, name: str, data: bytes) -> None:
        if not self.has_begun:
            self.has_begun = True
            headers = [(b"content-type", EVENT_STREAM.encode()), (b"cache-control", b"no-cache")]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        body = b"event: %s\ndata: %s\n\n" % (name.encode(), data)
        await self._send({"type": "http.response.body", "body": body, "more_body": True})
