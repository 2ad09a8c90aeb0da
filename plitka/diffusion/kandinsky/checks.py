"""Whether prior, decoder and depth decoder are Kandinsky 2.2's and of one size, by their configurations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from diffusers import (
    DDPMScheduler,
    KandinskyV22PriorPipeline,
    PriorTransformer,
    UnCLIPScheduler,
    UNet2DConditionModel,
    VQModel,
)
from transformers import CLIPTextConfig, CLIPVisionConfig

from plitka.diffusion.checkpoints.base_model import check_known, read_clip_config, read_config
from plitka.diffusion.checkpoints.noise_schedule import noise_schedule
from plitka.diffusion.checkpoints.pretrained import errors_of
from plitka.errors import ModelFileError, remedied
from plitka.weights.locate import EngineFiles, Location
from plitka.weights.remedies import NO_PRIOR

REMEDY = "Choose a decoder and a prior of Kandinsky 2.2 (see docs/models.md)."
HINT_REMEDY = (
    "Name a depth decoder of Kandinsky 2.2, such as kandinsky-2-2-controlnet-depth, among the manifest's "
    "'controlnets', with the type UNet2DConditionModel."
)
PRIOR_CLASS = "KandinskyV22PriorPipeline"
DECODER_PARTS: Mapping[str, tuple[str, ...]] = {
    "unet": ("UNet2DConditionModel",),
    "movq": ("VQModel",),
}
PRIOR_PARTS: Mapping[str, tuple[str, ...]] = {
    "prior": ("PriorTransformer",),
    "image_encoder": ("CLIPVisionModelWithProjection",),
    "text_encoder": ("CLIPTextModelWithProjection",),
    "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"),
    "scheduler": ("UnCLIPScheduler",),
}
# What a UNet takes beside latents and time: an image's embedding, and with it a hint.
PLAIN, HINTED = "image", "image_hint"
# Each half of what it gives is as wide as the latents: noise, and its variance.
GIVES = 2
# The layers that take the hint shrink it so many times, whatever the configuration says.
HINT_SHRINKS = 8
LEARNED_VARIANCES = ("learned", "learned_range")
# Honoured by the samplers that know them; the others are refused by a request that names them.
THRESHOLDING = ("thresholding", "dynamic_thresholding_ratio", "sample_max_value")
# A UNet of another size would have no place for what the base model's gets.
AS_THE_BASE = ("cross_attention_dim", "encoder_hid_dim", "encoder_hid_dim_type", "out_channels")


@remedied(REMEDY)
def check_decoder(files: EngineFiles, index: Mapping[str, Any]) -> None:
    """Raise ModelFileError unless decoder and prior are there and belong together; reads no weights."""
    if files.prior is None:
        problem = "this is the decoder of Kandinsky 2.2, and no prior is named beside it"
        raise ModelFileError(files.base.name, problem, NO_PRIOR)
    source = files.base
    if files.vae is not None:
        problem = "the manifest names a VAE, and Kandinsky 2.2 has its MoVQ in the decoder's folder"
        raise ModelFileError(files.vae.name, problem, "Take 'vae' out of the manifest.")
    _check_parts(index, DECODER_PARTS, where_of(source, "model_index.json"))
    unet = read_config(UNet2DConditionModel, source, "unet")
    movq = read_config(VQModel, source, "movq")
    where = where_of(source, "unet/config.json")
    check_known(UNet2DConditionModel, unet, where)
    check_known(VQModel, movq, where_of(source, "movq/config.json"))
    with errors_of(files.prior.name):
        width = _check_prior(files.prior)
    for problem in (*_of_unet(unet, PLAIN, movq.get("latent_channels", 3)), *_of_movq(movq)):
        raise ModelFileError(where, problem)
    if unet.get("encoder_hid_dim") != width:
        problem = f"its encoder_hid_dim is {unet.get('encoder_hid_dim')}, and the prior gives {width}"
        raise ModelFileError(where, problem)


def noise_of(source: Location) -> dict[str, Any]:
    """The settings that a decoder's samplers are made with. Raises ModelFileError for what none can honour.

    Of the variance that the UNet predicts beside the noise no sampler here makes use.
    """
    where = where_of(source, "scheduler/scheduler_config.json")
    config = read_config(DDPMScheduler, source, "scheduler")
    if config.get("variance_type") in LEARNED_VARIANCES:
        config["variance_type"] = None
    thresholds = {key: config[key] for key in THRESHOLDING if config.get("thresholding") and key in config}
    return noise_schedule({**config, "thresholding": False}, where) | thresholds


@remedied(HINT_REMEDY)
def check_depth_decoder(location: Location, base_unet: Any) -> None:
    """Raise ModelFileError unless its UNet takes a hint, and beside it what the base model's takes."""
    with errors_of(location.name):
        config = read_config(UNet2DConditionModel, location, "unet")
    where = where_of(location, "unet/config.json")
    check_known(UNet2DConditionModel, config, where)
    channels = base_unet.config.in_channels
    for problem in _of_unet(config, HINTED, channels):
        raise ModelFileError(where, problem)
    for key in AS_THE_BASE:
        if config.get(key) != base_unet.config[key]:
            problem = f"its {key} is {config.get(key)}, the base model's {base_unet.config[key]}"
            raise ModelFileError(where, problem)


