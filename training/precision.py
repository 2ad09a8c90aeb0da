"""The number format that training calculates in: bfloat16 where the device is built for it, else float32.

On a processor without bfloat16, PyTorch falls back to reference code that is a hundred times slower.

Environment variables:

- `PLITKA_TRAINING_PRECISION`: `auto` (the default), `bf16`, or `no` for float32, as accelerate names them.
"""

import os
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, cast, get_args

import torch
from torch.nn import functional

Precision = Literal["bf16", "no"]
VARIABLE = "PLITKA_TRAINING_PRECISION"
AUTO = "auto"
# oneDNN, which does PyTorch's convolutions on a CPU, can be held below what the processor can do.
LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
X86 = ("x86", "x86_64")
TRIAL_CHANNELS, TRIAL_SIDE, TRIALS = 64, 32, 3


def precision_for(device: str) -> Precision:
    """The precision for a device, such as "cpu" or "cuda", unless the environment names one.

    Raises ValueError for a `PLITKA_TRAINING_PRECISION` that is not allowed.
    """
    asked = os.environ.get(VARIABLE) or AUTO
    allowed = (AUTO, *get_args(Precision))
    if asked not in allowed:
        raise ValueError(f"{VARIABLE}: {asked!r} is not one of {', '.join(allowed)}")
    return _best(torch.device(device).type) if asked == AUTO else cast(Precision, asked)


def autocast(device: str) -> torch.autocast:
    """The arithmetic of a block of training: bfloat16, or float32 as it stands."""
    return torch.autocast(device, torch.bfloat16, enabled=precision_for(device) == "bf16")


@cache
def _best(kind: str) -> Precision:
    if kind == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    said = said_by_processor(torch.cpu.get_capabilities(), os.environ) if kind == "cpu" else None
    return said or measured(kind)


def said_by_processor(capabilities: Mapping[str, Any], environment: Mapping[str, str]) -> Precision | None:
    """What a processor's capabilities say; None where only measuring tells.

    x86 has bfloat16 as AVX-512 BF16 or AMX. Elsewhere it depends on what PyTorch was built with.
    """
    held_back = any(environment.get(name) for name in LIMITS)
    has_onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if held_back or not has_onednn or capabilities["architecture"] not in X86:
        return None
    return "bf16" if capabilities["avx512_bf16"] or capabilities["amx_bf16"] else "no"


def measured(device: str) -> Precision:
    """The faster precision in a small convolution, forwards and backwards, each at its best of a few."""
    # No random numbers: what is trained must not depend on whether something was measured.
    weights = torch.ones(TRIAL_CHANNELS, TRIAL_CHANNELS, 3, 3, device=device, requires_grad=True)
    pixels = torch.ones(1, TRIAL_CHANNELS, TRIAL_SIDE, TRIAL_SIDE, device=device, requires_grad=True)

    def seconds(enabled: bool) -> float:
        start = time.perf_counter()
        with torch.autocast(device, torch.bfloat16, enabled=enabled):
            total = functional.conv2d(pixels, weights).float().sum()
        total.backward()  # type: ignore[no-untyped-call]
        float(total.detach())  # waits for a GPU
        return time.perf_counter() - start

    rounds = [(seconds(True), seconds(False)) for _ in range(1 + TRIALS)][1:]
    bfloat16, float32 = (min(times) for times in zip(*rounds, strict=True))
    return "bf16" if bfloat16 < float32 else "no"
