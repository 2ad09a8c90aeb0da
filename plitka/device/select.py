"""The device that draws: which one, how it is set up, how much memory it has.

`PLITKA_VRAM_FRACTION` limits the memory of this process. Without it there is no limit and PyTorch's
expandable segments are on. The two together have raised internal assertions in PyTorch's allocator, so they
exclude each other.

torch is imported when a function needs it: in an installation without it the device is the CPU.
"""

import gc
import importlib.util
import logging
import os
from dataclasses import dataclass, replace
from typing import Literal

import psutil

from plitka.errors import DeviceError
from plitka.settings import (
    CPU_BF16_VARIABLE,
    VRAM_FRACTION_VARIABLE,
    allocator_settings,
    cpu_bfloat16,
    cudnn_benchmark,
    vram_fraction,
)

EXPANDABLE_SEGMENTS = "expandable_segments"

Backend = Literal["cuda", "rocm", "mps", "xpu", "cpu"]
UNTRIED: dict[Backend, str] = {
    "rocm": "AMD ROCm has not been tried with this program",
    "mps": "Apple MPS has not been tried with this program",
    "xpu": "Intel XPU has not been tried with this program",
}

# Names that torch gives to parts of a processor that multiply matrices of bfloat16.
BFLOAT16_UNITS = ("avx512_bf16", "amx_bf16", "bf16")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeviceInfo:
    """A device.

    Attributes:
        backend: What drives it; ROCm calls itself `cuda` in torch.
        device: Its name in torch, such as "cuda:0" or "cpu".
        name: Its name to people.
        total_memory: Its memory in bytes: the GPU's, or the machine's for the CPU.
        dtype: The number format of the models on it, by its name in torch.
        untried: Why results are not vouched for; None on devices the program has been run on.
    """

    backend: Backend
    device: str
    name: str
    total_memory: int
    dtype: Literal["float16", "float32", "bfloat16"]
    untried: str | None = None

    @property
    def is_gpu(self) -> bool:
        """True where models and intermediate results live in a memory of their own."""
        return self.backend != "cpu"


@dataclass(frozen=True)
class MemoryStatus:
    """Memory of a device in bytes; `allocated` and `reserved` are this process's share, 0 on the CPU.

    `free` is what this process may still take, within its own limit if it has one.
    """

    total: int
    free: int
    allocated: int
    reserved: int


def select_best_device() -> DeviceInfo:
    """The fastest device there is: CUDA or ROCm, Apple MPS, Intel XPU, the CPU.

    Also prepares PyTorch's allocator, which reads its settings when the GPU is first touched. Raises
    DeviceError for a `PLITKA_VRAM_FRACTION` or, on the CPU, a `PLITKA_CPU_BF16` that is not allowed.
    """
    fraction = vram_fraction()
    if importlib.util.find_spec("torch") is None:
        return cpu_device()
    import torch

    if torch.cuda.is_available():
        _choose_allocator(fraction)
        backend: Backend = "rocm" if torch.version.hip else "cuda"
        cuda = torch.cuda.get_device_properties(0)
        return _gpu(backend, "cuda:0", cuda.name, cuda.total_memory)
    if torch.backends.mps.is_available():
        return _gpu("mps", "mps", "Apple GPU", psutil.virtual_memory().total)
    if torch.xpu.is_available():
        xpu = torch.xpu.get_device_properties(0)
        return _gpu("xpu", "xpu:0", xpu.name, xpu.total_memory)
    return replace(cpu_device(), dtype="bfloat16") if _uses_bfloat16() else cpu_device()


def cpu_device() -> DeviceInfo:
    """The CPU with the machine's memory."""
    return DeviceInfo("cpu", "cpu", "CPU", psutil.virtual_memory().total, "float32")


