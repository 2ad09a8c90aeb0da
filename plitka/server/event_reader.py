"""What passes by in the events of a prediction, read without keeping them.

Cog's server sends each metric as an event of its own, pictures of megabytes in others, and all of it once
more in the last one, `completed`. Of an event no more is kept than its first and last bytes.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

# Of a metric everything (a longer one is not read), of the last event error and status, its last key.
_HEAD_BYTES, _TAIL_BYTES = 16 * 1024, 128
_METRIC, _COMPLETED = b"event: metric\ndata: ", b"event: completed\ndata: "
_STATUS = re.compile(rb'"status":"(succeeded|failed|canceled)"')
# In front of the error's own text, which may repeat what a caller sent, Cog says where it came from.
_ERROR = re.compile(rb'\{"error":"(?:Prediction failed: |Generator iteration error: )+([A-Za-z]{1,64}): ')


class EventReader:
    """Finds metrics, status and kind of error in the pieces of a stream of events.

    Attributes:
        metrics: The latest value of each metric whose name is wanted.
        status: `succeeded`, `failed` or `canceled`; empty before the end.
        error: The class of the error that ended the prediction; empty without one.

    Args:
        wanted: The beginnings of the names of metrics.
    """

    def __init__(self, wanted: tuple[str, ...]) -> None:
        self.metrics: dict[str, Any] = {}
        self.status = self.error = ""
        self._wanted = wanted
        self._head, self._tail = bytearray(), b""

    def read(self, piece: bytes) -> None:
        """Read the next piece; events may begin and end anywhere in it."""
        begin, newline = 0, piece.find(b"\n")
        # A single byte is found much faster than two, and a picture has none of these.
        while newline >= 0:
            before = piece[newline - 1 : newline] if newline > begin else self._tail if newline == 0 else b""
            if before.endswith(b"\n"):
                self._add(piece, begin, newline)
                self._end()
                begin = newline + 1
            newline = piece.find(b"\n", newline + 1)
        self._add(piece, begin, len(piece))

    def _add(self, piece: bytes, begin: int, end: int) -> None:
        if len(self._head) < _HEAD_BYTES:
            self._head += piece[begin : min(end, begin + _HEAD_BYTES - len(self._head))]
        self._tail = (self._tail + piece[max(begin, end - _TAIL_BYTES) : end])[-_TAIL_BYTES:]

    def _end(self) -> None:
        head, tail, self._head, self._tail = self._head, self._tail, bytearray(), b""
        if head.startswith(_METRIC) and len(head) < _HEAD_BYTES:
            self._note(json.loads(head[len(_METRIC) :]))
        elif head.startswith(_COMPLETED):
            if found := _STATUS.search(tail):
                self.status = found[1].decode()
            if found := _ERROR.match(head, len(_COMPLETED)):
                self.error = found[1].decode()

    def _note(self, metric: Mapping[str, Any]) -> None:
        if metric["name"].startswith(self._wanted):
            self.metrics[metric["name"]] = metric["value"]