def where_of(source: Location, file: str) -> str:
    """What messages call a file of a model."""
    return f"{source.path}/{file}" if source.is_local else f"{source.name}: {file}"


@remedied(NO_PRIOR)
def _check_prior(source: Location) -> int:
    """The width of the prior's embeddings, once its parts agree on it."""
    index = read_config(KandinskyV22PriorPipeline, source)
    where = where_of(source, "model_index.json")
    if index.get("_class_name") != PRIOR_CLASS:
        name = str(index.get("_class_name"))[:60]
        raise ModelFileError(where, f"this is a model for {name}, and no prior of Kandinsky 2.2")
    _check_parts(index, PRIOR_PARTS, where)
    prior = read_config(PriorTransformer, source, "prior")
    where = where_of(source, "prior/config.json")
    check_known(PriorTransformer, prior, where)
    check_known(
        UnCLIPScheduler,
        read_config(UnCLIPScheduler, source, "scheduler"),
        where_of(source, "scheduler/scheduler_config.json"),
    )
    text = read_clip_config(CLIPTextConfig, source, "text_encoder")
    picture = read_clip_config(CLIPVisionConfig, source, "image_encoder")
    width = int(prior.get("embedding_dim", 768))
    found = {
        "text_encoder's hidden_size": text.hidden_size,
        "text_encoder's projection_dim": text.projection_dim,
        "image_encoder's projection_dim": picture.projection_dim,
    }
    for key, value in found.items():
        if value != width:
            raise ModelFileError(where, f"its embedding_dim is {width}, the {key} {value}")
    if prior.get("num_embeddings", 77) != text.max_position_embeddings:
        problem = (
            f"it reads {prior.get('num_embeddings', 77)} tokens, its text encoder "
            f"{text.max_position_embeddings}"
        )
        raise ModelFileError(where, problem)
    return width


def _check_parts(index: Mapping[str, Any], parts: Mapping[str, tuple[str, ...]], where: str) -> None:
    for part, allowed in parts.items():
        found = index.get(part)
        found = found[1] if isinstance(found, list | tuple) and len(found) == 2 else None
        if found not in allowed:
            raise ModelFileError(where, f"its {part} is {found}, where Kandinsky 2.2 has {allowed[0]}")


def _of_unet(unet: Mapping[str, Any], condition: str, channels: int) -> Iterator[str]:
    """`channels` are those of the latents."""
    if unet.get("_class_name") != DECODER_PARTS["unet"][0]:
        yield f"its UNet is a {unet.get('_class_name')}"
    said = str(unet.get("addition_embed_type"))
    if said != condition:
        kinds = {
            PLAIN: "a decoder without a hint",
            HINTED: "a decoder that takes a hint, which belongs among the manifest's ControlNets",
        }
        kind = kinds.get(said, f"no decoder of Kandinsky 2.2: its addition_embed_type is {said}")
        yield f"this is {kind}, where addition_embed_type is to be {condition}"
    takes = channels if condition == PLAIN else 2 * channels
    for key, expected in (("in_channels", takes), ("out_channels", GIVES * channels)):
        if unet.get(key, 4) != expected:
            yield f"its {key} is {unet.get(key, 4)}, where latents of {channels} channels need {expected}"
    if unet.get("encoder_hid_dim_type") != "image_proj":
        yield f"its encoder_hid_dim_type is {unet.get('encoder_hid_dim_type')}, where image_proj is fed"
    for key in ("class_embed_type", "num_class_embeds", "time_cond_proj_dim"):
        if unet.get(key) is not None:
            yield f"its {key} is {unet[key]}, which nothing here feeds"


def _of_movq(movq: Mapping[str, Any]) -> Iterator[str]:
    if movq.get("_class_name") != "VQModel":
        yield f"its movq is a {movq.get('_class_name')}"
    shrinks = 2 ** (len(movq.get("block_out_channels", ())) - 1)
    if shrinks != HINT_SHRINKS:
        yield f"its movq shrinks pictures {shrinks} times, and hints are shrunk {HINT_SHRINKS} times"
