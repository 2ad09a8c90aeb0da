"""An engine and a monitor that remember how they were treated, and requests for them."""

import json

import numpy as np
from small import SMALL

from plitka.device.monitor import Peaks
from plitka.device.select import DeviceInfo
from plitka.engine.protocol import Denoising, Drawing
from plitka.errors import Problem, RequestError
from plitka.request.drawing_settings import EngineDefaults
from plitka.request.tile_request import parse_request

REQUEST = {
    "colors": [{"name": "black", "proportion": 60}, {"name": "white", "proportion": 40}],
    "seed": 3,
}
CPU = DeviceInfo("cpu", "cpu", "CPU", 2**34, "float32")
DENOISING = Denoising(None, "euler", 2, 0.5, 0.5, 6.5, None, None, "none", ("out of memory",))


def request_of(**changes):
    return parse_request(json.dumps(REQUEST | SMALL | changes))


class FakeEngine:
    """Draws grey squares and remembers how it was treated."""

    name = "fake"
    device = CPU
    defaults = EngineDefaults()

    def __init__(self, error=None):
        self.error = error
        self.drawn = []
        self.closed = False

    def identity(self, adapter=None, quality=None):
        return {"engine": self.name}

    def check(self, request, prompt):
        if self.error == "check":
            raise RequestError([Problem("colors", "", "is too long", "77 tokens")])

    def draw(self, job):
        self.job = job
        try:
            width = job.request.scale.width
            for name, size in (("preview", width // 2), ("final", width)):
                if self.error == name:
                    raise RuntimeError("out of memory")
                self.drawn.append(name)
                image = np.full((size, size, 3), 128, np.uint8)
                yield Drawing(name, image, "fake", None, "none", 1, DENOISING)
        finally:
            self.closed = True


class FakeMonitor:
    def __init__(self):
        self.resets = 0

    def reset_peaks(self):
        self.resets += 1

    def peaks(self):
        return Peaks(vram_mib=3.0, torch_vram_mib=2.0, ram_mib=1.0)
