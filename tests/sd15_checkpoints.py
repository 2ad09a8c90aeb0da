"""Small random models in the formats of Stable Diffusion 1.5: one text encoder, no sizes, f=8, 512 pixels."""

import json

import torch
from checkpoints import (
    EMBEDDINGS_FILE,
    LORA_FILE,
    QUICK_VAE_CHANNELS,
    UNET_CHANNELS,
    WIDTH_L,
    give_it_a_voice,
    make_vae,
    text_config,
    write_tokenizer,
)
from diffusers import ControlNetModel, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from lora_files import write_lora_peft
from safetensors.torch import load_file, save_file
from single_file import text_model_name, unet_name, vae_name
from transformers import CLIPTextModel, CLIPTokenizer

# What stands in `scheduler/scheduler_config.json` of Stable Diffusion 1.5.
SD15_SCHEDULER = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
}
PARTS = {
    "block_out_channels": UNET_CHANNELS,
    "layers_per_block": 1,
    "norm_num_groups": 8,
    # Attention in the smaller one alone, where it takes a sixteenth of the time.
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "attention_head_dim": 2,
    "cross_attention_dim": WIDTH_L,
}


def make_sd15_unet():
    return UNet2DConditionModel(sample_size=64, up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), **PARTS)


def write_sd15_base(folder, seed=10):
    """A diffusers folder as the hub holds Stable Diffusion 1.5, without its safety checker's weights."""
    torch.manual_seed(seed)
    vocab_size = write_tokenizer(folder / "tokenizer")
    vae = make_vae(force_upcast=True, channels=QUICK_VAE_CHANNELS)
    vae.register_to_config(scaling_factor=0.18215)
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(text_config(WIDTH_L, vocab_size)),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        unet=make_sd15_unet(),
        scheduler=PNDMScheduler.from_config(SD15_SCHEDULER),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.to(dtype=torch.float16).save_pretrained(folder, variant="fp16")
    (folder / "tokenizer" / "tokenizer.json").unlink()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(SD15_SCHEDULER))
    index = json.loads((folder / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    index["feature_extractor"] = ["transformers", "CLIPImageProcessor"]
    (folder / "model_index.json").write_text(json.dumps(index))


def write_sd15_single_file(path, base, variant="fp16"):
    """The base model in the folder `base` as one checkpoint of the original layout."""

    def load(part, name="diffusion_pytorch_model"):
        return load_file(base / part / f"{name}.{variant}.safetensors").items()

    first = "cond_stage_model.transformer."
    tensors = {f"model.diffusion_model.{unet_name(key)}": v for key, v in load("unet")}
    tensors |= {f"first_stage_model.{vae_name(key)}": value for key, value in load("vae")}
    tensors |= {f"{first}{text_model_name(key)}": value for key, value in load("text_encoder", "model")}
    tensors[f"{first}text_model.embeddings.position_ids"] = torch.arange(77)[None]
    tensors["alphas_cumprod"] = torch.ones(1000)
    save_file({name: value.contiguous() for name, value in tensors.items()}, path)


def write_sd15_controlnet(folder, seed=12):
    torch.manual_seed(seed)
    controlnet = ControlNetModel(**PARTS, conditioning_embedding_out_channels=(4, 8, 8, 8))
    give_it_a_voice(controlnet)
    torch.nn.init.normal_(controlnet.controlnet_cond_embedding.conv_out.weight, std=0.3)
    controlnet.to(torch.float16).save_pretrained(folder, variant="fp16")


def write_sd15_embeddings(path, vectors=2, name="emb_params", seed=14):
    """Textual inversion as AUTOMATIC1111's program saves it."""
    random = torch.Generator().manual_seed(seed)
    save_file({name: torch.randn(vectors, WIDTH_L, generator=random)}, path)


def write_sd15_folder(path):
    """A complete model folder: base, LoRA, embeddings, ControlNets for canny and softedge, manifest."""
    path.mkdir(parents=True, exist_ok=True)
    write_sd15_base(path / "base")
    write_sd15_controlnet(path / "controlnet")
    write_lora_peft(path / LORA_FILE, make_sd15_unet())
    write_sd15_embeddings(path / EMBEDDINGS_FILE)
    models = {
        "base": {"folder": "base", "variant": "fp16"},
        "lora": {"file": LORA_FILE, "scale": 0.75},
        "embeddings": {"file": EMBEDDINGS_FILE, "tokens": ["<s0>", "<s1>"]},
        "controlnets": {"plain": {"type": "ControlNetModel", "folder": "controlnet", "variant": "fp16"}},
        "control": {"canny": {"controlnet": "plain"}, "softedge": {"controlnet": "plain"}},
    }
    (path / "manifest.json").write_text(json.dumps({"models": {"sdxl": models}}, indent=2))
    return path
