"""What is done to run the models faster: memory format, compilation, recorded GPU work, fused kernels.

`PLITKA_COMPILE`, `PLITKA_GRAPHS` and `PLITKA_FUSED` decide; `plitka.settings` says what they may be.

torch is imported when a function needs it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from plitka.choices import CompileMode, FusedWork
from plitka.device.select import DeviceInfo
from plitka.errors import DeviceError
from plitka.settings import (
    COMPILE_VARIABLE,
    FUSED_VARIABLE,
    FUSED_WORKS,
    GRAPHS_VARIABLE,
    compile_mode,
    cudnn_benchmark,
    fused_works,
    records_graphs,
)

# One compiled variant for each width, size, and guided or not; torch stops with an error at its own limit, 8.
COMPILED_VARIANTS = 64
# Devices whose convolutions want the channels last; on a CPU the gain depends on the processor.
CHANNELS_LAST_BACKENDS = ("cuda", "rocm")
GRAPH_BACKENDS = ("cuda", "rocm")
# Fused work that is Triton's, on GPUs that Triton compiles for.
TRITON_WORKS, TRITON_BACKENDS = ("norm", "geglu"), ("cuda", "rocm")
# Fused work that a compiler does itself, or that its code cannot hold.
NOT_COMPILED: dict[CompileMode, tuple[FusedWork, ...]] = {
    "off": (),
    "blocks": ("geglu", "qkv"),
    "unet": ("norm", "geglu", "qkv"),
}


@dataclass(frozen=True)
class Acceleration:
    """What is done to run the models faster.

    Attributes:
        channels_last: Keep convolution weights with the channels last.
        compile: What is compiled.
        graphs: Record the models' work on the GPU and replay it.
        fused: What one kernel does in place of several.
    """

    channels_last: bool = False
    compile: CompileMode = "off"
    graphs: bool = False
    fused: tuple[FusedWork, ...] = ()


UNACCELERATED = Acceleration()


def acceleration_for(device_info: DeviceInfo) -> Acceleration:
    """What is done on a device, and what the environment asks for beside it.

    Raises DeviceError naming the variable, its value and what is allowed.
    """
    mode, graphs = compile_mode(), records_graphs()
    if graphs and device_info.backend not in GRAPH_BACKENDS:
        raise DeviceError(f"{GRAPHS_VARIABLE}: 1 needs an NVIDIA or AMD GPU; here is {device_info.name}")
    return Acceleration(
        channels_last=device_info.backend in CHANNELS_LAST_BACKENDS,
        compile=mode,
        graphs=device_info.backend in GRAPH_BACKENDS if graphs is None else graphs,
        fused=_fused_for(device_info, mode),
    )


def _fused_for(device_info: DeviceInfo, mode: CompileMode) -> tuple[FusedWork, ...]:
    """The fused work that is asked for. Raises DeviceError for what cannot be here or beside a compiler."""
    works = fused_works()
    needing = [work for work in works if work in TRITON_WORKS]
    if needing and device_info.backend not in TRITON_BACKENDS:
        raise DeviceError(
            f"{FUSED_VARIABLE}: {needing[0]} needs an NVIDIA or AMD GPU; here is {device_info.name}"
        )
    if needing and find_spec("triton") is None:
        raise DeviceError(f"{FUSED_VARIABLE}: {needing[0]} needs Triton, which is not installed")
    if doubled := [work for work in works if work in NOT_COMPILED[mode]]:
        allowed = ", ".join(work for work in FUSED_WORKS if work not in NOT_COMPILED[mode]) or "nothing"
        raise DeviceError(
            f"{FUSED_VARIABLE}: {doubled[0]} and {COMPILE_VARIABLE}={mode} exclude each other; allowed "
            f"beside it: {allowed}"
        )
    return works


def put_channels_last(model: Any) -> None:
    """Keep the model's convolution weights as (out, height, width, in) in memory; shapes stay as they are."""
    import torch

    model.to(memory_format=torch.channels_last)


def fuse(model: Any, works: tuple[FusedWork, ...], device: str) -> None:
    """Have one kernel do this work of the model, in place of several; for a model that has its weights.

    Raises DeviceError if the kernels do not run, or give anything else than the work that they replace.
    """
    if not works:
        return
    from plitka.diffusion.fused.layers import check_kernels, fuse_geglu, fuse_norms
    from plitka.diffusion.fused.projections import stack_projections

    ways = {"norm": fuse_norms, "geglu": fuse_geglu, "qkv": stack_projections}
    if any(work in TRITON_WORKS for work in works):
        check_kernels(device)
    for work in works:
        ways[work](model)


def compile_model(model: Any, mode: CompileMode) -> None:
    """Have the model's transformer blocks, or all of it, compiled when it first runs.

    ControlNets have the same blocks as the UNet; of them only the blocks are ever compiled. Weights may
    change in place afterwards: compiled code reads them where they are. What rounds differently is chosen by
    rule, unless `PLITKA_CUDNN_BENCHMARK` asks for timing. Raises DeviceError for a value of it that is not
    allowed.
    """
    if mode == "off":
        return
    import torch
    import torch._inductor.config
    from diffusers import UNet2DConditionModel

    torch._dynamo.config.recompile_limit = COMPILED_VARIANTS
    torch._inductor.config.deterministic = not cudnn_benchmark()
    # Sizes are few and known: code for each of them is faster than code for any size.
    options: dict[str, Any] = {"fullgraph": True, "dynamic": False}
    if mode == "unet" and isinstance(model, UNet2DConditionModel):
        model.forward = torch.compile(model.forward, **options)
        return
    for block in _transformer_blocks(model):
        block.compile(**options)


def _transformer_blocks(model: Any) -> Iterator[Any]:
    from diffusers.models.attention import BasicTransformerBlock

    return (module for module in model.modules() if isinstance(module, BasicTransformerBlock))
