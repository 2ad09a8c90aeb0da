"""One kernel in place of several: the same pictures up to rounding; what cannot be is refused at setup."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.models.activations import GEGLU
from diffusers.models.attention_processor import Attention
from drawing import CPU, FINAL, PREVIEW, draw, images
from tape import TapeRecorder
from torch.nn import functional

from plitka.device.select import DeviceInfo
from plitka.diffusion import acceleration as accelerated
from plitka.diffusion import recordings
from plitka.diffusion.acceleration import Acceleration, acceleration_for
from plitka.diffusion.engine import DiffusionEngine
from plitka.diffusion.fused import layers, projections
from plitka.diffusion.gpu_errors import is_fatal, is_out_of_memory
from plitka.diffusion.identity import identity_of_acceleration
from plitka.errors import DeviceError

GPU = DeviceInfo("cuda", "cuda:0", "a GPU", 2**34, "float16")
ALL = ("norm", "geglu", "qkv")
# Without a ControlNet, with a plain one at another scale of the LoRA, with a union one without guidance.
REQUESTS = ({}, {"angle": 45, "lora_scale": 1.5}, {"angle": 90, "guidance_scale": 1})


def load(model_folder, **acceleration):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLITKA_MODEL_DIR", str(model_folder))
        return DiffusionEngine.load(
            "sdxl", acceleration=Acceleration(**acceleration), preview_size=PREVIEW, final_size=FINAL
        )


@pytest.fixture(scope="module")
def fused(model_folder):
    return load(model_folder, channels_last=True, fused=ALL)


# The pictures


@pytest.mark.parametrize("request_", REQUESTS)
def test_fused_pictures_are_those_of_the_plain_engine_up_to_rounding(fused, engine, request_):
    for ours, theirs in zip(draw(fused, **request_), draw(engine, **request_), strict=True):
        assert np.abs(ours.image.astype(int) - theirs.image).max() <= 1


@pytest.mark.long
def test_recorded_the_fused_models_draw_the_same_bytes(fused, model_folder, monkeypatch):
    monkeypatch.setattr(recordings, "CudaRecorder", TapeRecorder)
    recorded = load(model_folder, channels_last=True, fused=ALL, graphs=True)
    for request in REQUESTS[1:2] * 2:
        assert images(draw(recorded, **request)) == images(draw(fused, **request))
    reports = draw(recorded)[1].denoising.recordings
    assert {(one.error, one.off) for one in reports} == {(0.0, None)}


def test_no_normalisation_gets_its_channels_first(fused):
    seen = []

    def look(module, given):
        seen.append(given[0].is_contiguous(memory_format=torch.channels_last))

    norms = [m for m in fused.pipelines.base.unet.modules() if isinstance(m, torch.nn.GroupNorm)]
    hooks = [norm.register_forward_pre_hook(look) for norm in norms]
    draw(fused, angle=45)
    for hook in hooks:
        hook.remove()
    assert len(norms) > 10
    assert seen
    assert all(seen)


def test_every_layer_of_the_kind_is_replaced_and_no_weight_is_there_twice(fused, engine):
    ours, plain = (one.pipelines.base.unet for one in (fused, engine))
    norms = [m for m in ours.modules() if isinstance(m, torch.nn.GroupNorm)]
    assert {type(norm) for norm in norms} == {layers.NormWithSiLU}
    assert not [m for m in ours.modules() if isinstance(m, GEGLU)]
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in plain.named_parameters()]


def attention_of(engine):
    return [m for m in engine.pipelines.base.unet.modules() if isinstance(m, Attention)]


def weights_of(attention):
    own = [attention.to_k.weight, attention.to_v.weight]
    return own if attention.is_cross_attention else [attention.to_q.weight, *own]


def test_another_scale_of_the_lora_changes_the_stacked_weights_in_place(fused):
    found = attention_of(fused)
    assert found
    for scale in (0.0, 1.5, 0.75):
        fused.lora.apply(scale)
        assert all(projections.lie_together(weights_of(attention)) for attention in found)


@torch.no_grad()
@pytest.mark.parametrize("crosses", [False, True])
def test_weights_that_have_been_moved_one_by_one_give_the_same(crosses):
    torch.manual_seed(3)
    model = torch.nn.Sequential(Attention(32, 16 if crosses else None, heads=2, dim_head=16)).double()
    given = torch.randn(2, 5, 32, dtype=torch.float64)
    options = {"encoder_hidden_states": torch.randn(2, 7, 16, dtype=torch.float64)} if crosses else {}
    plain = model[0](given, **options)
    projections.stack_projections(model)
    assert projections.lie_together(weights_of(model[0]))
    assert torch.allclose(model[0](given, **options), plain, atol=1e-12)
    # As a model that goes to another device.
    for weight in model.parameters():
        weight.data = weight.data.clone()
    assert not projections.lie_together(weights_of(model[0]))
    assert torch.allclose(model[0](given, **options), plain, atol=1e-12)
    model[0].to_v.weight.mul_(0)
    assert not torch.allclose(model[0](given, **options), plain)


def test_attention_of_another_kind_stays_as_it_is():
    biased, pixels = Attention(32, heads=2, dim_head=16, bias=True), Attention(32, norm_num_groups=4)
    before = [attention.processor for attention in (biased, pixels)]
    projections.stack_projections(torch.nn.ModuleList([biased, pixels]))
    assert [attention.processor for attention in (biased, pixels)] == before


# What is asked for


@pytest.mark.parametrize(
    ("text", "fused"),
    [("", ()), ("norm", ("norm",)), ("qkv, norm", ("norm", "qkv")), ("geglu,norm,geglu", ("norm", "geglu"))],
)
def test_what_is_asked_for_is_fused(monkeypatch, text, fused):
    monkeypatch.setenv("PLITKA_FUSED", text)
    monkeypatch.setattr(accelerated, "find_spec", lambda name: name)
    assert acceleration_for(GPU).fused == fused


@pytest.mark.parametrize(
    ("device", "environment", "reason"),
    [
        (GPU, {"PLITKA_FUSED": "norm,all"}, "'all' in 'norm,all' is not one of norm, geglu, qkv"),
        (GPU, {"PLITKA_FUSED": "norm,"}, "'' in 'norm,' is not one of"),
        (CPU, {"PLITKA_FUSED": "qkv,geglu"}, "geglu needs an NVIDIA or AMD GPU; here is CPU"),
        (GPU, {"PLITKA_FUSED": "norm", "PLITKA_COMPILE": "unet"}, "exclude .* beside it: nothing"),
        (GPU, {"PLITKA_FUSED": "norm,qkv", "PLITKA_COMPILE": "blocks"}, "qkv .* beside it: norm"),
    ],
)
def test_what_cannot_be_is_refused_before_any_model_is_read(monkeypatch, device, environment, reason):
    monkeypatch.setattr(accelerated, "find_spec", lambda name: name)
    for name in ("PLITKA_FUSED", "PLITKA_COMPILE"):
        monkeypatch.setenv(name, environment.get(name, ""))
    with pytest.raises(DeviceError, match=f"^PLITKA_FUSED: .*{reason}"):
        acceleration_for(device)


def test_a_gpu_without_triton_is_refused(monkeypatch):
    monkeypatch.setenv("PLITKA_FUSED", "norm")
    monkeypatch.setattr(accelerated, "find_spec", lambda name: None)
    with pytest.raises(DeviceError, match="PLITKA_FUSED: norm needs Triton, which is not installed"):
        acceleration_for(GPU)


class Kernels:
    """What stands for the module of the kernels: the plain work, spoilt."""

    MOST_NUMBERS = 2**31

    def __init__(self, spoil):
        self.spoil = spoil

    def group_norm(self, pixels, groups, weight, bias, eps, silu):
        return self.spoil(functional.silu(functional.group_norm(pixels, groups, weight, bias, eps)))

    def geglu(self, pairs):
        value, gate = pairs.chunk(2, dim=-1)
        return self.spoil(value * functional.gelu(gate))


def no_compiler(result):
    raise RuntimeError("Failed to find C compiler.\nSet CC.")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda result: result * 1.02, "norm: it differs by 0.02 of the plain result for torch.float16"),
        (lambda result: result * torch.nan, "norm: it differs by nan"),
        (no_compiler, "norm: it does not run here .*Failed to find C compiler"),
    ],
)
def test_a_kernel_that_does_not_do_its_work_stops_the_start(monkeypatch, spoil, reason):
    monkeypatch.setattr(layers, "DEVICES", ("cpu",))
    monkeypatch.setattr(layers, "kernels", lambda: Kernels(spoil))
    with pytest.raises(DeviceError, match=f"PLITKA_FUSED: {reason}"):
        layers.check_kernels.__wrapped__("cpu")


def test_a_kernel_that_rounds_otherwise_is_used(monkeypatch):
    monkeypatch.setattr(layers, "DEVICES", ("cpu",))
    monkeypatch.setattr(layers, "kernels", lambda: Kernels(lambda result: result * 1.001))
    layers.check_kernels.__wrapped__("cpu")


def test_what_the_kernels_do_not_take_goes_the_usual_way(monkeypatch):
    monkeypatch.setattr(layers, "DEVICES", ("cpu",))
    monkeypatch.setattr(layers, "kernels", lambda: Kernels(no_compiler))
    torch.manual_seed(7)
    norm, layer = torch.nn.GroupNorm(4, 8), GEGLU(8, 6)
    ours, product = layers.NormWithSiLU(norm, silu=True), layers.OneKernelGEGLU(layer)
    pixels, rows = torch.randn(2, 8, 3, 5), torch.randn(2, 5, 8)
    last = pixels.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        for given in (pixels, pixels[..., 0], pixels[:, :, ::2]):
            assert torch.equal(ours(given), functional.silu(norm(given)))
        for call in (lambda: ours(last), lambda: product(rows)):
            with pytest.raises(RuntimeError, match="C compiler"):
                call()
        double = ours.double()(last.double())
        assert torch.equal(double, functional.silu(norm.double()(last.double())))
    # With gradients, which the kernels do not have.
    assert torch.equal(product(rows), layer(rows))
    product(rows).sum().backward()
    assert layer.proj.weight.grad is not None


def test_the_identity_says_what_is_fused_and_compiled(fused, engine):
    assert fused.identity() == engine.identity() | {"fused": "norm, geglu, qkv"}
    both = Acceleration(compile="blocks", fused=("norm",))
    assert identity_of_acceleration(both) == {"compiled": "blocks", "fused": "norm"}


def test_triton_out_of_memory_is_a_lack_of_memory_and_its_other_errors_end_the_process():
    errors = ("Triton Error [CUDA]: out of memory", "Triton Error [CUDA]: an illegal memory access")
    lack, lost = map(RuntimeError, errors)
    assert is_out_of_memory(lack)
    assert not is_fatal(lack)
    assert is_fatal(lost)


# The kernels, by Triton's interpreter


@pytest.fixture
def kernels(monkeypatch):
    pytest.importorskip("triton", reason="Triton comes with PyTorch for GPUs")
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    from plitka.diffusion.fused import kernels

    return kernels


@pytest.mark.filterwarnings("ignore:overflow encountered in exp:RuntimeWarning")
@pytest.mark.parametrize("number", [torch.float16, torch.float32])
# Groups of one channel and more; odd sides; several blocks of pixels and of channels; one pixel.
@pytest.mark.parametrize("shape", [(2, 96, 9, 15), (1, 32, 3, 5), (2, 320, 2, 3), (1, 64, 1, 1)])
@pytest.mark.parametrize("silu", [True, False])
def test_the_kernels_normalise_no_worse_than_pytorch(kernels, number, shape, silu):
    torch.manual_seed(5)
    channels = shape[1]
    # Far from zero, where a sum of squares would lose what matters.
    pixels = (torch.randn(shape) + 30).to(number).contiguous(memory_format=torch.channels_last)
    weight, bias = torch.randn(channels).to(number), torch.randn(channels).to(number)
    exact = functional.group_norm(pixels.double(), 32, weight.double(), bias.double(), 1e-5)
    plain = functional.group_norm(pixels, 32, weight, bias, 1e-5)
    if silu:
        exact, plain = functional.silu(exact), functional.silu(plain)
    ours = kernels.group_norm(pixels, 32, weight, bias, 1e-5, silu)
    assert (ours.dtype, ours.stride()) == (pixels.dtype, pixels.stride())
    error, allowed = ((one.double() - exact).norm() / exact.norm() for one in (ours, plain))
    assert error <= max(2 * allowed, 5e-5)


@pytest.mark.parametrize("number", [torch.float16, torch.float32])
def test_the_kernels_geglu_is_pytorchs(kernels, number):
    torch.manual_seed(6)
    pairs = (3 * torch.randn(2, 3, 2 * 1100)).to(number)
    value, gate = pairs.chunk(2, dim=-1)
    plain = value * functional.gelu(gate)
    ours = kernels.geglu(pairs)
    assert ours.shape == plain.shape
    assert (ours.double() - plain.double()).norm() <= 1e-3 * plain.double().norm()


def test_the_kernels_compile_for_gpus(tmp_path):
    pytest.importorskip("triton", reason="Triton comes with PyTorch for GPUs")
    # In a process of its own: here they may have been made for the interpreter.
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path)}
    script = Path(__file__).with_name("compile_kernels.py")
    path = os.pathsep.join([str(script.parents[1]), environment.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, script],
        env=environment | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
