"""Answers that the gateway makes itself: JSON with a message, or the problems of a body, under `detail`."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

# One problem of a body in the layout of FastAPI, which Cog's schema has too: loc, msg, type.
Detail = Mapping[str, Any]
# Seconds after which a caller should try again (the header Retry-After).
RETRY_SECONDS = 5


class RefusedError(Exception):
    """A request that the gateway answers itself: it is refused, or Cog's server gave no answer.

    Attributes:
        status: The HTTP status.
        detail: A message, or the problems of the body one by one.
        headers: Additional headers of the answer.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str | Sequence[Detail],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status, self.detail, self.headers = status, detail, dict(headers or {})
        super().__init__(detail)

    def answer(self, **more: str) -> JSONResponse:
        """The HTTP response, with further keys beside `detail`."""
        return JSONResponse({"detail": self.detail, **more}, self.status, self.headers)


def problem(place: Sequence[str | int], words: str, kind: str = "value_error") -> Detail:
    """One problem at a place of the request, such as `body`, `input`, `seed`."""
    return {"loc": list(place), "msg": words, "type": kind}
