"""Writes what was trained as the engine's model folder: diffusers layout, half precision, manifest entry."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionXLPipeline

from plitka.files.whole_files import write_whole
from training.text import TextEncoders
from training.unet import make_scheduler

BASE, CONTROLNET = "base", "controlnet"
TOKENIZER_FILES = ("vocab.json", "merges.txt", "tokenizer_config.json")
ADAPTER_FILES = ("tile_lora.safetensors", "adapter_config.json", "tile_embeddings.safetensors")
# Little guidance, which clears the granules of foreign colours, and few steps, which are enough for it: of
# more, only pictures from text alone have anything.
PROFILES = {
    "preview": {"steps_preview": 8, "steps_final": 8, "guidance_scale": 2.0},
    "standard": {"steps_preview": 10, "steps_final": 10, "guidance_scale": 2.0},
    "high": {"steps_preview": 16, "steps_final": 16, "guidance_scale": 2.0},
}
# Bytes of everything together.
MAX_BYTES = 40_000_000


def export_base(
    folder: Path, vae: Any, tokenizer: Any, tokenizer_folder: Path, encoders: TextEncoders, unet: Any
) -> None:
    """Write the base pipeline, float16, so that `StableDiffusionXLPipeline.from_pretrained` loads it."""
    pipeline = StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=encoders.first,
        text_encoder_2=encoders.second,
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet,
        scheduler=make_scheduler(),
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )
    dtypes = {module: next(module.parameters()).dtype for module in (vae, encoders, unet)}
    pipeline.to(dtype=torch.float16, silence_dtype_warnings=True)
    pipeline.save_pretrained(folder / BASE)
    for module, dtype in dtypes.items():
        module.to(dtype=dtype)
    for name in ("tokenizer", "tokenizer_2"):  # as CLIP ships its own: two files instead of one
        (folder / BASE / name / "tokenizer.json").unlink(missing_ok=True)
        for file in TOKENIZER_FILES:
            shutil.copy(tokenizer_folder / file, folder / BASE / name / file)


def export_controlnet(folder: Path, controlnet: Any) -> None:
    """Write the ControlNet, float16."""
    dtype = controlnet.dtype
    controlnet.to(dtype=torch.float16).save_pretrained(folder / CONTROLNET)
    controlnet.to(dtype=dtype)


def export_adapters(folder: Path, trained: Path) -> None:
    """Copy what the adapter trainer wrote."""
    for file in ADAPTER_FILES:
        shutil.copy(trained / file, folder / file)


def manifest_entry(folder: Path, lora_scale: float) -> dict[str, Any]:
    """The engine's entry in `model_files/manifest.json`, with sizes and hashes of all files.

    Raises ValueError if they are more than the repository should carry.
    """
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if total > MAX_BYTES:
        raise ValueError(f"{folder} holds {total:,} bytes, more than {MAX_BYTES:,}")
    name = folder.name
    lora, embeddings = folder / ADAPTER_FILES[0], folder / ADAPTER_FILES[2]
    return {
        "base": {"folder": f"{name}/{BASE}", "license": "MIT", "files": _files(folder / BASE)},
        "lora": {"file": f"{name}/{lora.name}", **_facts(lora), "scale": lora_scale},
        "embeddings": {
            "file": f"{name}/{embeddings.name}",
            **_facts(embeddings),
            "tokens": ["<s0>", "<s1>"],
        },
        "controlnets": {
            "edges": {
                "type": "ControlNetModel",
                "folder": f"{name}/{CONTROLNET}",
                "license": "MIT",
                "files": _files(folder / CONTROLNET),
            }
        },
        "control": {kind: {"controlnet": "edges"} for kind in ("canny", "softedge", "lineart")},
        "profiles": PROFILES,
    }


def write_manifest(folder: Path, lora_scale: float, path: Path) -> None:
    """Put the entry `mini` into a manifest file, made if need be."""
    manifest = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"models": {}}
    manifest["models"]["mini"] = manifest_entry(folder, lora_scale)
    write_whole(path, f"{json.dumps(manifest, indent=2)}\n".encode())


def _files(folder: Path) -> list[dict[str, Any]]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [{"path": path.relative_to(folder).as_posix(), **_facts(path)} for path in paths]


def _facts(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
