"""Layers of diffusers' models that do their work in one GPU kernel, in place of several.

Each computes what the layer that it replaces computes, up to rounding, and has its weights under the same
names. What the kernel does not take (a CPU, another layout or number format) goes the layer's usual way.
"""

from collections.abc import Iterator
from functools import cache, partial
from types import ModuleType
from typing import Any

import torch
from diffusers import Transformer2DModel
from diffusers.models.activations import GEGLU
from diffusers.models.resnet import ResnetBlock2D
from torch.nn import functional

from plitka.diffusion.recorded_forward import TOLERATED_ERROR, relative_error
from plitka.errors import DeviceError
from plitka.settings import FUSED_VARIABLE
from plitka.weights.files import in_one_line

# torch calls AMD's devices so, too.
DEVICES = ("cuda",)
NUMBERS = (torch.float16, torch.bfloat16, torch.float32)


@cache
def kernels() -> ModuleType | None:
    """The module of the kernels; None where there is no Triton."""
    try:
        from plitka.diffusion.fused import kernels as module
    except ImportError:
        return None
    return module


class NormWithSiLU(torch.nn.GroupNorm):
    """Group normalisation of pixels (N, C, H, W), and SiLU of it where `silu` says so.

    One kernel where the channels come last in memory; they do in the result too.
    """

    def __init__(self, norm: torch.nn.GroupNorm, silu: bool) -> None:
        super().__init__(norm.num_groups, norm.num_channels, norm.eps, device="meta")
        self.weight, self.bias, self.silu = norm.weight, norm.bias, silu

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """The same shape and number format."""
        if _takes(input) and input.ndim == 4 and input.is_contiguous(memory_format=torch.channels_last):
            module = kernels()
            if module is not None and input[0].numel() < module.MOST_NUMBERS:
                normal: torch.Tensor = module.group_norm(
                    input, self.num_groups, self.weight, self.bias, self.eps, self.silu
                )
                return normal
        normal = super().forward(input)
        return functional.silu(normal) if self.silu else normal


class EmbeddingSiLU(torch.nn.SiLU):
    """SiLU of a time embedding (N, C); pixels have had theirs from `NormWithSiLU` and pass."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """The same shape and number format."""
        return super().forward(input) if input.ndim == 2 else input


class OneKernelGEGLU(torch.nn.Module):
    """A linear layer, and the first half of its result times GELU of the second."""

    def __init__(self, layer: GEGLU) -> None:
        super().__init__()
        self.proj = layer.proj

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """(…, in) to (…, out)."""
        pairs = self.proj(hidden_states)
        module = kernels()
        if _takes(pairs) and pairs.is_contiguous() and module is not None:
            product: torch.Tensor = module.geglu(pairs)
            return product
        value, gate = pairs.chunk(2, dim=-1)
        return value * functional.gelu(gate)


def fuse_norms(model: torch.nn.Module) -> None:
    """Have the model's group normalisations take SiLU too, and its channels stay last in between.

    Left as they are: normalisations in attention, and blocks that scale by the time embedding.
    """
    for module in list(model.modules()):
        if isinstance(module, ResnetBlock2D):
            if module.time_embedding_norm == "default" and isinstance(module.nonlinearity, torch.nn.SiLU):
                module.norm1 = NormWithSiLU(module.norm1, silu=True)
                module.norm2 = NormWithSiLU(module.norm2, silu=True)
                module.nonlinearity = EmbeddingSiLU()
        elif isinstance(module, Transformer2DModel) and module.is_input_continuous:
            module.norm = NormWithSiLU(module.norm, silu=False)
            if module.use_linear_projection:
                # diffusers' own puts the channels first.
                module._get_output_for_continuous_inputs = partial(_as_pixels, module.proj_out)
        for norm, act in _last_norms(module):
            setattr(module, norm, NormWithSiLU(getattr(module, norm), silu=True))
            setattr(module, act, torch.nn.Identity())


def _last_norms(module: Any) -> Iterator[tuple[str, str]]:
    """The names of a model's last normalisation and activation, where they are of the usual kinds."""
    norm, act = (getattr(module, name, None) for name in ("conv_norm_out", "conv_act"))
    if isinstance(norm, torch.nn.GroupNorm) and isinstance(act, torch.nn.SiLU):
        yield "conv_norm_out", "conv_act"


def _as_pixels(
    proj_out: torch.nn.Module,
    hidden_states: torch.Tensor,
    residual: torch.Tensor,
    batch_size: int,
    height: int,
    width: int,
    inner_dim: int,
) -> torch.Tensor:
    """A transformer's result, (N, H W, C), as pixels (N, C, H, W) that lie as they come; no copy."""
    pixels = proj_out(hidden_states).reshape(batch_size, height, width, inner_dim).permute(0, 3, 1, 2)
    return pixels + residual


def fuse_geglu(model: torch.nn.Module) -> None:
    """Have the model's feed-forward parts take GELU and product in one."""
    for module in list(model.modules()):
        for name, part in list(module.named_children()):
            if isinstance(part, GEGLU):
                setattr(module, name, OneKernelGEGLU(part))


@cache
def check_kernels(device: str) -> None:
    """Run every kernel once beside the work that it replaces; of an odd shape, in each number format.

    Raises DeviceError if one does not run, needs a compiler that is not there for instance, or if its result
    differs by more than TOLERATED_ERROR.
    """
    if torch.device(device).type not in DEVICES:
        return
    random = torch.Generator("cpu").manual_seed(1)
    for number in NUMBERS:
        pixels = torch.randn(2, 96, 9, 15, generator=random).to(device, number)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        norm = torch.nn.GroupNorm(32, 96, device=device, dtype=number)
        _check("norm", NormWithSiLU(norm, silu=True), torch.nn.Sequential(norm, torch.nn.SiLU()), pixels)
        layer = GEGLU(96, 40).to(device, number)
        rows = torch.randn(2, 7, 96, generator=random).to(device, number)
        _check("geglu", OneKernelGEGLU(layer), layer, rows)


@torch.no_grad()
def _check(work: str, ours: torch.nn.Module, theirs: torch.nn.Module, given: torch.Tensor) -> None:
    try:
        error = relative_error(ours(given), theirs(given))
    except Exception as failure:
        problem = f"it does not run here ({in_one_line(failure)})"
        raise DeviceError(f"{FUSED_VARIABLE}: {work}: {problem}") from failure
    if not error <= TOLERATED_ERROR:
        problem = f"it differs by {error:.2g} of the plain result"
        raise DeviceError(f"{FUSED_VARIABLE}: {work}: {problem} for {given.dtype}")


def _takes(given: torch.Tensor) -> bool:
    """Whether the kernels are for such a device and number format; they have no gradients."""
    return given.device.type in DEVICES and given.dtype in NUMBERS and not torch.is_grad_enabled()
