"""What an engine would load in this environment, file by file: what `plitka models` shows. Needs no torch.

The choices are those of `plitka.weights.locate`: the base model and the prior of the environment or of the
manifest, and what the manifest has for the base model's family. Where that raises, this goes on.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from plitka.errors import ModelFileError
from plitka.settings import (
    ALLOW_BASE_VARIABLE,
    BASE_MODEL_VARIABLE,
    FEW_STEP_LORA_VARIABLE,
    FEW_STEP_VARIABLE,
    PRIOR_MODEL_VARIABLE,
    allows_base,
    base_model,
    model_dir,
    prior_model,
)
from plitka.weights.few_step import lora_file, named_in_environment
from plitka.weights.files import check_weight_file
from plitka.weights.locate import Location, beside, faults_of_source, hub_location, variant_in
from plitka.weights.manifest import (
    MANIFEST_NAME,
    EmbeddingsSpec,
    EngineModels,
    LoraSpec,
    ModelSource,
    engine_models,
)
from plitka.weights.model_folder import MISSING, Fault, faults_of_pipeline, faults_of_prior
from plitka.weights.verify import FileStatus, checked_files, known

NO_FOLDER = "the folder is missing"
NOT_KNOWN = "what goes with the base model is not known before its family is"


class _Named(NamedTuple):
    """A model and what names it; `chosen` is a variable's value, None where the manifest names the model."""

    part: str
    source: ModelSource
    where: str
    chosen: str | None = None


def verify(name: str, folder: Path | None = None, *, hashes: bool = True) -> Iterator[FileStatus]:
    """Check every file that an engine would load; `hashes` reads those whose hash is listed whole.

    A base model on the hub is asked for its family where the manifest has entries for several. Raises
    ModelFileError for a manifest that cannot be read, EngineError for a setting that is not allowed.
    """
    folder = folder or model_dir()
    own = engine_models(name, folder)
    base = _Named("base", own.base, MANIFEST_NAME, base_model())
    if base.chosen:
        base = base._replace(where=BASE_MODEL_VARIABLE)
    place = _unchecked(base, folder)
    try:
        family, models = beside(own, place)
    except (ModelFileError, OSError) as error:
        found = list(_of_pipeline(base, place, own, folder, hashes))
        if all(status.state in ("ok", "hub") for status in found):
            problem = error.problem if isinstance(error, ModelFileError) else str(error.strerror)
            found = [FileStatus("base", place.path, "missing", problem)]
        yield from (replace(status, source=base.where) for status in found)
        yield FileStatus("all else", str(folder), "missing", NOT_KNOWN)
        return
    entry = MANIFEST_NAME if models is own else f"{MANIFEST_NAME}, families.{family}"
    for status in _of_pipeline(base, place, models, folder, hashes):
        yield replace(status, source=base.where, family=family)
    for status in _beside_base(place, models, entry, folder, hashes):
        yield replace(status, family=family)


def _beside_base(
    base: Location, models: EngineModels, entry: str, folder: Path, hashes: bool
) -> Iterator[FileStatus]:
    """Everything but the base model; `entry` is where the manifest says it."""
    if base.is_single_file:
        for status in _of_config(models, folder):
            yield replace(status, source=entry)
    if chosen := prior_model():
        source = models.prior or ModelSource(folder=chosen)
        prior = _Named("prior", source, PRIOR_MODEL_VARIABLE, chosen)
    elif models.prior:
        prior = _Named("prior", models.prior, entry)
    if chosen or models.prior:
        for status in _of_pipeline(prior, _unchecked(prior, folder), None, folder, hashes):
            yield replace(status, source=prior.where)
    sources = {"vae": models.vae}
    sources |= {f"controlnet {key}": source for key, source in models.controlnets.items()}
    for part, model in sources.items():
        if model is not None:
            for status in _of_model(part, model, folder, hashes):
                yield replace(status, source=entry)
    yield from _of_adapters(models, entry, folder, hashes)


def _unchecked(named: _Named, folder: Path) -> Location:
    """Where a base model or a prior is, as it would be located, without a look into its files."""
    if named.chosen is None:
        local = folder / named.source.folder
        if named.source.repo is None or local.is_dir():
            return Location(str(local), local.name, variant=variant_in(local, named.source.variant))
        return hub_location(named.source)
    path = Path(named.chosen)
    if path.is_dir() or path.suffix == ".safetensors" or path.is_absolute() or named.chosen.count("/") != 1:
        return Location(str(path), path.name, variant=variant_in(path, named.source.variant))
    repo, _, revision = named.chosen.partition("@")
    return Location(repo, named.chosen, revision or None, is_local=False)


