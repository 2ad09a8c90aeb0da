"""The LoRA in the models' weights: found in any layout, fused at a scale, changed to another scale exactly.

Every weight is W = W0 + scale * alpha / rank * up @ down (Hu et al. 2021, https://arxiv.org/abs/2106.09685),
with the alpha, the rank and the pair that the file has for this one module. It is computed from W0, which is
read again from the base model's file: nothing is ever subtracted, so a scale that comes back brings back the
same bits.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from plitka.diffusion.adapters.lora_config import CONFIG_NAME, AdapterConfig, read_adapter_configs
from plitka.diffusion.adapters.lora_names import Part
from plitka.diffusion.adapters.lora_pairs import REMEDY, Pair, find_pairs
from plitka.diffusion.checkpoints.stored_weights import StoredWeights
from plitka.diffusion.checkpoints.weight_checks import CLIP_PREFIX, first_not_finite
from plitka.errors import ModelFileError, remedied
from plitka.weights.files import read_header, refuse_other_formats
from plitka.weights.safetensors_header import TensorHeader

CONTRADICTION_REMEDY = f"Take away the '{CONFIG_NAME}' beside it if that is another LoRA's."
# How far two statements of one strength may lie apart: an alpha may be stored in bfloat16.
STRENGTH_TOLERANCE = 2**-7

Tensors = dict[Part, torch.Tensor]


@dataclass(frozen=True)
class _Layer:
    """One weight the LoRA changes: `up` (out, rank), `down` (rank, the rest), in the file's number format.

    `original` gives the weight as it was loaded, in any number format that it can be rounded from.
    """

    module: Any
    original: Callable[[], torch.Tensor]
    up: torch.Tensor
    down: torch.Tensor
    strength: float


class Lora:
    """A LoRA and the weights it is fused into."""

    def __init__(self, layers: list[_Layer], stored: StoredWeights | None = None) -> None:
        self._layers = layers
        self._stored = stored
        self._scale: float | None = 0.0

    @property
    def modules(self) -> int:
        """How many modules it changes."""
        return len(self._layers)

    @property
    def scale(self) -> float | None:
        """The scale in the weights now; None if a change was broken off."""
        return self._scale

    @torch.no_grad()
    def apply(self, scale: float) -> None:
        """Bring every weight to this scale; broken off in the middle, the next call does all of it again.

        Raises ModelFileError, and leaves the weights as they are, if the base model's file was written to.
        """
        if scale == self._scale:
            return
        # At scale 0 the weights are the originals, bit for bit, and already where they are needed.
        is_original = self._scale == 0
        if self._stored is not None and not is_original:
            self._stored.check()
        self._scale = None
        for layer in self._layers:
            weight = layer.module.weight
            original = weight if is_original else layer.original().to(weight.dtype)
            if scale == 0:
                # Nothing is added, not even zero, which would make a negative zero a positive one.
                weight.copy_(original)
                continue
            original = original.to(weight.device, torch.float32)
            up, down = (part.to(weight.device, torch.float32) for part in (layer.up, layer.down))
            change = (layer.strength * up) @ down
            weight.copy_(original + scale * change.view_as(original))
        self._scale = scale

    @torch.no_grad()
    def add(self, scale: float) -> None:
        """Add it at this scale to weights that another LoRA may be in; `apply(0)` takes both out again.

        Only while its own scale is 0, so that nothing is added twice.
        """
        assert self._scale == 0
        self._scale = None
        for layer in self._layers:
            weight = layer.module.weight
            up, down = (part.to(weight.device, torch.float32) for part in (layer.up, layer.down))
            change = (layer.strength * up) @ down
            now = weight.to(torch.float32)
            weight.copy_(now + scale * change.view_as(now))
        self._scale = scale

    def forget(self) -> None:
        """Another LoRA has put back weights that this one is in: the next `apply` does all of it again."""
        self._scale = None


@remedied(REMEDY)
def load_lora(
    pipeline: Any,
    path: Path,
    header: TensorHeader | None = None,
    stored: StoredWeights | None = None,
    *,
    on_cpu: bool = False,
) -> Lora:
    """Read a LoRA in PEFT, kohya or diffusers layout for the pipeline's UNet and text encoders.

    The pipeline keeps its modules and its weights, which must be the base model's own; `Lora.apply` changes
    them. `header` is the file's where it has been read already; `stored` is where the weights are read again,
    and what is not there is kept in memory. The pairs are kept where the modules are, or `on_cpu`. Raises
    ModelFileError if the file is broken, is no plain LoRA, does not fit the pipeline, has a tensor that
    nothing reads, contradicts itself, or changes nothing.
    """
    header = header or read_header(path)
    refuse_other_formats(path, header.tensors)
    shapes = {name: tuple(entry["shape"]) for name, entry in header.tensors.items()}
    pairs = find_pairs(pipeline, path, shapes)
    configs = read_adapter_configs(path, header.metadata)
    try:
        with safe_open(path, framework="pt") as file:
            parts = [_read(file, pair, on_cpu) for pair in pairs]
            _check_finite(path, pairs, parts)
            strengths = [
                _strength(path, pair, tensors, configs[pair.component])
                for pair, tensors in zip(pairs, parts, strict=True)
            ]
    except SafetensorError as error:
        raise ModelFileError(path, f"it cannot be read ({error})") from error
    layers = [
        _layer(pair, tensors, strength, stored)
        for pair, tensors, strength in zip(pairs, parts, strengths, strict=True)
    ]
    if not any(layer.strength and layer.up.any() and layer.down.any() for layer in layers):
        raise ModelFileError(path, "it changes nothing: every pair is zero")
    return Lora(layers, stored)


def _read(file: Any, pair: Pair, on_cpu: bool) -> Tensors:
    """One module's pair, on the module's device or the CPU, and its alpha on the CPU."""
    device = "cpu" if on_cpu else pair.module.weight.device
    parts: Tensors = {}
    for part, name in pair.tensors.items():
        # A copy, because safetensors gives a view into the file, which may be gone or changed later.
        tensor = file.get_tensor(name)
        parts[part] = tensor.to("cpu" if part == "alpha" else device, copy=True)
    return parts


def _check_finite(path: Path, pairs: Sequence[Pair], parts: Sequence[Tensors]) -> None:
    """Raise ModelFileError for the first tensor with a number that is not finite."""
    named = {
        pair.tensors[part]: tensor
        for pair, own in zip(pairs, parts, strict=True)
        for part, tensor in own.items()
    }
    if (strange := first_not_finite(named)) is not None:
        raise ModelFileError(path, f"its weights are not all finite numbers: {strange!r}")


def _layer(pair: Pair, parts: Tensors, strength: float, stored: StoredWeights | None) -> _Layer:
    down, up = parts["down"].flatten(1), parts["up"].flatten(1)
    if (mid := parts.get("mid")) is not None:
        # LyCORIS's Tucker decomposition of a convolution: a k x k kernel between two 1 x 1 ones.
        down = torch.einsum("ijkl,jm->imkl", mid.float(), down.float()).flatten(1)
    key = (pair.component, f"{pair.name.removeprefix(CLIP_PREFIX)}.weight")
    if stored is not None and key in stored:
        return _Layer(pair.module, partial(stored.read, key), up, down, strength)
    kept = pair.module.weight.detach().to("cpu", copy=True)
    return _Layer(pair.module, lambda: kept, up, down, strength)


def _strength(path: Path, pair: Pair, parts: Tensors, configs: Sequence[AdapterConfig]) -> float:
    """Alpha over rank of one pair, 1 where nothing says it. Raises ModelFileError for two that differ."""
    rank, alpha = parts["down"].shape[0], parts.get("alpha")
    stated = [] if alpha is None else [float(alpha.item()) / rank]
    stated += [config.strength((pair.spelling, pair.name), rank) for config in configs]
    if any(not math.isclose(other, stated[0], rel_tol=STRENGTH_TOLERANCE) for other in stated[1:]):
        both = " and ".join(f"{value:g}" for value in stated)
        problem = (
            f"{pair.tensors['down']!r} has different strengths (alpha over rank) in it and beside it: {both}"
        )
        raise ModelFileError(path, problem, CONTRADICTION_REMEDY)
    return stated[0] if stated else 1.0
