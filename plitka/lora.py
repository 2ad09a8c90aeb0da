"""The LoRA in the models' weights: found in any layout, fused at a scale, changed to another scale exactly.

diffusers reads the layouts and says which module each low-rank pair belongs to. The pairs are then taken out
of its adapter layers, and every weight is computed as W = W0 + scale * alpha / rank * up @ down (Hu et al.
2021, https://arxiv.org/abs/2106.09685) from the stored W0: nothing is ever subtracted, so a scale that comes
back brings back the same bits.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from peft.utils.other import get_pattern_key
from safetensors.torch import load_file

from plitka.gpu_errors import is_out_of_memory
from plitka.weight_files import ModelFileError, in_one_line, read_tensor_header

ADAPTER_CONFIG_NAME = "adapter_config.json"
REMEDY = "Use the LoRA that was trained for this base model (see model_files/README.md)."
PEFT_PREFIX = "base_model.model."
# One tensor of each low-rank pair, as the layouts name it.
DOWN_ENDINGS = ("lora_A.weight", "lora_down.weight", "lora.down.weight", "lora_linear_layer.down.weight")
# Adapters that are more than a low-rank pair.
UNSUPPORTED = ("dora_scale", "lora_magnitude_vector", "lokr_", "hada_", "lora_B.bias")
_ADAPTER = "tile"


@dataclass(frozen=True)
class _Layer:
    """One weight the LoRA changes. `up` (out, rank) carries alpha / rank; `down` is (rank, the rest)."""

    module: Any
    original: torch.Tensor
    up: torch.Tensor
    down: torch.Tensor


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
            change = layer.up.to(weight.device) @ layer.down.to(weight.device)
            weight.copy_(original + scale * change.view_as(original))
        self._scale = scale


def load_lora(pipeline: Any, path: Path) -> Lora:
    """Read a LoRA in PEFT, kohya or diffusers layout for the pipeline's UNet and text encoders.

    The pipeline keeps its plain modules and its weights; `Lora.apply` changes them. Raises ModelFileError if
    the file is broken, is no plain LoRA, does not fit the pipeline, leaves a pair over, or changes nothing.
    """
    names = read_tensor_header(path, REMEDY)
    if strange := next((name for name in names if any(part in name for part in UNSUPPORTED)), None):
        raise ModelFileError(path, f"not a plain LoRA: it holds '{strange}'", REMEDY)
    pairs = sum(name.endswith(DOWN_ENDINGS) for name in names)
    if pairs == 0:
        raise ModelFileError(path, "there are no LoRA weights in it", REMEDY)
    raw_peft = all(name.startswith(PEFT_PREFIX) for name in names)
    try:
        _load_adapter(pipeline, path, raw_peft)
        layers = list(_layers(pipeline, _peft_config(path) if raw_peft else None))
        pipeline.unload_lora_weights()
    # Of a strange file diffusers and PEFT let through what they come upon: KeyError, RuntimeError, TypeError.
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise ModelFileError(path, f"it does not fit the base model: {in_one_line(error)}", REMEDY) from error
    if len(layers) < pairs:
        raise ModelFileError(
            path, f"only {len(layers)} of its {pairs} pairs have a module in the model", REMEDY
        )
    if not all(torch.isfinite(layer.up).all() and torch.isfinite(layer.down).all() for layer in layers):
        raise ModelFileError(path, "its weights are not all finite numbers", REMEDY)
    if not any(layer.up.any() and layer.down.any() for layer in layers):
        raise ModelFileError(path, "it changes nothing: every pair is zero", REMEDY)
    return Lora(layers)


def _load_adapter(pipeline: Any, path: Path, raw_peft: bool) -> None:
    if raw_peft:
        tensors = {f"unet.{name.removeprefix(PEFT_PREFIX)}": value for name, value in load_file(path).items()}
        pipeline.load_lora_weights(tensors, adapter_name=_ADAPTER)
    else:
        # By path, because diffusers' own layout keeps its alpha in the file's metadata.
        pipeline.load_lora_weights(
            str(path.parent), weight_name=path.name, adapter_name=_ADAPTER, local_files_only=True
        )


def _peft_config(path: Path) -> Mapping[str, Any] | None:
    """PEFT's configuration beside the file, which alone knows the alpha; without it alpha is the rank."""
    config = path.parent / ADAPTER_CONFIG_NAME
    return json.loads(config.read_text(encoding="utf-8")) if config.is_file() else None


def _layers(pipeline: Any, peft_config: Mapping[str, Any] | None) -> Iterator[_Layer]:
    """Take the pairs out of the adapter layers that diffusers has put into the models."""
    for model in (pipeline.unet, pipeline.text_encoder, pipeline.text_encoder_2):
        module: Any
        for name, module in model.named_modules():
            if not isinstance(module, LoraLayer) or _ADAPTER not in module.lora_A:
                continue
            down, up = module.lora_A[_ADAPTER].weight.data, module.lora_B[_ADAPTER].weight.data
            factor = module.scaling[_ADAPTER]
            if peft_config is not None:
                factor = _peft_factor(peft_config, name, module.r[_ADAPTER])
            base: Any = module.get_base_layer()
            original: torch.Tensor = base.weight.data
            yield _Layer(base, original.to("cpu", copy=True), factor * _matrix(up), _matrix(down))


def _matrix(weight: Any) -> torch.Tensor:
    matrix: torch.Tensor = weight.flatten(1).to("cpu", torch.float32)
    return matrix


def _peft_factor(config: Mapping[str, Any], name: str, rank: int) -> float:
    """Alpha over rank as PEFT's configuration says for one module: its own alpha, rank-stabilised or not."""
    patterns: dict[str, float] = config.get("alpha_pattern") or {}
    alpha: float = patterns.get(get_pattern_key(list(patterns), name), config.get("lora_alpha", rank))
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
