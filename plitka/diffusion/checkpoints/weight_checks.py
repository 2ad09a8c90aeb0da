"""Weights after loading: all came from the file, none of the file's was left out, all are finite numbers.

The libraries fill a weight that a file lacks with random numbers and go on, pass over those that the model
has no place for, and load NaN as any other value.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from plitka.errors import ModelFileError
from plitka.weights.locate import Location
from plitka.weights.model_folder import files_read

# Releases of transformers differ in whether CLIP's text model is one level deeper.
CLIP_PREFIX = "text_model."
# Older VAE files use these names for attention, and diffusers renames them as it loads.
OLD_ATTENTION_NAMES = {
    ".query.": ".to_q.",
    ".key.": ".to_k.",
    ".value.": ".to_v.",
    ".proj_attn.": ".to_out.0.",
}
# Stored beside a text encoder and no part of it: positions, and the rest of the CLIP that it was taken from.
BESIDE_CLIP = re.compile(
    r"(.*\.)?position_ids|logit_scale|text_projection(\.weight)?|(vision_model|visual_projection)\..*"
)


def check_complete(model: Any, location: Location, part: str = "") -> None:
    """Raise ModelFileError if a weight came from no file, or one in the file went nowhere.

    For a model that has not left the CPU yet. `part` is the model's folder inside `location`. Of a model from
    the hub only what was left without memory is noticed.
    """
    where, files = _place(location, part)
    if files:
        stored = {_present_name(name): name for file in files for name in location.header(file).tensors}
        wanted = [name for name, _ in model.named_parameters()]
        if missing := [name for name in wanted if name.removeprefix(CLIP_PREFIX) not in stored]:
            problem = f"it lacks {len(missing)} of the model's {len(wanted)} tensors, '{missing[0]}' first"
            raise ModelFileError(where, problem)
        _check_left_over(model, stored, where)
    for name, weight in model.named_parameters():
        if weight.is_meta:
            raise ModelFileError(where, f"it lacks the model's tensor '{name}'")


def _check_left_over(model: Any, stored: Mapping[str, str], where: str) -> None:
    """`stored` is present name to name in the file."""
    places = {name.removeprefix(CLIP_PREFIX) for name in model.state_dict()}
    beside = BESIDE_CLIP if hasattr(model.config, "num_hidden_layers") else None
    left_over = [
        name
        for present, name in stored.items()
        if present not in places and not (beside and beside.fullmatch(present))
    ]
    if left_over:
        kind = type(model).__name__
        problem = f"{len(left_over)} of its tensors have no place in a {kind}, '{left_over[0]}' first"
        raise ModelFileError(where, problem)


def check_finite(model: Any, location: Location, part: str = "") -> None:
    """Raise ModelFileError if a weight is not finite; on a GPU this takes no time. `part` as above."""
    strange = first_not_finite({name: weight.detach() for name, weight in model.named_parameters()})
    if strange is not None:
        where, _ = _place(location, part)
        raise ModelFileError(where, f"its tensor '{strange}' holds numbers that are not finite")


def first_not_finite(tensors: Mapping[str, torch.Tensor]) -> str | None:
    """The name of the first tensor that holds NaN or an infinity; None if none does."""
    places: dict[torch.device, list[str]] = {}
    for name, tensor in tensors.items():
        if tensor.numel():
            places.setdefault(tensor.device, []).append(name)
    strange: set[str] = set()
    for names in places.values():
        # The extremes carry NaN and infinity, and need no copy of the tensor; a GPU is asked once for all.
        ends = [torch.isfinite(torch.stack(torch.aminmax(tensors[name]))) for name in names]
        finite = torch.stack(ends).all(dim=1).tolist()
        strange |= {name for name, good in zip(names, finite, strict=True) if not good}
    return next((name for name in tensors if name in strange), None)


def _place(location: Location, part: str) -> tuple[str, list[Path]]:
    """What to call a part of a model in a message, and its files if it is a local folder."""
    if not location.is_local:
        return location.name, []
    if location.is_single_file:
        return location.path, []
    folder = Path(location.path) / part
    files = files_read(folder, location.variant)
    return str(files[0] if len(files) == 1 else folder), files


def _present_name(name: str) -> str:
    """The name of a stored tensor as the loaded model has it."""
    for old, present in OLD_ATTENTION_NAMES.items():
        name = name.replace(old, present)
    return name.removeprefix(CLIP_PREFIX)
