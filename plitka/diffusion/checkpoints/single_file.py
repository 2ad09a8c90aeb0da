"""A base model in one `.safetensors` file: what kind of model it is, by its header.

Such a file has no configuration. Marker tensors, mostly without numbers in them, and a few lines of
metadata (https://github.com/Stability-AI/ModelSpec) say how it was trained; the rest is in the names and
shapes of its tensors. Nothing here reads a weight.
"""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from plitka.diffusion.checkpoints.noise_schedule import Statement
from plitka.diffusion.families.family import Family, SingleFile
from plitka.errors import ModelFileError, remedied
from plitka.weights.base_kind import ARCHITECTURE_KEY, SIGNS
from plitka.weights.safetensors_header import TensorHeader

REMEDY = (
    "PLITKA_BASE_MODEL takes a base model of SDXL or Stable Diffusion 1.5 that predicts epsilon or v "
    "(see model_files/README.md)."
)
UNET, VAE = "model.diffusion_model.", "first_stage_model."
REFINER_CLIP = "conditioner.embedders.0.model."
FIRST_CONVOLUTION = f"{UNET}input_blocks.0.0.weight"
V_MARKER, ZERO_SNR_MARKER = MARKERS = ("v_pred", "ztsnr")
# Markers of training with noise that has no list of betas (Karras et al. 2022,
# https://arxiv.org/abs/2206.00364): CosXL, Playground v2.5 and the like.
EDM_MARKERS = ("edm_mean", "edm_std", "edm_vpred.sigma_max", "edm_vpred.sigma_min")
# What a UNet takes so many channels for, where SDXL's base model takes 4.
WIDTHS = {9: "an inpainting model", 8: "an InstructPix2Pix model"}
# Two keys in use for what the UNet predicts, and the words that are used for it.
PREDICTION_KEYS = ("modelspec.prediction_type", "modelspec.predict_key")
PREDICTION_WORDS = {
    **dict.fromkeys(("epsilon", "eps"), "epsilon"),
    **dict.fromkeys(("v", "v_prediction", "v-prediction"), "v_prediction"),
}
KINDS = {
    "v1": "a UNet of Stable Diffusion 1.5 without its text encoder",
    "v2": "Stable Diffusion 2",
    "inpainting": "an inpainting model of Stable Diffusion 1.5",
    "inpainting_v2": "an inpainting model of Stable Diffusion 2",
    "sd3": "Stable Diffusion 3",
    "sd35_medium": "Stable Diffusion 3.5",
    "sd35_large": "Stable Diffusion 3.5",
}


@remedied(REMEDY)
def read_statement(path: Path, header: TensorHeader, latent_channels: int, family: Family) -> Statement:
    """What the file states about its training, once it is known to be a base model of the family.

    `latent_channels` is how many channels the UNet's input has in the configuration. Raises ModelFileError
    for another kind of model, for training that no sampler here can honour, for a marker that is not known,
    and where the file contradicts itself.
    """
    tensors = header.tensors
    if edm := next((name for name in tensors if name.removeprefix(UNET) in EDM_MARKERS), None):
        problem = f"its tensor '{edm}' says that it was trained with EDM's noise, which no sampler takes off"
        raise ModelFileError(path, problem)
    _check_kind(path, tensors, latent_channels, family)
    if family.single_file is None:
        raise ModelFileError(path, f"{family.title} is read from a diffusers folder, not from one file")
    _check_left_over(path, tensors, family, family.single_file)
    _check_architecture(path, header.metadata, family, family.single_file)
    markers = {name.removeprefix(UNET) for name in tensors}
    prediction = _prediction(path, markers, header.metadata)
    return Statement(prediction, True if ZERO_SNR_MARKER in markers else None)


def _check_kind(path: Path, tensors: Mapping[str, Any], latent_channels: int, family: Family) -> None:
    if any(name.startswith(REFINER_CLIP) for name in tensors):
        raise ModelFileError(path, "this is SDXL's refiner, which only reworks finished pictures")
    needed = (FIRST_CONVOLUTION, *SIGNS[family.name].tensors)
    if missing := [name for name in needed if name not in tensors]:
        kind = _other_kind(tensors)
        problem = f"this is no {family.title} base model but {kind}: it has no tensor '{missing[0]}'"
        raise ModelFileError(path, problem)
    width = (tensors[FIRST_CONVOLUTION]["shape"] + [0, 0])[1]
    if width != latent_channels:
        kind = WIDTHS.get(width, "another kind of model")
        problem = f"this is {kind}: its UNet takes {width} channels instead of {latent_channels}"
        raise ModelFileError(path, problem)


def _other_kind(tensors: Mapping[str, Any]) -> str:
    """What diffusers takes the file for, as part of a sentence; it falls back on Stable Diffusion 1.5."""
    from diffusers.loaders.single_file_utils import CHECKPOINT_KEY_NAMES, infer_diffusers_model_type

    shapes = {name: SimpleNamespace(shape=entry["shape"]) for name, entry in tensors.items()}
    try:
        kind = infer_diffusers_model_type(shapes)
    # It looks into shapes as they should be, and at the values of some tensors.
    except Exception:
        kind = "v1"
    if kind == "v1" and CHECKPOINT_KEY_NAMES["v1"] not in tensors:
        if FIRST_CONVOLUTION in tensors:
            return "a UNet without the text encoders"
        return "something else"
    return KINDS.get(kind, kind)


def _check_left_over(path: Path, tensors: Mapping[str, Any], family: Family, said: SingleFile) -> None:
    """Refuse a tensor outside the parts that are loaded: it may change what the others mean."""
    prefixes = (UNET, *(encoder.prefix for encoder in family.text_encoders))
    for name in tensors:
        marker = name.removeprefix(UNET)
        known = marker in MARKERS or name.startswith(prefixes)
        if not (known or said.harmless.fullmatch(name)):
            problem = f"nothing here knows what its tensor '{name[:80]}' means"
            raise ModelFileError(path, problem, hint="Save it without, or as a diffusers folder.")


def _check_architecture(path: Path, metadata: Mapping[str, str], family: Family, file: SingleFile) -> None:
    said = metadata.get(ARCHITECTURE_KEY, "").strip().lower()
    if file.other_architectures.search(said):
        problem = f"its {ARCHITECTURE_KEY} is '{said[:60]}', which is no {family.title} base model"
        raise ModelFileError(path, problem)


def _prediction(path: Path, markers: set[str], metadata: Mapping[str, str]) -> str | None:
    """What the UNet predicts, as the file says; None if it does not."""
    said = {key: metadata.get(key, "").strip().lower() for key in PREDICTION_KEYS}
    said = {key: word for key, word in said.items() if word}
    if strange := next((key for key, word in said.items() if word not in PREDICTION_WORDS), None):
        problem = f"its {strange} is '{metadata[strange][:60]}', which no sampler here can do"
        raise ModelFileError(path, problem)
    meanings = {key: PREDICTION_WORDS[word] for key, word in said.items()}
    if V_MARKER in markers:
        meanings[f"the tensor '{V_MARKER}'"] = "v_prediction"
    if len(set(meanings.values())) > 1:
        words = ", ".join(f"{source} says {meaning}" for source, meaning in meanings.items())
        raise ModelFileError(path, f"it contradicts itself: {words}")
    return next(iter(meanings.values()), None)
