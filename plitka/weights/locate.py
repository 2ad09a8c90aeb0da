"""Which copy of each weight file is used, and whether it is whole.

Each part of the manifest (`model_files/manifest.json`) is looked for in the model folder first and on the
hub, at a pinned revision, second. Nothing here needs torch.

`PLITKA_MODEL_DIR`, `PLITKA_BASE_MODEL`, `PLITKA_PRIOR_MODEL` and `PLITKA_ALLOW_BASE` change what is looked
for; `plitka.settings` says what they may be.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from plitka.errors import ModelFileError, remedied
from plitka.settings import (
    BASE_MODEL_VARIABLE,
    MODEL_DIR_VARIABLE,
    PRIOR_MODEL_VARIABLE,
    base_model,
    model_dir,
    prior_model,
)
from plitka.weights.base_kind import INDEX_NAME, family_in_folder, family_with_tensors
from plitka.weights.files import (
    WeightFile,
    check_weight_file,
    in_one_line,
    read_header,
    stamp,
)
from plitka.weights.hash_record import VerifiedFiles
from plitka.weights.manifest import (
    ControlNetSource,
    EngineModels,
    ModelSource,
    engine_models,
)
from plitka.weights.model_folder import (
    Fault,
    faults_of_model,
    faults_of_pipeline,
    faults_of_prior,
    files_read,
    refuse_faults,
)
from plitka.weights.remedies import (
    NO_PRIOR,
    how_to_complete,
    how_to_get,
)
from plitka.weights.safetensors_header import TensorHeader
from plitka.weights.verify import checked_files

# Of a decoder that takes a hint, all that is read.
UNET_FOLDER = "unet"
HUB_REMEDY = (
    f"{BASE_MODEL_VARIABLE} and {PRIOR_MODEL_VARIABLE} may name a diffusers model on the hub, which has to "
    "be reached; a folder or a .safetensors file here needs no hub."
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Location:
    """Where a model is loaded from: `path` is a folder, a `.safetensors` file or a hub id at `revision`.

    `checked` are its local files as they were when it was located.
    """

    path: str
    name: str
    revision: str | None = None
    variant: str | None = None
    is_local: bool = True
    checked: Mapping[Path, WeightFile] = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_single_file(self) -> bool:
        """True for a checkpoint in one `.safetensors` file."""
        return self.is_local and self.path.endswith(".safetensors")

    @property
    def weight_files(self) -> list[Path]:
        """The local files that are read when it is loaded."""
        if not self.is_local or self.is_single_file:
            return [Path(self.path)] if self.is_local else []
        folders = {path.parent for path in Path(self.path).rglob("*.safetensors")}
        return sorted(file for folder in folders for file in files_read(folder, self.variant))

    def header(self, file: Path) -> TensorHeader:
        """The header of one of its local files, read again where it has changed. Raises ModelFileError."""
        known = self.checked.get(file)
        if known is None or known.header is None or known.stamp != stamp(file):
            return read_header(file)
        return known.header


def family_of_files(base: Location) -> str | None:
    """The family of a base model by its own files, of which the hub is asked for one; None for any other.

    Raises ModelFileError if the hub does not give it.
    """
    if base.is_single_file:
        path = Path(base.path)
        return family_with_tensors(base.header(path).tensors)
    return family_in_folder(Path(base.path) if base.is_local else file_on_hub(base, INDEX_NAME).parent)


def file_on_hub(location: Location, name: str) -> Path:
    """A file of a model on the hub, fetched. Raises ModelFileError naming it if the hub does not give it."""
    # Imported here: where all is local, its switch has to be set before.
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(location.path, name, revision=location.revision))
    except Exception as error:
        problem = f"its {name} cannot be fetched from the hub: {in_one_line(error)}"
        raise ModelFileError(location.name, problem, HUB_REMEDY) from error


@dataclass(frozen=True)
class EngineFiles:
    """Where the models of one engine are loaded from.

    `base_config` is where the configuration of a base model in one file comes from, None for any other;
    `vae` is None where the base model's own is used; `controlnets` are by their key in the manifest; `prior`
    is None where none is named.
    """

    models: EngineModels
    folder: Path
    base: Location
    base_config: Location | None
    vae: Location | None
    controlnets: Mapping[str, Location]
    prior: Location | None = None

    @property
    def loaded_at_setup(self) -> list[Path]:
        """The local files of everything but ControlNets."""
        parts = filter(None, (self.base, self.vae, self.prior))
        return [file for part in parts for file in part.weight_files]


def find_files(name: str) -> EngineFiles:
    """Locate everything an engine loads but its adapters; switch the hub client off if all of it is local.

    Has to come before anything imports huggingface_hub, which reads that switch once. Raises ModelFileError.
    """
    folder = model_dir()
    models = engine_models(name, folder)
    base = _locate_base(models.base, folder)
    own, (_, models) = models, beside(models, base)
    config = _locate_config(models.base, folder) if base.is_single_file else None
    vae = locate(models.vae, folder) if models.vae else None
    controlnets = {key: locate(source, folder) for key, source in models.controlnets.items()}
    prior = _locate_prior(models.prior, folder)
    every = (base, config, vae, prior, *controlnets.values())
    if all(location is None or location.is_local for location in every):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    files = EngineFiles(models, folder, base, config, vae, controlnets, prior)
    _check_folders(files, own.base)
    return files


def beside(models: EngineModels, base: Location) -> tuple[str | None, EngineModels]:
    """The family of a base model, and what the manifest has for one: `models`, or an entry of its `families`.

    Of a model on the hub that the manifest names the family is None: the hub is not asked. Raises
    ModelFileError.
    """
    if not base.is_local and not (models.families and base_model()):
        return None, models
    family = family_of_files(base)
    return family, models.families.get(family or "", models)


def _check_folders(files: EngineFiles, named: ModelSource) -> None:
    """Raise ModelFileError for a file that a local folder lacks; `named` is the manifest's own base model."""
    replaced = ("vae",) if files.vae else ()
    if files.base.is_local and not files.base.is_single_file:
        with remedied(how_to_complete(named, BASE_MODEL_VARIABLE if base_model() else None)):
            folder = Path(files.base.path)
            refuse_faults(folder, faults_of_pipeline(folder, files.base.variant, without=replaced))
    models = files.models
    if files.base_config and files.base_config.is_local:
        with remedied(how_to_get(models.base)):
            folder = Path(files.base_config.path)
            refuse_faults(folder, faults_of_pipeline(folder, without=replaced, weights=False))
    if files.prior and files.prior.is_local:
        with remedied(how_to_complete(models.prior, PRIOR_MODEL_VARIABLE if prior_model() else None)):
            folder = Path(files.prior.path)
            refuse_faults(folder, faults_of_prior(folder, files.prior.variant))
    for source, place in (
        (models.vae, files.vae),
        *((source, files.controlnets[key]) for key, source in models.controlnets.items()),
    ):
        if source and place and place.is_local:
            with remedied(how_to_get(source)):
                refuse_faults(place.path, faults_of_source(source, place))


