"""One line of JSON in the server's log for every prediction: what an operator counts.

The line goes to the process's own standard error. Cog's server writes that to its log; what goes through
`sys.stderr` it puts into the prediction's `logs`, which are the caller's.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

EVENT = "prediction"
# Keys of the line, and the metrics that they are.
FIELDS: Mapping[str, str] = {
    "seed": "seed",
    "engine": "engine",
    "adapter": "adapter.name",
    "adapter_sha256": "adapter.sha256",
    "work_seconds": "timing.total",
    "first_picture_seconds": "timing.first_picture",
    "share_error_pp": "fidelity.worst_error_pp",
    "peak_vram_mib": "memory.peak_vram_mib",
    "peak_ram_mib": "memory.peak_ram_mib",
}


class PredictionLine:
    """Collects what becomes known of one prediction and writes its line when it ends."""

    def __init__(self) -> None:
        self._since = time.perf_counter()
        self._metrics: dict[str, Any] = {}
        self._is_written = False
        self.quality: str | None = None

    def note(self, metrics: Mapping[str, Any]) -> None:
        """Take what the line has of these metrics."""
        self._metrics |= metrics

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Write the line if an error leaves this block."""
        try:
            yield
        except BaseException as error:
            # Cancelling is no error of Python's; its class may also be that of a generator that is closed.
            self._write("failed" if isinstance(error, Exception) else "canceled", type(error).__name__)
            raise

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Write the line at the end of this block, however it ends."""
        with self.failing():
            yield
        self._write("succeeded")

    def _write(self, outcome: str, error: str | None = None) -> None:
        if self._is_written:
            return
        self._is_written = True
        line: dict[str, Any] = {"event": EVENT, "outcome": outcome, "error": error, "quality": self.quality}
        # Telling of a prediction is no part of it: the log may be closed or full, and what ended it counts.
        with suppress(Exception):
            line |= {key: self._metrics.get(name) for key, name in FIELDS.items()}
            line["seconds"] = round(time.perf_counter() - self._since, 4)
            line |= self._of_the_models()
            if sys.__stderr__ is not None:
                print(json.dumps(line), file=sys.__stderr__, flush=True)

    def _of_the_models(self) -> dict[str, Any]:
        """Pictures that were corrected, and retries and offload of the last picture that was drawn."""
        corrected = [
            name
            for name in ("preview", "final")
            if self._metrics.get(f"correction.{name}", {}).get("corrected")
        ]
        drawing = self._metrics.get("drawing.final") or self._metrics.get("drawing.preview") or {}
        return {
            "corrected": corrected,
            "retries": len(drawing.get("retries", ())),
            "offload": drawing.get("offload"),
        }
