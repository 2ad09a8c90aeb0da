"""Recorded work and memory: what is dropped first, and what a GPU can record at all."""

from functools import partial

import pytest
import torch
from diffusers import ControlNetModel, ControlNetUnionModel
from drawing import draw, images
from interruptions import failing, out_of_memory
from recorded_engines import FailingRecorder, load_recorded, report
from tape import TapeRecorder
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from plitka.device.select import DeviceInfo, MemoryStatus
from plitka.diffusion import controlnets, pipelines
from plitka.errors import GpuMemoryError

BASE = ["unet", "text_encoder", "text_encoder_2", "vae.encoder", "vae.decoder"]


@pytest.fixture
def load(model_folder):
    """Loads an engine for a test that spoils its recordings."""
    return partial(load_recorded, model_folder)


@pytest.fixture(scope="module")
def expected(engine):
    """The pictures at 0 and 45 degrees from an engine that records nothing."""
    return [images(draw(engine, angle=angle)) for angle in (0, 45)]


@pytest.mark.long
def test_out_of_memory_recordings_go_first_and_the_picture_is_the_same(load, expected):
    engine = load(TapeRecorder())
    with failing(engine.pipelines.base.unet, out_of_memory()):
        drawings = draw(engine)
    assert images(drawings) == expected[0]
    told = drawings[1].denoising
    assert told.offload == "none"
    assert told.retries == ("out of memory at offload 'none', again without recordings",)
    assert {(one.recordings, one.off) for one in told.recordings} == {(0, "the GPU's memory ran out")}
    assert images(draw(engine, angle=45)) == expected[1]


@pytest.mark.long
def test_then_the_models_are_offloaded_and_then_it_fails(load, expected):
    engine = load(TapeRecorder())
    with failing(engine.pipelines.base.unet, out_of_memory(), calls=(1, 2)):
        drawings = draw(engine)
    assert images(drawings) == expected[0]
    assert drawings[1].denoising.retries == (
        "out of memory at offload 'none', again without recordings",
        "out of memory at offload 'none', again at 'models'",
    )
    engine = load(TapeRecorder())
    failed = pytest.raises(GpuMemoryError, match="offload 'models'")
    with failing(engine.pipelines.base.unet, out_of_memory(), calls=(1, 2, 3)), failed:
        draw(engine)
    assert images(draw(engine)) == expected[0]


@pytest.mark.long
def test_no_memory_for_a_recording_is_no_retry_and_drops_the_others(load, expected):
    engine = load(FailingRecorder(out_of_memory(), (8,)))
    drawings = draw(engine)
    assert images(drawings) == expected[0]
    assert drawings[1].denoising.retries == ()
    for one in report(engine).values():
        assert (one.recordings, one.off) == (0, "no memory for another recording")


def test_too_little_memory_beside_a_controlnet_drops_recordings_before_it_offloads(load, monkeypatch):
    engine = load(TapeRecorder())
    gpu = DeviceInfo("cuda", "cpu", "a GPU", 2**34, "float32")
    monkeypatch.setattr(engine.pipelines, "device_info", gpu)
    for module in (pipelines, controlnets):
        monkeypatch.setattr(module, "manage_gpu_memory", lambda *call: MemoryStatus(0, 0, 0, 0))
    free = iter([10**9, 10**12])
    monkeypatch.setattr(pipelines, "usable_bytes", lambda device_info: next(free))
    engine.pipelines.get("softedge", False, "ddim")
    assert engine.pipelines.offload_level == "none"
    assert not engine.pipelines.recordings.is_on


class Crossings(TorchDispatchMode):
    """The operations on tensors in the machine's memory, while the model is elsewhere."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, given=(), named=None):
        result = function(*given, **(named or {}))
        leaves = tree_leaves((given, named, result))
        if any(isinstance(leaf, torch.Tensor) and leaf.device.type == "cpu" for leaf in leaves):
            self.found.append(str(function))
        return result


@pytest.mark.parametrize("name", [*BASE, "lines", "union"])
def test_no_model_copies_between_the_machines_memory_and_the_gpus(pipeline, model_folder, name):
    # Such a copy waits for the GPU, and cannot be recorded.
    residuals = name in ("lines", "union")
    if name == "lines":
        model = ControlNetModel.from_pretrained(model_folder / "controlnet-lines", variant="fp16")
    elif name == "union":
        model = ControlNetUnionModel.from_pretrained(model_folder / "controlnet-union")
    else:
        component, _, part = name.partition(".")
        model = getattr(pipeline, component).get_submodule(part)
    model.to("meta")
    with torch.device("meta"):
        given, named = _inputs(name, residuals)
    with torch.no_grad(), Crossings() as crossings:
        model(*given, **named)
    assert crossings.found == []


def _inputs(name, residuals):
    if name.startswith("text"):
        return (torch.zeros(1, 77, dtype=torch.long),), {"output_hidden_states": True}
    if name.startswith("vae"):
        return (torch.zeros(1, *((3, 64, 64) if name == "vae.encoder" else (4, 8, 8))),), {}
    more = {"text_embeds": torch.zeros(2, 48), "time_ids": torch.zeros(2, 6)}
    named = {"encoder_hidden_states": torch.zeros(2, 77, 80), "added_cond_kwargs": more}
    if residuals:
        edges = torch.zeros(2, 3, 64, 64)
        union = {"control_type": torch.zeros(2, 6), "control_type_idx": [3]}
        named |= {"controlnet_cond": edges} if name == "lines" else {"controlnet_cond": [edges], **union}
    return (torch.zeros(2, 4, 8, 8), torch.zeros((), dtype=torch.long)), named
