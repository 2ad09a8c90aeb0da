"""The manifest of weights: which models make up an engine, where each comes from, what its files must be."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from plitka.choices import ControlKind, FewStepKind
from plitka.errors import ModelFileError
from plitka.request.profiles import PROFILES, Profile
from plitka.settings import MODEL_DIR_VARIABLE, SHIPPED_MODEL_DIR, model_dir
from plitka.weights.files import in_one_line

# The numbers of the kinds in xinsir/controlnet-union-sdxl-1.0, the union ControlNet that is in use for SDXL;
# beside them 0 is for poses and 5 for segments.
UNION_MODES: Mapping[ControlKind, int] = {"depth": 1, "softedge": 2, "canny": 3, "lineart": 3, "normal": 4}
MANIFEST_NAME = "manifest.json"
# An installed package has no model folder.
MISSING_REMEDY = f"Set {MODEL_DIR_VARIABLE} to a folder with one, such as model_files in the source tree."


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileSpec(_Part):
    """One file of a model: path inside its folder; size in bytes and sha256 where they are known."""

    path: str
    size: int | None = None
    sha256: str | None = None


class ModelSource(_Part):
    """A model in diffusers' layout: a folder of the model folder, else a hub repository at a revision.

    `variant` is the part of the file names that marks half precision (`fp16`); `files` lists what to fetch
    and to verify.
    """

    folder: str
    repo: str | None = None
    revision: str | None = None
    variant: str | None = None
    license: str | None = None
    files: tuple[FileSpec, ...] = ()


class ControlNetSource(ModelSource):
    """A ControlNet, plain or union, or a decoder that takes a hint; `type` is the diffusers class.

    Of a decoder the folder `unet` is read.
    """

    type: Literal["ControlNetModel", "ControlNetUnionModel", "UNet2DConditionModel"]

    @property
    def is_decoder(self) -> bool:
        """Whether it is a decoder that takes a hint."""
        return self.type == "UNet2DConditionModel"


class ControlSpec(_Part):
    """Which ControlNet takes one kind of control image, and its `control_mode` in a union one.

    `mode` is for union models that number them otherwise than UNION_MODES.
    """

    controlnet: str
    mode: int | None = None


class LoraSpec(_Part):
    """The LoRA's file in the model folder and the scale it is fused at."""

    file: str
    size: int | None = None
    sha256: str | None = None
    scale: float = Field(default=0.75, ge=0, le=2)


class EmbeddingsSpec(_Part):
    """The textual inversion's file in the model folder and the tokens its vectors stand for."""

    file: str
    size: int | None = None
    sha256: str | None = None
    tokens: tuple[str, ...] = ()


class FewStepLoraSpec(LoraSpec):
    """The same for a few-step LoRA, which is made for its full strength."""

    scale: float = Field(default=1.0, gt=0, le=2)


class FewStepSpec(_Part):
    """A few-step model, which `quality: "fast"` draws with; without `lora` the base model itself is one.

    `plitka.request.few_step.KINDS` says what each kind allows.
    """

    kind: FewStepKind
    steps: int
    guidance_scale: float | None = None
    eta: float | None = None
    lora: FewStepLoraSpec | None = None


class ProfileSpec(_Part):
    """What a quality means for these models: denoising steps of both pictures, and the guidance scale."""

    steps_preview: int = Field(ge=1)
    steps_final: int = Field(ge=1)
    guidance_scale: float = Field(ge=1)


class EngineModels(_Part):
    """All models of one engine; `profiles`, one for every quality, in place of SDXL's.

    `prior` is for a base model that draws an image's embedding, which a prior makes of the prompt.
    `families` are the models that go with a base model of another family, by the family's name: its `base` is
    where the configuration of a single file comes from.
    """

    base: ModelSource
    prior: ModelSource | None = None
    vae: ModelSource | None = None
    lora: LoraSpec | None = None
    embeddings: EmbeddingsSpec | None = None
    few_step: FewStepSpec | None = None
    controlnets: dict[str, ControlNetSource] = Field(default_factory=dict)
    control: dict[ControlKind, ControlSpec] = Field(default_factory=dict)
    profiles: dict[str, ProfileSpec] | None = None
    families: dict[str, "EngineModels"] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_control(self) -> Self:
        for kind, spec in self.control.items():
            source = self.controlnets.get(spec.controlnet)
            if source is None:
                raise ValueError(f"control.{kind}: there is no ControlNet '{spec.controlnet}'")
            if source.type != "ControlNetUnionModel" and spec.mode is not None:
                raise ValueError(f"control.{kind}: 'mode' belongs to a ControlNetUnionModel alone")
        return self

    @model_validator(mode="after")
    def _check_profiles(self) -> Self:
        if self.profiles is not None and set(self.profiles) != set(PROFILES):
            raise ValueError(f"profiles: exactly these qualities are needed: {', '.join(PROFILES)}")
        return self

    def mode(self, kind: ControlKind) -> int | None:
        """The number of a kind in its union ControlNet; None in a plain one."""
        spec = self.control[kind]
        if self.controlnets[spec.controlnet].type != "ControlNetUnionModel":
            return None
        return UNION_MODES[kind] if spec.mode is None else spec.mode

    def quality_profiles(self, usual: Mapping[str, Profile] | None = None) -> Mapping[str, Profile]:
        """The profile of every quality; `usual` are those of the models' family, None for SDXL's."""
        if self.profiles is None:
            return usual or PROFILES
        return {quality: Profile(**spec.model_dump()) for quality, spec in self.profiles.items()}


class Manifest(_Part):
    """The manifest file."""

    models: dict[str, EngineModels]


def load_manifest(folder: Path | None = None) -> Manifest:
    """The manifest in the model folder, or the one of the repository where that folder has none.

    Raises ModelFileError if it cannot be read.
    """
    path = (folder or model_dir()) / MANIFEST_NAME
    path = path if path.is_file() else SHIPPED_MODEL_DIR / MANIFEST_NAME
    if not path.exists():
        raise ModelFileError(path, "there is no manifest of models", MISSING_REMEDY)
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelFileError(
            path, f"the manifest is unreadable: {in_one_line(error)}", "Restore it from git."
        ) from error


def engine_models(name: str, folder: Path | None = None) -> EngineModels:
    """The models of an engine. Raises ModelFileError if the manifest does not list it."""
    manifest = load_manifest(folder)
    if name not in manifest.models:
        listed = ", ".join(manifest.models) or "none"
        raise ModelFileError(
            (folder or model_dir()) / MANIFEST_NAME,
            f"there are no models for the engine '{name}'; listed: {listed}",
            "Add an entry or choose another engine.",
        )
    return manifest.models[name]
