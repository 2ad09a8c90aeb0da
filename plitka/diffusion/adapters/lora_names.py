"""What the tensors of a LoRA file are called, and which module of the models each name means.

| layout | example |
|---|---|
| kohya, diffusers' block names | `lora_unet_down_blocks_1_attentions_0_proj_in.lora_down.weight` |
| kohya, block names of the original SDXL code | `lora_unet_input_blocks_4_1_proj_in.lora_down.weight` |
| diffusers | `unet.down_blocks.1.attentions.0.proj_in.lora_A.weight`, also `.lora.down.weight` |
| diffusers, attention processors | `unet.mid_block. … .attn1.processor.to_q_lora.down.weight` |
| Replicate's trainer: the same for the UNet alone | `mid_block. … .attn1.processor.to_q_lora.down.weight` |
| PEFT | `base_model.model.down_blocks.1.attentions.0.proj_in.lora_A.weight`: the UNet |

Names are looked up among the real modules' names, spelled in every way that a layout spells them, so that a
name either means one module or none.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

Part = Literal["down", "up", "mid", "alpha"]
Layout = Literal["kohya", "diffusers", "PEFT"]

COMPONENTS = ("unet", "text_encoder", "text_encoder_2")
PEFT_PREFIX = "base_model.model."
_KOHYA_PREFIXES = {
    "lora_unet_": "unet",
    "lora_te_": "text_encoder",
    "lora_te1_": "text_encoder",
    "lora_te2_": "text_encoder_2",
}
_ENDINGS: dict[str, Part] = {
    ".lora_A.weight": "down",
    ".lora_A.default.weight": "down",
    ".lora_down.weight": "down",
    ".lora.down.weight": "down",
    ".lora_linear_layer.down.weight": "down",
    "_lora.down.weight": "down",
    ".lora_B.weight": "up",
    ".lora_B.default.weight": "up",
    ".lora_up.weight": "up",
    ".lora.up.weight": "up",
    ".lora_linear_layer.up.weight": "up",
    "_lora.up.weight": "up",
    ".lora_mid.weight": "mid",
    "_lora.alpha": "alpha",
    ".alpha": "alpha",
}
# Text encoders' attention layers, as diffusers' attention processors called them.
_PROCESSOR_NAMES = {".q_proj": ".to_q", ".k_proj": ".to_k", ".v_proj": ".to_v", ".out_proj": ".to_out"}
# Layers of a residual block, and modules outside the blocks, in the original SDXL code
# (https://github.com/Stability-AI/generative-models, openaimodel.py).
_ORIGINAL_RESNET = {
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_ORIGINAL_SINGLES = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
    "conv_out": "out.2",
}


@dataclass(frozen=True)
class TensorName:
    """A tensor's name taken apart.

    Attributes:
        layout: The layout it belongs to.
        component: The pipeline's component: `unet`, `text_encoder` or `text_encoder_2`.
        module: The module in that component, as the layout spells it.
        part: Which part of the module's low-rank pair it is.
    """

    layout: Layout
    component: str
    module: str
    part: Part


def parse_tensor_name(name: str) -> TensorName | None:
    """Take a tensor's name apart; None if it ends like no part of a low-rank pair."""
    ending = next((ending for ending in _ENDINGS if name.endswith(ending)), None)
    if ending is None:
        return None
    part, stem = _ENDINGS[ending], name.removesuffix(ending).replace(".processor.", ".")
    for prefix, component in _KOHYA_PREFIXES.items():
        if stem.startswith(prefix):
            return TensorName("kohya", component, stem.removeprefix(prefix), part)
    if stem.startswith(PEFT_PREFIX):
        return TensorName("PEFT", "unet", stem.removeprefix(PEFT_PREFIX), part)
    component, _, module = stem.partition(".")
    if component in COMPONENTS:
        return TensorName("diffusers", component, module, part)
    return TensorName("diffusers", "unet", stem, part)


def module_spellings(component: str, model: Any) -> dict[str, str]:
    """Every spelling of every linear and convolution layer of a model, to the layer's own name."""
    blocks = _original_blocks(model) if component == "unet" else {}
    spellings = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            for spelling in _spellings(name, component, blocks):
                spellings[spelling] = name
                spellings[spelling.replace(".", "_")] = name
    return spellings


def _spellings(name: str, component: str, blocks: Mapping[str, str]) -> Iterator[str]:
    if component == "unet":
        yield name
        yield from _original_spelling(name, blocks)
        if name.endswith(".to_out.0"):
            yield name.removesuffix(".0")
        return
    # Libraries of different age have `text_model.` in the text encoders' names or not.
    bare = name.removeprefix("text_model.")
    for spelling in (bare, f"text_model.{bare}"):
        yield spelling
        for own, processor in _PROCESSOR_NAMES.items():
            if spelling.endswith(own):
                yield spelling.removesuffix(own) + processor


def _original_spelling(name: str, blocks: Mapping[str, str]) -> Iterator[str]:
    """The name in the original SDXL code, if the module stands there."""
    for block, original in blocks.items():
        rest = name.removeprefix(block)
        if rest == name or not (rest == "" or rest.startswith(".")):
            continue
        layer = rest.removeprefix(".")
        if ".resnets." in block:
            layer = _ORIGINAL_RESNET.get(layer, layer)
        yield f"{original}.{layer}" if layer else original


def _original_blocks(unet: Any) -> dict[str, str]:
    """diffusers' blocks to those of the original SDXL code, which numbers layers through all resolutions."""
    blocks = dict(_ORIGINAL_SINGLES)
    number = 1
    for index, block in enumerate(unet.down_blocks):
        for layer in range(len(block.resnets)):
            blocks[f"down_blocks.{index}.resnets.{layer}"] = f"input_blocks.{number}.0"
            blocks[f"down_blocks.{index}.attentions.{layer}"] = f"input_blocks.{number}.1"
            number += 1
        if block.downsamplers is not None:
            blocks[f"down_blocks.{index}.downsamplers.0.conv"] = f"input_blocks.{number}.0.op"
            number += 1
    number = 0
    for index, block in enumerate(unet.up_blocks):
        for layer in range(len(block.resnets)):
            blocks[f"up_blocks.{index}.resnets.{layer}"] = f"output_blocks.{number}.0"
            blocks[f"up_blocks.{index}.attentions.{layer}"] = f"output_blocks.{number}.1"
            number += 1
        place = 2 if hasattr(block, "attentions") else 1
        blocks[f"up_blocks.{index}.upsamplers.0.conv"] = f"output_blocks.{number - 1}.{place}.conv"
    return blocks
