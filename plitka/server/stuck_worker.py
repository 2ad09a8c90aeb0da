"""Notices a Cog server that says BUSY without a prediction, and so for good.

Cog 0.23.1 loses its only slot when it cannot make a prediction's folder in `/tmp/coglet`: the prediction
fails, and every later one is refused. Nothing but a new process helps.
"""

import time
from http import HTTPStatus

import httpx2

from plitka.server.relay import Predictions

# This need not be long: Cog's server knows a prediction until its worker has let go of it, cancelled or not.
STUCK_SECONDS = 10.0
# A body that Cog's server never takes. It first looks whether it knows the id: 202 if it is at work on it.
_QUESTION: dict[str, list[None]] = {"input": []}


class StuckWatch:
    """Asks Cog's server now and then, as long as it may be at work on something.

    Args:
        port: Where the server listens on this machine.
        predictions: What was passed on to it.
        seconds: For how long it must have been BUSY with nothing.
    """

    def __init__(self, port: int, predictions: Predictions, seconds: float = STUCK_SECONDS) -> None:
        self._predictions, self._seconds = predictions, seconds
        self._client = httpx2.Client(
            base_url=f"http://127.0.0.1:{port}",
            timeout=5.0,
            limits=httpx2.Limits(max_keepalive_connections=0),
            trust_env=False,
        )
        self._since: float | None = None
        self._settled = 0

    def is_stuck(self) -> bool:
        """Whether the server has been BUSY with nothing for too long. Call it every second or so."""
        passed_on = self._predictions.passed_on
        if passed_on == self._settled:
            return False
        if not self._is_busy_with_nothing() or passed_on != self._predictions.passed_on:
            self._since = None
            return False
        self._since = self._since or time.monotonic()
        return time.monotonic() - self._since >= self._seconds

    def forget(self) -> None:
        """Begin anew with another server, which knows none of the predictions."""
        self._since = None
        self._settled = self._predictions.passed_on
        self._predictions.left.clear()

    def _is_busy_with_nothing(self) -> bool:
        predictions, passed_on, left = (
            self._predictions,
            self._predictions.passed_on,
            set(self._predictions.left),
        )
        try:
            if self._client.get("/health-check").json()["status"] == "BUSY":
                return not any(self._is_at_work_on(name) for name in [*left, *predictions.open])
        except (httpx2.HTTPError, ValueError, KeyError):
            return False
        predictions.left -= left
        if not predictions.open:
            self._settled = passed_on
        return False

    def _is_at_work_on(self, name: str) -> bool:
        answer = self._client.put(f"/predictions/{name}", json=_QUESTION)
        if answer.status_code == HTTPStatus.ACCEPTED:
            return True
        self._predictions.left.discard(name)
        return False
