"""Engines whose work is recorded, with a recorder in place of the GPU's, and what they report of it."""

import pytest
from drawing import FINAL, PREVIEW, draw
from interruptions import failing
from tape import TapeRecorder

from plitka.diffusion import engine as diffusion
from plitka.diffusion import recordings
from plitka.diffusion.acceleration import Acceleration
from plitka.diffusion.engine import DiffusionEngine


class FailingRecorder(TapeRecorder):
    """A recorder that raises `error` while it records the n-th time for every n in `times`."""

    def __init__(self, error, times=None):
        super().__init__()
        self.error, self.times, self.calls = error, times, 0

    def __call__(self, forward, inputs, options):
        self.calls += 1
        if self.times is None or self.calls in self.times:
            with failing_module(forward, self.error):
                return super().__call__(forward, inputs, options)
        return super().__call__(forward, inputs, options)


def failing_module(forward, error):
    """As if an operation in the middle of the model failed."""
    last = [module for module in forward.__self__.modules() if not list(module.children())][-1]
    return failing(last, error)


def load_recorded(model_folder, recorder, seconds=0.0):
    """An engine that is recorded by what is given; by default setup records what the preview needs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recordings, "CudaRecorder", lambda: recorder)
        patch.setattr(diffusion, "RECORDING_SECONDS", seconds)
        patch.setenv("PLITKA_MODEL_DIR", str(model_folder))
        return DiffusionEngine.load(
            "sdxl", acceleration=Acceleration(graphs=True), preview_size=PREVIEW, final_size=FINAL
        )


def report(engine):
    """What the engine reports of a finished picture, by model."""
    return {one.model: one for one in draw(engine)[1].denoising.recordings}
