"""Weights after loading: every one came from the file, and every one is a number.

The libraries fill a weight that a file lacks with random numbers and go on, and load NaN as any other value.
"""

from pathlib import Path
from typing import Any

import torch

from plitka.models import Location
from plitka.weight_files import ModelFileError, read_tensor_header

# transformers has put CLIP's text model one level deeper, or not, from release to release.
CLIP_PREFIX = "text_model."
# Older VAE files use these names for attention, and diffusers renames them as it loads.
OLD_ATTENTION_NAMES = {
    ".query.": ".to_q.",
    ".key.": ".to_k.",
    ".value.": ".to_v.",
    ".proj_attn.": ".to_out.0.",
}


def check_loaded(model: Any, location: Location, remedy: str, part: str = "") -> None:
    """Raise ModelFileError if a weight is not finite, or, for local files, was not in them.

    `part` is the model's folder inside `location`.
    """
    where = f"{location.path}/{part}".rstrip("/") if location.is_local else location.name
    if location.is_local and not location.is_single_file:
        files = sorted((Path(location.path) / part).glob("*.safetensors"))
        stored = {_present_name(name) for file in files for name in read_tensor_header(file, remedy)}
        wanted = [name for name, _ in model.named_parameters()]
        if missing := [name for name in wanted if name.removeprefix(CLIP_PREFIX) not in stored]:
            problem = f"it lacks {len(missing)} of the model's {len(wanted)} tensors, '{missing[0]}' first"
            raise ModelFileError(files[0] if len(files) == 1 else where, problem, remedy)
        where = str(files[0]) if len(files) == 1 else where
    # The extremes carry NaN and infinity, and need no copy of the weight; a GPU is asked once for all.
    weights = {name: weight.detach() for name, weight in model.named_parameters() if weight.numel()}
    ends = [torch.stack(torch.aminmax(weight)).float() for weight in weights.values()]
    finite = torch.isfinite(torch.stack(ends)).all(dim=1).tolist()
    if strange := next((name for name, good in zip(weights, finite, strict=True) if not good), None):
        raise ModelFileError(where, f"its tensor '{strange}' holds numbers that are not finite", remedy)


def _present_name(name: str) -> str:
    """The name of a stored tensor as the loaded model has it."""
    for old, present in OLD_ATTENTION_NAMES.items():
        name = name.replace(old, present)
    return name.removeprefix(CLIP_PREFIX)
