"""What is done to run the models faster: their memory format, compilation, and recorded GPU work.

`PLITKA_COMPILE` and `PLITKA_GRAPHS` decide on the last two; `plitka.settings` says what they may be.

torch is imported when a function needs it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from plitka.choices import CompileMode
from plitka.device.select import DeviceInfo
from plitka.errors import DeviceError
from plitka.settings import GRAPHS_VARIABLE, compile_mode, cudnn_benchmark, records_graphs

# One compiled variant for each width, size, and guided or not; torch stops with an error at its own limit, 8.
COMPILED_VARIANTS = 64
# Devices whose convolutions want the channels last; on a CPU the gain depends on the processor.
CHANNELS_LAST_BACKENDS = ("cuda", "rocm")
GRAPH_BACKENDS = ("cuda", "rocm")


@dataclass(frozen=True)
class Acceleration:
    """What is done to run the models faster.

    Attributes:
        channels_last: Keep convolution weights with the channels last.
        compile: What is compiled.
        graphs: Record the models' work on the GPU and replay it.
    """

    channels_last: bool = False
    compile: CompileMode = "off"
    graphs: bool = False


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
    )


def put_channels_last(model: Any) -> None:
    """Keep the model's convolution weights as (out, height, width, in) in memory; shapes stay as they are."""
    import torch

    model.to(memory_format=torch.channels_last)


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
