"""The webhook of a prediction that ends without having been drawn; of all others Cog's server sends it."""

import asyncio
import logging

import httpx2

log = logging.getLogger(__name__)

# Seconds: for one attempt, before each further one, and for what is due when the gateway ends.
_ATTEMPT_SECONDS, _PAUSES, _END_SECONDS = 10.0, (1.0, 5.0), 2.0


class WebhookSender:
    """Sends predictions to the addresses that their callers named, without following redirects."""

    def __init__(self) -> None:
        self._sending: set[asyncio.Task[None]] = set()

    def send(self, address: str, prediction: bytes) -> None:
        """Send a prediction as JSON, again if it is not taken. Returns at once."""
        task = asyncio.create_task(_send(address, prediction))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def close(self) -> None:
        """Give what is being sent a last moment."""
        if self._sending:
            _, late = await asyncio.wait(self._sending, timeout=_END_SECONDS)
            for task in late:
                task.cancel()


async def _send(address: str, prediction: bytes) -> None:
    for pause in (*_PAUSES, None):
        try:
            async with httpx2.AsyncClient(timeout=_ATTEMPT_SECONDS) as client:
                headers = {"Content-Type": "application/json"}
                answer = await client.post(address, content=prediction, headers=headers)
            if answer.is_success:
                return
            reason = f"status {answer.status_code}"
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            reason = type(error).__name__
        if pause is not None:
            await asyncio.sleep(pause)
    # Its address may hold a secret.
    log.warning("a webhook was not taken: %s", reason)
