"""`POST /sheet`: the PDF sheet of a picture that says what it was drawn from, made without Cog's server."""

from __future__ import annotations

import asyncio
import base64
import binascii
import io
import re
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from plitka.errors import ContainerError, RequestError, shown
from plitka.server.answers import RETRY_SECONDS, Detail, RefusedError, problem
from plitka.server.body import parse_json, unprocessable
from plitka.server.received import receive_json

if TYPE_CHECKING:
    from plitka.request.tile_request import TileRequest

# A picture of 1024 x 1024 pixels, noise in PNG, has 3 MiB, and Base64 makes four bytes of three; the rest is
# for a logo. The sheet of a larger picture is made with its prediction.
MAX_BODY_BYTES = 6 * 2**20
# Bodies in memory at the same time; one sheet is made at a time.
MAX_SHEETS = 4

_Read = TypeVar("_Read")
_Fields = TypeVar("_Fields", bound=BaseModel)
_DATA_ADDRESS = re.compile(r"data:image/(?:png|jpeg|webp);base64,")
_PICTURE = "a picture of Plitka's as data:image/png;base64,…, or with jpeg or webp"
_KEYS = {
    "picture": _PICTURE,
    "sheet": "an object as in overrides.sheet of a request",
    "order": "an object as in overrides.order of a request",
}


class SheetCalls:
    """Makes sheets, one at a time, for a few callers at once."""

    def __init__(self) -> None:
        self._callers = 0
        self._drawing = asyncio.Lock()

    async def make(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the PDF. Raises RefusedError."""
        if self._callers >= MAX_SHEETS:
            words = f"{MAX_SHEETS} sheets are being made. Try again in a few seconds."
            headers = {"Retry-After": str(RETRY_SECONDS)}
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, words, headers)
        self._callers += 1
        try:
            body = await receive_json(Request(scope, receive), MAX_BODY_BYTES)
            async with self._drawing:
                data = await asyncio.to_thread(_sheet, body)
            answer = Response(data, media_type="application/pdf", headers={"Cache-Control": "no-store"})
            await answer(scope, receive, send)
        except ClientDisconnect:
            return
        finally:
            self._callers -= 1


def _sheet(body: bytes) -> bytes:
    """The PDF that a body asks for. Raises RefusedError with everything wrong with it."""
    from plitka.output.sheet import make_sheet, sheet_date
    from plitka.request.order import OrderFields
    from plitka.request.sheet import SheetFields

    document = parse_json(body)
    if not isinstance(document, dict):
        words = f"{shown(document)} is no JSON object. Allowed: an object with {' and '.join(_KEYS)} in it."
        raise unprocessable([problem(["body"], words)])
    problems = list(_unknown_keys(document))
    drawn = _gathered(problems, lambda: _picture(document.get("picture")))
    fields = _gathered(problems, lambda: _part("sheet", document.get("sheet"), SheetFields))
    order = _gathered(problems, lambda: _part("order", document.get("order"), OrderFields))
    if problems or drawn is None:
        raise unprocessable(problems)
    request, picture = drawn
    fields = fields or SheetFields()
    if order is not None:
        request = request.with_order(order)
    try:
        return make_sheet(request, picture, fields, sheet_date(fields))
    except ContainerError as error:
        raise _refused("picture", f"{error}. Allowed: {_PICTURE}.") from error


def _gathered(problems: list[Detail], read: Callable[[], _Read]) -> _Read | None:
    """What `read` gives; None if it is refused, with the reasons among the problems."""
    try:
        return read()
    except RefusedError as refusal:
        problems += [] if isinstance(refusal.detail, str) else refusal.detail
        return None


def _unknown_keys(document: dict[str, Any]) -> Iterator[Detail]:
    for key in document:
        if key not in _KEYS:
            words = f"{shown(key)} is no key of a sheet. Allowed: {', '.join(_KEYS)}."
            yield problem(["body", key[:64]], words, "value_error.extra")


def _picture(value: object) -> tuple[TileRequest, bytes]:
    """A picture and the request in it."""
    from plitka.output.provenance_reader import provenance_in
    from plitka.request.tile_request import parse_request

    if not isinstance(value, str) or not (start := _DATA_ADDRESS.match(value)):
        raise _refused("picture", f"{shown(value)} is no picture. Allowed: {_PICTURE}.")
    try:
        data = base64.b64decode(value[start.end() :], validate=True)
        return parse_request(provenance_in(io.BytesIO(data)).request), data
    except (binascii.Error, ValueError) as error:
        reason = str(error).splitlines()[0] if isinstance(error, ContainerError) else "it cannot be read"
        raise _refused("picture", f"{reason}. Allowed: {_PICTURE}.") from error


def _part(key: str, value: object, fields: type[_Fields]) -> _Fields | None:
    """What a call says apart of a request's sheet or order; None for nothing."""
    from plitka.request.problems import checked

    if value is None:
        return None
    if not isinstance(value, dict):
        raise _refused(key, f"{shown(value)} is no object. Allowed: {_KEYS[key]}.")
    try:
        return checked(fields, value)
    except RequestError as error:
        problems = [problem(["body", key, each.field], str(each)) for each in error.problems]
        raise unprocessable(problems) from None


def _refused(key: str, words: str) -> RefusedError:
    return unprocessable([problem(["body", key], words)])
