"""Pictures drawn with the parts that are being trained, by the pipeline that will draw with them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionXLPipeline

from training.precision import autocast
from training.sheets import to_pictures, write_sheet
from training.text import TextEncoders
from training.unet import make_scheduler

PROMPTS = (
    "polished pebbles, 100% red",
    "polished pebbles, 50% black, 50% white",
    "pebbles, 60% blue, 40% yellow",
    "terrazzo, 100% dark green, flat chips in cement",
    "terrazzo, 70% white, 30% red, flat chips in cement",
    "34% green, 33% orange, 33% blue",
)


def sample_writer(
    vae: Any, tokenizer: Any, encoders: TextEncoders, device: str, side: int
) -> Callable[[Any, Path], None]:
    """A function that draws PROMPTS with a UNet, `side` pixels square, and writes them as a sheet."""

    def show(unet: Any, path: Path) -> None:
        pipeline = StableDiffusionXLPipeline(
            *(vae, encoders.first, encoders.second, tokenizer, tokenizer, unet, make_scheduler()),
            force_zeros_for_empty_prompt=False,
            add_watermarker=False,
        )
        pipeline.set_progress_bar_config(disable=True)
        with autocast(device):
            pixels = pipeline(
                list(PROMPTS),
                height=side,
                width=side,
                original_size=(1024, 1024),
                target_size=(1024, 1024),
                num_inference_steps=16,
                guidance_scale=1.0,
                generator=torch.Generator("cpu").manual_seed(0),
                output_type="pt",
            ).images
        write_sheet(path, [list(to_pictures(pixels * 2 - 1))])

    return show
