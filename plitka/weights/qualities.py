"""Which qualities and ControlNets an engine has, as far as can be told before it is loaded.

Needs no torch.
"""

import json
from pathlib import Path
from typing import Any, get_args

from plitka.choices import CONTROL_KINDS, FAST, ControlKind, Quality
from plitka.errors import EngineError, ModelFileError
from plitka.settings import base_model, model_dir
from plitka.weights.base_kind import family_in_folder, family_with_tensors
from plitka.weights.few_step import kind_in_metadata, kind_of_configuration, named_in_environment
from plitka.weights.files import read_header
from plitka.weights.manifest import engine_models

EVERY: tuple[Quality, ...] = get_args(Quality)
WITHOUT_FEW_STEP = tuple(quality for quality in EVERY if quality != FAST)


def qualities_of(name: str) -> tuple[Quality, ...]:
    """The qualities that an engine with models draws; all of them where its files do not tell."""
    try:
        models, chosen = engine_models(name), base_model()
        if named := named_in_environment() or models.few_step:
            return EVERY if named.lora else (FAST,)
        own = model_dir() / models.base.folder
        base = Path(chosen) if chosen else own
        is_on_hub = chosen is not None and not base.exists()
        if is_on_hub or any(family.few_step for family in models.families.values()):
            return EVERY
        return (FAST,) if _is_few_step(base, own) else WITHOUT_FEW_STEP
    # What is wrong with them stops the engine's start, with more words.
    except (EngineError, ModelFileError, OSError):
        return EVERY


def control_kinds_of(name: str) -> tuple[ControlKind, ...] | None:
    """The kinds of ControlNets that an engine with models has; None where its files do not tell."""
    try:
        models, chosen = engine_models(name), base_model()
        if chosen and models.families:
            base = Path(chosen)
            if not base.exists():
                return None
            single = base.is_file()
            family = family_with_tensors(read_header(base).tensors) if single else family_in_folder(base)
            models = models.families.get(family or "", models)
    except (EngineError, ModelFileError, OSError):
        return None
    return tuple(kind for kind in CONTROL_KINDS if kind in models.control)


def _is_few_step(base: Path, config: Path) -> bool:
    """Whether a base model is one by its own files; `config` is the folder for one in a single file."""
    if base.is_file() and kind_in_metadata(read_header(base).metadata):
        return True
    folder = base if base.is_dir() else config
    unet, scheduler = (
        _read(folder / part) for part in ("unet/config.json", "scheduler/scheduler_config.json")
    )
    return kind_of_configuration(unet, scheduler) is not None


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
