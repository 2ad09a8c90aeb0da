"""Calls of a service over HTTP that are tried again: back-off with jitter, Retry-After, patience."""

from __future__ import annotations

import asyncio
import datetime
import json
import random
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpx2

from plitka.errors import CatalogueError, printable, shown
from plitka.output.provenance_reader import MAX_FILE_BYTES

# Answers after which the same call may succeed: a busy server, a full line, one that starts or is in trouble.
AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
# After these no task would succeed.
HOPELESS = {
    HTTPStatus.UNAUTHORIZED: "the token is missing or wrong",
    HTTPStatus.PAYMENT_REQUIRED: "the account has no credit",
    HTTPStatus.FORBIDDEN: "the token may not do this",
    HTTPStatus.NOT_FOUND: "there is no such model or path",
    HTTPStatus.METHOD_NOT_ALLOWED: "this is not the address of such a service",
    HTTPStatus.NOT_IMPLEMENTED: "this is not the address of such a service",
}
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0
# Of an answer with three pictures in it as text.
_MAX_ANSWER_BYTES = 4 * MAX_FILE_BYTES
_SHOWN = 300


class CallError(Exception):
    """A call that did not succeed, for one task: why, a sentence. Turned into that task's problem.

    Attributes:
        status: The HTTP status of the refusal; None where it was none.
    """

    def __init__(self, words: str, status: int | None = None) -> None:
        super().__init__(words)
        self.status = status


class Calls:
    """A client whose calls wait and try again.

    Args:
        client: What sends.
        patience: Seconds for which a call is tried again.
        note: Gets in words what is waited for.
    """

    def __init__(self, client: httpx2.AsyncClient, patience: float, note: Callable[[str], None]) -> None:
        self._client, self._patience, self._note = client, patience, note

    async def json(self, method: str, url: str, *, is_key: bool = True, **options: Any) -> dict[str, Any]:
        """The JSON object that a call answers with.

        Args:
            method: Of HTTP.
            url: The address.
            is_key: Whether no task would succeed where this call is refused for good.
            options: As httpx2 takes them, such as `json`.

        Raises:
            CallError: It is refused, or patience has ended.
            CatalogueError: No call would succeed.
        """
        data = await self._answer(method, url, is_key=is_key, **options)
        try:
            found = json.loads(data)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise CallError(f"{_host(url)} does not answer with a JSON object: is it a Cog server?")
        return found

    async def file(self, url: str) -> bytes:
        """The bytes of a file, wherever it has moved to. Raises CallError."""
        return await self._answer("GET", url, is_key=False, follow_redirects=True)

    async def _answer(self, method: str, url: str, *, is_key: bool, **options: Any) -> bytes:
        loop = asyncio.get_running_loop()
        end, wait = loop.time() + self._patience, _FIRST_WAIT
        while True:
            asked = None
            try:
                async with self._client.stream(method, url, **options) as answer:
                    data = await _bounded(answer)
            except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
                raise CallError(f"{shown(url)} is not an address that can be called") from error
            except httpx2.RequestError as error:
                problem = f"{_host(url)}: {str(error) or type(error).__name__}"
            else:
                if answer.is_success:
                    return data
                asked = retry_after(answer.headers.get("Retry-After", ""))
                problem = _refused(answer.status_code, data, url, is_key=is_key)
            # Jitter, so that callers who were refused together do not come again together.
            pause = asked if asked is not None else wait * random.uniform(0.5, 1.5)
            if loop.time() + pause > end:
                raise CallError(f"given up after {self._patience:g} seconds: {problem}")
            self._note(f"waits: {problem}")
            await asyncio.sleep(pause)
            wait = min(2 * wait, _LONGEST_WAIT)


async def _bounded(answer: httpx2.Response) -> bytes:
    data = bytearray()
    async for piece in answer.aiter_bytes():
        data += piece
        if len(data) > _MAX_ANSWER_BYTES:
            raise CallError(f"{_host(str(answer.url))} sends more than {_MAX_ANSWER_BYTES:,} bytes")
    return bytes(data)


def _refused(status: int, data: bytes, url: str, *, is_key: bool) -> str:
    """What a refusal says, where the same call may succeed later. Raises CallError or CatalogueError."""
    problem = f"{_host(url)} answers {status}: {said_by(data)}"
    if status in HOPELESS and is_key:
        raise CatalogueError(f"{HOPELESS[HTTPStatus(status)]}: {problem}")
    if status not in AGAIN:
        raise CallError(problem, status)
    return problem


def retry_after(header: str) -> float | None:
    """The seconds of a header Retry-After in either of its forms (RFC 9110, 10.2.3), else None."""
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    zoned = when if when.tzinfo else when.replace(tzinfo=datetime.UTC)
    return max(0.0, (zoned - datetime.datetime.now(datetime.UTC)).total_seconds())


def said_by(data: bytes) -> str:
    """What the body of a refusal says, short and safe to print."""
    try:
        found = json.loads(data)
    except ValueError:
        found = None
    text = found.get("detail", found) if isinstance(found, dict) else data.decode(errors="replace")
    return printable(str(text))[:_SHOWN]


def _host(url: str) -> str:
    """A URL without its path and query, which may hold a secret."""
    parts = httpx2.URL(url)
    return f"{parts.scheme}://{parts.host}" + (f":{parts.port}" if parts.port else "")
