"""Few-step models: LoRAs over a whole UNet as they are published, and base models that are one themselves."""

import re

import torch
from adapter_lists import write_adapters
from checkpoints import edit_config, make_unet
from lora_files import write_lora_diffusers, write_lora_kohya
from safetensors.torch import load_file, save_file

# What LCM's LoRA is made of, by its training script.
ALL_LAYERS = re.compile(
    r"\.(to_q|to_k|to_v|to_out\.0|proj_in|proj_out|net\.0\.proj|net\.2|conv1|conv2|conv|conv_shortcut|"
    r"time_emb_proj)$"
)
GUIDANCE_WIDTH = 16
# Those that the list of `few_step_environment` has.
ADAPTERS = ("kohya", "peft")


def write_few_step_lora(path, layout="kohya", seed=31, **sizes):
    """A random LoRA over every kind of layer of a UNet of `make_unet`, in a layout that is published."""
    write = {"kohya": write_lora_kohya, "diffusers": write_lora_diffusers}[layout]
    write(path, make_unet(**sizes), rank=2, seed=seed, targets=ALL_LAYERS)
    return path


def few_step_environment(folder, lora):
    """The settings for a few-step LoRA and a list of adapters, which is written into `folder`."""
    adapters = write_adapters(folder, ADAPTERS)
    named = {"PLITKA_FEW_STEP": "lightning:4", "PLITKA_FEW_STEP_LORA": str(lora)}
    return named | {"PLITKA_ADAPTERS": str(adapters)}


def give_guidance_input(unet):
    """Give a UNet on disk guidance as an input, as LCM's own models have it."""
    (path,) = unet.glob("*.safetensors")
    tensors = load_file(path)
    width = tensors["time_embedding.linear_1.weight"].shape[1]
    random = torch.Generator().manual_seed(32)
    tensors["time_embedding.cond_proj.weight"] = torch.randn(width, GUIDANCE_WIDTH, generator=random).half()
    save_file(tensors, path, metadata={"format": "pt"})
    edit_config(unet / "config.json", time_cond_proj_dim=GUIDANCE_WIDTH)
