"""Kinds of pipelines: text to image and image to image, without a ControlNet, with a plain or a union one."""

from typing import Any

import torch
from diffusers import (
    StableDiffusionXLControlNetImg2ImgPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLControlNetUnionImg2ImgPipeline,
    StableDiffusionXLControlNetUnionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
)

from plitka.diffusion.controlnets import LoadedControlNet

# By ControlNet class and by whether the picture starts from an image.
VARIANTS: dict[tuple[str | None, bool], Any] = {
    (None, False): StableDiffusionXLPipeline,
    (None, True): StableDiffusionXLImg2ImgPipeline,
    ("ControlNetModel", False): StableDiffusionXLControlNetPipeline,
    ("ControlNetModel", True): StableDiffusionXLControlNetImg2ImgPipeline,
    ("ControlNetUnionModel", False): StableDiffusionXLControlNetUnionPipeline,
    ("ControlNetUnionModel", True): StableDiffusionXLControlNetUnionImg2ImgPipeline,
}


def make_variant(base: Any, controlnet: LoadedControlNet | None, from_image: bool, dtype: torch.dtype) -> Any:
    """A pipeline that shares every model of `base` and has the ControlNet beside them."""
    parts = {"controlnet": controlnet.model} if controlnet else {}
    variant = VARIANTS[controlnet.type if controlnet else None, from_image]
    # Without the dtype `from_pipe` would cast the shared weights to float32.
    return variant.from_pipe(base, dtype=dtype, add_watermarker=False, **parts)
