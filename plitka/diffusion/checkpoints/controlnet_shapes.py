"""Whether a ControlNet takes the inputs of the pipelines, and gives what the base model's UNet adds up.

Its configuration and the names of its tensors say so, before it is loaded. One for Stable Diffusion 1.5, or
a union one under the name of a plain one, loads into SDXL without an error.
"""

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from diffusers import ControlNetModel, ControlNetUnionModel

from plitka.diffusion.checkpoints.base_model import DOWNSAMPLE_PADDING, NOT_FED, check_known
from plitka.diffusion.families.family import Family, HintedDecoder
from plitka.errors import ModelFileError, remedied
from plitka.weights.locate import EngineFiles, Location
from plitka.weights.manifest import ControlNetSource, EngineModels

CLASSES: dict[str, Any] = {
    "ControlNetModel": ControlNetModel,
    "ControlNetUnionModel": ControlNetUnionModel,
}
UNION = "ControlNetUnionModel"
# What a union ControlNet is called in files; some were saved under the name of the plain one.
NAMES: Mapping[str, tuple[str, ...]] = {
    "ControlNetModel": ("ControlNetModel",),
    UNION: (UNION, "ControlNetModel_Union", "ControlNetModel"),
}
# What a union ControlNet always has in the middle; saved as a plain one, it says so.
UNION_MIDDLE = ("mid_block_type", "UNetMidBlock2DCrossAttn")
# A tensor that every union ControlNet has, and no plain one.
UNION_TENSOR = "task_embedding"
REMEDY = (
    "Choose a ControlNet for this base model in the manifest, and say its kind in 'type' "
    "(see model_files/README.md)."
)
# The residuals are added up block by block, and text, size and noise are the same for both.
AS_THE_UNET = ("cross_attention_dim", "block_out_channels", "layers_per_block", "in_channels")
# With an addition_embed_type only; without one the ControlNet leaves the size out.
SIZE_KEYS = ("addition_time_embed_dim", "projection_class_embeddings_input_dim")
CONTROL_CHANNELS = 3


@remedied(REMEDY)
def check_types(files: EngineFiles, family: Family) -> None:
    """Raise ModelFileError for a kind of ControlNet that there is none of for the base model's family."""
    for key, source in files.models.controlnets.items():
        if (source.type, False) not in family.pipelines:
            problem = f"it is a {source.type}, of which there is none for {family.title}"
            raise ModelFileError(files.controlnets[key].name, problem)


@remedied(REMEDY)
def check_controlnets(files: EngineFiles, unet: Any, vae_scale_factor: int) -> None:
    """Look at every ControlNet whose files lie here, before a request needs it. Raises ModelFileError."""
    for key, location in files.controlnets.items():
        path = Path(location.path) / "config.json"
        if not location.is_local or not path.is_file():
            continue
        try:
            config = json.loads(path.read_bytes())
        except ValueError as error:
            raise ModelFileError(path, f"it is no JSON ({error})") from error
        if not isinstance(config, dict):
            raise ModelFileError(path, "it is no JSON object")
        source = files.models.controlnets[key]
        _check_tensors(source, location)
        check_fit(config, files.models, key, unet, vae_scale_factor, str(path))


@remedied(REMEDY)
def check_fit(
    config: Mapping[str, Any], models: EngineModels, key: str, unet: Any, vae_scale_factor: int, where: str
) -> None:
    """Raise ModelFileError unless a ControlNet of this configuration was made for this kind of base model.

    `config` is what the file says, `key` the ControlNet's in the manifest.
    """
    source = models.controlnets[key]
    modes = [models.mode(kind) for kind, spec in models.control.items() if spec.controlnet == key]
    model_class = CLASSES[source.type]
    name = config.get("_class_name", source.type)
    if name not in NAMES[source.type]:
        raise ModelFileError(where, f"it is a {name}, and the manifest says {source.type}")
    said = {key: value for key, value in config.items() if (key, value) != UNION_MIDDLE}
    check_known(model_class, said, where)
    settings = {**_defaults(model_class), **config}
    for problem in (
        *_against_unet(settings, unet.config),
        *_against_what_is_fed(settings, vae_scale_factor),
        *(_against_modes(settings, modes) if source.type == UNION else ()),
    ):
        raise ModelFileError(where, problem)


