"""Stable Diffusion XL (Podell et al. 2023, https://arxiv.org/abs/2307.01952)."""

import re

from diffusers import (
    StableDiffusionXLControlNetImg2ImgPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLControlNetUnionImg2ImgPipeline,
    StableDiffusionXLControlNetUnionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
)

from plitka.diffusion.families.family import BESIDE_THE_MODEL, Family, SingleFile, TextEncoder

CLIP_L = TextEncoder(
    name="text_encoder",
    tokenizer="tokenizer",
    classes=("CLIPTextModel", "CLIPTextModelWithProjection"),
    vectors="clip_l",
    prefix="conditioner.embedders.0.transformer.",
    penultimate=True,
)
CLIP_G = TextEncoder(
    name="text_encoder_2",
    tokenizer="tokenizer_2",
    classes=("CLIPTextModelWithProjection",),
    vectors="clip_g",
    prefix="conditioner.embedders.1.model.",
    is_open_clip=True,
    penultimate=True,
)
TOKENIZER_CLASSES = ("CLIPTokenizer", "CLIPTokenizerFast")
# What SDXL is given as original and target size of both pictures: a 512-pixel picture conditioned on 512
# pixels is SDXL's idea of a small picture. To be confirmed with the real weights.
CONDITIONING_SIZE = (1024, 1024)

SDXL = Family(
    name="sdxl",
    title="SDXL",
    auto="stable-diffusion-xl",
    parts={
        "unet": ("UNet2DConditionModel",),
        "vae": ("AutoencoderKL",),
        CLIP_L.name: CLIP_L.classes,
        CLIP_G.name: CLIP_G.classes,
        CLIP_L.tokenizer: TOKENIZER_CLASSES,
        CLIP_G.tokenizer: TOKENIZER_CLASSES,
    },
    models=("unet", CLIP_L.name, CLIP_G.name, "vae"),
    pipelines={
        (None, False): StableDiffusionXLPipeline,
        (None, True): StableDiffusionXLImg2ImgPipeline,
        ("ControlNetModel", False): StableDiffusionXLControlNetPipeline,
        ("ControlNetModel", True): StableDiffusionXLControlNetImg2ImgPipeline,
        ("ControlNetUnionModel", False): StableDiffusionXLControlNetUnionPipeline,
        ("ControlNetUnionModel", True): StableDiffusionXLControlNetUnionImg2ImgPipeline,
    },
    pipeline_options={"add_watermarker": False},
    text_encoders=(CLIP_L, CLIP_G),
    token_limit=77,
    embeddings=(
        "prompt_embeds",
        "negative_prompt_embeds",
        "pooled_prompt_embeds",
        "negative_pooled_prompt_embeds",
    ),
    native_size=1024,
    conditioning={"original_size": CONDITIONING_SIZE, "target_size": CONDITIONING_SIZE},
    addition_embed_type="text_time",
    lora_targets=("unet", "text_encoder", "text_encoder_2"),
    recorded=("unet", "text_encoder", "text_encoder_2", "vae.encoder", "vae.decoder"),
    single_file=SingleFile(
        harmless=re.compile(
            rf"{BESIDE_THE_MODEL}|conditioner\.embedders\.0\.(transformer\.)?text_projection(\.weight)?"
        ),
        # `stable-diffusion-xl-v1-base` is the standard's word; some tools write a family's name of their own.
        # The tensors have shown by then that it is SDXL's network, so only what they cannot show counts:
        # another training, or another network that the standard has a word for.
        other_architectures=re.compile(
            r"refiner|inpaint|edit|pix2pix|control|flow|edm|flux|stable-diffusion-v?\d|stable-cascade"
        ),
    ),
)
