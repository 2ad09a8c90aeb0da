"""Cog's server in train mode, as a container is started for trainings."""

import base64
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import local_http
from cog_server import PATIENCE_SECONDS, START_SECONDS

from plitka.server.cog_process import held_port
from plitka.server.schema_file import TRAINER_FILE, TRAINER_FUNCTION
from plitka.server.serve import ROOT


class TrainingServer:
    def __init__(self, folder, **environment):
        self.temp, self.log = folder / "tmp", folder / "server.log"
        self.temp.mkdir()
        self._held = ExitStack()
        port = self._held.enter_context(held_port())
        self.url = f"http://127.0.0.1:{port}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PLITKA_")}
        own = {
            "COG_TRAIN_TYPE_STUB": f"{TRAINER_FILE}:{TRAINER_FUNCTION}",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PORT": str(port),
            "TMPDIR": str(self.temp),
            # Bytes of weights belong to a number of threads.
            "OMP_NUM_THREADS": "1",
        }
        with self.log.open("wb") as sink:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cog.server.http", "--x-mode", "train", "--host", "127.0.0.1"],
                cwd=ROOT,
                env=inherited | own | {name: str(value) for name, value in environment.items()},
                stdout=sink,
                stderr=sink,
            )
        self._wait_until_started()

    def _wait_until_started(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if (
                    local_http.get(f"{self.url}/health-check", timeout=PATIENCE_SECONDS).json()["status"]
                    == "READY"
                ):
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"the server did not start:\n{self.log.read_text()}")

    def post(self, archive=None, **inputs):
        """Ask for a training, and wait for its end."""
        return self._send("POST", "/trainings", archive, inputs)

    def put(self, name, archive, **inputs):
        """The same under an id, by which it can be cancelled."""
        return self._send("PUT", f"/trainings/{name}", archive, inputs)

    def _send(self, method, path, archive, inputs):
        if archive is not None:
            inputs["photographs"] = f"data:application/zip;base64,{base64.b64encode(archive).decode()}"
        body = {"input": inputs}
        return local_http.request(method, f"{self.url}{path}", json=body, timeout=PATIENCE_SECONDS)

    def cancel(self, name):
        return local_http.post(f"{self.url}/trainings/{name}/cancel", timeout=PATIENCE_SECONDS)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._held.close()
