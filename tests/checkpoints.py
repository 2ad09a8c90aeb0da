"""Small random SDXL-format models, written to disk in the formats that the real weights come in.

Every shape that the code looks at is kept (two text encoders of different width, a UNet that takes both and
SDXL's size conditioning, an f=8 VAE, half-precision files with the `fp16` variant), and everything else is as
small as it goes, so that a 1024-pixel picture takes a second or two on one core.
"""

import hashlib
import json
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    ControlNetUnionModel,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from lora_files import write_lora_peft
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from plitka.colors.palette import PALETTE

WIDTH_L, WIDTH_G = 32, 48  # CLIP-L and CLIP-G, 768 and 1280 in SDXL
UNET_CHANNELS = (32, 64)
VAE_CHANNELS = (8, 16, 16, 16)
# For servers, which draw 1024 pixels: attention, on the last of three levels, sees a sixteenth of the places.
QUICK_UNET_CHANNELS, QUICK_VAE_CHANNELS = (8, 16, 32), (4, 4, 4, 4)
TIME_EMBED = 8
# What stands in `scheduler/scheduler_config.json` of SDXL's base model.
SDXL_SCHEDULER = {
    "_class_name": "EulerDiscreteScheduler",
    "_diffusers_version": "0.19.0.dev0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "interpolation_type": "linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "sample_max_value": 1.0,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "trained_betas": None,
    "use_karras_sigmas": False,
}
LORA_FILE, EMBEDDINGS_FILE = "tile_lora.safetensors", "tile_embeddings.safetensors"
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 8344\n"
CORPUS = (
    "ohwx_rubber_tile <s0><s1>, 60% red, photorealistic rubber tile, high quality, detailed texture",
    "object, blurry, worst quality, low quality, deformed, watermark, 3d render, cartoon, abstract, smooth",
    *(color.prompt_word for color in PALETTE.values()),
)


