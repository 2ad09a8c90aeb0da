"""The files of a base model as a whole: how much they hold, and whether they are those that were checked."""

import math

import torch

from plitka.weights.locate import EngineFiles
from plitka.weights.verify import check_unchanged


def check_read(files: EngineFiles) -> None:
    """Raise ModelFileError if another file than the one that was checked may have been read at setup."""
    check_unchanged(files.models.base, files.folder, files.base.checked)
    for source, place in ((files.models.vae, files.vae), (files.models.prior, files.prior)):
        if source and place:
            check_unchanged(source, files.folder, place.checked)


def bytes_in_files(files: EngineFiles, dtype: torch.dtype) -> int:
    """What the base model takes at most, as far as its files lie here."""
    parts = list(filter(None, (files.base, files.vae, files.prior)))
    headers = [part.header(file) for part in parts for file in part.weight_files]
    return sum(
        math.prod(one["shape"]) * dtype.itemsize for header in headers for one in header.tensors.values()
    )
