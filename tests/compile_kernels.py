"""Compiles every kernel for NVIDIA GPUs of compute capabilities 7.5, 8.0 and 9.0; no GPU is needed."""

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from plitka.diffusion.fused import kernels

FLOATS = ("means", "squares", "centers", "inverses")
NUMBERS = ("rows", "channels", "chunks", "groups", "size", "width")
BLOCK = {"ROWS": kernels.ROWS, "CHANNELS": kernels.CHANNELS}
STATISTICS = {"ROWS": kernels.ROWS, "CHUNKS": kernels.CHUNKS}
# Triton takes an argument of 1 for a constant.
CASES = (
    (kernels._moments, BLOCK),
    (kernels._moments, {**BLOCK, "rows": 1}),
    (kernels._group_statistics, {**STATISTICS, "SIZE": 10, "PADDED": 16}),
    (kernels._group_statistics, {**STATISTICS, "SIZE": 1, "PADDED": 1, "rows": 1, "chunks": 1}),
    (kernels._normalized, {**BLOCK, "SILU": True}),
    (kernels._normalized, {**BLOCK, "SILU": False, "rows": 1, "size": 1}),
    (kernels._geglu, {"ELEMENTS": kernels.ELEMENTS}),
)


def kind_of(name, constants):
    if name in constants:
        return "constexpr"
    if name in NUMBERS:
        return "i32"
    return "fp32" if name == "eps" else "*fp32" if name in FLOATS else "*fp16"


for capability in (75, 80, 90):
    for kernel, constants in CASES:
        names = kernel.arg_names
        source = ASTSource(
            kernel,
            {name: kind_of(name, constants) for name in names},
            {(names.index(name),): value for name, value in constants.items()},
        )
        assert triton.compile(source, target=GPUTarget("cuda", capability, 32)).asm["cubin"]
