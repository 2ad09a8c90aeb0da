"""Whether the weight files of an engine are there, whole, and those that the manifest lists."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from plitka.errors import ModelFileError
from plitka.weights.files import WeightFile, check_weight_file, stamp
from plitka.weights.hash_record import VerifiedFiles
from plitka.weights.manifest import EmbeddingsSpec, FileSpec, LoraSpec, ModelSource
from plitka.weights.remedies import RESTART_REMEDY

FileState = Literal["ok", "hub", "missing", "broken", "without"]


@dataclass(frozen=True)
class FileStatus:
    """One file as `plitka models` shows it.

    Attributes:
        part: What it is to the engine: "base", "vae", "controlnet lines".
        path: Where it lies, or the hub's id of the model.
        state: "ok", "hub" for what is fetched, "missing", "broken", or "without" for what is missing and
            allowed to be.
        detail: What is known of it, or what is wrong with it.
        source: What names it: an environment variable, or the entry of the manifest.
        family: The family of the base model that it goes with; None where that is not known before a model
            is fetched.
    """

    part: str
    path: str
    state: FileState
    detail: str
    source: str = ""
    family: str | None = None


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


def known(spec: FileSpec | LoraSpec | EmbeddingsSpec) -> str:
    """What the list says of a file that is there."""
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
