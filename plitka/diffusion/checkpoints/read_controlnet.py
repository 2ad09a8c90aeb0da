"""ControlNets, and UNets of decoders that take a hint, from their files to the CPU."""

from typing import Any

import torch

from plitka.diffusion.checkpoints.base_model import read_config
from plitka.diffusion.checkpoints.controlnet_shapes import CLASSES, check_fit, check_loaded
from plitka.diffusion.checkpoints.pretrained import errors_of, read_model
from plitka.diffusion.checkpoints.weight_checks import check_complete
from plitka.diffusion.families.family import HintedDecoder
from plitka.weights.locate import EngineFiles
from plitka.weights.verify import check_unchanged


def read_controlnet(files: EngineFiles, key: str, base: Any, dtype: torch.dtype) -> Any:
    """The ControlNet of this key in the manifest, for a base model.

    Raises ModelFileError if it does not load or fit, is not complete, or has changed since it was checked.
    """
    source, location = files.models.controlnets[key], files.controlnets[key]
    model_class = CLASSES[source.type]
    with errors_of(location.name):
        config = read_config(model_class, location)
    check_fit(config, files.models, key, base.unet, base.vae_scale_factor, location.name)
    check_unchanged(source, files.folder, location.checked)
    model, info = read_model(model_class, location, dtype)
    check_unchanged(source, files.folder, location.checked)
    check_complete(model, location)
    check_loaded(info, location.name)
    return model


def read_hinted(files: EngineFiles, key: str, decoder: HintedDecoder, unet: Any, dtype: torch.dtype) -> Any:
    """The UNet of the decoder of this key in the manifest, for a base model with the UNet `unet`.

    Raises ModelFileError as `read_controlnet` does.
    """
    source, location = files.models.controlnets[key], files.controlnets[key]
    decoder.check(location, unet)
    check_unchanged(source, files.folder, location.checked)
    model = decoder.read(location, dtype)
    check_unchanged(source, files.folder, location.checked)
    return model
