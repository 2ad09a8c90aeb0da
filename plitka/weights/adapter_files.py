"""An operator's own LoRA and embeddings, recognised by what is in them and not by what they are called."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plitka.errors import ModelFileError, remedied
from plitka.weights.files import WeightFile, read_weight_file

REMEDY = "Give a folder, .tar or .zip with one LoRA and one embeddings file, both .safetensors."
SUFFIXES = (".safetensors", ".pti")
# Formats that may run code as they are read, and are never opened here.
PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl")
# Replicate's trainer writes this beside its files: which words of a prompt stand for which tokens.
TOKEN_MAP = "special_params.json"
UNET_BEGINNINGS = ("down_blocks.", "unet.down_blocks.", "model.diffusion_model.")
# The names of `clip_l` and `clip_g` in the files of Replicate's trainer.
REPLICATE_NAMES = {"text_encoders_0": "clip_l", "text_encoders_1": "clip_g"}


@remedied(REMEDY)
def adapters_in(folder: Path) -> dict[str, WeightFile]:
    """The files by their kind, "LoRA" and "embeddings".

    Raises ModelFileError, with what to do, for a file of another kind, a second one of a kind, and a token
    map that does not go with the embeddings.
    """
    found: dict[str, WeightFile] = {}
    # A hidden file beside each is what a Mac leaves on other systems' disks.
    files = (path for path in folder.rglob("*") if not (path.name.startswith(".") or path.is_dir()))
    for path in sorted(path for path in files if path.suffix.lower() in SUFFIXES):
        file = read_weight_file(path)
        tensors = file.header.tensors if file.header else {}
        kind = adapter_kind(tensors)
        if kind is None:
            raise ModelFileError(path, *_other_kind(tensors))
        if kind in found:
            raise ModelFileError(path, f"there is a second {kind} beside {found[kind].path.name}")
        found[kind] = file
        if kind == "embeddings":
            _check_token_map(path, tensors)
    if len(found) < 2 and (pickle := next((p for p in folder.rglob("*") if p.suffix in PICKLES), None)):
        problem = "this may be a pickle, which can run code, and is not opened"
        raise ModelFileError(pickle, problem, hint="Save it as .safetensors.")
    return found


def _other_kind(tensors: Mapping[str, Any]) -> tuple[str, str]:
    """What else a file is, and what to do with it; empty for nothing in particular."""
    if any(name.startswith(UNET_BEGINNINGS) for name in tensors):
        problem = "this is a whole UNet (a full fine-tune), and no LoRA"
        return (
            problem,
            "Make a base model with it and name that in PLITKA_BASE_MODEL, or train a LoRA instead.",
        )
    return "this holds neither a LoRA nor clip_l/clip_g embeddings", ""


def _check_token_map(embeddings: Path, tensors: Mapping[str, Any]) -> None:
    """The map names `<s0>`, `<s1>` and so on, which is what the vectors are called here as well."""
    path = embeddings.with_name(TOKEN_MAP)
    if not path.is_file():
        return
    try:
        words = json.loads(path.read_bytes())
        tokens = "".join(words.values())
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        hint = 'It is a JSON object such as {"TOK": "<s0><s1>"}.'
        raise ModelFileError(path, "this is no map of words to tokens", hint=hint) from error
    count = min((entry["shape"] or [0])[0] if len(entry["shape"]) > 1 else 1 for entry in tensors.values())
    missing = [f"<s{index}>" for index in range(count) if f"<s{index}>" not in tokens]
    if missing or f"<s{count}>" in tokens:
        problem = f"it speaks of '{tokens[:60]}', and {embeddings.name} holds {count} vectors"
        raise ModelFileError(path, problem, "Use the two files of one training.")


def adapter_kind(tensors: Mapping[str, Any]) -> str | None:
    """What a file's tensors are: "LoRA" for low-rank pairs, "embeddings" for one per encoder, or None."""
    if set(tensors) in ({"clip_l", "clip_g"}, set(REPLICATE_NAMES)):
        return "embeddings"
    if any("lora" in name for name in tensors):
        return "LoRA"
    return "embeddings" if _is_for_one_encoder(tensors) else None


def _is_for_one_encoder(tensors: Mapping[str, Any]) -> bool:
    """Whether it is a textual inversion for one text encoder: a single vector, or a table of some."""
    if len(tensors) != 1:
        return False
    name, entry = next(iter(tensors.items()))
    return len(entry.get("shape", ())) in (1, 2) and not name.startswith(UNET_BEGINNINGS)
