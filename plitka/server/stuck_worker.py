"""Detects a Cog server that will draw nothing more until it is started again.

Cog 0.23.1 loses its only slot when it cannot make a prediction's folder in `/tmp/coglet`: the prediction
fails, the server stays BUSY and refuses every later one. If its worker is killed, as by a system out of
memory, it is UNHEALTHY and refuses likewise.
"""

import time
from http import HTTPStatus

import httpx2

from plitka.server.relay import Predictions

# This can be short: Cog's server knows a prediction until its worker has finished with it, cancelled or not.
STUCK_SECONDS = 10.0
# What its healthcheck says when there is no worker.
_NO_WORKER = ("Worker crashed", "healthcheck channel closed")
# An invalid body. Cog's server looks up the id first, and answers 202 if it is working on that prediction.
_INVALID_BODY: dict[str, list[None]] = {"input": []}


class StuckWatch:
    """Asks Cog's server for its status, as long as it may be working on something.

    Args:
        port: The server's loopback port.
        predictions: The predictions passed on to it.
        seconds: How long it must have been so, without a prediction.
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

    def reason(self) -> str:
        """Why the server must be started again; empty if it need not be. Call it every second or so."""
        passed_on = self._predictions.passed_on
        if passed_on == self._settled:
            return ""
        reason = self._find()
        if not reason or passed_on != self._predictions.passed_on:
            self._since = None
            return ""
        self._since = self._since or time.monotonic()
        return reason if time.monotonic() - self._since >= self._seconds else ""

    def forget(self) -> None:
        """Start over with a new server process, which knows none of the predictions."""
        self._since = None
        self._settled = self._predictions.passed_on
        self._predictions.left.clear()

    def _find(self) -> str:
        predictions, passed_on, left = (
            self._predictions,
            self._predictions.passed_on,
            set(self._predictions.left),
        )
        try:
            health = self._client.get("/health-check").json()
            status, said = health["status"], str(health.get("user_healthcheck_error"))
            if status == "BUSY":
                is_at_work = any(self._is_working_on(name) for name in [*left, *predictions.open])
                return "" if is_at_work else "the Cog server is busy without a prediction"
        except (httpx2.HTTPError, ValueError, KeyError, AttributeError):
            return ""
        if status == "UNHEALTHY" and any(words in said for words in _NO_WORKER):
            return "the worker of the Cog server has died"
        predictions.left -= left
        if not predictions.open:
            self._settled = passed_on
        return ""

    def _is_working_on(self, name: str) -> bool:
        answer = self._client.put(f"/predictions/{name}", json=_INVALID_BODY)
        if answer.status_code == HTTPStatus.ACCEPTED:
            return True
        self._predictions.left.discard(name)
        return False
