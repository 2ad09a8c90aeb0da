"""Photographs in the body of a call: data: URLs alone, of bounded size and number, and never an address.

Cog's server fetches whatever address it is given, so nothing else may reach it.
"""

from __future__ import annotations

import base64
import binascii
import re
from http import HTTPStatus

from plitka.errors import PhotographError, shown
from plitka.server.answers import RETRY_SECONDS, RefusedError

MAX_PHOTO_BYTES = 20 * 2**20
# Bodies with a photograph in memory at the same time, those of predictions in line included.
MAX_PHOTOS = 4
ALLOWED = (
    f"a picture of at most {MAX_PHOTO_BYTES // 2**20} MiB as data:image/jpeg;base64,…, or with png or webp"
)
# What a body beyond the usual size has in its first part: else it is refused before the rest is received.
_PHOTO_KEY = re.compile(rb'"photo"\s*:\s*"data:image\\?/')
_DATA_URL = re.compile(r"data:image/[a-z0-9][a-z0-9.+-]{0,40};base64,")


def body_bytes_with_photo(others: int) -> int:
    """The largest body with a photograph, where that without it may have `others` bytes."""
    return others + 4 * (MAX_PHOTO_BYTES + 2) // 3 + 64


def has_photo(body: bytes | bytearray) -> bool:
    """Whether a body, or the first part of one, has a photograph in it."""
    return _PHOTO_KEY.search(body) is not None


def photo_bytes(value: object) -> bytes:
    """The file in a data: URL, whose first bytes are those of a kind of picture that is read.

    Raises:
        PhotographError: It is anything else, or too large.
    """
    # What knows the kinds is loaded by those who have a photograph.
    from plitka.match.photo import check_kind

    start = _DATA_URL.match(value) if isinstance(value, str) else None
    if not isinstance(value, str) or start is None:
        raise PhotographError(f"{shown(value)} is no data: URL of a picture; addresses are not fetched here")
    if len(value) - start.end() > 4 * (MAX_PHOTO_BYTES + 2) // 3:
        raise PhotographError("the photograph is too large")
    try:
        data = base64.b64decode(value[start.end() :].encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise PhotographError("the photograph is not encoded in Base64") from None
    if len(data) > MAX_PHOTO_BYTES:
        raise PhotographError("the photograph is too large")
    try:
        check_kind(data)
    except PhotographError as error:
        raise PhotographError(f"the photograph {error.problem}") from None
    return data


class PhotoRoom:
    """Room in memory for the bodies of a few calls with a photograph."""

    def __init__(self, places: int = MAX_PHOTOS) -> None:
        self._free = places

    def place(self) -> PhotoPlace:
        """A place that is taken when it is needed."""
        return PhotoPlace(self)

    def take(self) -> None:
        """Take a place. Raises RefusedError, with status 429, if there is none."""
        if not self._free:
            words = "There is no room for another photograph. Try again in a few seconds."
            headers = {"Retry-After": str(RETRY_SECONDS)}
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, words, headers)
        self._free -= 1

    def release(self) -> None:
        """Give a place back."""
        self._free += 1


class PhotoPlace:
    """A place in a room, taken by the first `take` and given back by the first `release` after it."""

    def __init__(self, room: PhotoRoom) -> None:
        self._room = room
        self.is_taken = False

    def take(self) -> None:
        """Take it, once. Raises RefusedError, with status 429, if there is none."""
        if not self.is_taken:
            self._room.take()
            self.is_taken = True

    def handed_over(self) -> PhotoPlace:
        """The same place in other hands: this one has nothing more to give back."""
        other = PhotoPlace(self._room)
        other.is_taken, self.is_taken = self.is_taken, False
        return other

    def release(self) -> None:
        """Give it back, if it is taken."""
        if self.is_taken:
            self.is_taken = False
            self._room.release()
