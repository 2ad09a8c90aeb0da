"""The few-step model that the operator names: by the environment, else by the manifest. Needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from plitka.choices import FewStepKind, one_of
from plitka.errors import EngineError, ModelFileError, remedied, shown
from plitka.request.few_step import EMBEDDED_DEFAULT, EMBEDDED_GUIDANCE, KINDS, NO_GUIDANCE, FewStep, Kind
from plitka.settings import (
    FEW_STEP_LORA_VARIABLE,
    FEW_STEP_VARIABLE,
    few_step,
    few_step_lora_path,
)
from plitka.weights.base_kind import ARCHITECTURE_KEY
from plitka.weights.files import WeightFile, check_weight_file, refuse_other_formats
from plitka.weights.manifest import MANIFEST_NAME, EngineModels, FewStepLoraSpec, FewStepSpec

REMEDY = "See model_files/README.md for the few-step models that can be used."
# Samplers that only such models are saved with. Turbo's is one that others have too.
KIND_BY_SCHEDULER: Mapping[str, FewStepKind] = {"LCMScheduler": "lcm", "TCDScheduler": "tcd"}
# Guidance is an input of the UNet.
EMBEDDED_KIND: FewStepKind = "lcm"
# Of a base model that says by its own configuration that it is one, and leaves the steps open.
OWN_STEPS = 4


@dataclass(frozen=True)
class NamedFewStep:
    """A few-step model as the operator names it.

    Attributes:
        spec: What is said of it.
        where: Where that is said.
        lora: Its LoRA's file, checked and hashed; None where the base model itself is one.
    """

    spec: FewStepSpec
    where: str
    lora: WeightFile | None = None

    @property
    def identity(self) -> str:
        """What makes its pictures, in words."""
        if self.lora is None or self.spec.lora is None:
            return self.spec.kind
        beside = f"{self.lora.path.name} sha256:{self.lora.sha256} at {self.spec.lora.scale:g}"
        return f"{self.spec.kind} {beside}"


def find_few_step(models: EngineModels, folder: Path) -> NamedFewStep | None:
    """The few-step model of the environment, else that of the manifest in `folder`; None without one.

    Raises EngineError for what the environment says, ModelFileError for a LoRA that is missing or broken.
    """
    spec, where = named_in_environment(), FEW_STEP_VARIABLE
    if spec is None:
        spec, where = models.few_step, f"{folder / MANIFEST_NAME}: few_step"
    if spec is None:
        return None
    with remedied(REMEDY):
        _check(spec, where)
        if spec.lora is None:
            return NamedFewStep(spec, where)
        path = lora_file(spec.lora, folder, is_of_environment=where == FEW_STEP_VARIABLE)
        file = check_weight_file(path, spec.lora.size, spec.lora.sha256, hashed=True)
        refuse_other_formats(file.path, file.header.tensors if file.header else {})
    return NamedFewStep(spec, where, file)


def lora_file(spec: FewStepLoraSpec, folder: Path, *, is_of_environment: bool) -> Path:
    """Where the LoRA of a few-step model is; the manifest's lies in the model folder `folder`."""
    # A path of the environment that is not absolute is one from the working folder.
    path = few_step_lora_path() if is_of_environment else None
    return path or folder / spec.file


def kind_of_configuration(unet: Mapping[str, Any], scheduler: Mapping[str, Any]) -> FewStepKind | None:
    """The kind that a base model is by its configuration; None if that does not say."""
    if unet.get("time_cond_proj_dim") is not None:
        return EMBEDDED_KIND
    return KIND_BY_SCHEDULER.get(str(scheduler.get("_class_name")))


def kind_in_metadata(metadata: Mapping[str, str]) -> FewStepKind | None:
    """The same for a base model in a single file, by its metadata."""
    return "lcm" if "lcm" in metadata.get(ARCHITECTURE_KEY, "").lower() else None


