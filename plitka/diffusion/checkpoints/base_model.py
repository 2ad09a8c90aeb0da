"""Whether the pipelines can draw with a base model, by its configuration, before its weights are read.

It needs its family's text encoders, a UNet whose only inputs are latents and the words' embeddings, and
noise that the samplers can remove.
"""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diffusers import AutoencoderKL, DiffusionPipeline, EulerDiscreteScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig

from plitka.diffusion.checkpoints.noise_schedule import noise_schedule
from plitka.diffusion.checkpoints.single_file import WIDTHS, read_statement
from plitka.diffusion.families.family import Family
from plitka.diffusion.families.known import FAMILIES
from plitka.diffusion.families.sdxl import SDXL
from plitka.errors import ModelFileError, remedied
from plitka.settings import BASE_MODEL_VARIABLE, PRIOR_MODEL_VARIABLE
from plitka.weights.base_kind import family_named_in, family_with_tensors
from plitka.weights.locate import EngineFiles, Location, file_on_hub

REMEDY = "Choose a base model of SDXL, Stable Diffusion 1.5 or Kandinsky 2.2 (see docs/models.md)."
# What goes with a base model of another family than the engine's own.
OTHER_FAMILY = "Say in the manifest, under 'families', what goes with it (see model_files/README.md)."
NAME_IT = (
    f"Name it in {BASE_MODEL_VARIABLE}: what goes with it is then what the manifest says under 'families'."
)
WITHOUT_PRIOR = f"Unset {PRIOR_MODEL_VARIABLE}, or take 'prior' out of the manifest."
# Inputs of a UNet or a ControlNet that the pipelines do not have.
NOT_FED = ("class_embed_type", "num_class_embeds", "encoder_hid_dim", "encoder_hid_dim_type")
# What diffusers' EMAModel writes into a configuration: how it averaged the weights in training.
OF_AVERAGING = (
    "decay",
    "inv_gamma",
    "min_decay",
    "optimization_step",
    "power",
    "update_after_step",
    "use_ema_warmup",
)
# Numbers about the size: height and width of the original, of the crop's corner, of the target.
TIME_IDS = 6
# With any other, what a block has halved is no longer of the size that the way back makes of it.
DOWNSAMPLE_PADDING = 1


@remedied(REMEDY)
def check_base(files: EngineFiles) -> tuple[Family, dict[str, Any]]:
    """The base model's family and its noise schedule, once it is known to be one that can be drawn with.

    Reads configuration files, which a model on the hub is asked for, and a single file's header. Raises
    ModelFileError for every other kind of model, and what diffusers raises where a file cannot be read.
    """
    source = files.base_config or files.base
    index = read_config(DiffusionPipeline, source)
    family = _family(files, index)
    if files.base.is_single_file and family_named_in(index.get("_class_name")) != family.name:
        problem = f"this is {family.title}, and {source.name}, where its configuration should be, is not"
        raise ModelFileError(files.base.path, problem, OTHER_FAMILY)
    if family.name in files.models.families:
        problem = f"this is {family.title}, and the manifest has it as 'base' of an entry for another family"
        raise ModelFileError(files.base.name, problem, NAME_IT)
    if family.check is not None:
        return family, family.check(files, index)
    _check_pipeline(index, _where(source, "model_index.json"), family)
    if files.prior is not None and "prior" not in family.places:
        problem = f"a prior is named, and {family.title} draws without one"
        raise ModelFileError(files.prior.name, problem, WITHOUT_PRIOR)
    unet = read_config(UNet2DConditionModel, source, "unet")
    vae = read_config(AutoencoderKL, files.vae) if files.vae else read_config(AutoencoderKL, source, "vae")
    where = _where(source, "unet/config.json")
    check_known(UNet2DConditionModel, unet, where)
    _check_unet(unet, vae, where, family)
    _check_words(unet, source, where, family)
    if files.vae:
        _check_vae(source, vae)
    scheduler = read_config(EulerDiscreteScheduler, source, "scheduler")
    said = None
    if files.base.is_single_file:
        path = files.base.weight_files[0]
        said = read_statement(path, files.base.header(path), unet.get("in_channels", 4), family)
    return family, noise_schedule(scheduler, _where(source, "scheduler/scheduler_config.json"), said)


def _family(files: EngineFiles, index: Mapping[str, Any]) -> Family:
    """The family by the tensors of a single file, by the pipeline in a folder's index; else SDXL."""
    found = family_named_in(index.get("_class_name"))
    if files.base.is_single_file:
        path = files.base.weight_files[0]
        found = family_with_tensors(files.base.header(path).tensors)
    return FAMILIES[found or SDXL.name]


def check_known(model_class: Any, config: Mapping[str, Any], where: str) -> None:
    """Raise ModelFileError for a setting that the class does not know, and would leave out."""
    known = (*inspect.signature(model_class.__init__).parameters, *OF_AVERAGING)
    for key, value in config.items():
        if key not in known and not key.startswith("_") and value not in (None, False):
            problem = f"its {key} = {str(value)[:60]} is not known to {model_class.__name__}"
            raise ModelFileError(where, problem)


