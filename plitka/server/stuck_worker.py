"""Detects a Cog server that stays BUSY without a prediction.

Cog 0.23.1 loses its only slot when it cannot make a prediction's folder in `/tmp/coglet`: the prediction
fails, and every later one is refused. Only a restart helps.
"""

import time
from http import HTTPStatus

import httpx2

from plitka.server.relay import Predictions

# This can be short: Cog's server knows a prediction until its worker has finished with it, cancelled or not.
STUCK_SECONDS = 10.0
# An invalid body. Cog's server looks up the id first, and answers 202 if it is working on that prediction.
_INVALID_BODY: dict[str, list[None]] = {"input": []}


class StuckWatch:
    """Asks Cog's server for its status, as long as it may be working on something.

    Args:
        port: The server's loopback port.
        predictions: The predictions passed on to it.
        seconds: How long it must have been BUSY without a prediction.
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
        """Whether the server has been BUSY without a prediction for too long. Call it every second or so."""
        passed_on = self._predictions.passed_on
        if passed_on == self._settled:
            return False
        if not self._is_busy_without_prediction() or passed_on != self._predictions.passed_on:
            self._since = None
            return False
        self._since = self._since or time.monotonic()
        return time.monotonic() - self._since >= self._seconds

    def forget(self) -> None:
        """Start over with a new server process, which knows none of the predictions."""
        self._since = None
        self._settled = self._predictions.passed_on
        self._predictions.left.clear()

    def _is_busy_without_prediction(self) -> bool:
        predictions, passed_on, left = (
            self._predictions,
            self._predictions.passed_on,
            set(self._predictions.left),
        )
        try:
            if self._client.get("/health-check").json()["status"] == "BUSY":
                return not any(self._is_working_on(name) for name in [*left, *predictions.open])
        except (httpx2.HTTPError, ValueError, KeyError):
            return False
        predictions.left -= left
        if not predictions.open:
            self._settled = passed_on
        return False

    def _is_working_on(self, name: str) -> bool:
        answer = self._client.put(f"/predictions/{name}", json=_INVALID_BODY)
        if answer.status_code == HTTPStatus.ACCEPTED:
            return True
        self._predictions.left.discard(name)
        return False
