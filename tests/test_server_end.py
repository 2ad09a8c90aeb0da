"""However `plitka serve` ends, Cog's server and its worker end with it and the port is free again."""

import os
import pty
import shutil
import signal
import socket
import sys
import time
from contextlib import contextmanager

import psutil
import pytest
from cog_server import CogServer, as_json, small_json, wait_for
from thorough import one_in

from plitka.server.cog_process import held_port

pytestmark = pytest.mark.long

# Drawn still after any pause of this machine, or of this test, once the preview is there.
LONG = {"params_json": as_json(width=2048, height=2048, variants=8)}


def family(server):
    """`plitka serve`, Cog's server and the worker."""
    main = psutil.Process(server.process.pid)
    return [main, *main.children(recursive=True)]


def assert_all_gone(server, members):
    assert len(members) == 3
    _, alive = psutil.wait_procs(members, 300)
    try:
        assert alive == []
    finally:
        for process in alive:
            process.kill()
    address = server.url.removeprefix("http://").split(":")
    with socket.create_server((address[0], int(address[1]))):
        pass


@contextmanager
def started(folder, **options):
    server = CogServer.start(folder, "render", **options)
    try:
        assert server.wait_until_started()["status"] == "READY"
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize("number", one_in(2, [signal.SIGHUP, signal.SIGABRT, signal.SIGKILL]))
def test_signal_ends_the_whole_server(tmp_path, number):
    with started(tmp_path) as server:
        members = family(server)
        server.process.send_signal(number)
        assert server.process.wait(300) == (0 if number == signal.SIGHUP else -number)
        assert_all_gone(server, members)


def test_kill_in_the_middle_of_a_prediction_ends_the_whole_server(tmp_path):
    with started(tmp_path) as server:
        server.start_prediction("ended", LONG)
        wait_for(server.output_files)
        members = family(server)
        server.process.kill()
        server.process.wait(300)
        assert_all_gone(server, members)


@pytest.mark.parametrize("seconds", one_in(2, [0.5, 1.0, 1.5, 2.5]))
def test_kill_while_it_starts_ends_the_whole_server(tmp_path, seconds):
    server = CogServer.start(tmp_path, "render")
    time.sleep(seconds)
    members = family(server)
    server.process.kill()
    server.process.wait()
    _, alive = psutil.wait_procs(members, 300)
    assert alive == []


def test_cogs_server_killed_alone_takes_its_worker_and_plitka_serve_along(tmp_path):
    with started(tmp_path) as server:
        server.start_prediction("ended", LONG)
        wait_for(server.output_files)
        members = family(server)
        members[1].kill()
        assert server.process.wait(300) == signal.SIGKILL
        assert_all_gone(server, members)


@pytest.mark.skipif(not shutil.which("setsid"), reason="setsid of util-linux gives a terminal to a process")
def test_closing_the_terminal_ends_the_whole_server(tmp_path):
    terminal, inside = pty.openpty()
    with started(tmp_path, wrapper=["setsid", "--ctty"], stdin=inside) as server:
        os.close(inside)
        members = family(server)
        os.close(terminal)
        assert_all_gone(server, members)


def test_under_nohup_a_closed_terminal_ends_nothing(tmp_path):
    with started(tmp_path, wrapper=["nohup"]) as server:
        server.process.send_signal(signal.SIGHUP)
        assert server.predict(params_json=small_json())["status"] == "succeeded"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a port that is held cannot be listened on")
def test_port_of_cogs_server_is_nobody_elses_while_it_starts_or_is_restarted():
    with held_port() as port:
        for _ in range(2):
            with socket.socket() as other, pytest.raises(OSError, match="already in use"):
                other.bind(("127.0.0.1", port))
            with socket.create_server(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
                pass
    with socket.create_server(("127.0.0.1", port)):
        pass
