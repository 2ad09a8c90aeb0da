"""Which family a base model belongs to, by its own files: a folder's index, or the tensors of a single file.

Nothing here needs torch or diffusers; what else a family is stands in `plitka/diffusion/families/`.
"""

import json
from collections.abc import Container, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

INDEX_NAME = "model_index.json"
# Where a single file's metadata say what it is.
ARCHITECTURE_KEY = "modelspec.architecture"


class Signs(NamedTuple):
    """What shows that a base model is of a family.

    Attributes:
        index_classes: Pipelines in a `model_index.json` whose parts are those of its base model, as the
            mappings of diffusers' AutoPipeline classes have them.
        tensors: What every single file of the family has, and those of no other; none if it has none.
    """

    index_classes: tuple[str, ...]
    tensors: tuple[str, ...] = ()


SIGNS: Mapping[str, Signs] = MappingProxyType(
    {
        "sdxl": Signs(
            # Their parts are the same; which of them draws is decided elsewhere.
            (
                "StableDiffusionXLPipeline",
                "StableDiffusionXLImg2ImgPipeline",
                "StableDiffusionXLInpaintPipeline",
            ),
            (
                "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight",
                "conditioner.embedders.1.model.ln_final.weight",
            ),
        ),
        "sd15": Signs(
            (
                "StableDiffusionPipeline",
                "StableDiffusionImg2ImgPipeline",
                "StableDiffusionInpaintPipeline",
            ),
            ("cond_stage_model.transformer.text_model.embeddings.token_embedding.weight",),
        ),
        # The decoder; its prior is a model of its own.
        "kandinsky22": Signs(("KandinskyV22Pipeline", "KandinskyV22Img2ImgPipeline")),
    }
)


def family_named_in(index_class: Any) -> str | None:
    """The family whose base model has the parts of this pipeline, as a `model_index.json` names it."""
    return next((name for name, signs in SIGNS.items() if index_class in signs.index_classes), None)


def family_with_tensors(names: Container[str]) -> str | None:
    """The family whose base model, in a single file, has tensors of these names."""
    for name, signs in SIGNS.items():
        if signs.tensors and all(tensor in names for tensor in signs.tensors):
            return name
    return None


def family_in_folder(folder: Path) -> str | None:
    """The family of the base model in a diffusers folder; None if that is not there, or says nothing."""
    try:
        index = json.loads((folder / INDEX_NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return family_named_in(index.get("_class_name")) if isinstance(index, dict) else None
