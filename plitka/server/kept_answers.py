"""The answers to predictions whose callers did not wait, until they ask for them."""

import time
from collections import OrderedDict

KEPT_ANSWERS = 64
KEPT_BYTES = 64 * 2**20
KEPT_SECONDS = 3600.0


class KeptAnswers:
    """Answers by the id of their prediction; the oldest go where there are too many.

    Args:
        count: How many are kept.
        size: Their bytes together.
        seconds: How long each is kept.
    """

    def __init__(
        self, count: int = KEPT_ANSWERS, size: int = KEPT_BYTES, seconds: float = KEPT_SECONDS
    ) -> None:
        self._count, self._size, self._seconds = count, size, seconds
        self._answers: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0

    def keep(self, name: str, answer: bytes) -> None:
        """Keep an answer, in place of an earlier one of the same id. One beyond all bounds is not kept."""
        self.forget(name)
        self._answers[name] = (time.monotonic() + self._seconds, answer)
        self._bytes += len(answer)
        self._tidy()

    def get(self, name: str) -> bytes | None:
        """The answer to a prediction; None if there is none, or no longer."""
        self._tidy()
        _, answer = self._answers.get(name, (0.0, None))
        return answer

    def forget(self, name: str) -> None:
        """Drop the answer to a prediction, if there is one."""
        _, answer = self._answers.pop(name, (0.0, b""))
        self._bytes -= len(answer)

    def _tidy(self) -> None:
        now = time.monotonic()
        while self._answers:
            name, (until, _) = next(iter(self._answers.items()))
            if until > now and len(self._answers) <= self._count and self._bytes <= self._size:
                return
            self.forget(name)
