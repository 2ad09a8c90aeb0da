"""The real server killed, ended and cancelled in the middle of a prediction."""

import json
import signal
import socket
from contextlib import contextmanager

import httpx
import psutil
import pytest
from cog_server import CogServer, as_json, pictures, small_json, small_model_json, wait_for

pytestmark = pytest.mark.long

# Drawn still after any pause of this machine, or of this test, once the preview is there.
LARGE = {"width": 2048, "height": 2048, "variants": 8}
LONG = {"num_inference_steps_preview": 2, "num_inference_steps_final": 100}


@contextmanager
def started(folder, **environment):
    folder.mkdir(exist_ok=True)
    server = CogServer.start(folder, "render", **environment)
    try:
        assert server.wait_until_started()["status"] == "READY"
        yield server
    finally:
        server.stop()


def status_of(server):
    """The status that the server reports; "gone" if it does not answer any more."""
    try:
        return server.health()["status"]
    except httpx.TransportError:
        return "gone"


def test_a_killed_worker_is_noticed_and_a_restart_is_clean(tmp_path):
    with started(tmp_path) as server:
        server.start_prediction("killed", {"params_json": as_json(**LARGE)})
        wait_for(server.output_files)
        main = psutil.Process(server.process.pid)
        workers = main.children(recursive=True)
        assert workers
        for worker in workers:
            worker.kill()
        wait_for(lambda: status_of(server) not in ("BUSY", "READY"))
    # The killed worker could not tidy up; the next start does it.
    with started(tmp_path / "again", TMPDIR=server.temp) as restarted:
        abandoned = [path for path in server.output_files() if path not in restarted.output_files()]
        assert abandoned == []
        assert len(list(server.temp.iterdir())) == 1
        pictures(restarted.predict(params_json=small_json()))


def test_sigterm_in_the_middle_of_a_prediction_ends_everything(tmp_path):
    with started(tmp_path) as server:
        server.start_prediction("ended", {"params_json": as_json(**LARGE)})
        wait_for(server.output_files)
        family = [
            psutil.Process(server.process.pid),
            *psutil.Process(server.process.pid).children(recursive=True),
        ]
        server.process.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(family, 300)
    assert alive == []


def test_cancelled_on_the_server_the_next_answer_is_the_same(sdxl_server):
    request = {"params_json": small_model_json(angle=45, overrides={"num_inference_steps": 2})}
    expected = [picture.tobytes() for picture in pictures(sdxl_server.predict(**request))]
    for name in ("fault-at-once", "fault-drawing"):
        before = set(sdxl_server.output_files())
        params = small_model_json(angle=20, variants=8, overrides=LONG)
        sdxl_server.start_prediction(name, {"params_json": params})
        if name == "fault-drawing":
            wait_for(lambda before=before: set(sdxl_server.output_files()) - before)
        sdxl_server.cancel(name)
        wait_for(lambda: sdxl_server.health()["status"] == "READY")
    assert [picture.tobytes() for picture in pictures(sdxl_server.predict(**request))] == expected


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_caller_that_hangs_up_ends_its_prediction_and_leaves_nothing(sdxl_server, accept):
    body = json.dumps({"input": {"params_json": small_model_json(variants=8, overrides=LONG)}})
    head = f"PUT /predictions/hung-up HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n"
    host, port = sdxl_server.url.removeprefix("http://").split(":")
    before = set(sdxl_server.output_files())
    with socket.create_connection((host, int(port)), timeout=300) as caller:
        caller.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        wait_for(lambda: set(sdxl_server.output_files()) - before)
    wait_for(lambda: sdxl_server.health()["status"] == "READY")
    assert sdxl_server.output_files() == []
