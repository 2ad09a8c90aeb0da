"""One guided denoising step of the UNet: its floating-point work, its time, and where the time goes."""

import functools
import statistics
import time
from collections import defaultdict
from contextlib import closing
from dataclasses import replace
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from card.architecture import Architecture
from card.bench import Bench
from card.weights import unet_conditions

# With and without the prompt.
GUIDED_BATCH = 2
LATENT_CHANNELS, PIXELS_PER_LATENT = 4, 8
MATRIX = {"gpu": 8192, "cpu": 1024}
# Words in the names of kernels (GPU) and operators (CPU), and what they are; the first that fits counts.
KINDS = {
    "fused by the compiler": ("triton_",),
    "changes of layout": ("nchwtonhwc", "nhwctonchw"),
    "attention": ("flash", "fmha", "attention", "sdpa"),
    "convolution": ("conv", "cudnn", "fprop", "implicit", "mkldnn", "winograd"),
    "matrix product": ("gemm", "matmul", "cutlass", "cublas", "addmm", "bmm", "nvjet", "xmma", "::mm"),
    "normalisation": ("norm", "welford", "rowwisemoments"),
    "copies": ("copy", "memcpy", "memset", "::cat", "transpose", "contiguous"),
}
OTHER = "elementwise and the rest"


@functools.cache
def count_step_flops(architecture: Architecture, size: int) -> int:
    """Floating-point operations of one guided step at `size` pixels, by torch's own counter.

    Counted on the meta device, where attention is its two matrix products: no weights, no work.
    """
    with FlopCounterMode(display=False) as counter:
        meta_step(architecture, size, architecture.empty("unet"))
    return counter.get_total_flops()


@torch.no_grad()
def meta_step(architecture: Architecture, size: int, unet: Any) -> None:
    """Run a guided step of a UNet on the meta device: shapes alone."""
    unet(**_inputs(architecture, size, "meta", torch.float32))


def _inputs(architecture: Architecture, size: int, device: str, dtype: torch.dtype) -> dict[str, Any]:
    """The arguments of a guided step, as the pipeline gives them."""
    side = size // PIXELS_PER_LATENT
    shape = (GUIDED_BATCH, LATENT_CHANNELS, side, side)
    if device == "meta":
        conditions = _meta_conditions(architecture, dtype)
        return {"sample": torch.empty(shape, device=device, dtype=dtype), "timestep": 500, **conditions}
    random = torch.Generator(device).manual_seed(3)
    return {
        "sample": torch.randn(shape, generator=random, device=device, dtype=dtype),
        "timestep": torch.tensor(500, device=device),
        **unet_conditions(architecture, GUIDED_BATCH, device, dtype),
        "return_dict": False,
    }


def _meta_conditions(architecture: Architecture, dtype: torch.dtype) -> dict[str, Any]:
    conditions = unet_conditions(architecture, GUIDED_BATCH, "cpu", dtype)
    texts = conditions["encoder_hidden_states"].to("meta")
    added = {name: tensor.to("meta") for name, tensor in conditions["added_cond_kwargs"].items()}
    return {"encoder_hidden_states": texts, "added_cond_kwargs": added}


@torch.no_grad()
def step_seconds(bench: Bench, unet: Any, size: int) -> float:
    """Median seconds of the UNet's part of a guided step, Python's part of it included."""
    inputs = _inputs(bench.architecture, size, bench.device, unet.dtype)
    steps = 10 if bench.device_info.is_gpu else 3
    for _ in range(3):
        unet(**inputs)
    # Several at once, as in a denoising run: Python may be ahead of the device.
    runs = [bench.seconds(lambda: [unet(**inputs) for _ in range(steps)]) / steps for _ in range(3)]
    return statistics.median(runs)


def measure_matrix_rate(bench: Bench) -> None:
    """The rate of a large product of random matrices in the number format of the models."""
    side = MATRIX["gpu" if bench.device_info.is_gpu else "cpu"]
    dtype = getattr(torch, bench.device_info.dtype)
    a, b = (torch.randn(side, side, device=bench.device, dtype=dtype) for _ in range(2))
    for _ in range(3):
        a @ b
    runs = [bench.seconds(lambda: [a @ b for _ in range(10)]) / 10 for _ in range(3)]
    seconds = statistics.median(runs)
    tflops = 2 * side**3 / seconds / 1e12
    bench.emit("rates", "matrix rate", side=side, dtype=bench.device_info.dtype, tflops=tflops)


@torch.no_grad()
def run_profile(bench: Bench) -> None:
    """Where the time of a guided step goes, by kind of work, eager and compiled."""
    eager = bench.eager()
    variants = {"eager": eager}
    if bench.device_info.is_gpu:
        variants["compiled"] = replace(eager, compile="blocks")
    for name, acceleration in variants.items():
        with closing(bench.load_engine(acceleration)) as engine:
            for size in bench.architecture.sizes:
                _profile(bench, name, engine.pipelines.base.unet, size)


def _profile(bench: Bench, name: str, unet: Any, size: int, steps: int = 3) -> None:
    inputs = _inputs(bench.architecture, size, bench.device, unet.dtype)
    for _ in range(3):
        unet(**inputs)
    plain = bench.seconds(lambda: [unet(**inputs) for _ in range(steps)])
    activity = torch.profiler.ProfilerActivity
    activities = [activity.CPU, *([activity.CUDA] if bench.device_info.is_gpu else [])]
    with torch.profiler.profile(activities=activities) as profiler:
        start = time.perf_counter()
        for _ in range(steps):
            unet(**inputs)
        bench.synchronize()
        profiled = time.perf_counter() - start
    spent: dict[str, float] = defaultdict(float)
    kernels: list[tuple[float, str, int]] = []
    for event in profiler.key_averages():
        seconds = _own_seconds(event, bench.device_info.is_gpu)
        if seconds:
            spent[kind_of(event.key)] += seconds
            kernels.append((seconds, event.key[:80], event.count // steps))
    busy = sum(spent.values())
    bench.emit(
        "profile",
        f"profile, {name}, {size}",
        step_seconds=plain / steps,
        step_seconds_profiled=profiled / steps,
        busy_share=busy / plain,
        shares={kind: seconds / busy for kind, seconds in sorted(spent.items(), key=lambda item: -item[1])},
        largest=[
            {"kernel": key, "share": seconds / busy, "calls": calls}
            for seconds, key, calls in sorted(kernels, reverse=True)[:12]
        ],
    )


def _own_seconds(event: Any, on_gpu: bool) -> float:
    """Seconds of a kernel, or of an operator without those that it calls."""
    if on_gpu:
        # Named regions, such as the compiler's, cover the kernels in them and are no work of their own.
        is_kernel = event.device_type.name == "CUDA" and not event.is_user_annotation
        return event.self_device_time_total / 1e6 if is_kernel else 0.0
    return event.self_cpu_time_total / 1e6


def kind_of(kernel: str) -> str:
    """The kind of work that a kernel or an operator does, by its name."""
    name = kernel.lower()
    return next((kind for kind, words in KINDS.items() if any(word in name for word in words)), OTHER)
