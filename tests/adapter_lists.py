"""Archives of adapters in every layout that trainers write, and the operator's list of them."""

import hashlib
import json
import tarfile
import zipfile

from checkpoints import UNET_CHANNELS, make_unet, write_embeddings
from lora_files import write_lora_diffusers, write_lora_kohya, write_lora_old_diffusers, write_lora_peft

# How each LoRA is written. Ranks, alphas and seeds differ, so that no two change the weights alike.
LORAS = {
    "kohya": lambda path, unet: write_lora_kohya(path, unet, alpha=2, seed=21),
    "original": lambda path, unet: write_lora_kohya(path, unet, original_names=True, rank=2, seed=22),
    "diffusers": lambda path, unet: write_lora_diffusers(path, unet, rank=3, seed=23),
    "old-diffusers": lambda path, unet: write_lora_old_diffusers(path, unet, seed=24),
    "peft": lambda path, unet: write_lora_peft(path, unet, alpha=8, rank=2, seed=25),
}
# What the list says of each beside its file.
SAID = {
    "kohya": {"scale": 0.5},
    "original": {"trigger": "winter_tile"},
    "diffusers": {"tokens": ["<w0>", "<w1>", "<w2>"]},
    "old-diffusers": {"tokens": []},
}
VECTORS = {"diffusers": 3, "old-diffusers": 0}


def pack(files, archive):
    """The files of a folder in a `.tar` or `.zip`."""
    if archive.suffix == ".tar":
        with tarfile.open(archive, "w") as tar:
            for file in sorted(files.iterdir()):
                tar.add(file, file.name)
    else:
        with zipfile.ZipFile(archive, "w") as packed:
            for file in sorted(files.iterdir()):
                packed.write(file, file.name)
    return archive


def write_adapter(folder, name, unet_channels=UNET_CHANNELS):
    """The archive of one adapter, a zip or a tar in turn, and its files in a folder beside it."""
    files = folder / name
    files.mkdir(parents=True)
    LORAS[name](files / f"{name}_lora.safetensors", make_unet(unet_channels))
    if vectors := VECTORS.get(name, 2):
        write_embeddings(files / f"{name}_words.safetensors", vectors, seed=len(name))
    return pack(files, folder / f"{name}{'.tar' if len(name) % 2 else '.zip'}")


def entry(archive, **more):
    """What a list says of an archive."""
    return {"file": archive.name, "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(), **more}


def write_list(folder, adapters):
    """The list with these entries by name."""
    path = folder / "adapters.json"
    path.write_text(json.dumps({"version": 1, "adapters": adapters}))
    return path


def write_adapters(folder, names=tuple(LORAS), unet_channels=UNET_CHANNELS):
    """A folder with archives and a list of them."""
    folder.mkdir(parents=True, exist_ok=True)
    archives = {name: write_adapter(folder, name, unet_channels) for name in names}
    return write_list(
        folder, {name: entry(archive, **SAID.get(name, {})) for name, archive in archives.items()}
    )
