"""`POST /match`: the mix on a photograph, found in a process of its own and without Cog's server."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from plitka.colors.palette import palette_in_use
from plitka.colors.palette_file import palette_document
from plitka.errors import PhotographError, shown
from plitka.server.answers import RETRY_SECONDS, Detail, RefusedError, problem
from plitka.server.body import parse_json, unprocessable
from plitka.server.photographs import ALLOWED, PhotoPlace, PhotoRoom, photo_bytes
from plitka.server.received import receive_json, too_large
from plitka.server.relay import until_disconnect

log = logging.getLogger(__name__)

# Callers at the same time; one photograph is looked at at a time.
MAX_MATCHES = 4
# Of the body beside the photograph.
MAX_OTHER_BYTES = 2**16
# From the start of a process to its end. Its processor time, which says more on a busy machine, it bounds
# itself.
MATCH_SECONDS = 300.0
_PROGRAM = (sys.executable, "-m", "plitka.server.match_process")
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# Wherever the server runs, it finds this package and no other.
_ROOT = str(Path(__file__).resolve().parents[2])
_KEYS = {
    "photo": ALLOWED,
    "corners": "four points of the upright photograph, [[x, y], [x, y], [x, y], [x, y]] in pixels",
    "colors": 'names of the colours that are known, such as "red, black"',
}


class MatchCalls:
    """Finds mixes, one at a time, for a few callers at once.

    Args:
        photos: Room for large bodies.
    """

    def __init__(self, photos: PhotoRoom) -> None:
        self._photos = photos
        self._callers = 0
        self._looking = asyncio.Lock()

    async def make(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with what was found, as JSON. Raises RefusedError."""
        if self._callers >= MAX_MATCHES:
            words = f"{MAX_MATCHES} photographs are being looked at. Try again in a few seconds."
            headers = {"Retry-After": str(RETRY_SECONDS)}
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, words, headers)
        self._callers += 1
        place = self._photos.place()
        try:
            body = await receive_json(Request(scope, receive), MAX_OTHER_BYTES, place)
            await until_disconnect(self._answer(body, place, scope, receive, send), receive)
        except ClientDisconnect:
            return
        finally:
            place.release()
            self._callers -= 1

    async def _answer(
        self, body: bytes, place: PhotoPlace, scope: Scope, receive: Receive, send: Send
    ) -> None:
        call = await asyncio.to_thread(_read, body, place)
        async with self._looking:
            found = await _looked_at(call)
        if "problems" in found:
            problems = found["problems"].items()
            raise unprocessable([problem(["body", key], _words(key, words)) for key, words in problems])
        await JSONResponse(found, headers={"Cache-Control": "no-store"})(scope, receive, send)


def _read(body: bytes, place: PhotoPlace) -> bytes:
    """What the process gets. Raises RefusedError with everything wrong with a body."""
    document = parse_json(body)
    if not isinstance(document, dict):
        words = f"{shown(document)} is no JSON object. Allowed: an object with {', '.join(_KEYS)} in it."
        raise unprocessable([problem(["body"], words)])
    photo = document.get("photo")
    if place.is_taken and isinstance(photo, str) and len(body) - len(photo) > MAX_OTHER_BYTES:
        raise too_large(MAX_OTHER_BYTES, place)
    problems, data = list(_problems(document)), b""
    try:
        data = photo_bytes(photo)
    except PhotographError as error:
        problems.append(problem(["body", "photo"], f"photo: {error.problem}. Allowed: {ALLOWED}."))
    if problems:
        raise unprocessable(problems)
    options = {key: document.get(key) for key in ("corners", "colors")}
    # The file of an operator's palette may have changed since the server started.
    options["palette"] = palette_document(palette_in_use())
    return json.dumps(options).encode() + b"\n" + data


def _problems(document: dict[str, Any]) -> Iterator[Detail]:
    for key in document:
        if key not in _KEYS:
            words = f"{shown(key)} is no key of a match. Allowed: {', '.join(_KEYS)}."
            yield problem(["body", key[:64]], words, "value_error.extra")
    corners, colors = document.get("corners"), document.get("colors")
    if corners is not None and not _are_corners(corners):
        yield problem(["body", "corners"], f"{shown(corners)} is not that. Allowed: {_KEYS['corners']}.")
    if colors is not None and not isinstance(colors, str):
        yield problem(["body", "colors"], f"{shown(colors)} is no text. Allowed: {_KEYS['colors']}.")


def _are_corners(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(isinstance(point, list) and len(point) == 2 for point in value)
        and all(_is_coordinate(number) for point in value for number in point)
    )


def _is_coordinate(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) < 1e6 and math.isfinite(value)  # type: ignore[operator, arg-type]


def _words(key: str, words: str) -> str:
    return words if key == "colors" else f"photo: the photograph {words}."


async def _looked_at(call: bytes) -> dict[str, Any]:
    """What the process says. It ends with its caller. Raises RefusedError if it says nothing."""
    pipe = asyncio.subprocess.PIPE
    environment = {**os.environ, **_ONE_THREAD}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [_ROOT, environment.get("PYTHONPATH")]))
    process = await asyncio.create_subprocess_exec(*_PROGRAM, stdin=pipe, stdout=pipe, env=environment)
    try:
        said, _ = await asyncio.wait_for(process.communicate(call), MATCH_SECONDS)
        found: dict[str, Any] = json.loads(said)
    except (TimeoutError, ValueError) as error:
        log.error("a photograph was not matched; status %s", process.returncode)
        late = " in time" if isinstance(error, TimeoutError) else ""
        words = f"The photograph could not be looked at{late}. The server's log says more."
        raise RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, words) from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return found
