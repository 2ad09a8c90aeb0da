"""The adapters of an engine, embeddings and LoRA, put into its base pipeline.

diffusers and transformers are imported when a function needs them.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from plitka.diffusion.adapters.listed import ListedLoader
from plitka.diffusion.adapters.prompt_budget import TRIGGER_WORD, check_prompt_room
from plitka.diffusion.families.family import Family
from plitka.diffusion.memory_fallback import with_fallback
from plitka.errors import ModelFileError
from plitka.settings import ADAPTERS_VARIABLE, adapters_path
from plitka.weights.adapter_list import ListedAdapter
from plitka.weights.few_step import NamedFewStep
from plitka.weights.find_adapters import Adapters
from plitka.weights.locate import EngineFiles
from plitka.weights.manifest import LoraSpec

if TYPE_CHECKING:
    from plitka.diffusion.adapters.lora import Lora
    from plitka.diffusion.adapters.switch import AdapterSwitch
    from plitka.diffusion.checkpoints.stored_weights import StoredWeights
    from plitka.diffusion.pipelines import Pipelines

NOT_TAKEN = "Take it out of the manifest, or choose an SDXL base model."

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedAdapters:
    """What was loaded beside the models' own weights.

    Attributes:
        switch: The engine's own LoRA and embeddings, which are in the models, and those of the list.
        lora_scale: The scale of its own LoRA where a request names none; 0 without one.
        scales: The same of the LoRAs of the list, by name.
    """

    switch: AdapterSwitch
    lora_scale: float
    scales: Mapping[str, float]


def load_adapters(
    pipelines: Pipelines,
    files: EngineFiles,
    adapters: Adapters,
    own_names: bool,
    phase: Callable[[str], AbstractContextManager[None]],
    listed: Mapping[str, ListedAdapter] = MappingProxyType({}),
    few_step: NamedFewStep | None = None,
) -> LoadedAdapters:
    """Put embeddings and LoRA into the base pipeline, where its engine has any; make the listed ones ready.

    The embeddings are called as the manifest says if `own_names`, else `<s0>`, `<s1>` and so on. The LoRA of
    a few-step model is read, and put in by the requests that it is for. Raises
    ModelFileError for a file that does not fit, AdapterListError for those of the list that do not,
    GpuMemoryError if the memory does not suffice.
    """
    from plitka.diffusion.adapters.switch import AdapterSwitch, WordTable
    from plitka.diffusion.adapters.textual_inversion import Words, tokenizers_of
    from plitka.diffusion.checkpoints.stored_weights import stored_weights

    base = pipelines.base
    _check_taken(pipelines.family, adapters, listed)
    plain = copy.deepcopy(tokenizers_of(base)) if listed else {}
    tokens = _load_embeddings(pipelines, files, adapters, own_names, phase)
    fast = few_step.lora if few_step else None
    stored = stored_weights(base, files.base) if listed or adapters.lora or fast else None
    loader = ListedLoader(base, listed, plain, stored)
    # The weights are still the base model's own, which is what a LoRA is read beside.
    with phase("adapters") if listed else nullcontext():
        more, loras = loader.read_all()
    top = _load_few_step(pipelines, few_step, stored, phase)
    own, scale = _load_lora(pipelines, files, adapters, stored, phase)
    words = Words(tokens, TRIGGER_WORD, tokenizers_of(base), {})
    if not listed:
        return LoadedAdapters(AdapterSwitch(own, {None: words}, few_step=top), scale, {})
    table = WordTable(base, plain, max(len(one.tokens) for one in (words, *more.values())))
    words = replace(words, vectors=table.vectors(len(tokens)))
    default = (files.models.lora or LoraSpec(file="")).scale
    scales = {name: default if one.scale is None else one.scale for name, one in listed.items()}
    every: dict[str | None, Words] = {None: words}
    every.update(more)
    switch = AdapterSwitch(own, every, table, loader.lora, loras, few_step=top)
    return LoadedAdapters(switch, scale, scales)


def _check_taken(family: Family, adapters: Adapters, listed: Mapping[str, ListedAdapter]) -> None:
    """Raise ModelFileError for adapters of a family that takes none."""
    if adapters.lora and not family.lora_targets:
        raise ModelFileError(adapters.lora.path, f"{family.title} takes no LoRA", NOT_TAKEN)
    if adapters.embeddings and not family.takes_embeddings:
        problem = f"{family.title} takes no embeddings of learned tokens"
        raise ModelFileError(adapters.embeddings.path, problem, NOT_TAKEN)
    if listed and not family.lora_targets:
        name = str(adapters_path())
        problem = f"it lists {len(listed)} adapters, and {family.title} takes none"
        remedy = f"Unset {ADAPTERS_VARIABLE}, or choose an SDXL base model."
        raise ModelFileError(name, problem, remedy)


def _load_lora(
    pipelines: Pipelines,
    files: EngineFiles,
    adapters: Adapters,
    stored: StoredWeights | None,
    phase: Callable[[str], AbstractContextManager[None]],
) -> tuple[Lora | None, float]:
    """The engine's own LoRA, in the weights at its scale, and the scale; None and 0 without one."""
    from plitka.diffusion.adapters.lora import load_lora

    if not adapters.lora:
        return None, 0.0
    with phase("lora"):
        lora = load_lora(pipelines.base, adapters.lora.path, adapters.lora.header, stored)
        scale = (files.models.lora or LoraSpec(file="")).scale
        with_fallback(pipelines, partial(lora.apply, scale))
        log.info("LoRA: %d modules at scale %g", lora.modules, scale)
    return lora, scale


def _load_few_step(
    pipelines: Pipelines,
    named: NamedFewStep | None,
    stored: StoredWeights | None,
    phase: Callable[[str], AbstractContextManager[None]],
) -> tuple[Lora, float] | None:
    """The LoRA of a few-step model, not in the weights, and its scale; None without one."""
    from plitka.diffusion.adapters.lora import load_lora

    if named is None or named.lora is None or named.spec.lora is None:
        return None
    with phase("few-step"):
        lora = load_lora(pipelines.base, named.lora.path, named.lora.header, stored, on_cpu=True)
        log.info("few-step LoRA (%s): %d modules", named.spec.kind, lora.modules)
    return lora, named.spec.lora.scale


def _load_embeddings(
    pipelines: Pipelines,
    files: EngineFiles,
    adapters: Adapters,
    own_names: bool,
    phase: Callable[[str], AbstractContextManager[None]],
) -> tuple[str, ...]:
    from plitka.diffusion.adapters.textual_inversion import load_textual_inversion, tokenizers_of

    if not adapters.embeddings:
        return ()
    base = pipelines.base
    with phase("embeddings"):
        spec = files.models.embeddings
        names = spec.tokens if own_names and spec else ()
        path, header = adapters.embeddings.path, adapters.embeddings.header
        tokens = load_textual_inversion(base, path, names, header)
        counters = tuple(tokenizers_of(base).values())
        check_prompt_room(
            str(path),
            len(tokens),
            lambda text: max(len(counter(text)["input_ids"]) for counter in counters),
        )
    return tokens