def faults_of_source(source: ModelSource, place: Location) -> Iterator[Fault]:
    """What is wrong with the local folder of a VAE, a ControlNet or a decoder that takes a hint."""
    part = UNET_FOLDER if isinstance(source, ControlNetSource) and source.is_decoder else ""
    if not part and (Path(place.path) / INDEX_NAME).exists():
        # A pipeline, which is refused for what it is.
        return
    for fault in faults_of_model(Path(place.path) / part, source.variant):
        yield Fault(f"{part}/{fault.file}", fault.problem) if part else fault


def locate(source: ModelSource, folder: Path) -> Location:
    """Where to load a model from: its local folder, checked, if there is one, else the hub.

    Raises ModelFileError if a local file is missing or broken, or if there is neither folder nor repository.
    """
    local = folder / source.folder
    if not local.is_dir():
        if source.repo is None:
            hint = "" if folder.is_dir() else f"{MODEL_DIR_VARIABLE} does not name a folder."
            raise ModelFileError(local, "the folder is missing", how_to_get(source), hint=hint)
        return hub_location(source)
    checked: dict[Path, WeightFile] = {}
    with remedied(how_to_get(source)):
        for path, found in checked_files(source, local, hashes=True, verified=VerifiedFiles(folder)):
            if isinstance(found, ModelFileError):
                raise found
            checked[path] = found
    name = f"{source.repo}@{source.revision}" if source.repo else source.folder
    return Location(str(local), name, variant=variant_in(local, source.variant), checked=checked)


