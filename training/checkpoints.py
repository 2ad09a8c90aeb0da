"""Checkpoints of a stage: an index beside parts small enough to be sent through any channel one by one."""

import io
import json
from pathlib import Path
from typing import Any

import torch

from plitka.files.whole_files import write_whole

INDEX = "checkpoint.json"
PART_BYTES = 16 * 2**20


def has_checkpoint(folder: Path) -> bool:
    """Whether a stage has kept one."""
    return (folder / INDEX).exists()


def write_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Replace a folder's checkpoint. Broken off, it leaves the former one whole."""
    file = io.BytesIO()
    torch.save(state, file)
    content = file.getbuffer()
    former = _parts(folder)
    number = 1 + max((int(name.split(".")[1]) for name in former), default=0)
    parts: list[str] = []
    for start in range(0, len(content), PART_BYTES):
        parts.append(f"checkpoint.{number}.{len(parts)}")
        write_whole(folder / parts[-1], bytes(content[start : start + PART_BYTES]))
    write_whole(folder / INDEX, json.dumps({"bytes": len(content), "parts": parts}).encode())
    for name in former:
        (folder / name).unlink(missing_ok=True)


def read_checkpoint(folder: Path) -> dict[str, Any] | None:
    """A folder's checkpoint, on the CPU; None if there is none. Raises ValueError if a part is not whole."""
    if not has_checkpoint(folder):
        return None
    content = b"".join((folder / name).read_bytes() for name in _parts(folder))
    expected = json.loads((folder / INDEX).read_text(encoding="utf-8"))["bytes"]
    if len(content) != expected:
        raise ValueError(f"{folder}: the checkpoint has {len(content):,} bytes, not {expected:,}; remove it")
    state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return state


def _parts(folder: Path) -> list[str]:
    index = folder / INDEX
    if not index.exists():
        return []
    parts: list[str] = json.loads(index.read_text(encoding="utf-8"))["parts"]
    return parts
