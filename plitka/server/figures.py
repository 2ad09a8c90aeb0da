"""The figures of a server for Prometheus: what is counted, by which words, and how.

Every label has a fixed list of values: nothing that a caller wrote becomes one. Nothing here raises: an error
in counting is logged once and harms no answer.
"""

import asyncio
import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from plitka.choices import ENGINE_NAMES, Quality
from plitka.server.answers import RefusedError
from plitka.server.counting import Counting, RefusedConnection, RestartReason, SeenEvents
from plitka.server.line import LeftLineError

log = logging.getLogger(__name__)

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60, 120, 300, 600)
# The limit of the colour lock, 1.5, is one of them.
PERCENTAGE_POINTS = (0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 20, 50)
MIB = 1024**2
UNKNOWN, NO_REASON = "unknown", "none"
# By the class of the error, as Cog's server names it.
FAILURES: Mapping[str, str] = {
    "RequestError": "request",
    "GpuMemoryError": "gpu_memory",
    "NonFiniteImageError": "non_finite",
    "DrawingError": "drawing",
    "ModelFileError": "weights",
    "FolderError": "folder",
}
_MEMORY = ("peak_vram_mib", "peak_torch_vram_mib", "peak_ram_mib")
_WANTED = ("request", "engine", "timing.", "fidelity.worst_error_pp", "correction.", "drawing.", "memory.")
_LABELS = ("engine", "quality")


