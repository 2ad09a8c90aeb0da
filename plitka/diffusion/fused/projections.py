"""Query, key and value of attention in one matrix product, over weights that lie one after the other.

The layers keep their own weights, which become parts of one tensor: what changes them in place, as a LoRA
does, changes the product too. Weights that have been moved one by one lie apart again; then each layer is run
for itself, and the result is the same up to rounding.
"""

from functools import partial
from typing import Any

import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0, FusedAttnProcessor2_0
from torch.nn import functional


@torch.no_grad()
def stack_projections(model: torch.nn.Module) -> None:
    """Have the model's usual attention take query, key and value at once; of cross-attention key and value.

    Left as it is: attention with a bias in them, with its own normalisation of pixels, or of another kind.
    """
    for attention in model.modules():
        if not isinstance(attention, Attention) or type(attention.processor) is not AttnProcessor2_0:
            continue
        layers: list[Any] = [attention.to_k, attention.to_v]
        if not attention.is_cross_attention:
            layers.insert(0, attention.to_q)
        if attention.group_norm is not None or any(layer.bias is not None for layer in layers):
            continue
        stacked = torch.cat([layer.weight for layer in layers])
        parts = torch.split(stacked, [len(layer.weight) for layer in layers])
        for layer, part in zip(layers, parts, strict=True):
            layer.weight.data = part
        # Not a module, which would have the weights twice.
        setattr(attention, "to_kv" if attention.is_cross_attention else "to_qkv", partial(_products, layers))
        attention.set_processor(FusedAttnProcessor2_0())


def _products(layers: list[torch.nn.Linear], given: torch.Tensor) -> torch.Tensor:
    """The results of all layers, one after the other in the last dimension."""
    weights = [layer.weight for layer in layers]
    if not lie_together(weights):
        return torch.cat([layer(given) for layer in layers], dim=-1)
    shape = sum(len(weight) for weight in weights), weights[0].shape[1]
    return functional.linear(given, weights[0].as_strided(shape, weights[0].stride()))


def lie_together(weights: list[torch.Tensor]) -> bool:
    """Whether these matrices are, one after the other, the rows of one in memory."""
    first = weights[0]
    if first.is_meta or not first.is_contiguous():
        return False
    place = first.data_ptr()
    storage = first.untyped_storage().data_ptr()
    for weight in weights:
        known = (weight.dtype, weight.device, weight.stride()) == (first.dtype, first.device, first.stride())
        if not known or weight.untyped_storage().data_ptr() != storage or weight.data_ptr() != place:
            return False
        place += weight.nbytes
    return True