def hub_location(source: ModelSource) -> Location:
    """Where a model of the manifest is on the hub. Raises ValueError for one without a repository."""
    if source.repo is None:
        raise ValueError(f"{source.folder} has no repository")
    name = f"{source.repo}@{source.revision}"
    return Location(source.repo, name, source.revision, source.variant, is_local=False)


def _locate_config(source: ModelSource, folder: Path) -> Location:
    """Where the base model's configuration is: in its local folder, weights or not, or on the hub."""
    local = folder / source.folder
    if (local / "model_index.json").is_file():
        return Location(str(local), source.folder)
    if source.repo is None:
        raise ModelFileError(local, "the configuration of the base model is missing", how_to_get(source))
    return Location(source.repo, source.repo, source.revision, is_local=False)


def _locate_base(source: ModelSource, folder: Path) -> Location:
    """Where to load the base model from: what `PLITKA_BASE_MODEL` says, else what the manifest says."""
    chosen = base_model()
    if not chosen:
        return locate(source, folder)
    with remedied(f"{BASE_MODEL_VARIABLE} may be a hub id, a diffusers folder or a .safetensors file."):
        return _locate_chosen(chosen, source.variant)


def _locate_prior(source: ModelSource | None, folder: Path) -> Location | None:
    """The same for `PLITKA_PRIOR_MODEL`; None where neither names a prior."""
    chosen = prior_model()
    if not chosen:
        if source and source.repo is None and not (folder / source.folder).is_dir():
            raise ModelFileError(folder / source.folder, "the folder of the prior is missing", NO_PRIOR)
        return locate(source, folder) if source else None
    with remedied(f"{PRIOR_MODEL_VARIABLE} may be a hub id or a diffusers folder."):
        if Path(chosen).suffix == ".safetensors":
            raise ModelFileError(chosen, "a prior is read from a diffusers folder, not from one file")
        return _locate_chosen(chosen, source.variant if source else None)


def _locate_chosen(chosen: str, variant: str | None) -> Location:
    path = Path(chosen)
    if path.is_dir():
        if not (path / "model_index.json").is_file():
            raise ModelFileError(path, "the folder has no model_index.json")
        checked = _checked(sorted(path.rglob("*.safetensors")))
        return Location(str(path), path.name, variant=variant_in(path, variant), checked=checked)
    if path.suffix == ".safetensors":
        checked = _checked([path])
        return Location(str(path), f"{path.name} ({path.stat().st_size} bytes)", checked=checked)
    repo, _, revision = chosen.partition("@")
    if path.is_absolute() or repo.count("/") != 1:
        raise ModelFileError(chosen, "there is no such folder or file, and it is no hub id")
    return Location(repo, chosen, revision or None, is_local=False)


def _checked(paths: Iterable[Path]) -> dict[Path, WeightFile]:
    """Weight files that are whole, by their paths. Raises ModelFileError for one that is not."""
    return {path: check_weight_file(path) for path in paths}


def variant_in(folder: Path, variant: str | None) -> str | None:
    """The variant if the folder's weights carry it in their names; copies are often saved without."""
    return variant if variant and any(folder.rglob(f"*.{variant}.safetensors")) else None
