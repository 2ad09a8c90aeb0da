"""Whether the weight files of an engine are there, whole, and those that the manifest lists."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from plitka.errors import ModelFileError
from plitka.settings import model_dir
from plitka.weights.files import WeightFile, check_weight_file, stamp
from plitka.weights.hash_record import VerifiedFiles
from plitka.weights.manifest import EmbeddingsSpec, FileSpec, LoraSpec, ModelSource, engine_models
from plitka.weights.remedies import RESTART_REMEDY


@dataclass(frozen=True)
class FileStatus:
    """One weight file as `plitka models` shows it. `state` is "ok", "hub", "missing" or "broken"."""

    part: str
    path: str
    state: Literal["ok", "hub", "missing", "broken"]
    detail: str


def verify(name: str, folder: Path | None = None, *, hashes: bool = True) -> Iterator[FileStatus]:
    """Check every file that the manifest lists for an engine, in the model folder."""
    folder = folder or model_dir()
    models = engine_models(name, folder)
    sources = {"base": models.base, "prior": models.prior, "vae": models.vae}
    sources |= {f"controlnet {key}": source for key, source in models.controlnets.items()}
    for part, source in sources.items():
        if source is not None:
            yield from _verify_source(part, source, folder / source.folder, hashes)
    for part, spec in (("lora", models.lora), ("embeddings", models.embeddings)):
        if spec is None:
            continue
        path = folder / spec.file
        try:
            check_weight_file(path, spec.size, spec.sha256 if hashes else None)
            yield FileStatus(part, str(path), "ok", _known(spec))
        except ModelFileError as error:
            yield FileStatus(part, str(path), "broken" if path.exists() else "missing", error.problem)


def _verify_source(part: str, source: ModelSource, local: Path, hashes: bool) -> Iterator[FileStatus]:
    if not local.is_dir():
        state: Literal["hub", "missing"] = "hub" if source.repo else "missing"
        detail = f"{source.repo}@{source.revision}" if source.repo else "the folder is missing"
        yield FileStatus(part, str(local), state, detail)
        return
    found = dict(checked_files(source, local, hashes))
    listed = {str(local / spec.path): _known(spec) for spec in source.files}
    for path in sorted(found, key=str):
        result = found[path]
        if isinstance(result, ModelFileError):
            state_on_disk: Literal["broken", "missing"] = "broken" if path.exists() else "missing"
            yield FileStatus(part, str(path), state_on_disk, result.problem)
        else:
            yield FileStatus(part, str(path), "ok", listed.get(str(path), "whole"))


def check_unchanged(source: ModelSource, folder: Path, checked: Mapping[Path, WeightFile]) -> None:
    """Hash those files of a model again that are not as they were `checked`, which is what pictures name.

    `folder` is the model folder. Raises ModelFileError for a file that is not as listed, and for one that has
    changed and has no hash in the list.
    """
    listed = {folder / source.folder / spec.path: spec for spec in source.files}
    for path, known in checked.items():
        with suppress(OSError):
            if stamp(path) == known.stamp:
                continue
        spec = listed.get(path)
        if spec is None or spec.sha256 is None:
            problem = "it is another file than was checked at the start, and no hash of it is listed"
            raise ModelFileError(path, problem, RESTART_REMEDY)
        check_weight_file(path, spec.size, spec.sha256)


def _known(spec: FileSpec | LoraSpec | EmbeddingsSpec) -> str:
    return "size and sha256 as listed" if spec.sha256 else "size as listed" if spec.size else "whole"


def checked_files(
    source: ModelSource, local: Path, hashes: bool, verified: VerifiedFiles | None = None
) -> Iterator[tuple[Path, WeightFile | ModelFileError]]:
    """Every file of a local folder, checked: listed ones against the list, other weights for being whole.

    Files in the record `verified` are not hashed again, and those found right are added to it.
    """
    listed = {local / spec.path: spec for spec in source.files}
    for path in sorted({*listed, *local.rglob("*.safetensors")}):
        spec = listed.get(path, FileSpec(path=""))
        sha256 = spec.sha256 if hashes else None
        if sha256 and verified and verified.has(path, sha256):
            sha256 = None
        try:
            checked = check_weight_file(path, spec.size, sha256)
        except ModelFileError as problem:
            yield path, problem
            continue
        if sha256 and verified:
            verified.add(path, checked.stamp, sha256)
        yield path, checked
