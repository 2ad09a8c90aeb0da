"""A diffusers folder rewritten as one `.safetensors` file under the names of the original SDXL code."""

import re

import torch
from lora_files import original_module_name
from safetensors.torch import load_file, save_file

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
UNET_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
OPEN_CLIP = {
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.final_layer_norm": "ln_final",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
    "text_model.encoder.layers": "transformer.resblocks",
}


def write_single_file(path, base, variant="fp16"):
    """Write the base model in the folder `base` to `path` as one checkpoint of the original layout."""

    def load(part, name):
        return load_file(base / part / f"{name}.{variant}.safetensors")

    tensors = {
        f"model.diffusion_model.{unet_name(k)}": v for k, v in load("unet", "diffusion_pytorch_model").items()
    }
    tensors |= {
        f"first_stage_model.{vae_name(k)}": v for k, v in load("vae", "diffusion_pytorch_model").items()
    }
    first = "conditioner.embedders.0.transformer."
    tensors |= {f"{first}{text_model_name(k)}": v for k, v in load("text_encoder", "model").items()}
    tensors |= _open_clip({text_model_name(k): v for k, v in load("text_encoder_2", "model").items()})
    save_file({name: value.contiguous() for name, value in tensors.items()}, path)


def text_model_name(name):
    return name if name.startswith(("text_model.", "text_projection")) else f"text_model.{name}"


def unet_name(name, layers_per_block=1):
    for ours, theirs in UNET_ENDS.items():
        if name.startswith(ours + "."):
            return theirs + name.removeprefix(ours)
    if found := re.match(r"down_blocks\.(\d+)\.downsamplers\.0\.conv\.(.*)", name):
        return f"input_blocks.{(int(found[1]) + 1) * (layers_per_block + 1)}.0.op.{found[2]}"
    if found := re.match(r"up_blocks\.(\d+)\.upsamplers\.0\.conv\.(.*)", name):
        # After the block's last resnet, and after its attention where it has one.
        place = 2 if found[1] == "0" else 1
        return f"output_blocks.{(int(found[1]) + 1) * (layers_per_block + 1) - 1}.{place}.conv.{found[2]}"
    module, ending = name.rsplit(".", 1)
    if ".resnets." in module:
        stem, layer = module.rsplit(".", 1)
        block = original_module_name(f"{stem}.here", layers_per_block).removesuffix(".here")
        module = f"{block}.{RESNET[layer]}"
    else:
        module = original_module_name(module, layers_per_block)
    return f"{module}.{ending}"


def vae_name(name):
    name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}", name)
    name = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d)\.resnets", lambda found: f"up.{3 - int(found[1])}.block", name)
    return re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda found: f"up.{3 - int(found[1])}.upsample", name)


def _open_clip(tensors, prefix="conditioner.embedders.1.model."):
    """CLIP-G as OpenCLIP has it: query, key and value in one matrix, the projection transposed."""
    renamed = {}
    for name, value in tensors.items():
        if name == "text_projection.weight":
            renamed[f"{prefix}text_projection"] = value.T
        elif found := re.match(r"text_model\.encoder\.layers\.(\d+)\.self_attn\.q_proj\.(weight|bias)", name):
            parts = [tensors[name.replace("q_proj", part)] for part in ("q_proj", "k_proj", "v_proj")]
            renamed[f"{prefix}transformer.resblocks.{found[1]}.attn.in_proj_{found[2]}"] = torch.cat(parts)
        elif ".k_proj." not in name and ".v_proj." not in name and "position_ids" not in name:
            for ours, theirs in OPEN_CLIP.items():
                name = name.replace(ours, theirs)
            renamed[f"{prefix}{name}"] = value
    return renamed
