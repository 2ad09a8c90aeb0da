"""Whether a base model says by its own configuration that it is a few-step model."""

from pathlib import Path
from typing import Any

from diffusers import EulerDiscreteScheduler

from plitka.diffusion.checkpoints.base_model import read_config
from plitka.diffusion.checkpoints.pretrained import errors_of
from plitka.diffusion.families.family import Family
from plitka.errors import ModelFileError, remedied
from plitka.request.few_step import FewStep
from plitka.weights.few_step import (
    REMEDY,
    NamedFewStep,
    few_step_of,
    kind_in_metadata,
    kind_of_configuration,
)
from plitka.weights.locate import EngineFiles


@remedied(REMEDY)
def few_step_model(
    files: EngineFiles, base: Any, family: Family, named: NamedFewStep | None
) -> FewStep | None:
    """The few-step model of an engine, from its base pipeline's configuration and what the operator says.

    Raises ModelFileError if the two contradict each other, or if the family has no few-step models.
    """
    if not family.few_step:
        if named is not None:
            problem = f"it names a few-step model, and {family.title} is drawn with none"
            raise ModelFileError(named.where, problem, "Take it away.")
        return None
    source = files.base_config or files.base
    with errors_of(files.base.name):
        scheduler = read_config(EulerDiscreteScheduler, source, "scheduler")
    unet = base.unet.config
    own = kind_of_configuration(unet, scheduler)
    if own is None and files.base.is_single_file:
        own = kind_in_metadata(files.base.header(Path(files.base.path)).metadata)
    return few_step_of(named, own, unet.get("time_cond_proj_dim") is not None, files.base.name)
