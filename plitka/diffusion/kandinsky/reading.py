"""The weights of Kandinsky 2.2: a decoder's folder and a prior's as one pipeline on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from diffusers import PriorTransformer, UnCLIPScheduler, UNet2DConditionModel, VQModel
from transformers import CLIPTextModelWithProjection, CLIPTokenizer, CLIPVisionModelWithProjection

from plitka.diffusion.checkpoints.mapped import read_mapped
from plitka.diffusion.checkpoints.pretrained import errors_of, from_pretrained
from plitka.diffusion.checkpoints.tokenizers import tokenizer_problem
from plitka.diffusion.checkpoints.weight_checks import check_complete
from plitka.diffusion.kandinsky.checks import where_of
from plitka.diffusion.kandinsky.pipeline import KandinskyPipeline
from plitka.errors import ModelFileError
from plitka.weights.locate import EngineFiles, Location

# Name in the pipeline, folder, and class; the largest first.
DECODER = (("unet", "unet", UNet2DConditionModel), ("vae", "movq", VQModel))
PRIOR = (
    ("prior", "prior", PriorTransformer),
    ("text_encoder", "text_encoder", CLIPTextModelWithProjection),
)


def read_kandinsky(
    files: EngineFiles, dtype: torch.dtype, scheduler: Any, on_model: Callable[[Any], None]
) -> KandinskyPipeline:
    """Decoder and prior on the CPU, complete. Raises ModelFileError if one does not load.

    `on_model` is called with each model that is there, and may move it.
    """
    assert files.prior is not None
    parts: dict[str, Any] = {}
    for location, models in ((files.base, DECODER), (files.prior, PRIOR)):
        for name, folder, model_class in models:
            parts[name] = read_part(model_class, location, folder, dtype)
            on_model(parts[name])
    tokenizer = _tokenizer(files.prior, parts["text_encoder"])
    with errors_of(files.prior.name):
        steps = UnCLIPScheduler.from_config(
            UnCLIPScheduler.load_config(
                files.prior.path,
                subfolder="scheduler",
                revision=files.prior.revision,
                local_files_only=files.prior.is_local,
            )
        )
    pipeline = KandinskyPipeline(**parts, scheduler=scheduler, prior_scheduler=steps, tokenizer=tokenizer)
    pipeline.no_image = _no_image(files.prior, dtype)
    return pipeline


def read_part(model_class: Any, location: Location, folder: str, dtype: torch.dtype) -> Any:
    """A model of a folder inside `location`, complete. Raises ModelFileError."""
    model = read_mapped(model_class, location, dtype, folder)
    if model is None:
        model = from_pretrained(model_class, location, dtype, subfolder=folder)
    check_complete(model, location, folder)
    return model.eval()


def _tokenizer(location: Location, encoder: Any) -> Any:
    with errors_of(f"{location.name}/tokenizer"):
        tokenizer = CLIPTokenizer.from_pretrained(
            location.path,
            subfolder="tokenizer",
            revision=location.revision,
            local_files_only=location.is_local,
        )
    if problem := tokenizer_problem(tokenizer, encoder.config):
        raise ModelFileError(where_of(location, "tokenizer"), problem)
    return tokenizer


@torch.no_grad()
def _no_image(location: Location, dtype: torch.dtype) -> torch.Tensor:
    """(1, width) the embedding of a black picture; the encoder, half of the prior's weights, is let go."""
    encoder = read_part(CLIPVisionModelWithProjection, location, "image_encoder", dtype)
    side = encoder.config.image_size
    embedding: torch.Tensor = encoder(torch.zeros(1, 3, side, side, dtype=dtype)).image_embeds
    return embedding
