import os
import subprocess
import sys
from types import SimpleNamespace
from unittest import mock

import psutil
import pytest
import torch

from plitka.device.select import DeviceInfo, manage_gpu_memory, optimize_for_device, select_best_device
from plitka.errors import DeviceError

GPU = DeviceInfo("cuda", "cuda:0", "a GPU", 16 * 2**30, "float16")


SETTINGS = (
    "PLITKA_VRAM_FRACTION",
    "PLITKA_CUDNN_BENCHMARK",
    "PLITKA_CPU_BF16",
    "PYTORCH_ALLOC_CONF",
    "PYTORCH_CUDA_ALLOC_CONF",
    "PYTORCH_HIP_ALLOC_CONF",
)


@pytest.fixture(autouse=True)
def clean_settings():
    with mock.patch.dict(os.environ):
        for name in SETTINGS:
            os.environ.pop(name, None)
        yield


@pytest.fixture
def cuda(monkeypatch):
    """A machine that says it has an NVIDIA GPU."""
    properties = SimpleNamespace(name="a GPU", total_memory=16 * 2**30)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: properties)
    monkeypatch.setattr(torch.version, "hip", None)


def test_without_a_gpu_the_cpu_draws_in_full_precision(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    chosen = select_best_device()
    assert (chosen.backend, chosen.device, chosen.dtype) == ("cpu", "cpu", "float32")
    assert chosen.total_memory == psutil.virtual_memory().total
    assert not chosen.is_gpu


@pytest.mark.parametrize("unit", ["avx512_bf16", "amx_bf16", "bf16"])
def test_cpu_draws_in_half_the_bits_only_where_that_is_asked_for(monkeypatch, unit):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True, unit: True})
    assert select_best_device().dtype == "float32"
    monkeypatch.setenv("PLITKA_CPU_BF16", "1")
    assert select_best_device().dtype == "bfloat16"


def test_processor_that_would_imitate_bfloat16_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "cpu_name": "Old One"})
    monkeypatch.setenv("PLITKA_CPU_BF16", "1")
    with pytest.raises(DeviceError, match=r"PLITKA_CPU_BF16.*AVX-512 BF16.*Old One"):
        select_best_device()


def test_an_installation_without_torch_draws_on_the_cpu():
    code = (
        "import sys; sys.modules['torch'] = None; import importlib.util\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'torch' else found(name, *rest)\n"
        "from plitka.device.select import select_best_device, optimize_for_device, manage_gpu_memory\n"
        "from plitka.device.monitor import ResourceMonitor\n"
        "info = select_best_device(); optimize_for_device(info); manage_gpu_memory(info, 'clear')\n"
        "with ResourceMonitor(info) as monitor: print(info.device, monitor.peaks().ram_mib > 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "cpu True"


def test_a_gpu_draws_in_half_precision_with_expandable_segments(cuda, monkeypatch):
    assert select_best_device() == GPU
    assert os.environ["PYTORCH_ALLOC_CONF"] == "expandable_segments:True"


def test_other_allocator_settings_are_kept(cuda, monkeypatch):
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "max_split_size_mb:512")
    select_best_device()
    assert os.environ["PYTORCH_CUDA_ALLOC_CONF"] == "max_split_size_mb:512,expandable_segments:True"
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:False")
    select_best_device()
    assert os.environ["PYTORCH_CUDA_ALLOC_CONF"] == "expandable_segments:False"
    assert "PYTORCH_ALLOC_CONF" not in os.environ


def test_a_memory_limit_keeps_expandable_segments_off(cuda, monkeypatch):
    limits = []
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda *call: limits.append(call))
    monkeypatch.setenv("PLITKA_VRAM_FRACTION", "0.8")
    optimize_for_device(select_best_device())
    assert limits == [(0.8, torch.device("cuda:0"))]
    assert "PYTORCH_ALLOC_CONF" not in os.environ