def read_config(model_class: Any, source: Location, folder: str | None = None) -> dict[str, Any]:
    """A part's configuration as it is written, without the class's own defaults."""
    return dict(
        model_class.load_config(
            source.path, subfolder=folder, revision=source.revision, local_files_only=source.is_local
        )
    )


def read_clip_config(config_class: Any, source: Location, folder: str) -> Any:
    """The configuration of a part that is transformers'. Raises ModelFileError if the hub lacks it."""
    if not source.is_local:
        # Without the file transformers gives its own defaults.
        file_on_hub(source, f"{folder}/config.json")
    return config_class.from_pretrained(
        source.path, subfolder=folder, revision=source.revision, local_files_only=source.is_local
    )


def _where(source: Location, file: str) -> str:
    return f"{source.path}/{file}" if source.is_local else f"{source.name}: {file}"


def _check_pipeline(index: Mapping[str, Any], where: str, family: Family) -> None:
    if index.get("requires_aesthetics_score"):
        raise ModelFileError(where, "this is SDXL's refiner, which only reworks finished pictures")
    name = index.get("_class_name")
    if family_named_in(name) != family.name:
        known = " or ".join(one.title for one in FAMILIES.values())
        wanted = family.title if family_named_in(name) else known
        problem = f"this is a model for {str(name)[:60]}, and no base model of {wanted}"
        raise ModelFileError(where, problem)
    for part, allowed in family.parts.items():
        found = index.get(part)
        found = found[1] if isinstance(found, list | tuple) and len(found) == 2 else None
        if found not in allowed:
            problem = f"its {part} is {found}, where {family.title}'s base model has {allowed[0]}"
            raise ModelFileError(where, problem)


def _check_unet(unet: Mapping[str, Any], vae: Mapping[str, Any], where: str, family: Family) -> None:
    if unet.get("_class_name") not in family.parts["unet"]:
        raise ModelFileError(where, f"its UNet is a {unet.get('_class_name')}")
    takes, gives = unet.get("in_channels", 4), unet.get("out_channels", 4)
    channels = vae.get("latent_channels", 4)
    if takes != channels:
        kind = WIDTHS.get(takes, "no base model for this VAE")
        problem = f"this is {kind}: its UNet takes {takes} channels, and the VAE has {channels}"
        raise ModelFileError(where, problem)
    if gives != channels:
        problem = f"its UNet gives {gives} channels, and the VAE has {channels}"
        raise ModelFileError(where, problem)
    for key in NOT_FED:
        if unet.get(key) is not None:
            raise ModelFileError(where, f"its {key} is {unet[key]}, which nothing here feeds")
    if unet.get("downsample_padding", DOWNSAMPLE_PADDING) != DOWNSAMPLE_PADDING:
        problem = f"its downsample_padding is {unet['downsample_padding']}, which halves no picture"
        raise ModelFileError(where, problem)
    if unet.get("addition_embed_type") != family.addition_embed_type:
        found = unet.get("addition_embed_type")
        problem = (
            f"its addition_embed_type is {found}, where {family.title}'s is {family.addition_embed_type}"
        )
        raise ModelFileError(where, problem)
    for key, (value, others) in family.unet_settings.items():
        found = unet.get(key, inspect.signature(UNet2DConditionModel.__init__).parameters[key].default)
        if found != value:
            problem = f"its {key} is {found}: this is {others}, and {family.title} has {value}"
            raise ModelFileError(where, problem)


def _check_words(unet: Mapping[str, Any], source: Location, where: str, family: Family) -> None:
    """The UNet's inputs against what the text encoders give."""
    configs = [read_clip_config(CLIPTextConfig, source, encoder.name) for encoder in family.text_encoders]
    fed = {"cross_attention_dim": sum(config.hidden_size for config in configs)}
    if family.has_pooled_embedding:
        sizes = TIME_IDS * (unet.get("addition_time_embed_dim") or 0)
        fed["projection_class_embeddings_input_dim"] = sizes + configs[-1].projection_dim
    for key, value in fed.items():
        if unet.get(key) != value:
            raise ModelFileError(where, f"its {key} is {unet.get(key)}, and {value} is fed")


def _check_vae(source: Location, vae: Mapping[str, Any]) -> None:
    """The base's own VAE against the one in its place: the UNet was trained on the numbers of its own."""
    if source.is_local and not (Path(source.path) / "vae" / "config.json").is_file():
        return
    own = read_config(AutoencoderKL, source, "vae")
    defaults = inspect.signature(AutoencoderKL.__init__).parameters
    for key in ("latent_channels", "scaling_factor", "shift_factor", "latents_mean", "latents_std"):
        theirs, ours = (config.get(key, defaults[key].default) for config in (own, vae))
        if theirs != ours:
            where = _where(source, "vae/config.json")
            raise ModelFileError(where, f"its {key} is {theirs}, the VAE's in its place {ours}")
