"""A Cog server that loses its only slot: started again, on a file system that is really full."""

import local_http
import psutil
import pytest
from cog_server import CogServer, as_json, pictures, small_json, wait_for
from disks import small_disk
from gateway_setup import echo_server
from thorough import one_in

from plitka.server.cog_folders import FOLDER
from plitka.server.relay import Predictions
from plitka.server.stuck_worker import StuckWatch

pytestmark = pytest.mark.long

SMALL_INPUT = {"params_json": small_json()}


@pytest.fixture
def disk():
    """Cog's folder on a disk of a few inodes that this test alone sees."""
    with small_disk(FOLDER.parent, inodes=10) as disk:
        yield disk


@pytest.fixture
def server(disk, tmp_path):
    server = CogServer.start(tmp_path, "render", wrapper=disk.space.inside())
    try:
        assert server.wait_until_started()["status"] == "READY"
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize("prefer", one_in(2, ["respond-async", "wait"]))
def test_server_whose_folder_was_full_draws_who_waits_without_an_operator(server, disk, prefer):
    disk.fill_inodes()
    answer = local_http.post(
        f"{server.url}/predictions", json={"input": SMALL_INPUT}, headers={"Prefer": prefer}
    )
    assert answer.status_code in (200, 202)
    # Full, it is unwell; with room again, it would stay busy.
    assert server.health()["status"] == "UNHEALTHY"
    server.start_prediction("waiting", SMALL_INPUT)
    assert local_http.get(f"{server.url}/predictions/waiting").json()["queue"]["position"] == 1
    disk.empty()
    assert pictures(server.predict(**SMALL_INPUT))
    assert pictures(local_http.get(f"{server.url}/predictions/waiting").json())
    assert "busy without a prediction" in server.log.read_text()


def test_server_that_draws_is_left_alone_however_long_it_takes(server):
    """With no patience at all: what Cog's server knows, it is at work on, waited for or not."""
    predictions = Predictions()
    port = cog_port(server)
    watch = StuckWatch(port, predictions, seconds=0.0)
    url = f"http://127.0.0.1:{port}/predictions/long"
    call = {"json": {"input": {"params_json": as_json(angle=45)}}}
    predictions.begin("long")
    assert local_http.put(url, headers={"Prefer": "respond-async"}, **call).status_code == 202
    predictions.end("long", 202)
    looks = []
    wait_for(lambda: looks.append(watch.reason()) or not predictions.left)
    # At the very end a look may fall between the prediction's end and the server's READY.
    assert not any(looks[:-1])
    wait_for(lambda: not watch.reason())


def cog_port(server):
    (cog,) = psutil.Process(server.process.pid).children()
    (listening,) = [item for item in cog.net_connections() if item.status == psutil.CONN_LISTEN]
    return listening.laddr.port


def test_server_without_an_answer_is_no_stuck_one():
    predictions = Predictions()
    predictions.begin("a")
    with echo_server() as port:
        assert not StuckWatch(port, predictions, seconds=0.0).reason()
    assert not StuckWatch(port, predictions, seconds=0.0).reason()
