"""Whether a base model says by its own configuration that it is a few-step model."""

from collections.abc import Mapping
from typing import Any

from diffusers import EulerDiscreteScheduler

from plitka.choices import FewStepKind
from plitka.diffusion.checkpoints.base_model import read_config
from plitka.diffusion.checkpoints.pretrained import errors_of
from plitka.diffusion.families.family import Family
from plitka.errors import ModelFileError, remedied
from plitka.request.few_step import FewStep
from plitka.weights.few_step import REMEDY, NamedFewStep, few_step_of
from plitka.weights.locate import EngineFiles

# Samplers that only such models are saved with. Turbo's is one that others have too.
KIND_BY_SCHEDULER: Mapping[str, FewStepKind] = {"LCMScheduler": "lcm", "TCDScheduler": "tcd"}
# With guidance as an input of the UNet.
EMBEDDED_KIND: FewStepKind = "lcm"


@remedied(REMEDY)
def few_step_model(
    files: EngineFiles, base: Any, family: Family, named: NamedFewStep | None
) -> FewStep | None:
    """The few-step model of an engine, from its base pipeline's configuration and what the operator says.

    Raises ModelFileError if the two contradict each other, or if the family has no few-step models.
    """
    if family.samplers is not None:
        if named is not None:
            raise ModelFileError(named.where, f"there are no few-step models for {family.title}")
        return None
    source = files.base_config or files.base
    with errors_of(files.base.name):
        scheduler = read_config(EulerDiscreteScheduler, source, "scheduler")
    takes_guidance = base.unet.config.get("time_cond_proj_dim") is not None
    own = EMBEDDED_KIND if takes_guidance else KIND_BY_SCHEDULER.get(str(scheduler.get("_class_name")))
    return few_step_of(named, own, takes_guidance, files.base.name)