def _uses_bfloat16() -> bool:
    """Whether the CPU is to compute in bfloat16; refused where it would imitate that, many times slower."""
    if not cpu_bfloat16():
        return False
    import torch

    processor = torch.cpu.get_capabilities()
    if not any(processor.get(name) for name in BFLOAT16_UNITS):
        raise DeviceError(
            f"{CPU_BF16_VARIABLE}: 1 needs a processor with AVX-512 BF16, AMX or Arm's BF16; "
            f"here is {processor.get('cpu_name') or processor.get('architecture')}"
        )
    return True


def optimize_for_device(device_info: DeviceInfo) -> None:
    """Set torch up for the device: how kernels are chosen, TF32, and the memory limit if one is asked for.

    By default nothing is chosen by timing, so that every process chooses the same kernels
    (https://docs.pytorch.org/docs/2.13/notes/randomness.html). cuBLAS needs no setting for that: torch gives
    every stream a workspace of its own. Attention is chosen by its shapes. `use_deterministic_algorithms` is
    not set: it would take cuDNN's attention away, whose way forward gives the same bits every time.

    Raises DeviceError for a `PLITKA_VRAM_FRACTION` or `PLITKA_CUDNN_BENCHMARK` that is not allowed.
    """
    fraction, by_timing = vram_fraction(), cudnn_benchmark()
    if device_info.untried:
        log.warning("%s", device_info.untried)
    if device_info.backend not in ("cuda", "rocm"):
        return
    import torch

    torch.backends.cudnn.benchmark = by_timing
    torch.backends.cudnn.deterministic = not by_timing
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cuda.matmul.allow_tf32 = True
    if fraction is not None:
        torch.cuda.set_per_process_memory_fraction(fraction, torch.device(device_info.device))
        log.info("limited to %.0f %% of the GPU's memory", 100 * fraction)


def manage_gpu_memory(device_info: DeviceInfo, action: Literal["check", "clear"]) -> MemoryStatus:
    """Report the device's memory ("check"), or first give back what this process does not use ("clear").

    Raises ValueError for another action.
    """
    if action not in ("check", "clear"):
        raise ValueError(f"action: {action!r} is not one of check, clear")
    if action == "clear":
        gc.collect()
    if not device_info.is_gpu:
        memory = psutil.virtual_memory()
        return MemoryStatus(memory.total, memory.available, 0, 0)
    import torch

    if device_info.backend == "mps":
        if action == "clear":
            torch.mps.empty_cache()
        reserved = torch.mps.driver_allocated_memory()
        free = max(torch.mps.recommended_max_memory() - reserved, 0)
        return MemoryStatus(device_info.total_memory, free, torch.mps.current_allocated_memory(), reserved)
    driver = torch.xpu if device_info.backend == "xpu" else torch.cuda
    if action == "clear":
        driver.empty_cache()
    free, total = driver.mem_get_info(device_info.device)
    allocated = driver.memory_allocated(device_info.device)
    reserved = driver.memory_reserved(device_info.device)
    if device_info.backend != "xpu":
        # A limit on this process is none that the driver knows of.
        limit = int(total * torch.cuda.get_per_process_memory_fraction(device_info.device))
        free = max(min(free, limit - reserved), 0)
    return MemoryStatus(total, free, allocated, reserved)


def _choose_allocator(fraction: float | None) -> None:
    """Turn expandable segments on, or off under a memory limit. Raises DeviceError if both are asked for."""
    variable, text = allocator_settings()
    settings = [setting for setting in text.split(",") if setting]
    chosen = next((setting for setting in settings if setting.startswith(EXPANDABLE_SEGMENTS)), None)
    if fraction is not None:
        if chosen is not None and chosen.lower().endswith("true"):
            raise DeviceError(
                f"{VRAM_FRACTION_VARIABLE}={fraction} and {variable}={text} exclude each "
                "other: PyTorch's allocator fails with a memory limit on expandable segments; unset one"
            )
    elif chosen is None:
        os.environ[variable] = ",".join([*settings, f"{EXPANDABLE_SEGMENTS}:True"])


def _gpu(backend: Backend, device: str, name: str, memory: int) -> DeviceInfo:
    return DeviceInfo(backend, device, name, memory, "float16", UNTRIED.get(backend))
