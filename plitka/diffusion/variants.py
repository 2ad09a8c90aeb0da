"""Kinds of pipelines: text to image and image to image, without a ControlNet, with a plain or a union one."""

from typing import Any

import torch

from plitka.diffusion.controlnets import LoadedControlNet
from plitka.diffusion.families.family import Family


def make_variant(
    base: Any, family: Family, controlnet: LoadedControlNet | None, from_image: bool, dtype: torch.dtype
) -> Any:
    """A pipeline that shares every model of `base` and has the ControlNet beside them.

    A decoder that takes a hint stands in the place of the base model's own.
    """
    if family.hinted:
        return family.hinted.join(base, controlnet.model if controlnet else base.unet)
    parts = {"controlnet": controlnet.model} if controlnet else {}
    variant = family.pipelines[controlnet.type if controlnet else None, from_image]
    # Without the dtype `from_pipe` would cast the shared weights to float32.
    return variant.from_pipe(base, dtype=dtype, **family.pipeline_options, **parts)
