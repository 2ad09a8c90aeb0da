"""The calls about predictions: make one, ask for one, cancel one."""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import httpx2
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from plitka.server.answering import Answering
from plitka.server.answers import RefusedError
from plitka.server.body import BodyReader, Prediction, check_path_id
from plitka.server.kept_answers import KEPT_SECONDS
from plitka.server.line import Line
from plitka.server.photographs import PhotoPlace, PhotoRoom
from plitka.server.received import receive_json, too_large
from plitka.server.relay import REQUEST_HEADERS, Passage, Upstream, passed_headers, relay, until_disconnect
from plitka.server.turns import EVENT_STREAM, Turn

_TRACE_HEADERS = ("traceparent", "tracestate")


class PredictionCalls:
    """Reads calls about predictions and has them answered.

    Args:
        upstream: Cog's server.
        line: Where predictions wait for it.
        reader: Reads the body of a prediction.
        body_bytes: The largest body, without a photograph.
        photos: Room for those with one.
    """

    def __init__(
        self, upstream: Upstream, line: Line, reader: BodyReader, body_bytes: int, photos: PhotoRoom
    ) -> None:
        self._upstream, self._line = upstream, line
        self._reader, self._body_bytes = reader, body_bytes
        self._photos = photos
        self.answering = Answering(upstream, line)

    async def one(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The calls of one prediction by its id: `PUT` makes it, `GET` asks for it."""
        if scope["method"] == "PUT":
            await self.make(scope, receive, send)
        else:
            await self._show(Request(scope))(scope, receive, send)

    def _show(self, request: Request) -> Response:
        """The state of a prediction, or the whole of one whose caller did not wait."""
        name = request.path_params["id"]
        check_path_id(name)
        headers = {"Cache-Control": "no-store"}
        if state := self._state(name):
            return JSONResponse(state, headers=headers)
        if (answer := self.answering.kept.get(name)) is not None:
            return Response(answer, headers=headers, media_type="application/json")
        words = (
            "No such prediction is in line or being drawn. Of those that have ended, the latest made with "
            f"Prefer: respond-async are kept, for {KEPT_SECONDS / 60:.0f} minutes."
        )
        raise RefusedError(HTTPStatus.NOT_FOUND, words, headers)

    async def cancel(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST` to `cancel`: the prediction leaves the line, or Cog's server stops drawing it."""
        name = Request(scope).path_params["id"]
        check_path_id(name)
        leaves = self._line.cancel(name)
        call = JSONResponse({}) if leaves else Passage(self._upstream, "/predictions/{id}/cancel")
        await call(scope, receive, send)

    async def make(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST` or `PUT`: draw a tile; ends early, unless it was to be later, if the caller disconnects."""
        request = Request(scope, receive)
        path_id = request.path_params.get("id")
        if path_id is not None:
            check_path_id(path_id)
        photo = self._photos.place()
        try:
            await self._made(request, path_id, photo, send)
        except ClientDisconnect:
            return
        finally:
            photo.release()

    async def _made(self, request: Request, path_id: str | None, photo: PhotoPlace, send: Send) -> None:
        prediction = await self._read(request, path_id, photo)
        scope, receive = request.scope, request.receive
        if state := self._state(prediction.id):
            await self._again(prediction, state, request, send)
            return
        call = self._call(prediction, request, _TRACE_HEADERS, accept=EVENT_STREAM)
        is_stream = EVENT_STREAM in request.headers.get("accept", "")
        is_later = not is_stream and "respond-async" in request.headers.get("prefer", "")
        ticket = self._line.join(prediction.id)
        turn = Turn(prediction, call, ticket, photo.handed_over() if is_later else photo)
        if is_stream:
            await until_disconnect(self.answering.stream(turn, send), receive)
        elif is_later:
            answer = await self.answering.later(turn)
            await answer(scope, receive, send)
        else:
            await until_disconnect(self.answering.whole(turn, scope, receive, send), receive)

    async def _read(self, request: Request, path_id: str | None, photo: PhotoPlace) -> Prediction:
        """The prediction in a body. Raises RefusedError and ClientDisconnect."""
        data = await receive_json(request, self._body_bytes, photo)
        if not photo.is_taken:
            return self._reader.read(data, path_id)
        # Long enough to hold up the other callers.
        prediction = await asyncio.to_thread(self._reader.read, data, path_id)
        if len(data) - prediction.photo_size > self._body_bytes:
            raise too_large(self._body_bytes, photo)
        return prediction

    def _state(self, name: str) -> dict[str, Any] | None:
        if ticket := self._line.find(name):
            return self._line.state(ticket)
        return {"id": name, "status": "processing"} if self._line.is_drawn(name) else None

    def _call(
        self, prediction: Prediction, request: Request, names: Sequence[str], **more: str
    ) -> httpx2.Request:
        """The call of Cog's server that passes a prediction on, with these headers of its caller."""
        headers = passed_headers(request.headers, names)
        added = {"content-type": "application/json"} | more
        headers += [(name.encode(), value.encode()) for name, value in added.items()]
        return self._upstream.client.build_request(
            request.method, request.url.path, headers=headers, content=prediction.body
        )

    async def _again(
        self, prediction: Prediction, state: dict[str, Any], request: Request, send: Send
    ) -> None:
        """Answer a call for a prediction that waits or is being drawn; it makes no second one."""
        if request.method != "PUT":
            words = "A prediction with this id is in line or being drawn. PUT /predictions/ID follows it."
            raise RefusedError(HTTPStatus.CONFLICT, words)
        if self._line.is_drawn(prediction.id):
            # Cog's server knows it: it answers with its state, or with its events from the first on.
            await until_disconnect(self._follow(prediction, request, send), request.receive)
        else:
            answer = JSONResponse(state, HTTPStatus.ACCEPTED)
            await answer(request.scope, request.receive, send)

    async def _follow(self, prediction: Prediction, request: Request, send: Send) -> None:
        predictions, status = self._upstream.predictions, None
        predictions.begin(prediction.id)
        try:
            response = await self._upstream.send(self._call(prediction, request, REQUEST_HEADERS))
            try:
                if await relay(response, send):
                    status = response.status_code
            finally:
                await response.aclose()
        finally:
            predictions.end(prediction.id, status)