def write_tokenizer(folder):
    """`vocab.json` and `merges.txt` as CLIP ships them, with every word of our prompts one token."""
    folder.mkdir(parents=True)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    words = Regex(r"\p{L}+|\p{N}|[^\s\p{L}\p{N}]+")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(words, "removed", invert=True)
    trainer = trainers.BpeTrainer(
        vocab_size=4000,
        min_frequency=1,
        end_of_word_suffix="</w>",
        initial_alphabet=letters,
        show_progress=False,
    )
    tokenizer.train_from_iterator([text.lower() for text in CORPUS], trainer=trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    words = [*letters, *(letter + "</w>" for letter in letters), *("".join(pair) for pair in merges)]
    words = [*dict.fromkeys(words), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "pad_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return len(words)


def text_config(width, vocab_size):
    return CLIPTextConfig(
        vocab_size=vocab_size,
        hidden_size=width,
        intermediate_size=2 * width,
        projection_dim=width,
        num_hidden_layers=3,
        num_attention_heads=4,
        bos_token_id=0,
        eos_token_id=2,  # as in SDXL's own configuration
        pad_token_id=1,
    )


def _blocks(channels):
    """The parts of a UNet's or ControlNet's way down, with attention on the last level alone."""
    return {
        "block_out_channels": channels,
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "down_block_types": (*("DownBlock2D",) * (len(channels) - 1), "CrossAttnDownBlock2D"),
        "attention_head_dim": tuple(width // 16 or 1 for width in channels),
    }


def make_unet(channels=UNET_CHANNELS):
    return UNet2DConditionModel(
        sample_size=32,
        **_blocks(channels),
        up_block_types=("CrossAttnUpBlock2D", *("UpBlock2D",) * (len(channels) - 1)),
        transformer_layers_per_block=1,
        use_linear_projection=True,
        cross_attention_dim=WIDTH_L + WIDTH_G,
        addition_embed_type="text_time",
        addition_time_embed_dim=TIME_EMBED,
        projection_class_embeddings_input_dim=6 * TIME_EMBED + WIDTH_G,
    )


def make_vae(force_upcast, channels=VAE_CHANNELS):
    blocks = len(channels)
    return AutoencoderKL(
        block_out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        layers_per_block=1,
        norm_num_groups=4,
        latent_channels=4,
        sample_size=256,
        scaling_factor=0.13025,
        force_upcast=force_upcast,
        mid_block_add_attention=False,
    )


def write_base(folder, seed=0, vae_channels=VAE_CHANNELS, variant="fp16", unet_channels=UNET_CHANNELS):
    """A diffusers folder as the hub holds SDXL: components in subfolders, half-precision safetensors."""
    torch.manual_seed(seed)
    vocab_size = write_tokenizer(folder / "tokenizer")
    write_tokenizer(folder / "tokenizer_2")
    pipeline = StableDiffusionXLPipeline(
        vae=make_vae(force_upcast=True, channels=vae_channels),
        text_encoder=CLIPTextModel(text_config(WIDTH_L, vocab_size)),
        text_encoder_2=CLIPTextModelWithProjection(text_config(WIDTH_G, vocab_size)),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        tokenizer_2=CLIPTokenizer.from_pretrained(folder / "tokenizer_2"),
        unet=make_unet(unet_channels),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            steps_offset=1,
            timestep_spacing="leading",
        ),
    )
    pipeline.to(dtype=torch.float16).save_pretrained(folder, variant=variant)
    for tokenizer in ("tokenizer", "tokenizer_2"):  # the library saves one file where the hub has two
        (folder / tokenizer / "tokenizer.json").unlink()


def write_vae(folder, seed=1, force_upcast=False, channels=VAE_CHANNELS):
    torch.manual_seed(seed)
    make_vae(force_upcast, channels).save_pretrained(folder)


def give_it_a_voice(controlnet):
    """ControlNets start from zero convolutions and change nothing; a trained one has weights there."""
    for block in [*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block]:
        torch.nn.init.normal_(block.weight, std=0.3)


def write_controlnet(
    folder, seed=2, cross_attention_dim=WIDTH_L + WIDTH_G, hint_channels=(4, 8, 8, 8), **more
):
    torch.manual_seed(seed)
    controlnet = ControlNetModel(**_controlnet_config(cross_attention_dim, hint_channels) | more)
    give_it_a_voice(controlnet)
    torch.nn.init.normal_(controlnet.controlnet_cond_embedding.conv_out.weight, std=0.3)
    controlnet.to(torch.float16).save_pretrained(folder, variant="fp16")


def write_union_controlnet(folder, seed=3, channels=UNET_CHANNELS):
    torch.manual_seed(seed)
    controlnet = ControlNetUnionModel(
        **_controlnet_config(WIDTH_L + WIDTH_G, (4, 8, 8, 8)) | _blocks(channels),
        num_control_type=6,
        num_trans_channel=channels[0],
        num_trans_head=4,
        num_proj_channel=channels[0],
    )
    give_it_a_voice(controlnet)
    torch.nn.init.normal_(controlnet.controlnet_cond_embedding.conv_out.weight, std=0.3)
    torch.nn.init.normal_(controlnet.spatial_ch_projs.weight, std=0.3)
    controlnet.to(torch.float16).save_pretrained(folder)


def _controlnet_config(cross_attention_dim, hint_channels):
    return _blocks(UNET_CHANNELS) | {
        "use_linear_projection": True,
        "cross_attention_dim": cross_attention_dim,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": TIME_EMBED,
        "projection_class_embeddings_input_dim": 6 * TIME_EMBED + WIDTH_G,
        "conditioning_embedding_out_channels": hint_channels,
    }


def write_embeddings(path, vectors=2, dtype=torch.bfloat16, widths=(WIDTH_L, WIDTH_G), seed=4):
    """Dual-encoder textual inversion: `clip_l` and `clip_g`, one row a token."""
    random = torch.Generator().manual_seed(seed)
    tensors = {
        name: torch.randn(vectors, width, generator=random).to(dtype)
        for name, width in zip(("clip_l", "clip_g"), widths, strict=True)
    }
    save_file(tensors, path)
    return tensors


def describe_file(path):
    return {"size": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def manifest_for(path, engine="sdxl"):
    """A model folder's manifest: softedge has its own ControlNet, all but normal share a union one."""
    return {
        "models": {
            engine: {
                "base": {"folder": "base", "variant": "fp16"},
                "vae": {"folder": "vae"},
                "lora": {"file": LORA_FILE, "scale": 0.75, **describe_file(path / LORA_FILE)},
                "embeddings": {
                    "file": EMBEDDINGS_FILE,
                    "tokens": ["<s0>", "<s1>"],
                    **describe_file(path / EMBEDDINGS_FILE),
                },
                "controlnets": {
                    "lines": {"type": "ControlNetModel", "folder": "controlnet-lines", "variant": "fp16"},
                    "union": {"type": "ControlNetUnionModel", "folder": "controlnet-union"},
                },
                "control": {
                    "canny": {"controlnet": "union"},
                    "softedge": {"controlnet": "lines"},
                    "lineart": {"controlnet": "union"},
                    "depth": {"controlnet": "union"},
                },
            }
        }
    }


def write_model_folder(path, engine="sdxl", vae_channels=VAE_CHANNELS, unet_channels=UNET_CHANNELS) -> Path:
    """A complete model folder: base, fp16-safe VAE, LoRA, embeddings, both kinds of ControlNet, manifest."""
    path.mkdir(parents=True, exist_ok=True)
    write_base(path / "base", vae_channels=vae_channels, unet_channels=unet_channels)
    write_vae(path / "vae", channels=vae_channels)
    write_controlnet(path / "controlnet-lines", **_blocks(unet_channels))
    write_union_controlnet(path / "controlnet-union", channels=unet_channels)
    write_lora_peft(path / LORA_FILE, make_unet(unet_channels))
    write_embeddings(path / EMBEDDINGS_FILE)
    (path / "manifest.json").write_text(json.dumps(manifest_for(path, engine), indent=2))
    return path


def edit_manifest(folder, change):
    """Change what a model folder's manifest says of the engine `sdxl`."""
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    change(document["models"]["sdxl"])
    path.write_text(json.dumps(document))


def edit_config(path, **changes):
    """Change a part's configuration file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
