"""What one kernel in place of several gives: each kind of fused work, all together, and the kernels alone."""

import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers.models.activations import GEGLU
from torch.nn import functional

from card.bench import Bench
from card.pictures import kept_picture, psnr
from card.predictions import loaded, measure
from card.recorded import recorder_for
from card.step import meta_step
from plitka.choices import FusedWork
from plitka.diffusion.acceleration import fuse
from plitka.diffusion.fused.layers import NormWithSiLU, OneKernelGEGLU, check_kernels
from plitka.diffusion.recorded_forward import relative_error
from plitka.settings import FUSED_WORKS

SECTION = "fused"
NOTHING, ALL = "nothing", "everything"


def run(bench: Bench, kinds: tuple[FusedWork, ...] = FUSED_WORKS) -> None:
    """Predictions, recorded where that is possible, with each kind of fused work, and with all of them."""
    ways: dict[str, tuple[FusedWork, ...]] = {NOTHING: ()}
    ways |= {work: (work,) for work in kinds} | {ALL: FUSED_WORKS}
    for name, works in ways.items():
        figure = f"fused: {name}"
        with loaded(bench, replace(bench.fastest(), fused=works)) as engine:
            reports = [report.error for report in engine.pipelines.recordings.report()]
            measure(bench, SECTION, figure, engine, recording_errors=reports)
        pictures = [
            np.asarray(kept_picture(bench, f"fused: {one}", "final"), np.float64) for one in (NOTHING, name)
        ]
        if works:
            bench.emit(SECTION, f"{figure}, against none", psnr_to_plain=psnr(*pictures))


@torch.no_grad()
def run_kernels(bench: Bench) -> None:
    """All normalisations and GEGLUs of a step, one after the other: by the kernels, and as they are without.

    Raises DeviceError if a kernel does not do its work on this device.
    """
    check_kernels(bench.device)
    for size in bench.architecture.sizes:
        norms, pairs = _shapes(bench, size)
        _compare(bench, f"norms of a step at {size}", [_norm(bench, *given) for given in norms.items()])
        _compare(bench, f"GEGLUs of a step at {size}", [_geglu(bench, *given) for given in pairs.items()])


class Pair(NamedTuple):
    """A layer by its kernel and without, what it is given, and how often a step has it."""

    fused: Callable[[torch.Tensor], torch.Tensor]
    plain: Callable[[torch.Tensor], torch.Tensor]
    given: torch.Tensor
    times: int


def _shapes(bench: Bench, size: int) -> tuple[Counter[Any], Counter[Any]]:
    """The shapes, and how many of each, of pixels that are normalised (with SiLU?) and of GEGLU's results."""
    unet = bench.architecture.empty("unet")
    fuse(unet, ("norm",), "meta")
    norms: Counter[Any] = Counter()
    pairs: Counter[Any] = Counter()
    for module in unet.modules():
        if isinstance(module, NormWithSiLU):
            module.register_forward_hook(
                lambda layer, given, result: norms.update([(tuple(result.shape), layer.silu)])
            )
        if isinstance(module, GEGLU):
            module.register_forward_hook(lambda layer, given, result: pairs.update([tuple(result.shape)]))
    meta_step(bench.architecture, size, unet)
    return norms, pairs


def _norm(bench: Bench, given: tuple[tuple[int, ...], bool], count: int) -> Pair:
    shape, silu = given
    dtype = getattr(torch, bench.device_info.dtype)
    groups = bench.architecture.unet.get("norm_num_groups", 32)
    plain = torch.nn.GroupNorm(groups, shape[1], device=bench.device, dtype=dtype)
    pixels = torch.randn(shape, device=bench.device, dtype=dtype)
    pixels = pixels.contiguous(memory_format=torch.channels_last)

    def without(given: torch.Tensor) -> torch.Tensor:
        # To where the convolution behind it wants the channels.
        normal = plain(given).contiguous(memory_format=torch.channels_last)
        return functional.silu(normal) if silu else normal

    return Pair(NormWithSiLU(plain, silu), without, pixels, count)


def _geglu(bench: Bench, shape: tuple[int, ...], count: int) -> Pair:
    dtype = getattr(torch, bench.device_info.dtype)
    layer = GEGLU(1, shape[-1])
    # The product alone: the linear layer before it is the same one.
    layer.proj = torch.nn.Identity()
    pairs = torch.randn((*shape[:-1], 2 * shape[-1]), device=bench.device, dtype=dtype)
    return Pair(OneKernelGEGLU(layer), layer, pairs, count)


def _compare(bench: Bench, figure: str, pairs: list[Pair]) -> None:
    bench.emit(
        SECTION,
        figure,
        seconds=_seconds(bench, [(pair.fused, pair) for pair in pairs]),
        without_seconds=_seconds(bench, [(pair.plain, pair) for pair in pairs]),
        relative_error=max(relative_error(pair.fused(pair.given), pair.plain(pair.given)) for pair in pairs),
        layers=sum(pair.times for pair in pairs),
    )


def _seconds(bench: Bench, work: list[tuple[Callable[[torch.Tensor], torch.Tensor], Pair]]) -> float:
    """Median seconds of all of it, recorded: launched by Python, most of it would be waiting."""

    def once(*given: torch.Tensor) -> list[torch.Tensor]:
        return [layer(one) for (layer, pair), one in zip(work, given, strict=True) for _ in range(pair.times)]

    given = tuple(pair.given for _, pair in work)
    once(*given)
    recording = recorder_for(bench)(once, given, {})
    recording.replay()
    return statistics.median(bench.seconds(recording.replay) for _ in range(5))
