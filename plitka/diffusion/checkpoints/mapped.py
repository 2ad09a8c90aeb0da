"""A model built around its mapped weight file, where file and configuration are exactly the model's.

The libraries' own way takes several looks at every tensor, and in transformers a regular expression for each.
A file that differs in anything is left to them, and so are the words with which it is refused.
"""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers import ModelMixin
from safetensors.torch import load_file
from transformers.initialization import no_init_weights

from plitka.diffusion.checkpoints.weight_checks import BESIDE_CLIP, CLIP_PREFIX
from plitka.weights.locate import Location
from plitka.weights.model_folder import files_read

log = logging.getLogger(__name__)


def read_mapped(model_class: Any, location: Location, dtype: torch.dtype, part: str = "") -> Any | None:
    """A diffusers model or one of transformers' text encoders on the CPU, in `dtype`, ready to run.

    `part` is its folder inside `location`. None unless it lies in one local file of the usual name, with the
    model's own tensors in their shapes and nothing else, under a configuration that asks for nothing more.
    """
    try:
        return _read(model_class, location, dtype, Path(location.path) / part)
    # Whatever it is, the libraries meet it too, and say so in their words.
    except Exception as error:
        log.debug("%s %s is left to its library: %s", location.name, part, error)
        return None


def _read(model_class: Any, location: Location, dtype: torch.dtype, folder: Path) -> Any | None:
    of_diffusers = issubclass(model_class, ModelMixin)
    stem = "diffusion_pytorch_model" if of_diffusers else "model"
    file = folder / f"{stem}{'.' + location.variant if location.variant else ''}.safetensors"
    alone = location.is_local and files_read(folder, location.variant) == [file]
    if not alone or any(folder.glob("*.index*.json")) or model_class._keep_in_fp32_modules:
        return None
    model = _empty(model_class, folder, of_diffusers)
    header = location.header(file).tensors
    shapes = {name: list(weight.shape) for name, weight in model.state_dict().items()}
    places = {name: name for name in header} if of_diffusers else _of_clip(shapes, header)
    if shapes != {name: header[stored]["shape"] for stored, name in places.items()}:
        return None
    stored = load_file(file)
    # A copy only where the type is another.
    weights = {name: stored[old].to(dtype) for old, name in places.items() if stored[old].is_floating_point()}
    model.load_state_dict(weights, assign=True)
    return model.eval()


def _empty(model_class: Any, folder: Path, of_diffusers: bool) -> Any:
    """The model without memory for its weights; buffers that no file has are there."""
    if not of_diffusers:
        config = model_class.config_class.from_pretrained(folder, local_files_only=True)
        if hasattr(config, "quantization_config"):
            raise ValueError("its weights are quantised")
        config.name_or_path = str(folder)
        with no_init_weights(), init_empty_weights(include_buffers=False):
            return model_class(config)
    config = model_class.load_config(folder, local_files_only=True)
    if "quantization_config" in config:
        raise ValueError("its weights are quantised")
    with no_init_weights(), init_empty_weights(include_buffers=False):
        model = model_class.from_config(config)
    model.register_to_config(_name_or_path=str(folder))
    return model


def _of_clip(names: Iterable[str], header: Iterable[str]) -> dict[str, str]:
    """Stored name to the model's own, without what is only stored beside a text encoder."""
    own = {name.removeprefix(CLIP_PREFIX): name for name in names}
    bare = {stored: stored.removeprefix(CLIP_PREFIX) for stored in header}
    return {
        stored: own.get(name, name)
        for stored, name in bare.items()
        if name in own or not BESIDE_CLIP.fullmatch(stored)
    }
