"""Three ways to answer a prediction: in one piece, as a stream of events, or at once and drawn later."""

import asyncio
import json
import logging
from http import HTTPStatus
from typing import Any, Literal

import httpx2
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from plitka.server.answers import RefusedError
from plitka.server.kept_answers import KeptAnswers
from plitka.server.line import LeftLineError, Line
from plitka.server.place_events import PlaceEvents
from plitka.server.relay import Upstream, relay
from plitka.server.turns import ReadAhead, Turn, Turns, is_event_stream, whole_answer
from plitka.server.webhooks import WebhookSender

log = logging.getLogger(__name__)

_JSON = "application/json"


class Answering:
    """Has predictions drawn in their turn and answers their callers.

    Attributes:
        kept: Answers to those whose callers did not wait.

    Args:
        upstream: Cog's server.
        line: Where predictions wait for it.
    """

    def __init__(self, upstream: Upstream, line: Line) -> None:
        self.kept = KeptAnswers()
        self._upstream, self._line = upstream, line
        self._turns = Turns(line, upstream)
        self._webhooks = WebhookSender()
        self._later: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """End what goes on without a caller, and send the webhooks that are due."""
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)
        await self._webhooks.close()

    async def whole(self, turn: Turn, scope: Scope, receive: Receive, send: Send) -> None:
        """The whole prediction in one piece, when it is drawn."""
        try:
            async with self._turns.drawn(turn) as response:
                if not is_event_stream(response):
                    await relay(response, send)
                    return
                answer = await whole_answer(response)
        except LeftLineError as reason:
            answer = self._ended(turn, reason.status, reason.words)
            if reason.status == "failed":
                raise reason.refusal() from None
        except httpx2.TransportError as error:
            raise self._upstream.refusal(error) from None
        await Response(answer, media_type=_JSON)(scope, receive, send)

    async def stream(self, turn: Turn, send: Send) -> None:
        """Events: the place in line as long as it waits, then those of Cog's server as they come."""
        places = PlaceEvents(self._line, turn.ticket, send)
        telling = asyncio.create_task(places.tell())
        sending = None
        try:
            async with self._turns.drawn(turn) as response:
                await _stop(telling)
                if places.has_begun and not is_event_stream(response):
                    words = _said(await response.aread())
                    await places.complete(self._ended(turn, "failed", words))
                    return
                # A caller that receives slowly holds up nobody in line.
                pieces = ReadAhead(response)
                sending = asyncio.create_task(
                    relay(response, send, pieces.received(), is_started=places.has_begun)
                )
                await pieces.read()
            await sending
        except httpx2.TransportError:
            # The caller notices that the end is missing.
            if sending:
                await sending
        except (LeftLineError, RefusedError) as reason:
            await _stop(telling)
            await self._complete(turn, places, reason)
        finally:
            await _stop(telling, sending)

    async def later(self, turn: Turn) -> Response:
        """The answer at once, 202, to a prediction that is drawn without its caller; or its refusal."""
        first: asyncio.Future[Response] = asyncio.Future()
        task = asyncio.create_task(self._draw(turn, first))
        self._later.add(task)
        task.add_done_callback(self._later.discard)
        while turn.ticket.is_trying and not first.done():
            change = asyncio.create_task(self._line.next_change().wait())
            news: set[asyncio.Future[Any]] = {first, change}
            await asyncio.wait(news, return_when=asyncio.FIRST_COMPLETED)
            await _stop(change)
        if first.done():
            return first.result()
        return JSONResponse(self._line.state(turn.ticket), HTTPStatus.ACCEPTED)

    async def _draw(self, turn: Turn, first: asyncio.Future[Response]) -> None:
        """Draw a prediction and keep its answer; `first` gets what a caller gets who has no answer yet."""
        name = turn.ticket.id
        self.kept.forget(name)
        try:
            async with self._turns.drawn(turn) as response:
                if is_event_stream(response):
                    first.set_result(JSONResponse({"id": name, "status": "starting"}, HTTPStatus.ACCEPTED))
                    answer = await whole_answer(response)
                else:
                    said = await response.aread()
                    first.set_result(Response(said, response.status_code, media_type=_JSON))
                    if turn.ticket.is_trying:
                        return
                    answer = self._ended(turn, "failed", _said(said))
        except LeftLineError as reason:
            answer = self._ended(turn, reason.status, reason.words)
        except RefusedError as refusal:
            if turn.ticket.is_trying:
                first.set_exception(refusal)
                return
            answer = self._ended(turn, "failed", str(refusal.detail))
        except httpx2.TransportError as error:
            answer = self._ended(turn, "failed", str(self._upstream.refusal(error).detail))
        self.kept.keep(name, answer)

    async def _complete(self, turn: Turn, places: PlaceEvents, reason: LeftLineError | RefusedError) -> None:
        """Tell the caller of a stream that there is no drawing: as its last event, or as a refusal."""
        if isinstance(reason, LeftLineError):
            await places.complete(self._ended(turn, reason.status, reason.words))
        elif places.has_begun:
            await places.complete(self._ended(turn, "failed", str(reason.detail)))
        else:
            raise reason

    def _ended(self, turn: Turn, status: Literal["canceled", "failed"], words: str) -> bytes:
        """The prediction that Cog's server did not draw, as JSON; its webhook gets the same."""
        prediction = {"id": turn.ticket.id, "logs": "", "metrics": {}, "output": [], "status": status}
        answer = json.dumps(prediction | ({"error": words} if status == "failed" else {})).encode()
        if turn.prediction.webhook is not None:
            self._webhooks.send(turn.prediction.webhook, answer)
        return answer


async def _stop(*tasks: asyncio.Task[Any] | None) -> None:
    """End tasks and wait until they have ended."""
    going = [task for task in tasks if task is not None]
    for task in going:
        task.cancel()
    await asyncio.gather(*going, return_exceptions=True)


def _said(answer: bytes) -> str:
    """What a refusal of Cog's server says, as one text."""
    try:
        document = json.loads(answer)
        detail = document.get("detail") or document.get("error")
        if isinstance(detail, list):
            return "; ".join(f"{problem['loc'][-1]}: {problem['msg']}" for problem in detail)
        return str(detail)
    except (ValueError, AttributeError, LookupError, TypeError):
        return "The Cog server refused the prediction. Its log says more."
