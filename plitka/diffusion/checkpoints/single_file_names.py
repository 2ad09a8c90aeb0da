"""The tensors of a base model in one file that diffusers passes over as it renames them.

Its renaming is run on the names alone, and what comes out is compared with the models that were loaded.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders.single_file_utils import (
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_open_clip_checkpoint,
)

from plitka.diffusion.checkpoints.single_file import CLIP_G, CLIP_L, HARMLESS, MARKERS, UNET
from plitka.diffusion.checkpoints.weight_checks import CLIP_PREFIX
from plitka.errors import ModelFileError
from plitka.weights.safetensors_header import TensorHeader


def check_none_left_over(base: Any, path: Path, header: TensorHeader) -> None:
    """Raise ModelFileError if a tensor of the UNet or of a text encoder went nowhere."""
    names = header.tensors
    left_over = [
        name
        for name in (*_of_unet(base.unet, names), *_of_clip(base, names))
        if not (HARMLESS.fullmatch(name) or name.removeprefix(UNET) in MARKERS)
    ]
    if left_over:
        problem = f"{len(left_over)} of its tensors have no place in the model, '{left_over[0]}' first"
        raise ModelFileError(path, problem)


def _of_unet(unet: Any, names: Mapping[str, Any]) -> Iterator[str]:
    theirs = {name: name for name in names if name.startswith(UNET)}
    places = unet.state_dict()
    renamed: dict[str, str] = convert_ldm_unet_checkpoint(theirs, dict(unet.config))
    placed = {old for new, old in renamed.items() if new in places}
    yield from (name for name in theirs if name not in placed)


def _of_clip(base: Any, names: Mapping[str, Any]) -> Iterator[str]:
    for prefix, model in ((CLIP_L, base.text_encoder), (CLIP_G, base.text_encoder_2)):
        places = {name.removeprefix(CLIP_PREFIX) for name in model.state_dict()}
        for name, entry in names.items():
            if not name.startswith(prefix):
                continue
            one = {name: torch.empty(entry["shape"], device="meta")}
            if prefix == CLIP_L:
                new = convert_ldm_clip_checkpoint(one)
            else:
                new = convert_open_clip_checkpoint(model, one, prefix=prefix)
            if not new or any(key.removeprefix(CLIP_PREFIX) not in places for key in new):
                yield name
