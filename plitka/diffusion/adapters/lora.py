"""The LoRA in the models' weights: found in any layout, fused at a scale, changed to another scale exactly.

Every weight is W = W0 + scale * alpha / rank * up @ down (Hu et al. 2021, https://arxiv.org/abs/2106.09685),
with the alpha, the rank and the pair that the file has for this one module. It is computed from the stored
W0: nothing is ever subtracted, so a scale that comes back brings back the same bits.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from plitka.diffusion.adapters.lora_config import CONFIG_NAME, AdapterConfig, read_adapter_configs
from plitka.diffusion.adapters.lora_pairs import REMEDY, Pair, find_pairs
from plitka.errors import ModelFileError, remedied
from plitka.weights.files import read_header, refuse_other_formats
from plitka.weights.safetensors_header import TensorHeader

CONTRADICTION_REMEDY = f"Take away the '{CONFIG_NAME}' beside it if that is another LoRA's."
# How far two statements of one strength may lie apart: an alpha may be stored in bfloat16.
STRENGTH_TOLERANCE = 2**-7


@dataclass(frozen=True)
class _Layer:
    """One weight the LoRA changes: `up` (out, rank), `down` (rank, the rest), in the file's number format."""

    module: Any
    original: torch.Tensor
    up: torch.Tensor
    down: torch.Tensor
    strength: float


class Lora:
    """A LoRA and the weights it is fused into."""

    def __init__(self, layers: list[_Layer]) -> None:
        self._layers = layers
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
        """Bring every weight to this scale; broken off in the middle, the next call does all of it again."""
        if scale == self._scale:
            return
        # At scale 0 the weights are the stored originals, bit for bit, and already where they are needed.
        is_original, self._scale = self._scale == 0, None
        for layer in self._layers:
            weight = layer.module.weight
            original = (weight if is_original else layer.original).to(weight.device, torch.float32)
            up, down = (part.to(weight.device, torch.float32) for part in (layer.up, layer.down))
            change = (layer.strength * up) @ down
            weight.copy_(original + scale * change.view_as(original))
        self._scale = scale


@remedied(REMEDY)
def load_lora(pipeline: Any, path: Path, header: TensorHeader | None = None) -> Lora:
    """Read a LoRA in PEFT, kohya or diffusers layout for the pipeline's UNet and text encoders.

    The pipeline keeps its modules and its weights; `Lora.apply` changes them. `header` is the file's where it
    has been read already. Raises ModelFileError if the file is broken, is no plain LoRA, does not fit the
    pipeline, has a tensor that nothing reads, contradicts itself, or changes nothing.
    """
    header = header or read_header(path)
    refuse_other_formats(path, header.tensors)
    shapes = {name: tuple(entry["shape"]) for name, entry in header.tensors.items()}
    pairs = find_pairs(pipeline, path, shapes)
    configs = read_adapter_configs(path, header.metadata)
    try:
        with safe_open(path, framework="pt") as file:
            layers = [_layer(path, file, pair, configs[pair.component]) for pair in pairs]
    except SafetensorError as error:
        raise ModelFileError(path, f"it cannot be read ({error})") from error
    if not any(layer.strength and layer.up.any() and layer.down.any() for layer in layers):
        raise ModelFileError(path, "it changes nothing: every pair is zero")
    return Lora(layers)


def _layer(path: Path, file: Any, pair: Pair, configs: Sequence[AdapterConfig]) -> _Layer:
    """Read one module's pair. Raises ModelFileError for numbers that are not finite or contradict."""
    parts = {}
    for part, tensor in pair.tensors.items():
        # A copy, because safetensors gives a view into the file, which may be gone or changed later.
        parts[part] = file.get_tensor(tensor).clone()
        if not torch.isfinite(parts[part]).all():
            raise ModelFileError(path, f"its weights are not all finite numbers: {tensor!r}")
    down, up = parts["down"].flatten(1), parts["up"].flatten(1)
    if (mid := parts.get("mid")) is not None:
        # LyCORIS's Tucker decomposition of a convolution: a k x k kernel between two 1 x 1 ones.
        down = torch.einsum("ijkl,jm->imkl", mid.float(), down.float()).flatten(1)
    strength = _strength(path, pair, down.shape[0], parts.get("alpha"), configs)
    original: torch.Tensor = pair.module.weight.data
    return _Layer(pair.module, original.to("cpu", copy=True), up, down, strength)


def _strength(
    path: Path, pair: Pair, rank: int, alpha: torch.Tensor | None, configs: Sequence[AdapterConfig]
) -> float:
    """Alpha over rank of one pair, 1 where nothing says it. Raises ModelFileError for two that differ."""
    stated = [] if alpha is None else [float(alpha.item()) / rank]
    stated += [config.strength((pair.spelling, pair.name), rank) for config in configs]
    if any(not math.isclose(other, stated[0], rel_tol=STRENGTH_TOLERANCE) for other in stated[1:]):
        both = " and ".join(f"{value:g}" for value in stated)
        problem = (
            f"{pair.tensors['down']!r} has different strengths (alpha over rank) in it and beside it: {both}"
        )
        raise ModelFileError(path, problem, CONTRADICTION_REMEDY)
    return stated[0] if stated else 1.0