def _of_pipeline(
    named: _Named, place: Location, beside_it: EngineModels | None, folder: Path, hashes: bool
) -> Iterator[FileStatus]:
    """A base model or a prior; `beside_it` are the models of a base model, None for a prior."""
    path = Path(place.path)
    if not place.is_local:
        yield FileStatus(named.part, place.path, "hub", place.name)
    elif path.is_dir():
        source = named.source if named.chosen is None else ModelSource(folder=named.source.folder)
        without = ("vae",) if beside_it and beside_it.vae else ()
        if beside_it is None:
            faults = list(faults_of_prior(path, place.variant))
        else:
            faults = list(faults_of_pipeline(path, place.variant, without=without))
        yield from _of_folder(named.part, source, path, faults, hashes)
    elif named.chosen and place.is_single_file:
        yield _of_file(named.part, path)
    else:
        problem = "there is no such folder or file, and it is no hub id" if named.chosen else NO_FOLDER
        yield FileStatus(named.part, str(path), "missing", problem)


def _of_config(models: EngineModels, folder: Path) -> Iterator[FileStatus]:
    """The configuration of a base model in one file."""
    part, source, local = "base config", models.base, folder / models.base.folder
    if (local / "model_index.json").is_file():
        without = ("vae",) if models.vae else ()
        faults = list(faults_of_pipeline(local, without=without, weights=False))
        yield from (_of_fault(part, local, fault) for fault in faults)
        if not faults:
            yield FileStatus(part, str(local), "ok", "whole")
    elif source.repo:
        yield FileStatus(part, str(local), "hub", hub_location(source).name)
    else:
        yield FileStatus(part, str(local), "missing", "the configuration of the base model is missing")


def _of_model(part: str, source: ModelSource, folder: Path, hashes: bool) -> Iterator[FileStatus]:
    """A VAE or a ControlNet."""
    local = folder / source.folder
    if not local.is_dir():
        at_hub = source.repo is not None
        detail = hub_location(source).name if at_hub else NO_FOLDER
        yield FileStatus(part, str(local), "hub" if at_hub else "missing", detail)
        return
    place = Location(str(local), source.folder, variant=variant_in(local, source.variant))
    yield from _of_folder(part, source, local, list(faults_of_source(source, place)), hashes)


def _of_folder(
    part: str, source: ModelSource, local: Path, faults: list[Fault], hashes: bool
) -> Iterator[FileStatus]:
    """Every file of a folder that is listed or holds weights, and those that it lacks."""
    listed = {local / spec.path: known(spec) for spec in source.files}
    found = dict(checked_files(source, local, hashes))
    for path in sorted(found, key=str):
        result = found[path]
        if isinstance(result, ModelFileError):
            yield FileStatus(part, str(path), "broken" if path.exists() else "missing", result.problem)
        else:
            yield FileStatus(part, str(path), "ok", listed.get(path, "whole"))
    yield from (
        _of_fault(part, local, fault)
        for fault in faults
        if not isinstance(found.get(local / fault.file), ModelFileError)
    )


def _of_fault(part: str, folder: Path, fault: Fault) -> FileStatus:
    is_missing = fault.problem.startswith(MISSING)
    detail = f"the file {fault.problem}" if is_missing else f"it {fault.problem}"
    return FileStatus(part, str(folder / fault.file), "missing" if is_missing else "broken", detail)


def _of_file(
    part: str, path: Path, spec: LoraSpec | EmbeddingsSpec | None = None, hashes: bool = False
) -> FileStatus:
    try:
        check_weight_file(path, spec.size if spec else None, spec.sha256 if spec and hashes else None)
    except ModelFileError as error:
        return FileStatus(part, str(path), "broken" if path.exists() else "missing", error.problem)
    return FileStatus(part, str(path), "ok", known(spec) if spec else "whole")


def _of_adapters(models: EngineModels, entry: str, folder: Path, hashes: bool) -> Iterator[FileStatus]:
    """LoRA, embeddings, and the LoRA of a few-step model."""
    for part, spec in (("lora", models.lora), ("embeddings", models.embeddings)):
        if spec is None:
            continue
        status = _of_file(part, folder / spec.file, spec, hashes)
        if status.state == "missing" and allows_base():
            detail = f"{status.detail}; {ALLOW_BASE_VARIABLE}=1 runs without it"
            status = replace(status, state="without", detail=detail)
        yield replace(status, source=entry)
    few_step, where = named_in_environment(), FEW_STEP_VARIABLE
    if few_step is None:
        few_step, where = models.few_step, entry
    if few_step is not None and few_step.lora is not None:
        file = lora_file(few_step.lora, folder, is_of_environment=where == FEW_STEP_VARIABLE)
        where = FEW_STEP_LORA_VARIABLE if where == FEW_STEP_VARIABLE else where
        yield replace(_of_file("few-step lora", file, few_step.lora, hashes), source=where)
