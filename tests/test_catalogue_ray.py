"""`plitka catalogue` on Ray Data, two actors on this machine: `make ray-test`."""

import json
import os
import time

import psutil
import pytest
from catalogues import COMMON, MIXES, index_of, table_of
from command_line import run_process

pytest.importorskip("ray", reason="Ray is not installed: make ray-test")


def ray_processes():
    found = (process.info for process in psutil.process_iter(["pid", "cmdline", "username"]))
    mine = psutil.Process().username()
    return {
        each["pid"]
        for each in found
        if each["username"] == mine and any("raylet" in word for word in each["cmdline"] or ())
    }


def test_two_actors_draw_a_catalogue_and_leave_nothing_running(tmp_path):
    before = ray_processes()
    table_of(tmp_path / "mixes.csv", [*MIXES, "gren"])
    options = ("--runner", "ray", "--workers", "2", "--json", "-o", "out")
    environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0"}
    done = run_process("catalogue", "mixes.csv", *COMMON, *options, cwd=tmp_path, env=environment)
    assert done.returncode == 2, done.stderr
    report = json.loads(done.stdout)
    assert (report["drawn"], report["failed"], len(report["bad"])) == (len(MIXES), [], 1)
    assert len(index_of(tmp_path / "out")) == len(MIXES)
    deadline = time.monotonic() + 300
    while ray_processes() - before:
        assert time.monotonic() < deadline, "processes of Ray are left"
        time.sleep(0.2)
