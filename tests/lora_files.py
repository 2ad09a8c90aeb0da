"""One random LoRA in every layout that trainers write: PEFT, diffusers, and kohya under both namings."""

import json
import re

import torch
from safetensors.torch import save_file

RANK = 4
# What the production LoRA trains: attention projections and the second convolution of residual blocks.
TARGETS = re.compile(r"\.(to_q|to_k|to_v|to_out\.0|conv2)$")


def make_lora(unet, rank=RANK, seed=5, targets=TARGETS):
    """(down, up) by module path: linear (r, in), (out, r); convolution (r, in, 3, 3), (out, r, 1, 1)."""
    random = torch.Generator().manual_seed(seed)
    pairs = {}
    for name, module in unet.named_modules():
        if not targets.search(name):
            continue
        shape = module.weight.shape
        down = torch.randn(rank, *shape[1:], generator=random) * 0.1
        up = torch.randn(shape[0], rank, *(1 for _ in shape[2:]), generator=random) * 0.1
        pairs[name] = (down, up)
    return pairs


def write_lora_peft(path, unet, alpha=None, **options):
    """As PEFT saves an adapter: bare module paths, the alpha only in `adapter_config.json`, or nowhere."""
    tensors = {}
    for name, (down, up) in make_lora(unet, **options).items():
        tensors[f"base_model.model.{name}.lora_A.weight"] = down
        tensors[f"base_model.model.{name}.lora_B.weight"] = up
    save_file(tensors, path)
    if alpha is not None:
        config = {"peft_type": "LORA", "r": options.get("rank", RANK), "lora_alpha": alpha}
        (path.parent / "adapter_config.json").write_text(json.dumps(config))


def write_lora_diffusers(path, unet, **options):
    tensors = {}
    for name, (down, up) in make_lora(unet, **options).items():
        tensors[f"unet.{name}.lora_A.weight"] = down
        tensors[f"unet.{name}.lora_B.weight"] = up
    save_file(tensors, path)


def write_lora_old_diffusers(path, unet, **options):
    tensors = {}
    for name, (down, up) in make_lora(unet, **options).items():
        tensors[f"unet.{name}.lora.down.weight"] = down
        tensors[f"unet.{name}.lora.up.weight"] = up
    save_file(tensors, path)


def write_lora_kohya(path, unet, alpha=RANK, original_names=False, **options):
    """Flat names with an alpha each: of diffusers' modules, or of the modules of the original SDXL code."""
    tensors = {}
    for name, (down, up) in make_lora(unet, **options).items():
        flat = original_module_name(name, unet.config.layers_per_block) if original_names else name
        flat = "lora_unet_" + flat.replace(".", "_")
        tensors[f"{flat}.lora_down.weight"] = down
        tensors[f"{flat}.lora_up.weight"] = up
        tensors[f"{flat}.alpha"] = torch.tensor(float(alpha))
    save_file(tensors, path)


def original_module_name(name, layers_per_block):
    """The original SDXL code's path of one of our UNet's modules, e.g. `input_blocks.4.1.proj_in`."""
    name = name.replace("conv2", "out_layers.3") if ".resnets." in name else name
    kinds = {"resnets": 0, "attentions": 1}
    if found := re.match(r"down_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.*)", name):
        block, kind, layer, rest = found.groups()
        return f"input_blocks.{1 + int(block) * (layers_per_block + 1) + int(layer)}.{kinds[kind]}.{rest}"
    if found := re.match(r"up_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.*)", name):
        block, kind, layer, rest = found.groups()
        return f"output_blocks.{int(block) * (layers_per_block + 1) + int(layer)}.{kinds[kind]}.{rest}"
    found = re.match(r"mid_block\.(resnets|attentions)\.(\d+)\.(.*)", name)
    kind, layer, rest = found.groups()
    return f"middle_block.{1 if kind == 'attentions' else 2 * int(layer)}.{rest}"
