"""What lies in a model's folder in diffusers' layout, and what is missing there. Needs no torch.

The libraries say of a missing file that something does not load, make a tokenizer of what is left of one, and
fill what a weight file lacks with random numbers.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from plitka.errors import ModelFileError
from plitka.weights.base_kind import INDEX_NAME, family_named_in

# Where diffusers and transformers look for weights, whole or in shards. Nothing else in a folder is read.
WEIGHTS_NAME = re.compile(
    r"(diffusion_pytorch_)?model(\.(?P<variant>\w+))?(-(?P<shard>\d+)-of-(?P<shards>\d+))?(\.(?P<last>\w+))?"
    r"\.safetensors"
)
MISSING = "is missing"
_BROKEN = "is cut short, or no JSON object"
PRIOR_CLASS = "KandinskyV22PriorPipeline"

# How a part of a pipeline is stored: a model of diffusers' or of transformers', a tokenizer, a sampler.
Stored = Literal["diffusers", "transformers", "tokenizer", "scheduler"]
# What the files of a model's weights are called, before variant and shard.
STEMS: Mapping[Stored, str] = {"diffusers": "diffusion_pytorch_model", "transformers": "model"}

_LATENT_MODELS: Mapping[str, Stored] = {
    "unet": "diffusers",
    "vae": "diffusers",
    "text_encoder": "transformers",
    "tokenizer": "tokenizer",
    "scheduler": "scheduler",
}
# The folders that are read of a family's base model, and of Kandinsky's prior.
PARTS: Mapping[str, Mapping[str, Stored]] = MappingProxyType(
    {
        "sdxl": {**_LATENT_MODELS, "text_encoder_2": "transformers", "tokenizer_2": "tokenizer"},
        "sd15": _LATENT_MODELS,
        "kandinsky22": {"unet": "diffusers", "movq": "diffusers", "scheduler": "scheduler"},
        PRIOR_CLASS: {
            "prior": "diffusers",
            "text_encoder": "transformers",
            "image_encoder": "transformers",
            "tokenizer": "tokenizer",
            "scheduler": "scheduler",
        },
    }
)


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a folder.

    Attributes:
        file: The file, by its path from the folder.
        problem: What is wrong with it, as the rest of a sentence.
    """

    file: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file} {self.problem}"


def files_read(folder: Path, variant: str | None) -> list[Path]:
    """The weight files in a model's folder that are read: those of the variant, or else those of none."""
    variants = {
        path: found["variant"] or found["last"]
        for path in sorted(folder.glob("*.safetensors"))
        if (found := WEIGHTS_NAME.fullmatch(path.name))
    }
    of_variant = [path for path, given in variants.items() if given and given == variant]
    return of_variant or [path for path, given in variants.items() if given is None]


def refuse_faults(folder: Path | str, faults: Iterable[Fault]) -> None:
    """Raise ModelFileError with every fault of a folder, if there is one."""
    if said := "; ".join(map(str, faults)):
        raise ModelFileError(folder, said)


def faults_of_pipeline(
    folder: Path, variant: str | None = None, *, without: Collection[str] = (), weights: bool = True
) -> Iterator[Fault]:
    """What is missing in, or wrong with, the folder of a base model or a prior.

    Looks at what its `model_index.json` names, and at no weight file's content. `without` are parts that are
    not read here; without `weights` only configurations and tokenizers are.
    """
    index, problem = _json_object(folder / INDEX_NAME)
    if problem:
        yield Fault(INDEX_NAME, problem)
        return
    name = index.get("_class_name")
    parts = PARTS.get(PRIOR_CLASS if name == PRIOR_CLASS else family_named_in(name) or "", {})
    for part, stored in parts.items():
        # One that it does not name is refused for that.
        if part in index and part not in without:
            for fault in _faults_of_part(folder / part, stored, variant, weights):
                named = f", and {INDEX_NAME} names {part}" if fault.problem == MISSING else ""
                yield Fault(f"{part}/{fault.file}", fault.problem + named)


def faults_of_prior(folder: Path, variant: str | None = None) -> Iterator[Fault]:
    """The same for what is named as a prior; nothing of another pipeline, which is refused for what it is."""
    index, problem = _json_object(folder / INDEX_NAME)
    if problem or index.get("_class_name") == PRIOR_CLASS:
        yield from faults_of_pipeline(folder, variant)


