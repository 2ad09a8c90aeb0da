"""Trained weights as one `.tar`, which `setup(weights=...)` of the predictor takes as it is."""

import io
import tarfile
from pathlib import Path

FILES = ("tile_lora.safetensors", "adapter_config.json", "tile_embeddings.safetensors")


def pack(folder: Path, archive: Path) -> None:
    """Pack the files that the adapters' trainer writes; the same files give the same bytes."""
    with tarfile.open(archive, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name in FILES:
            content = (folder / name).read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
