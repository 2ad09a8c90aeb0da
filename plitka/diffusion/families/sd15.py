"""Stable Diffusion 1.5 (Rombach et al. 2022, https://arxiv.org/abs/2112.10752), and 1.1 to 1.4."""

import re

from diffusers import (
    StableDiffusionControlNetImg2ImgPipeline,
    StableDiffusionControlNetPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
)

from plitka.diffusion.families.family import BESIDE_THE_MODEL, Family, SingleFile, TextEncoder

CLIP_L = TextEncoder(
    name="text_encoder",
    tokenizer="tokenizer",
    classes=("CLIPTextModel",),
    vectors="emb_params",
    prefix="cond_stage_model.transformer.",
)

SD15 = Family(
    name="sd15",
    title="Stable Diffusion 1.5",
    auto="stable-diffusion",
    parts={
        "unet": ("UNet2DConditionModel",),
        "vae": ("AutoencoderKL",),
        CLIP_L.name: CLIP_L.classes,
        CLIP_L.tokenizer: ("CLIPTokenizer", "CLIPTokenizerFast"),
    },
    models=("unet", CLIP_L.name, "vae"),
    pipelines={
        (None, False): StableDiffusionPipeline,
        (None, True): StableDiffusionImg2ImgPipeline,
        ("ControlNetModel", False): StableDiffusionControlNetPipeline,
        ("ControlNetModel", True): StableDiffusionControlNetImg2ImgPipeline,
    },
    # It looks at finished pictures of people, and there are none in a tile.
    pipeline_options={"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False},
    text_encoders=(CLIP_L,),
    token_limit=77,
    embeddings=("prompt_embeds", "negative_prompt_embeds"),
    native_size=512,
    # Stable Diffusion 2 has the same pipelines, and true here.
    unet_settings={"use_linear_projection": (False, "Stable Diffusion 2")},
    lora_targets=("unet", "text_encoder"),
    recorded=("unet", "text_encoder", "vae.encoder", "vae.decoder"),
    vae_may_overflow=False,
    single_file=SingleFile(
        harmless=re.compile(
            rf"{BESIDE_THE_MODEL}|cond_stage_model\.(transformer\.)?text_projection(\.weight)?"
        ),
        # `stable-diffusion-v1` is the standard's word.
        other_architectures=re.compile(
            r"refiner|inpaint|edit|pix2pix|control|flow|edm|flux|stable-diffusion-(xl|v?[2-9])"
            r"|stable-cascade"
        ),
    ),
)
