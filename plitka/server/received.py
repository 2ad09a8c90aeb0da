"""The body of a call as it comes in: JSON by its type, and bounded."""

import re
from http import HTTPStatus

from starlette.requests import Request

from plitka.server.answers import RefusedError

_JSON_TYPE = re.compile(r"application/([\w.-]+\+)?json", re.IGNORECASE)


async def receive_json(request: Request, most: int) -> bytes:
    """The body of a call, of `most` bytes at most.

    Raises:
        RefusedError: It is not said to be JSON, or too large.
        ClientDisconnect: The caller is gone.
    """
    kind = request.headers.get("content-type")
    if kind is not None and not _JSON_TYPE.fullmatch(kind.partition(";")[0].strip()):
        words = f"The body must be application/json, not {kind:.100}."
        raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, words)
    _check_size(int(request.headers.get("content-length", "0")), most)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        _check_size(len(body), most)
    return bytes(body)


def _check_size(size: int, most: int) -> None:
    if size > most:
        words = f"The request is too large. Allowed: {most} bytes."
        raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words)