def named_in_environment() -> FewStepSpec | None:
    """The few-step model of `PLITKA_FEW_STEP`; None if that names none. Raises EngineError."""
    text, lora = few_step(), few_step_lora_path()
    if text is None:
        if lora is not None:
            problem = (
                f"{FEW_STEP_LORA_VARIABLE} names a LoRA, and {FEW_STEP_VARIABLE} does not say what it is"
            )
            raise EngineError(f"{problem}: its kind and steps, such as lightning:4")
        return None
    kind, _, rest = text.partition(":")
    steps, _, guidance = rest.partition(":")
    allowed = f"allowed: kind:steps or kind:steps:guidance, the kind {one_of(FewStepKind, '')}"
    try:
        number, scale = int(steps), float(guidance) if guidance else None
    except ValueError:
        raise EngineError(f"{FEW_STEP_VARIABLE}: {shown(text)} is no such model; {allowed}") from None
    for known in get_args(FewStepKind):
        if kind == known:
            given = None if lora is None else FewStepLoraSpec(file=str(lora))
            return FewStepSpec(kind=known, steps=number, guidance_scale=scale, lora=given)
    raise EngineError(f"{FEW_STEP_VARIABLE}: {shown(text)} is no such model; {allowed}")


@remedied(REMEDY)
def few_step_of(
    named: NamedFewStep | None, own: FewStepKind | None, takes_guidance: bool, base: str
) -> FewStep | None:
    """The few-step model of an engine, everything it may be known; None without one.

    Args:
        named: As the operator names it.
        own: The kind that the base model is by its own configuration.
        takes_guidance: Whether its UNet has guidance as an input.
        base: Its name.

    Raises:
        ModelFileError: If what is said contradicts the base model, or is not what its kind allows.
    """
    if named is None:
        if own is None:
            return None
        named = NamedFewStep(FewStepSpec(kind=own, steps=OWN_STEPS), base)
    spec = named.spec
    if own is not None and spec.lora is not None:
        problem = f"it names a LoRA ({spec.kind}), and {base} is a few-step model itself ({own})"
        raise ModelFileError(named.where, problem)
    if own is not None and own != spec.kind:
        raise ModelFileError(named.where, f"it says {spec.kind}, and {base} says of itself that it is {own}")
    kind = KINDS[spec.kind]
    scale, allowed = _guidance(named, kind, takes_guidance)
    eta = kind.eta if spec.eta is None else spec.eta
    return FewStep(spec.kind, spec.steps, scale, allowed, eta or 0.0, is_base=spec.lora is None)


def _check(spec: FewStepSpec, where: str) -> None:
    """Raise ModelFileError for steps, or noise of the sampler, that the kind does not have."""
    kind = KINDS[spec.kind]
    if spec.steps not in kind.steps:
        allowed = ", ".join(map(str, kind.steps))
        raise ModelFileError(where, f"{spec.kind} has no {spec.steps} steps; allowed: {allowed}")
    if spec.eta is not None and (kind.eta is None or not 0 <= spec.eta <= 1):
        allowed = "none with this kind" if kind.eta is None else "from 0 to 1"
        raise ModelFileError(where, f"its eta is {spec.eta:g}; allowed: {allowed}")


def _guidance(named: NamedFewStep, kind: Kind, takes_guidance: bool) -> tuple[float, tuple[float, float]]:
    """The guidance where a request names none, and what it may name. Raises ModelFileError."""
    spec, scale = named.spec, named.spec.guidance_scale
    if takes_guidance:
        allowed, default = EMBEDDED_GUIDANCE, EMBEDDED_DEFAULT
    else:
        allowed = kind.guidance.get(spec.steps, NO_GUIDANCE)
        default = allowed[0] if spec.steps in kind.always_guided else 1.0
    least, most = allowed
    scale = default if scale is None else scale
    # 1 is a model without guidance, of which there are some beside those with.
    without = scale == 1 and not takes_guidance and spec.steps not in kind.always_guided
    if without and least > 1:
        return scale, NO_GUIDANCE
    if not least <= scale <= most:
        words = "1, which is none" if allowed == NO_GUIDANCE else f"from {least:g} to {most:g}"
        problem = f"its guidance is {scale:g}; allowed for {spec.kind} of {spec.steps} steps: {words}"
        raise ModelFileError(named.where, problem)
    return scale, allowed