class Figures(Counting):
    """Counts in a registry of its own.

    Attributes:
        registry: What Prometheus reads.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._has_failed = False
        self._define_predictions({"registry": self.registry})
        self._define_pictures({"registry": self.registry})
        self._define_calls({"registry": self.registry})
        self._show_zeros()

    def _define_predictions(self, kind: dict[str, Any]) -> None:
        self._predictions = Counter(
            "plitka_predictions", "Predictions that have ended.", ("outcome", "reason", *_LABELS), **kind
        )
        self._first = _seconds("first_picture", "To the file of the preview.", _LABELS, kind)
        self._total = _seconds("prediction", "Of work, to the last file.", _LABELS, kind)
        self._stages = _seconds("stage", "Of one stage.", ("stage", "step", "engine"), kind)
        self._wait = _seconds("wait", "In line, until taken or left.", ("end",), kind)

    def _define_pictures(self, kind: dict[str, Any]) -> None:
        self._error = Histogram(
            "plitka_share_error_percentage_points",
            "Largest error of a colour's share in the final picture.",
            _LABELS,
            buckets=PERCENTAGE_POINTS,
            **kind,
        )
        self._pictures = Counter(
            "plitka_pictures", "Previews and final pictures.", ("picture", "correction"), **kind
        )
        self._retries = Counter(
            "plitka_retries", "Pictures begun again because the GPU's memory ran out.", **kind
        )
        self._fallbacks = Counter("plitka_fallbacks", "Predictions drawn in a slower way.", ("kind",), **kind)
        self._memory = {
            name: Gauge(f"plitka_{name.removesuffix('_mib')}_bytes", "Peak of the latest prediction.", **kind)
            for name in _MEMORY
        }

    def _define_calls(self, kind: dict[str, Any]) -> None:
        self._refused = Counter(
            "plitka_refused_requests", "Requests the gateway answered itself.", ("status",), **kind
        )
        self._connections = Counter(
            "plitka_refused_connections", "Connections refused or closed early.", ("reason",), **kind
        )
        self._restarts = Counter("plitka_restarts", "Starts of Cog's server again.", ("reason",), **kind)

    @contextmanager
    def prediction(self) -> Iterator[SeenEvents]:
        """Count one prediction, however it ends."""
        seen = SeenEvents(_WANTED, self._failed)
        error: BaseException | None = None
        try:
            yield seen
        except BaseException as raised:
            error = raised
            raise
        finally:
            with self._harmless():
                self._count(seen, error)

    def refused(self, status: int) -> None:
        """Count a refusal."""
        with self._harmless():
            self._refused.labels(str(int(status))).inc()

    def connection(self, reason: RefusedConnection) -> None:
        """Count a connection that was refused."""
        with self._harmless():
            self._connections.labels(reason).inc()

    def restarted(self, reason: RestartReason) -> None:
        """Count a restart."""
        with self._harmless():
            self._restarts.labels(reason).inc()

    def watch(self, waiting: Callable[[], int], places: int, connections: Callable[[], int]) -> None:
        """Show the line and the connections; both functions are called by the thread that is asked."""
        gauges: Mapping[str, tuple[str, Callable[[], int]]] = {
            "plitka_queue_waiting": ("Predictions that wait in line.", waiting),
            "plitka_queue_places": ("Predictions that may wait in line.", lambda: places),
            "plitka_connections": ("Open connections.", connections),
        }
        for name, (meaning, look) in gauges.items():
            Gauge(name, meaning, registry=self.registry).set_function(self._looked_up(look))

    def _looked_up(self, look: Callable[[], int]) -> Callable[[], float]:
        def value() -> float:
            with self._harmless():
                return look()
            return math.nan

        return value

    def _count(self, seen: SeenEvents, error: BaseException | None) -> None:
        metrics = seen.events.metrics
        labels = (
            _one_of(ENGINE_NAMES, metrics.get("engine")),
            _one_of(get_args(Quality), _quality(metrics.get("request"))),
        )
        outcome, reason = _outcome(seen, error)
        self._predictions.labels(outcome, reason, *labels).inc()
        end, waited = ("left", seen.age()) if seen.waited is None else ("taken", seen.waited)
        self._wait.labels(end).observe(waited)
        # What one of them cannot read costs the others nothing.
        if outcome == "succeeded":
            with self._harmless():
                self._first.labels(*labels).observe(metrics["timing.first_picture"])
                self._total.labels(*labels).observe(metrics["timing.total"])
                self._error.labels(*labels).observe(metrics["fidelity.worst_error_pp"])
        with self._harmless():
            self._count_stages(metrics, labels[0])
        with self._harmless():
            self._count_pictures(metrics)
        with self._harmless():
            for name, gauge in self._memory.items():
                if (mib := metrics.get(f"memory.{name}")) is not None:
                    gauge.set(mib * MIB)

    def _count_stages(self, metrics: Mapping[str, Any], engine: str) -> None:
        timings = {name: metrics.get(f"timing.{name}") for name in ("preview", "final", "colormap", "sheet")}
        timings["plan"] = {"draw": metrics["timing.plan"]} if "timing.plan" in metrics else None
        for stage, steps in timings.items():
            for step, seconds in (steps or {}).items():
                self._stages.labels(stage, _one_of(("draw", "measure", "encode"), step), engine).observe(
                    seconds
                )
        for steps in (metrics.get("timing.maps") or {}).values():
            for step, seconds in steps.items():
                self._stages.labels("map", _one_of(("draw", "encode"), step), engine).observe(seconds)

    def _count_pictures(self, metrics: Mapping[str, Any]) -> None:
        drawings = []
        for picture in ("preview", "final"):
            if (done := metrics.get(f"correction.{picture}")) is not None:
                in_vain = done["reason"].startswith("correction did not help")
                word = "corrected" if done["corrected"] else "in_vain" if in_vain else "none"
                self._pictures.labels(picture, word).inc()
            drawings += [drawing] if (drawing := metrics.get(f"drawing.{picture}")) else []
        # What is said of the later picture goes for the earlier one too.
        for drawing in drawings[-1:]:
            self._retries.inc(len(drawing["retries"]))
            if drawing["offload"] != "none":
                self._fallbacks.labels("offload").inc()
            if any(recording["off"] for recording in drawing["recordings"]):
                self._fallbacks.labels("no_recording").inc()

    def _show_zeros(self) -> None:
        """A rate needs the zero before the first event."""
        for reason in get_args(RefusedConnection):
            self._connections.labels(reason)
        for reason in get_args(RestartReason):
            self._restarts.labels(reason)
        for fallback in ("offload", "no_recording"):
            self._fallbacks.labels(fallback)

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        try:
            yield
        except Exception:
            self._failed()

    def _failed(self) -> None:
        """Log the error that is being handled, the first of its kind alone: there may be one a prediction."""
        if not self._has_failed:
            self._has_failed = True
            log.exception("some figures for Prometheus are missing after an error")


def _seconds(name: str, meaning: str, labels: tuple[str, ...], kind: dict[str, Any]) -> Histogram:
    return Histogram(f"plitka_{name}_seconds", f"Seconds. {meaning}", labels, buckets=SECONDS, **kind)


def _one_of(known: tuple[str, ...], value: object) -> str:
    """`value` if it is one of the known words."""
    return value if isinstance(value, str) and value in known else UNKNOWN


def _quality(request: object) -> object:
    """The quality of a request in JSON; None where that is something else."""
    document = json.loads(request) if isinstance(request, str) and request.startswith("{") else {}
    return document.get("quality")


def _outcome(seen: SeenEvents, error: BaseException | None) -> tuple[str, str]:
    """How a prediction has ended, and why."""
    if seen.events.status == "failed":
        return "failed", FAILURES.get(seen.events.error, "other")
    if seen.events.status:
        return seen.events.status, "caller" if seen.events.status == "canceled" else NO_REASON
    if isinstance(error, LeftLineError):
        return "left_line", error.cause
    if isinstance(error, RefusedError):
        is_full = error.status == HTTPStatus.TOO_MANY_REQUESTS
        return "refused", "no_place" if is_full else "not_ready"
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return ("left_line" if seen.waited is None else "canceled"), "hung_up"
    if error is None and seen.http_status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return "failed", "inputs"
    return "failed", "other" if error is None else "broken_off"