def test_a_memory_limit_and_expandable_segments_together_are_refused(cuda, monkeypatch):
    monkeypatch.setenv("PLITKA_VRAM_FRACTION", "0.8")
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    with pytest.raises(DeviceError, match=r"PLITKA_VRAM_FRACTION=0\.8 and PYTORCH_CUDA_ALLOC_CONF"):
        select_best_device()


@pytest.mark.parametrize("fraction", ["0.49", "0.96", "half", "nan", "-1", "80%"])
def test_a_bad_memory_limit_is_named_with_what_is_allowed(fraction, monkeypatch):
    monkeypatch.setenv("PLITKA_VRAM_FRACTION", fraction)
    with pytest.raises(DeviceError, match=r"PLITKA_VRAM_FRACTION: .* is not a number from 0\.5 to 0\.95"):
        select_best_device()


@pytest.fixture
def switches_after():
    """What `optimize_for_device` makes of torch's switches, first set to others; put back afterwards."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    switches = ((cudnn, "benchmark"), (cudnn, "deterministic"), (cudnn, "allow_tf32"), (matmul, "allow_tf32"))
    before = [getattr(*switch) for switch in switches]

    def after(*contrary):
        for (place, name), value in zip(switches, contrary, strict=True):
            setattr(place, name, value)
        optimize_for_device(GPU)
        return [getattr(*switch) for switch in switches]

    yield after
    for (place, name), value in zip(switches, before, strict=True):
        setattr(place, name, value)


def test_no_memory_limit_by_default_and_kernels_that_are_not_chosen_by_timing(
    cuda, monkeypatch, switches_after
):
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda *call: pytest.fail("limited"))
    assert switches_after(True, False, False, False) == [False, True, True, True]


def test_kernels_are_chosen_by_timing_if_that_is_asked_for(cuda, monkeypatch, switches_after):
    monkeypatch.setenv("PLITKA_CUDNN_BENCHMARK", "1")
    assert switches_after(False, True, False, False) == [True, False, True, True]


def test_a_wrong_word_about_kernels_is_named_with_what_is_allowed(cuda, monkeypatch):
    monkeypatch.setenv("PLITKA_CUDNN_BENCHMARK", "yes")
    with pytest.raises(DeviceError, match="PLITKA_CUDNN_BENCHMARK: 'yes' is not one of 0, 1"):
        optimize_for_device(GPU)


def test_rocm_calls_itself_cuda_and_says_it_is_untried(cuda, monkeypatch, caplog):
    monkeypatch.setattr(torch.version, "hip", "6.4")
    chosen = select_best_device()
    assert (chosen.backend, chosen.device) == ("rocm", "cuda:0")
    optimize_for_device(chosen)
    assert "ROCm has not been tried" in caplog.text


def test_apple_and_intel_gpus_are_taken_and_say_they_are_untried(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.xpu, "is_available", lambda: True)
    properties = SimpleNamespace(name="Arc", total_memory=8 * 2**30)
    monkeypatch.setattr(torch.xpu, "get_device_properties", lambda index: properties)
    assert (select_best_device().device, select_best_device().untried is None) == ("xpu:0", False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert (select_best_device().device, select_best_device().untried is None) == ("mps", False)


def test_memory_can_be_checked_and_cleared(monkeypatch):
    cleared = []
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda name: (5, 16))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda name: 7)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda name: 9)
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda name: 1.0)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: cleared.append(True))
    status = manage_gpu_memory(GPU, "check")
    assert (status.free, status.total, status.allocated, status.reserved) == (5, 16, 7, 9)
    assert not cleared
    manage_gpu_memory(GPU, "clear")
    assert cleared


def test_memory_beyond_the_limit_of_the_process_is_not_free(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda name: (90, 100))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda name: 20)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda name: 30)
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda name: 0.5)
    assert manage_gpu_memory(GPU, "check").free == 20


def test_an_unknown_memory_action_is_an_error():
    with pytest.raises(ValueError, match="'purge' is not one of check, clear"):
        manage_gpu_memory(GPU, "purge")
