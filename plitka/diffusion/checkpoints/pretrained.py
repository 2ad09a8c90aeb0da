"""Models from folders, single files and the hub, and whatever the libraries raise at them in one sentence."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from diffusers import AutoencoderKL, DiffusionPipeline, UNet2DConditionModel

from plitka.diffusion.checkpoints.base_model import check_base, read_config
from plitka.diffusion.checkpoints.mapped import read_mapped
from plitka.diffusion.checkpoints.single_file_names import check_none_left_over
from plitka.diffusion.checkpoints.tokenizers import check_tokenizers
from plitka.diffusion.checkpoints.weight_checks import check_complete
from plitka.diffusion.families.family import Family
from plitka.diffusion.families.known import family_of
from plitka.diffusion.gpu_errors import is_out_of_memory
from plitka.diffusion.schedulers import base_scheduler
from plitka.errors import ModelFileError, remedied
from plitka.weights.files import in_one_line
from plitka.weights.locate import EngineFiles, Location

HOW_TO_GET_WEIGHTS = "See model_files/README.md."


@remedied(HOW_TO_GET_WEIGHTS)
def read_base(
    files: EngineFiles, dtype: torch.dtype, on_model: Callable[[Any], None] = lambda model: None
) -> Any:
    """The base pipeline with the manifest's VAE in place of its own, complete, on the CPU.

    Its scheduler has the noise schedule that the model was trained with. `on_model` is called with each model
    that is there before the pipeline is, and may move it. Raises ModelFileError for a model of another kind,
    if it does not load, or for half precision with a VAE that overflows in it. Whether every weight is a
    finite number is not checked here.
    """
    with errors_of(files.base.name):
        family, schedule = check_base(files)
        scheduler = base_scheduler(schedule, files.base.name)
    if family.read is not None:
        return family.read(files, dtype, scheduler, on_model)
    options: dict[str, Any] = {**family.pipeline_options, "dtype": dtype, "scheduler": scheduler}
    for part, model_class in _classes(files, family).items():
        if model := read_mapped(model_class, files.base, dtype, part):
            options[part] = model
            on_model(model)
    if files.vae is not None:
        options["vae"], _ = read_model(AutoencoderKL, files.vae, dtype)
        on_model(options["vae"])
    if files.base_config is not None:
        base = _from_single_file(files, files.base_config, family, options)
        path = files.base.weight_files[0]
        check_none_left_over(base, path, files.base.header(path), family)
    else:
        base = from_pretrained(family.base_pipeline, files.base, **options)
    check_tokenizers(base, (files.base_config or files.base).path, family)
    check_parts(check_complete, base, files)
    if dtype == torch.float16 and family.vae_may_overflow and base.vae.config.force_upcast:
        name = files.vae.name if files.vae else files.base.name
        problem = "its VAE overflows in half precision (force_upcast is set) and would give black pictures"
        raise ModelFileError(name, problem, "Name a half-precision safe VAE in the manifest.")
    return base


def check_parts(check: Callable[..., None], base: Any, files: EngineFiles) -> None:
    """Put every model of the base pipeline to one of the checks of `weight_checks`."""
    if files.vae is not None:
        check(base.vae, files.vae)
    family = family_of(base)
    for part in family.models:
        if files.vae is None or part != "vae":
            source, folder = family.places.get(part, ("base", part))
            check(getattr(base, part), getattr(files, source), folder)


def read_model(model_class: Any, location: Location, dtype: torch.dtype) -> tuple[Any, Mapping[str, Any]]:
    """A model on the CPU, and diffusers' report of what fits where. Raises ModelFileError."""
    model = read_mapped(model_class, location, dtype)
    if model is not None:
        return model, {"missing_keys": [], "unexpected_keys": []}
    loaded: tuple[Any, Mapping[str, Any]]
    loaded = from_pretrained(model_class, location, dtype, output_loading_info=True)
    return loaded


def _classes(files: EngineFiles, family: Family) -> dict[str, Any]:
    """The models with a folder of their own in the base model's, and their classes; the largest first."""
    if files.base.is_single_file or not files.base.is_local:
        return {}
    index = read_config(DiffusionPipeline, files.base)
    names = [encoder.name for encoder in reversed(family.text_encoders)]
    encoders = {part: getattr(transformers, index[part][1]) for part in names}
    vae = {} if files.vae else {"vae": AutoencoderKL}
    return {"unet": UNet2DConditionModel, **encoders, **vae}


def from_pretrained(model_class: Any, location: Location, dtype: torch.dtype, **options: Any) -> Any:
    """Load from a folder or the hub; safetensors only, since a pickle runs code."""
    with errors_of(location.name):
        return model_class.from_pretrained(
            location.path,
            revision=location.revision,
            variant=location.variant,
            local_files_only=location.is_local,
            use_safetensors=True,
            dtype=dtype,
            **options,
        )


def _from_single_file(files: EngineFiles, config: Location, family: Family, options: dict[str, Any]) -> Any:
    """Load one `.safetensors` file; what it does not say, the base model's configuration files do."""
    with errors_of(files.base.path):
        return family.base_pipeline.from_single_file(
            files.base.path,
            config=config.path,
            revision=config.revision,
            local_files_only=config.is_local,
            **options,
        )


@contextmanager
def errors_of(name: str | Path) -> Iterator[None]:
    """Whatever the libraries raise at a model's files, with its name; a lack of memory stays what it is."""
    try:
        yield
    except ModelFileError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise ModelFileError(name, f"it does not load: {in_one_line(error)}") from error
