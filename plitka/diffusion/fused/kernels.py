"""Triton kernels: group normalisation with SiLU for tensors whose channels come last, and GEGLU.

PyTorch's own group normalisation copies such a tensor to channels first, and the convolution behind it copies
it back. Here the tensor is read twice and written once, where it lies. No result depends on the order in
which the programs of a kernel run: there are no atomic additions, so the bytes are the same every time.

Whoever imports this needs Triton, which comes with PyTorch for NVIDIA and AMD GPUs. With
`TRITON_INTERPRET=1` the kernels run on a CPU, slowly.
"""

# Triton reads annotations of its functions, and knows none but its own.
# mypy: disable-error-code="no-untyped-def, untyped-decorator"

from typing import Any

import torch
import triton
import triton.language as tl

# Pixels and channels that one program has at a time; blocks of pixels that the second kernel reads at once.
ROWS, CHANNELS, CHUNKS = 64, 64, 64
# Results of GEGLU that one program makes.
ELEMENTS = 1024
# The kernels count the numbers of one picture in 32 bits.
MOST_NUMBERS = 2**31


@triton.jit
def _moments(
    pixels,
    means,
    squares,
    rows,
    channels,
    ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
) -> None:
    """Of each channel in a block of pixels: the mean, and the sum of squared distances from it."""
    chunk, block, picture = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    row = chunk * ROWS + tl.arange(0, ROWS)
    channel = block * CHANNELS + tl.arange(0, CHANNELS)
    inside = (row < rows)[:, None] & (channel < channels)[None, :]
    begin = picture.to(tl.int64) * rows * channels
    places = begin + row[:, None] * channels + channel[None, :]
    values = tl.load(pixels + places, mask=inside, other=0.0).to(tl.float32)
    mean = tl.sum(values, 0) / tl.minimum(rows - chunk * ROWS, ROWS).to(tl.float32)
    distances = tl.where(inside, values - mean[None, :], 0.0)
    place = (picture * tl.num_programs(0) + chunk) * channels + channel
    tl.store(means + place, mean, mask=channel < channels)
    tl.store(squares + place, tl.sum(distances * distances, 0), mask=channel < channels)


@triton.jit
def _group_statistics(
    means,
    squares,
    centers,
    inverses,
    rows,
    channels,
    chunks,
    eps,
    SIZE: tl.constexpr,
    PADDED: tl.constexpr,
    ROWS: tl.constexpr,
    CHUNKS: tl.constexpr,
) -> None:
    """Mean and inverse standard deviation of one group of SIZE channels (Chan et al. 1979, eq. 2.1).

    The squared distances of a part from the mean of all are those from its own mean, and once for each of
    its numbers the squared distance of the two means.
    """
    group, picture = tl.program_id(0), tl.program_id(1)
    own = tl.arange(0, PADDED)
    channel = group * SIZE + own
    total = tl.zeros([PADDED], tl.float32)
    for first in range(0, chunks, CHUNKS):
        chunk = first + tl.arange(0, CHUNKS)
        inside = (chunk < chunks)[:, None] & (own < SIZE)[None, :]
        count = tl.minimum(rows - chunk * ROWS, ROWS).to(tl.float32)
        places = (picture * chunks + chunk)[:, None] * channels + channel[None, :]
        total += tl.sum(count[:, None] * tl.load(means + places, mask=inside, other=0.0), 0)
    # A float by a product: Triton takes a single pixel for a constant, which has no `to`.
    numbers = rows * SIZE * 1.0
    mean = tl.sum(total, 0) / numbers
    spread = tl.zeros([PADDED], tl.float32)
    for first in range(0, chunks, CHUNKS):
        chunk = first + tl.arange(0, CHUNKS)
        inside = (chunk < chunks)[:, None] & (own < SIZE)[None, :]
        count = tl.minimum(rows - chunk * ROWS, ROWS).to(tl.float32)
        places = (picture * chunks + chunk)[:, None] * channels + channel[None, :]
        distance = tl.load(means + places, mask=inside, other=0.0) - mean
        parts = tl.load(squares + places, mask=inside, other=0.0) + count[:, None] * distance * distance
        spread += tl.sum(tl.where(inside, parts, 0.0), 0)
    place = picture * tl.num_programs(0) + group
    tl.store(centers + place, mean)
    tl.store(inverses + place, 1.0 / tl.sqrt(tl.sum(spread, 0) / numbers + eps))


