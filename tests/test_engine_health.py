"""A long life: errors that the engine outlives, errors that it does not, and what it lets go of."""

import gc
import time
import weakref

import pytest
import torch
from drawing import draw, images, load_small_engine
from interruptions import failing, out_of_memory

from plitka.diffusion.gpu_errors import is_fatal
from plitka.errors import GpuMemoryError, NonFiniteImageError


def test_each_phase_of_loading_is_timed(model_folder, monkeypatch):
    from plitka.diffusion.engine import DiffusionEngine

    monkeypatch.setenv("PLITKA_MODEL_DIR", str(model_folder))
    phases, start = [], time.perf_counter()
    DiffusionEngine.load("sdxl", on_phase=lambda *phase: phases.append(phase))
    assert [name for name, _ in phases] == ["device", "files", "libraries", "base", "embeddings", "lora"]
    seconds = [each for _, each in phases]
    assert min(seconds) > 0
    assert sum(seconds) < time.perf_counter() - start


def test_an_overflow_is_an_error_and_the_engine_goes_on(engine):
    expected = images(draw(engine))
    bias = engine.pipelines.base.unet.conv_out.bias.data
    before = bias.clone()
    bias.fill_(torch.nan)
    with pytest.raises(NonFiniteImageError):
        draw(engine)
    bias.copy_(before)
    assert engine.is_healthy()
    assert images(draw(engine)) == expected


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("CUDA error: device-side assert triggered"),
    ],
)
def test_an_error_that_only_a_new_process_mends_makes_the_engine_unhealthy(fresh_engine, error):
    with failing(fresh_engine.pipelines.base.unet, error), pytest.raises(type(error)):
        draw(fresh_engine)
    assert not fresh_engine.is_healthy()


def test_other_errors_leave_the_engine_healthy(fresh_engine):
    with failing(fresh_engine.pipelines.base.unet, ValueError("no")), pytest.raises(ValueError, match="no"):
        draw(fresh_engine)
    assert fresh_engine.is_healthy()
    assert not is_fatal(out_of_memory())
    assert not is_fatal(GpuMemoryError("CUDA error"))


# Cleaning up


def test_closing_releases_the_models(model_folder):
    engine = load_small_engine(model_folder)
    draw(engine, angle=45)
    models = [
        weakref.ref(engine.pipelines.base.unet),
        weakref.ref(engine.pipelines.controlnets.loaded[0].model),
    ]
    engine.close()
    gc.collect()
    assert [model() for model in models] == [None, None]


# Looking at every object in memory wakes an attribute of torch that warns when it is looked at.
@pytest.mark.long
@pytest.mark.filterwarnings("ignore:`torch.distributed.reduce_op` is deprecated:FutureWarning")
def test_many_requests_leave_no_more_in_memory_than_one(fresh_engine):
    def tensors():
        gc.collect()
        return sum(isinstance(thing, torch.Tensor) for thing in gc.get_objects())

    for angle in (0, 45, 90):
        draw(fresh_engine, angle=angle, lora_scale=1.0)
    before = tensors()
    for angle in (0, 45, 90, 20, 0):
        draw(fresh_engine, angle=angle, lora_scale=0.5)
    assert tensors() <= before
