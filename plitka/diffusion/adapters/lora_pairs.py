"""The low-rank pairs of a LoRA file, each with the module that it changes; or why the file does not fit.

Every tensor must be a part of one whole pair, and every pair must have a module of its name and shape.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plitka.diffusion.adapters.lora_names import (
    Part,
    TensorName,
    module_spellings,
    parse_tensor_name,
)
from plitka.diffusion.families.family import Family
from plitka.diffusion.families.known import family_of
from plitka.errors import ModelFileError, remedied

REMEDY = "Use the LoRA that was trained for this base model (see model_files/README.md)."

# A layer of the UNet that takes the words of a prompt; how wide these are in the base models in use.
_READS_WORDS = re.compile(r"attn2[._]to_[kv]$")
WORD_WIDTHS = {768: "Stable Diffusion 1.5", 1024: "Stable Diffusion 2", 2048: "SDXL"}


@dataclass
class Pair:
    """What a file has for one module.

    Attributes:
        component: The pipeline's component that the module belongs to.
        name: The module's name there.
        spelling: What the file calls it.
        module: The module, a linear layer or a convolution.
        tensors: The names of the file's tensors, by what they are: always `down` and `up`.
    """

    component: str
    name: str
    spelling: str
    module: Any
    tensors: dict[Part, str] = field(default_factory=dict)


@remedied(REMEDY)
def find_pairs(pipeline: Any, path: Path, shapes: Mapping[str, tuple[int, ...]]) -> list[Pair]:
    """Find the module of every tensor of a LoRA file.

    Args:
        pipeline: The pipeline, with its UNet and its text encoders.
        path: The file, for messages.
        shapes: The shape of every tensor in it, by name.

    Raises ModelFileError for a tensor that is no part of a pair, has no module or no partner, or has a shape
    that does not fit; for names of two layouts; and for two pairs for one module.
    """
    family = family_of(pipeline)
    if not family.lora_targets:
        raise ModelFileError(path, f"{family.title} is drawn without LoRAs", "Take it away.")
    models = {component: getattr(pipeline, component) for component in family.lora_targets}
    spellings = {component: module_spellings(component, model) for component, model in models.items()}
    pairs: dict[tuple[str, str], Pair] = {}
    without_module = []
    parsed = _parse(path, list(shapes))
    for tensor, found in parsed.items():
        name = spellings.get(found.component, {}).get(found.module)
        if name is None:
            without_module.append(tensor)
            continue
        fresh = Pair(found.component, name, found.module, models[found.component].get_submodule(name))
        pair = pairs.setdefault((found.component, name), fresh)
        if twin := pair.tensors.get(found.part):
            raise ModelFileError(path, f"{twin!r} and {tensor!r} are for the same module")
        pair.tensors[found.part] = tensor
    if without_module:
        problem = f"it does not fit the base model, which has no module for {_and_more(without_module)}"
        raise ModelFileError(path, problem + _other_family(parsed, shapes, pipeline, family))
    for pair in pairs.values():
        _check(path, pair, shapes, _other_family(parsed, shapes, pipeline, family))
    return list(pairs.values())


def _parse(path: Path, names: Sequence[str]) -> dict[str, TensorName]:
    """Take all names apart. Raises ModelFileError for one that is no part of a pair, and for two layouts."""
    parsed = {name: parse_tensor_name(name) for name in names}
    strange = [name for name, found in parsed.items() if found is None]
    if len(strange) == len(names):
        contents = f": it holds {_and_more(strange)}" if strange else ""
        raise ModelFileError(path, f"there are no LoRA weights in it{contents}")
    if strange:
        raise ModelFileError(path, f"not a plain LoRA: it holds {_and_more(strange)}")
    known = {name: found for name, found in parsed.items() if found is not None}
    examples = {found.layout: name for name, found in known.items()}
    if len(examples) > 1:
        both = " and ".join(f"{name!r} ({layout})" for layout, name in examples.items())
        raise ModelFileError(path, f"it mixes names of different layouts: {both}")
    return known


def _other_family(
    parsed: Mapping[str, TensorName], shapes: Mapping[str, tuple[int, ...]], pipeline: Any, family: Family
) -> str:
    """By how wide the words are that its cross-attention takes: what else the LoRA is for, as a clause."""
    own = pipeline.unet.config.cross_attention_dim
    for tensor, found in parsed.items():
        width = (*shapes[tensor], 0, 0)[1]
        if found.part == "down" and _READS_WORDS.search(found.module) and width != own:
            model = f", as {WORD_WIDTHS[width]} has them" if width in WORD_WIDTHS else ""
            return f"; it was trained on words of {width} numbers{model}, and {family.title} here has {own}"
    return ""


def _check(path: Path, pair: Pair, shapes: Mapping[str, tuple[int, ...]], clause: str) -> None:
    """Raise ModelFileError, with the clause, unless this is a whole pair of the module's shape."""
    if not {"down", "up"} <= pair.tensors.keys():
        tensor = next(iter(pair.tensors.values()))
        raise ModelFileError(path, f"{tensor!r} has no partner: a pair is a down and an up matrix")
    out, inner, *kernel = pair.module.weight.shape
    rank = (shapes[pair.tensors["down"]] or (0,))[0]
    expected: dict[Part, tuple[int, ...]] = {"down": (rank, inner, *kernel), "up": (out, rank)}
    if "mid" in pair.tensors:
        expected |= {"down": (rank, inner), "mid": (rank, rank, *kernel)}
    for part, tensor in pair.tensors.items():
        shape = shapes[tensor]
        if part == "alpha":
            fits = math.prod(shape) == 1
        else:
            fits = rank > 0 and _as_linear(shape) == _as_linear(expected[part])
        if not fits:
            problem = (
                f"it does not fit the base model: {tensor!r} has the shape {list(shape)}, where its module"
            )
            raise ModelFileError(path, f"{problem}'s weight has {list(pair.module.weight.shape)}{clause}")


def _as_linear(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape, that of a 1 x 1 convolution like that of a linear layer, which does the same."""
    return tuple(shape[:2]) if all(size == 1 for size in shape[2:]) else tuple(shape)


def _and_more(names: Sequence[str]) -> str:
    """The first name, and how many follow."""
    return repr(names[0]) + (f" and {len(names) - 1} more" if len(names) > 1 else "")
