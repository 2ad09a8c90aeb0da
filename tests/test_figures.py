"""Counting beside the answer: it may never change, delay or break one, nor keep what passes by."""

import json
import logging
import tracemalloc
from contextlib import suppress
from itertools import pairwise

import httpx2
import local_http
import pytest
from cog_server import PATIENCE_SECONDS, wait_for
from gateway_setup import EchoHandler, connection, echo_server, everything, put
from hypothesis import given
from hypothesis import strategies as st

from plitka.errors import __doc__ as every_error
from plitka.server.event_reader import EventReader
from plitka.server.figures import FAILURES, Figures
from plitka.server.gateway import Gateway
from plitka.server.relay import Upstream
from plitka.server.serve import input_names

METRICS = {
    "engine": "render",
    "request": '{"quality": "high"}',
    "timing.plan": 0.5,
    "timing.preview": {"draw": 1.0, "measure": 0.25, "encode": 0.5},
    "timing.first_picture": 2.0,
    "timing.maps": {},
    "timing.total": 4.0,
    "fidelity.worst_error_pp": 1.25,
    "correction.final": {"corrected": False, "reason": "correction did not help: a share is 9.0 pp off"},
    "drawing.preview": {},
    "drawing.final": {
        "retries": ["out of memory at offload 'none', again at 'models'"],
        "offload": "models",
        "recordings": [{"model": "unet", "recordings": 0, "error": None, "off": "offload: models"}],
    },
    "memory.peak_vram_mib": 9000.5,
}
BIG = "x" * 300_000


def event(name, data):
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'), ensure_ascii=False)}\n\n".encode()


def stream(metrics=METRICS, **completed):
    """The events of a prediction as Cog's server sends them: keys in order of the alphabet."""
    yield event("start", {"id": "a", "status": "processing"})
    for name, value in metrics.items():
        yield event("metric", {"mode": "replace", "name": name, "value": value})
    yield event("output", {"chunk": BIG})
    last = {"id": "a", "logs": "", "metrics": metrics, "output": [BIG], "status": "succeeded"}
    yield event("completed", dict(sorted((last | completed).items())))


def samples(figures):
    return {
        (
            sample.name,
            *(value for label, value in sorted(sample.labels.items()) if label != "le"),
        ): sample.value
        for family in figures.registry.collect()
        for sample in family.samples
        if sample.value and "le" not in sample.labels and not sample.name.endswith("_created")
    }


def count(figures, pieces):
    """Have a prediction counted whose answer comes in these pieces."""
    with figures.prediction() as seen:
        seen.taken(httpx2.Response(200, stream=httpx2.ByteStream(b"")))
        for piece in pieces:
            seen.read(piece)


@given(cuts=st.lists(st.integers(0, 700_000), max_size=40))
def test_pieces_may_be_cut_anywhere(cuts):
    whole = b"".join(stream(status="failed", error="Prediction failed: Prediction failed: RequestError: x"))
    reader = EventReader(("timing.", "engine"))
    edges = sorted({0, len(whole), *(cut % len(whole) for cut in cuts)})
    for begin, end in pairwise(edges):
        reader.read(whole[begin:end])
    wanted = {name: value for name, value in METRICS.items() if name.startswith(("timing.", "engine"))}
    assert (reader.metrics, reader.status, reader.error) == (wanted, "failed", "RequestError")


@given(
    text=st.text()
    | st.sampled_from(['"status":"succeeded"}', "\n\nevent: completed\ndata: {", "a: KeyError: "])
)
def test_no_text_of_a_caller_becomes_an_outcome(text):
    shown = {"notices": [text], "request": text}
    for error, found in (
        (f"Prediction failed: Prediction failed: RequestError: {text}", "RequestError"),
        (text, ""),
    ):
        reader = EventReader(("engine",))
        for piece in stream(shown, status="failed", error=error, logs=text, output=[]):
            reader.read(piece)
        assert reader.status == "failed"
        assert reader.error == found
        assert reader.metrics == {}