def faults_of_model(folder: Path, variant: str | None = None) -> Iterator[Fault]:
    """The same for the folder of one model of diffusers': a VAE, a ControlNet, a UNet."""
    yield from _faults_of_part(folder, "diffusers", variant, weights=True)


def _faults_of_part(folder: Path, stored: Stored, variant: str | None, weights: bool) -> Iterator[Fault]:
    if stored == "tokenizer":
        yield from _faults_of_tokenizer(folder)
        return
    config = "scheduler_config.json" if stored == "scheduler" else "config.json"
    if problem := _json_object(folder / config)[1]:
        yield Fault(config, problem)
    if weights and stored in STEMS:
        yield from _faults_of_weights(folder, STEMS[stored], variant)


def _faults_of_weights(folder: Path, stem: str, variant: str | None) -> Iterator[Fault]:
    found = {
        path.name: shard
        for path in files_read(folder, variant)
        if path.name.startswith(stem) and (shard := WEIGHTS_NAME.fullmatch(path.name))
    }
    indices = sorted(path.name for path in folder.glob(f"{stem}*.safetensors.index*.json"))
    named: set[str] = set()
    for index in indices:
        document, problem = _json_object(folder / index)
        if problem:
            yield Fault(index, problem)
        elif isinstance(document.get("weight_map"), dict) and not found:
            named |= {str(file) for file in document["weight_map"].values()}
    for name, shard in found.items():
        if shard["shards"]:
            start, end = shard.span("shard")
            numbers = range(1, int(shard["shards"]) + 1)
            named |= {f"{name[:start]}{number:0{end - start}}{name[end:]}" for number in numbers}
            if not indices:
                yield Fault(f"{stem}.safetensors.index.json", MISSING)
                indices = [name]
    missing = sorted(name for name in named if not (folder / name).is_file())
    if not found and not missing:
        missing = [f"{stem}{f'.{variant}' if variant else ''}.safetensors"]
    pickles = ", ".join(sorted(path.name for path in folder.glob(f"{stem}*.bin")))
    beside = f"; {pickles} beside it is a pickle, which can run code and is not read" if pickles else ""
    yield from (Fault(name, MISSING + beside) for name in missing)


def _faults_of_tokenizer(folder: Path) -> Iterator[Fault]:
    """Of CLIP's tokenizer: one file that holds all, or words and merges; and its settings."""
    if problem := _json_object(folder / "tokenizer_config.json")[1]:
        yield Fault("tokenizer_config.json", problem)
    whole, words, merges = (folder / name for name in ("tokenizer.json", "vocab.json", "merges.txt"))
    if whole.exists():
        if problem := _json_object(whole)[1]:
            yield Fault(whole.name, problem)
        return
    if not words.exists() and not merges.exists():
        yield Fault(whole.name, MISSING)
        return
    vocabulary, problem = _json_object(words)
    if problem:
        yield Fault(words.name, problem)
    if not merges.is_file():
        yield Fault(merges.name, MISSING)
    elif not problem and (unmade := _words_without_merge(vocabulary, merges)):
        yield Fault(
            merges.name, f"makes {unmade} of the words in {words.name} out of nothing: it is cut short"
        )


def _words_without_merge(vocabulary: Mapping[str, Any], merges: Path) -> int:
    """How many words of a vocabulary no merge makes: in byte pair encoding each is a letter or two others.

    Words in angle brackets are marks and tokens, which are not made of letters.
    """
    try:
        lines = merges.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return len(vocabulary)
    made = {line.replace(" ", "", 1) for line in lines}
    return sum(
        word not in made and len(word.removesuffix("</w>")) > 1
        for word in vocabulary
        if not (word.startswith("<") and word.endswith(">") and len(word.removesuffix("</w>")) > 1)
    )


def _json_object(path: Path) -> tuple[dict[str, Any], str]:
    """What a file holds, and what is wrong with it: empty if nothing is."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}, MISSING
    except OSError as error:
        return {}, f"cannot be read: {error.strerror}"
    except (ValueError, RecursionError):
        return {}, _BROKEN
    return (found, "") if isinstance(found, dict) else ({}, _BROKEN)