def check_hinted(files: EngineFiles, hinted: HintedDecoder, unet: Any) -> None:
    """The same for a family with a second decoder in place of ControlNets."""
    for location in files.controlnets.values():
        if location.is_local:
            hinted.check(location, unet)


def _defaults(model_class: Any) -> dict[str, Any]:
    """A class's settings where a file leaves them out."""
    parameters = inspect.signature(model_class.__init__).parameters.values()
    return {one.name: one.default for one in parameters if one.default is not inspect.Parameter.empty}


def _check_tensors(source: ControlNetSource, location: Location) -> None:
    """A union ControlNet loads as a plain one, and the other way round; the tensors know which it is."""
    files = location.weight_files
    if not files:
        of_variant = f".{location.variant}" if location.variant else ""
        problem = f"it holds no diffusion_pytorch_model{of_variant}.safetensors"
        raise ModelFileError(location.path, problem)
    names = {name for file in files for name in location.header(file).tensors}
    if (UNION_TENSOR in names) != (source.type == UNION):
        found = UNION if UNION_TENSOR in names else "ControlNetModel"
        problem = f"by its tensors it is a {found}, and the manifest says {source.type}"
        raise ModelFileError(files[0], problem)


def _against_unet(settings: Mapping[str, Any], unet: Mapping[str, Any]) -> Iterator[str]:
    sized = settings["addition_embed_type"] is not None
    for key in (*AS_THE_UNET, *(SIZE_KEYS if sized else ())):
        if _plain(settings[key]) != _plain(unet[key]):
            yield f"its {key} is {settings[key]}, the base model's {unet[key]}"
    if sized and settings["addition_embed_type"] != unet["addition_embed_type"]:
        yield f"its addition_embed_type is {settings['addition_embed_type']}, which nothing here feeds"
    if settings["downsample_padding"] != DOWNSAMPLE_PADDING:
        yield f"its downsample_padding is {settings['downsample_padding']}, which halves no picture"
    blocks = len(settings["down_block_types"])
    if blocks != len(unet["down_block_types"]):
        yield f"it has {blocks} blocks, the base model {len(unet['down_block_types'])}"


def _against_what_is_fed(settings: Mapping[str, Any], vae_scale_factor: int) -> Iterator[str]:
    if settings["conditioning_channels"] != CONTROL_CHANNELS:
        yield f"its control image has {settings['conditioning_channels']} channels, ours {CONTROL_CHANNELS}"
    shrink = 2 ** (len(settings["conditioning_embedding_out_channels"] or ()) - 1)
    if shrink != vae_scale_factor:
        yield f"it shrinks the control image {shrink} times, the base model's VAE {vae_scale_factor} times"
    # diffusers exchanges the channels for a plain ControlNet by itself.
    if settings["controlnet_conditioning_channel_order"] not in ("rgb", "bgr"):
        yield f"its control image has the colours as {settings['controlnet_conditioning_channel_order']}"
    if settings["global_pool_conditions"]:
        yield "it pools its conditions over the whole picture (global_pool_conditions) and cannot hold edges"
    for key in NOT_FED:
        if settings[key] is not None:
            yield f"its {key} is {settings[key]}, which nothing here feeds"


def _against_modes(settings: Mapping[str, Any], modes: Sequence[int | None]) -> Iterator[str]:
    count = settings["num_control_type"]
    for mode in modes:
        if mode is not None and not 0 <= mode < count:
            yield f"it knows the kinds 0 to {count - 1}, and the manifest's 'mode' is {mode}"
    if settings["controlnet_conditioning_channel_order"] != "rgb":
        yield "its control image has the colours as bgr, which a union ControlNet does not read"


@remedied(REMEDY)
def check_loaded(info: Mapping[str, Any], where: str) -> None:
    """Raise ModelFileError for tensors that diffusers found no place for, or none of; `info` is its report.

    Where the files lie here, `plitka.diffusion.checkpoints.weight_checks` has more to say.
    """
    for kind, said in (("unexpected_keys", "have no place in it"), ("missing_keys", "are missing")):
        if names := sorted(info[kind]):
            raise ModelFileError(where, f"{len(names)} tensors {said}, '{names[0]}' first")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value
