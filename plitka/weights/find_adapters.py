"""Which LoRA and embeddings an engine runs with: the manifest's, or those that are given in their place."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from plitka.errors import ModelFileError, remedied
from plitka.settings import ALLOW_BASE_VARIABLE, allows_base
from plitka.weights.adapter_files import adapters_in
from plitka.weights.files import WeightFile, check_weight_file, refuse_other_formats
from plitka.weights.manifest import EmbeddingsSpec, EngineModels, LoraSpec
from plitka.weights.remedies import adapter_remedy

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Adapters:
    """The files of a LoRA and of embeddings, hashed; None where the engine has none or runs without."""

    lora: WeightFile | None
    embeddings: WeightFile | None


def find_adapters(models: EngineModels, folder: Path, weights: Path | None = None) -> Adapters:
    """The LoRA and the embeddings: those in the folder `weights` if given, else the manifest's own, checked.

    Raises ModelFileError for a file that is missing (unless `PLITKA_ALLOW_BASE=1`) or broken.
    """
    given = None if weights is None else adapters_in(weights)
    with remedied(adapter_remedy(folder)):
        return Adapters(
            _find_adapter("LoRA", models.lora, folder, given),
            _find_adapter("embeddings", models.embeddings, folder, given),
        )


def _find_adapter(
    kind: str, spec: LoraSpec | EmbeddingsSpec | None, folder: Path, given: Mapping[str, WeightFile] | None
) -> WeightFile | None:
    """One adapter's file; sizes and hashes are known only of the manifest's own."""
    if spec is None and (given is None or kind not in given):
        return None
    own = folder / spec.file if spec else None
    if allows_base() and (not (own and own.exists()) if given is None else kind not in given):
        log.warning("%s=1: running without %s", ALLOW_BASE_VARIABLE, kind)
        return None
    if given is None:
        assert spec is not None and own is not None
        return check_weight_file(own, spec.size, spec.sha256, hashed=True)
    if kind not in given:
        raise ModelFileError("weights", f"they hold no {kind}")
    file = given[kind]
    if file.header is not None:
        refuse_other_formats(file.path, file.header.tensors)
    return file
