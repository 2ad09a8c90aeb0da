import numpy as np
import pytest
import torch
from diffusers.models.attention import BasicTransformerBlock
from drawing import FINAL, PREVIEW, draw, images, load_small_engine, make_job

from plitka.device.select import DeviceInfo
from plitka.diffusion import engine as diffusion
from plitka.diffusion.acceleration import UNACCELERATED, Acceleration, acceleration_for, compile_model
from plitka.diffusion.engine import DiffusionEngine
from plitka.errors import DeviceError

CPU = DeviceInfo("cpu", "cpu", "CPU", 2**34, "float32")
GPU = DeviceInfo("cuda", "cuda:0", "a GPU", 2**34, "float16")
ROCM = DeviceInfo("rocm", "cuda:0", "an AMD GPU", 2**34, "float16")
MPS = DeviceInfo("mps", "mps", "an Apple GPU", 2**34, "float16")
XPU = DeviceInfo("xpu", "xpu:0", "an Intel GPU", 2**34, "float16")
VARIABLES = ("PLITKA_COMPILE", "PLITKA_GRAPHS", "PLITKA_FUSED", "PLITKA_CUDNN_BENCHMARK")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def load(model_folder, monkeypatch, acceleration):
    monkeypatch.setenv("PLITKA_MODEL_DIR", str(model_folder))
    return DiffusionEngine.load("sdxl", acceleration=acceleration, preview_size=PREVIEW, final_size=FINAL)


# What the environment asks for


@pytest.mark.parametrize(
    ("device", "graphs"), [(CPU, False), (MPS, False), (XPU, False), (GPU, True), (ROCM, True)]
)
def test_unless_it_is_asked_for_nothing_is_compiled_and_a_gpu_that_can_is_recorded(device, graphs):
    asked_for = acceleration_for(device)
    assert (asked_for.compile, asked_for.graphs) == ("off", graphs)
    assert acceleration_for(CPU) == UNACCELERATED


@pytest.mark.parametrize(("value", "graphs"), [("1", True), ("0", False), ("", True)])
def test_what_is_asked_for_is_done(monkeypatch, value, graphs):
    monkeypatch.setenv("PLITKA_COMPILE", "blocks")
    monkeypatch.setenv("PLITKA_GRAPHS", value)
    assert acceleration_for(GPU) == Acceleration(channels_last=True, compile="blocks", graphs=graphs)


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("PLITKA_COMPILE", "yes", "PLITKA_COMPILE: 'yes' is not one of off, blocks, unet"),
        ("PLITKA_COMPILE", "Blocks", "'Blocks' is not one of"),
        ("PLITKA_GRAPHS", "on", "PLITKA_GRAPHS: 'on' is not one of 0, 1"),
        ("PLITKA_CUDNN_BENCHMARK", "on", "PLITKA_CUDNN_BENCHMARK: 'on' is not one of 0, 1"),
        ("PLITKA_GRAPHS", "1", "PLITKA_GRAPHS: 1 needs an NVIDIA or AMD GPU; here is CPU"),
    ],
)
def test_a_wrong_word_stops_the_start(model_folder, variable, value, reason):
    with pytest.raises(DeviceError, match=reason):
        load_small_engine(model_folder, **{variable: value})


# Compiled


@pytest.mark.long
def test_a_compiled_engine_is_ready_after_setup_and_draws_the_same(model_folder, monkeypatch):
    expected = images(draw(load_small_engine(model_folder), angle=45))
    monkeypatch.setenv("PLITKA_MODEL_DIR", str(model_folder))
    phases = []
    # Compiling takes minutes; what is to be compiled runs here as it is.
    with torch.compiler.set_stance("force_eager"):
        engine = DiffusionEngine.load(
            "sdxl",
            on_phase=lambda name, seconds: phases.append(name),
            acceleration=Acceleration(compile="blocks"),
            preview_size=PREVIEW,
            final_size=FINAL,
        )
        assert phases[-1] == "warm-up"
        blocks = engine.pipelines.base.unet.modules()
        assert any(isinstance(block, BasicTransformerBlock) and block._compiled_call_impl for block in blocks)
        assert images(draw(engine, angle=45)) == expected


@pytest.mark.parametrize(("by_timing", "by_rule"), [("", True), ("1", False)])
def test_compiled_code_is_chosen_by_rule_unless_timing_is_asked_for(monkeypatch, by_timing, by_rule):
    # Here, because it takes a second.
    import torch._inductor.config

    monkeypatch.setenv("PLITKA_CUDNN_BENCHMARK", by_timing)
    with torch._inductor.config.patch(deterministic=not by_rule):
        compile_model(torch.nn.Linear(2, 2), "blocks")
        assert torch._inductor.config.deterministic == by_rule


@pytest.mark.slow
@pytest.mark.timeout(3600)
# torch's compiler uses what torch has deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
@pytest.mark.parametrize("mode", ["blocks", "unet"])
def test_compiled_pictures_are_those_of_the_plain_engine_up_to_rounding(model_folder, monkeypatch, mode):
    plain = load_small_engine(model_folder)
    compiled = load(model_folder, monkeypatch, Acceleration(compile=mode))
    graphs = []
    for request in ({}, {"angle": 45}, {"lora_scale": 1.5}, {"color_guidance": 0, "seed": 6}):
        for ours, theirs in zip(draw(compiled, **request), draw(plain, **request), strict=True):
            assert np.abs(ours.image.astype(int) - theirs.image).max() <= 1
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    # The first use of a ControlNet compiles; another scale, start or seed does not.
    assert graphs[0] <= graphs[1] == graphs[2] == graphs[3]


# Channels last


def test_channels_last_changes_no_more_than_rounding(model_folder, monkeypatch):
    plain = load_small_engine(model_folder)
    other = load(model_folder, monkeypatch, Acceleration(channels_last=True))
    assert other.pipelines.base.unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last)
    for ours, theirs in zip(draw(other, angle=45), draw(plain, angle=45), strict=True):
        assert np.abs(ours.image.astype(int) - theirs.image).max() <= 1


# Beside the denoising


class InTurn:
    """A helper that does everything at once, in the caller's thread."""

    def __init__(self, name):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def submit(self, work, *given):
        class Done:
            def result(self):
                return value

        value = work(*given)
        return Done()


@pytest.mark.parametrize("angle", [0, 45])
def test_swatches_and_edges_from_a_thread_give_the_same_pictures(model_folder, monkeypatch, angle):
    engine = load_small_engine(model_folder)
    beside = images(draw(engine, angle=angle))
    with monkeypatch.context() as patch:
        patch.setattr(diffusion, "Worker", InTurn)
        assert images(draw(engine, angle=angle)) == beside


def test_a_failure_beside_the_denoising_reaches_the_caller(model_folder, monkeypatch):
    engine = load_small_engine(model_folder)
    expected = images(draw(engine))

    def fail(*given):
        raise ValueError("no swatch")

    with monkeypatch.context() as patch:
        patch.setattr(diffusion, "start_inputs", fail)
        with pytest.raises(ValueError, match="no swatch"):
            list(engine.draw(make_job()))
    assert images(draw(engine)) == expected
