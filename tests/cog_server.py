"""The real Cog HTTP server as a test sees it: started by `plitka serve`, spoken to over HTTP."""

import base64
import io
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import local_http
from PIL import Image
from small import SMALL, SMALL_OF_MODELS

from plitka.server.cog_process import held_port

# Against a hang alone: a busy machine is slow, not wrong.
START_SECONDS = ANSWER_SECONDS = PATIENCE_SECONDS = 300

MIX = [{"name": "black", "proportion": 60}, {"name": "white", "proportion": 40}]
REQUEST = {"colors": MIX, "angle": 0, "quality": "standard", "seed": 42, "overrides": {}}


@dataclass
class CogServer:
    process: subprocess.Popen
    url: str
    log: Path
    temp: Path
    held: ExitStack

    @classmethod
    def start(cls, folder, engine, wrapper=(), stdin=None, python=sys.executable, **environment):
        """Start a server from an unrelated folder, with a PATH that does not lead to this Python.

        `wrapper` is a command that runs the server's in its own place, such as `nohup`.
        """
        temp, log = folder / "tmp", folder / "server.log"
        temp.mkdir()
        held = ExitStack()
        port = held.enter_context(held_port())
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PLITKA_")}
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [*wrapper, str(python), "-m", "plitka", "serve", "--port", str(port), "--threads", "1"],
                cwd=folder,
                env=inherited
                | {"PATH": os.defpath, "TMPDIR": str(temp), "PLITKA_ENGINE": engine}
                | {name: str(value) for name, value in environment.items()},
                stdin=stdin,
                stdout=sink,
                stderr=sink,
            )
        return cls(process, f"http://127.0.0.1:{port}", log, temp, held)

    def wait_until_started(self):
        """The answer of `/health-check` once setup has ended, well or badly."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                health = self.health()
            except httpx.TransportError:
                health = {"status": "STARTING"}
            if health["status"] != "STARTING":
                return health
            # Each look takes both sides a hundredth of a second, and the start seconds.
            time.sleep(0.3)
        raise AssertionError(f"the server did not start:\n{self.log.read_text()}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.held.close()

    def health(self):
        return local_http.get(f"{self.url}/health-check", timeout=PATIENCE_SECONDS).json()

    def idle_status(self):
        """The status of `/health-check` once no prediction runs: an answer may come a moment earlier."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (status := self.health()["status"]) == "BUSY" and time.monotonic() < deadline:
            time.sleep(0.01)
        return status

    def post(self, inputs, **more):
        return local_http.post(
            f"{self.url}/predictions", json={"input": inputs, **more}, timeout=ANSWER_SECONDS
        )

    def predict(self, **inputs):
        """The answer to a prediction that the server took on."""
        answer = self.post(inputs)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def start_prediction(self, prediction_id, inputs, **more):
        answer = local_http.put(
            f"{self.url}/predictions/{prediction_id}",
            json={"input": inputs, **more},
            headers={"Prefer": "respond-async"},
            timeout=PATIENCE_SECONDS,
        )
        assert answer.status_code == 202, answer.text

    def cancel(self, prediction_id):
        return local_http.post(f"{self.url}/predictions/{prediction_id}/cancel", timeout=PATIENCE_SECONDS)

    def output_files(self):
        """The files that predictions have left in the temporary folder."""
        return sorted(path for path in self.temp.glob("plitka-*/*/*") if path.is_file())


def decode(data_url):
    """The bytes in a data URL."""
    head, _, payload = data_url.partition(",")
    assert head.endswith(";base64"), head
    return base64.b64decode(payload)


def pictures(prediction):
    """The pictures of a prediction that succeeded, in order."""
    assert prediction["status"] == "succeeded", prediction.get("error")
    return [Image.open(io.BytesIO(decode(url))) for url in prediction["output"]]


def field_of(picture, key):
    """The text that a picture file has under a key."""
    return picture.info[f"plitka:{key}"]


def as_json(**changes):
    """`REQUEST` with changes, as the text of `params_json`."""
    return json.dumps(REQUEST | changes)


def small_json(**changes):
    """The same for `render`, which draws it in a tenth of the time."""
    return as_json(**SMALL | changes)


def small_model_json(**changes):
    """The same for an engine with models."""
    return as_json(**SMALL_OF_MODELS | changes)


def wait_for(condition, seconds=PATIENCE_SECONDS):
    """Wait until something is so. What a test then asserts must follow from that, or stay as it is."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        # Most conditions ask a server, which takes both sides a hundredth of a second.
        time.sleep(0.05)


def eventually(read, expected, seconds=PATIENCE_SECONDS):
    """Read until it is what is expected; where that does not come, the last that was read is shown."""
    deadline = time.monotonic() + seconds
    while (found := read()) != expected:
        assert time.monotonic() < deadline, f"{found!r}\nis not\n{expected!r}"
        time.sleep(0.02)
