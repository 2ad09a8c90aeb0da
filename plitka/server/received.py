"""The body of a call as it comes in: JSON by its type, and bounded."""

import re
from http import HTTPStatus

from starlette.requests import Request

from plitka.server.answers import RefusedError
from plitka.server.photographs import MAX_PHOTO_BYTES, PhotoPlace, body_bytes_with_photo, has_photo

_JSON_TYPE = re.compile(r"application/([\w.-]+\+)?json", re.IGNORECASE)


async def receive_json(request: Request, most: int, place: PhotoPlace | None = None) -> bytes:
    """The body of a call, of `most` bytes at most, or of more if it has a photograph in it.

    Args:
        request: The call.
        most: The most bytes.
        place: Taken, and left to the caller to give back, for a body with a photograph that is larger than
            that; None where no photograph is taken.

    Raises:
        RefusedError: It is not said to be JSON, or too large, or there is no place.
        ClientDisconnect: The caller is gone.
    """
    kind = request.headers.get("content-type")
    if kind is not None and not _JSON_TYPE.fullmatch(kind.partition(";")[0].strip()):
        words = f"The body must be application/json, not {kind:.100}."
        raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, words)
    bound = most if place is None else body_bytes_with_photo(most)
    if int(request.headers.get("content-length", "0")) > bound:
        raise too_large(most, place)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most and place is not None and not place.is_taken and has_photo(body):
            place.take()
        if len(body) > (bound if place is not None and place.is_taken else most):
            raise too_large(most, place)
    return bytes(body)


def too_large(most: int, place: PhotoPlace | None) -> RefusedError:
    """The refusal of a body that is larger than allowed."""
    photo = "" if place is None else f", and a photograph of {MAX_PHOTO_BYTES // 2**20} MiB beside them"
    words = f"The request is too large. Allowed: {most} bytes{photo}."
    return RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words)
