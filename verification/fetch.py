"""Weights from the hub into the model folder, at the revisions of the manifest, and what they turn out to be.

The manifest lists sizes and hashes where they are known. What is not known yet is written into it once the
files are here; from then on every start holds them to it.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from plitka.errors import ModelFileError, remedied
from plitka.files.whole_files import write_whole
from plitka.settings import SHIPPED_MODEL_DIR
from plitka.weights.files import check_weight_file, hash_file
from plitka.weights.manifest import MANIFEST_NAME, EngineModels, ModelSource

GB = 1e9
# Repository, revision, path in it, folder to put it into.
Download = Callable[[str, str | None, str, Path], None]


def download_from_hub(repo: str, revision: str | None, path: str, folder: Path) -> None:
    """Put one file of a hub repository into a folder, under the same path."""
    from huggingface_hub import hf_hub_download

    hf_hub_download(repo, path, revision=revision, local_dir=folder)


class FetchError(RuntimeError):
    """The weights cannot be fetched: the hub does not answer, or the disk is too small."""


def fetch_models(
    models: EngineModels, folder: Path, download: Download = download_from_hub
) -> Iterator[Path]:
    """Fetch every listed file that is not in the model folder yet; yield each as it is there.

    Raises FetchError if the disk has less room than what is missing or a file does not come, ModelFileError
    for a file of another size or hash than the manifest's, which is removed again.
    """
    missing = [
        (source, spec)
        for source in sources_of(models)
        for spec in (source.files if source.repo else ())
        if not (folder / source.folder / spec.path).is_file()
    ]
    needed, free = sum(spec.size or 0 for _, spec in missing), shutil.disk_usage(folder).free
    if needed > free:
        raise FetchError(f"{needed / GB:.1f} GB are to be fetched, and {folder} has {free / GB:.1f} GB left")
    for source, spec in missing:
        local = folder / source.folder
        try:
            download(str(source.repo), source.revision, spec.path, local)
        # Of the hub client and everything under it.
        except Exception as error:
            raise FetchError(f"{source.repo}, {spec.path}: it does not come: {error}") from error
        try:
            with remedied("Fetch it again."):
                check_weight_file(local / spec.path, spec.size, spec.sha256)
        except ModelFileError:
            (local / spec.path).unlink(missing_ok=True)
            raise
        yield local / spec.path


def sources_of(models: EngineModels) -> list[ModelSource]:
    """Base, VAE and ControlNets."""
    return [models.base, *([models.vae] if models.vae else []), *models.controlnets.values()]


def complete_manifest(engine: str, folder: Path) -> list[str]:
    """Write the sizes and hashes that the manifest does not know, of files that are in the model folder.

    Returns the files whose entries were completed. What the manifest says already stays as it is.
    """
    path = folder / MANIFEST_NAME
    path = path if path.is_file() else SHIPPED_MODEL_DIR / MANIFEST_NAME
    document = json.loads(path.read_text(encoding="utf-8"))
    completed = []
    for entry, file in _entries(document["models"][engine], folder):
        if file.is_file() and (entry.get("size") is None or entry.get("sha256") is None):
            entry["size"] = file.stat().st_size if entry.get("size") is None else entry["size"]
            entry["sha256"] = hash_file(file) if entry.get("sha256") is None else entry["sha256"]
            completed.append(str(file))
    if completed:
        write_whole(path, f"{json.dumps(document, indent=2)}\n".encode())
    return completed


def _entries(models: dict[str, Any], folder: Path) -> Iterator[tuple[dict[str, Any], Path]]:
    """Every entry of the manifest that stands for one file, and the file."""
    sources = [models["base"], models.get("vae"), *models.get("controlnets", {}).values()]
    for source in sources:
        for entry in (source or {}).get("files", []):
            yield entry, folder / source["folder"] / entry["path"]
    for part in ("lora", "embeddings"):
        if models.get(part):
            yield models[part], folder / models[part]["file"]
