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

from plitka.diffusion.checkpoints.single_file import MARKERS, UNET
from plitka.diffusion.checkpoints.weight_checks import CLIP_PREFIX
from plitka.diffusion.families.family import Family, TextEncoder
from plitka.errors import ModelFileError
from plitka.weights.safetensors_header import TensorHeader


def check_none_left_over(base: Any, path: Path, header: TensorHeader, family: Family) -> None:
    """Raise ModelFileError if a tensor of the UNet or of a text encoder went nowhere."""
    names = header.tensors
    left_over = [
        name
        for name in (*_of_unet(base.unet, names), *_of_clip(base, names, family))
        if not (_is_harmless(name, family) or name.removeprefix(UNET) in MARKERS)
    ]
    if left_over:
        problem = f"{len(left_over)} of its tensors have no place in the model, '{left_over[0]}' first"
        raise ModelFileError(path, problem)


def _is_harmless(name: str, family: Family) -> bool:
    return family.single_file is not None and bool(family.single_file.harmless.fullmatch(name))


def _of_unet(unet: Any, names: Mapping[str, Any]) -> Iterator[str]:
    theirs = {name: name for name in names if name.startswith(UNET)}
    places = unet.state_dict()
    renamed: dict[str, str] = convert_ldm_unet_checkpoint(theirs, dict(unet.config))
    placed = {old for new, old in renamed.items() if new in places}
    yield from (name for name in theirs if name not in placed)


def _of_clip(base: Any, names: Mapping[str, Any], family: Family) -> Iterator[str]:
    for encoder in family.text_encoders:
        prefix, model = encoder.prefix, getattr(base, encoder.name)
        places = {name.removeprefix(CLIP_PREFIX) for name in model.state_dict()}
        for name, entry in names.items():
            if not name.startswith(prefix):
                continue
            one = {name: torch.empty(entry["shape"], device="meta")}
            new = renamed_clip(encoder, model, one)
            if not new or any(key.removeprefix(CLIP_PREFIX) not in places for key in new):
                yield name


def renamed_clip(
    encoder: TextEncoder, model: Any, stored: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Tensors of a text encoder in a single file under the names that `model` has for them."""
    renamed: dict[str, torch.Tensor]
    if encoder.is_open_clip:
        renamed = convert_open_clip_checkpoint(model, dict(stored), prefix=encoder.prefix)
    else:
        renamed = convert_ldm_clip_checkpoint(dict(stored))
    return renamed