@pytest.mark.long
def test_reading_keeps_nothing_of_the_pictures():
    pieces = list(stream())
    large = [
        event("output", {"chunk": "x" * 8_000_000})[at : at + 65536] for at in range(0, 8_000_000, 65536)
    ]
    reader = EventReader(("timing.",))
    tracemalloc.start()
    for piece in [*pieces[:-1], *large, pieces[-1]]:
        reader.read(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert reader.status == "succeeded"
    assert peak < 1_000_000


def test_what_a_card_does_to_get_by_is_counted():
    figures = Figures()
    count(figures, stream())
    found = samples(figures)
    assert found["plitka_predictions_total", "render", "succeeded", "high", "none"] == 1
    assert found["plitka_retries_total",] == 1
    assert found["plitka_fallbacks_total", "offload"] == 1
    assert found["plitka_fallbacks_total", "no_recording"] == 1
    assert found["plitka_pictures_total", "in_vain", "final"] == 1
    assert found["plitka_peak_vram_bytes",] == 9000.5 * 2**20
    assert found["plitka_share_error_percentage_points_sum", "render", "high"] == 1.25


def test_every_kind_of_failure_is_an_error_of_plitka():
    assert [name for name in FAILURES if name not in every_error] == []


@pytest.mark.parametrize("error", [*FAILURES, "RuntimeError", "x" * 64])
def test_failure_is_counted_by_the_class_of_its_error(error):
    figures = Figures()
    said = f"Prediction failed: Generator iteration error: {error}: in words"
    count(figures, stream({"engine": "sdxl"}, status="failed", error=said))
    reason = FAILURES.get(error, "other")
    assert samples(figures)["plitka_predictions_total", "sdxl", "failed", "unknown", reason] == 1


@pytest.mark.parametrize("engine", ["\u2028", 7, None, {}, "sdxl\n"])
def test_value_of_another_type_becomes_no_label(engine):
    figures = Figures()
    count(figures, stream({"engine": engine, "request": "[]"}, status="failed", error=""))
    assert samples(figures)["plitka_predictions_total", "unknown", "failed", "unknown", "other"] == 1


BROKEN = [
    b"event: metric\ndata: {\n\n",
    b"event: metric\ndata: []\n\n",
    *stream({"timing.preview": 3}),
    b"\xff\n\n",
]


@pytest.mark.parametrize("broken", BROKEN)
def test_error_in_counting_is_logged_once_and_raises_nothing(broken, caplog):
    figures = Figures()
    for _ in range(3):
        count(figures, [broken, *stream()])
    outcomes = [key[2] for key in samples(figures) if key[0] == "plitka_predictions_total"]
    assert outcomes in (["succeeded"], ["failed"])
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) <= 1


class Failing(Figures):
    """Counts nothing but errors of its own."""

    def _count(self, *_):
        raise RuntimeError("counting failed")

    def refused(self, status):
        with self._harmless():
            raise RuntimeError("counting failed")


@pytest.fixture
def counted_gateway():
    """A gateway whose counting fails, in front of a server that echoes."""
    EchoHandler.release.set()
    with echo_server() as behind:
        upstream = Upstream(behind, Failing())
        with Gateway("127.0.0.1", 0, upstream, b"page", input_names()) as running:
            yield running


def test_failing_count_changes_no_answer(counted_gateway, caplog):
    address = f"http://127.0.0.1:{counted_gateway.port}/predictions"
    answer = local_http.put(f"{address}/one", json={"input": {}})
    assert (answer.status_code, answer.json()["path"]) == (200, "/predictions/one")
    events = local_http.put(f"{address}/stream", json={"input": {}}, headers={"Accept": "text/event-stream"})
    assert events.text == "event: start\ndata: {}\n\nevent: completed\ndata: {}\n\n"
    assert local_http.put(f"{address}/two", json={}).status_code == 422
    assert "some figures for Prometheus are missing" in caplog.text


def test_caller_that_hangs_up_and_broken_connections_are_counted():
    figures = Figures()
    EchoHandler.waiting.clear()
    EchoHandler.release.set()
    with echo_server() as behind:
        upstream = Upstream(behind, figures)
        with Gateway("127.0.0.1", 0, upstream, b"page", input_names()) as running:
            with connection(running, put("slow")):
                assert EchoHandler.waiting.wait(PATIENCE_SECONDS)
            hung_up = "plitka_predictions_total", "unknown", "left_line", "unknown", "hung_up"
            wait_for(lambda: hung_up in samples(figures))
            with connection(running, b"nonsense\r\n\r\n") as raw:
                assert b"400" in everything(raw)
            with suppress(httpx2.TransportError):
                local_http.put(f"http://127.0.0.1:{running.port}/predictions/broken", json={"input": {}})
    found = samples(figures)
    assert found[hung_up] == 1
    assert found["plitka_predictions_total", "unknown", "refused", "unknown", "not_ready"] == 1
    assert found["plitka_refused_connections_total", "malformed"] == 1
    assert found["plitka_refused_requests_total", "502"] == 1