@triton.jit
def _normalized(
    pixels,
    result,
    centers,
    inverses,
    weight,
    bias,
    rows,
    channels,
    groups,
    size,
    SILU: tl.constexpr,
    ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
) -> None:
    """(x - mean) / deviation * weight + bias, and SiLU of it; rounded between both as the plain work is."""
    chunk, block, picture = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    row = chunk * ROWS + tl.arange(0, ROWS)
    channel = block * CHANNELS + tl.arange(0, CHANNELS)
    known = channel < channels
    inside = (row < rows)[:, None] & known[None, :]
    begin = picture.to(tl.int64) * rows * channels
    places = begin + row[:, None] * channels + channel[None, :]
    values = tl.load(pixels + places, mask=inside, other=0.0).to(tl.float32)
    group = picture * groups + channel // size
    center = tl.load(centers + group, mask=known, other=0.0)
    scale = tl.load(inverses + group, mask=known, other=0.0)
    scale *= tl.load(weight + channel, mask=known, other=0.0).to(tl.float32)
    shift = tl.load(bias + channel, mask=known, other=0.0).to(tl.float32)
    values = (values - center[None, :]) * scale[None, :] + shift[None, :]
    if SILU:
        values = values.to(result.dtype.element_ty).to(tl.float32)
        values = values / (1.0 + tl.exp(-values))
    tl.store(result + places, values.to(result.dtype.element_ty), mask=inside)


@triton.jit
def _geglu(pairs, result, width, ELEMENTS: tl.constexpr) -> None:
    """The first half of a row times GELU of the second; rounded between both as the plain work is."""
    row, block = tl.program_id(0).to(tl.int64), tl.program_id(1)
    column = block * ELEMENTS + tl.arange(0, ELEMENTS)
    inside = column < width
    begin = pairs + row * 2 * width
    value = tl.load(begin + column, mask=inside, other=0.0).to(tl.float32)
    gate = tl.load(begin + width + column, mask=inside, other=0.0).to(tl.float32)
    # 0.7071…: the square root of one half.
    gate = gate * 0.5 * (1.0 + tl.erf(gate * 0.7071067811865476))
    gate = gate.to(result.dtype.element_ty).to(tl.float32)
    tl.store(result + row * width + column, (value * gate).to(result.dtype.element_ty), mask=inside)


def group_norm(
    pixels: torch.Tensor,
    groups: int,
    weight: torch.Tensor,
    bias: torch.Tensor,
    eps: float,
    silu: bool,
) -> torch.Tensor:
    """Group normalisation of pixels (N, C, H, W) that lie in memory as (N, H, W, C); the result lies so too.

    float16, bfloat16 or float32, of fewer than MOST_NUMBERS numbers a picture; statistics are float32.
    `weight` and `bias` are (C,). With `silu`, SiLU of it. Group normalisation: Wu & He 2018,
    https://arxiv.org/abs/1803.08494.
    """
    pictures, channels, height, width = pixels.shape
    rows, size = height * width, channels // groups
    chunks = triton.cdiv(rows, ROWS)
    floats: dict[str, Any] = {"dtype": torch.float32, "device": pixels.device}
    means, squares = (torch.empty((pictures, chunks, channels), **floats) for _ in range(2))
    centers, inverses = (torch.empty((pictures, groups), **floats) for _ in range(2))
    result = torch.empty_like(pixels)
    blocks = (chunks, triton.cdiv(channels, CHANNELS), pictures)
    _moments[blocks](pixels, means, squares, rows, channels, ROWS, CHANNELS)
    _group_statistics[(groups, pictures)](
        means,
        squares,
        centers,
        inverses,
        rows,
        channels,
        chunks,
        eps,
        size,
        triton.next_power_of_2(size),
        ROWS,
        CHUNKS,
    )
    _normalized[blocks](
        pixels,
        result,
        centers,
        inverses,
        weight,
        bias,
        rows,
        channels,
        groups,
        size,
        silu,
        ROWS,
        CHANNELS,
    )
    return result


def geglu(pairs: torch.Tensor) -> torch.Tensor:
    """Rows (…, 2 D), contiguous, to (…, D): the first half times GELU of the second.

    GEGLU: Shazeer 2020, https://arxiv.org/abs/2002.05202. float16, bfloat16 or float32.
    """
    width = pairs.shape[-1] // 2
    result = torch.empty((*pairs.shape[:-1], width), dtype=pairs.dtype, device=pairs.device)
    rows = result.numel() // width
    _geglu[(rows, triton.cdiv(width, ELEMENTS))](pairs, result, width, ELEMENTS)
    return result
