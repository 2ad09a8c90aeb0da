"""The adapters of an engine, embeddings and LoRA, put into its base pipeline.

diffusers and transformers are imported when a function needs them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from plitka.diffusion.adapters.prompt_budget import check_prompt_room
from plitka.diffusion.memory_fallback import with_fallback
from plitka.weights.locate import Adapters, EngineFiles

if TYPE_CHECKING:
    from plitka.diffusion.adapters.lora import Lora
    from plitka.diffusion.pipelines import Pipelines

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedAdapters:
    """What was loaded beside the models' own weights.

    Attributes:
        tokens: What the embeddings are called in a prompt; empty without embeddings.
        lora: The LoRA in the weights, at `lora_scale`; None without one.
        lora_scale: Its scale where a request names none.
    """

    tokens: tuple[str, ...] = ()
    lora: Lora | None = None
    lora_scale: float = 0.0


def load_adapters(
    pipelines: Pipelines,
    files: EngineFiles,
    adapters: Adapters,
    own_names: bool,
    phase: Callable[[str], AbstractContextManager[None]],
) -> LoadedAdapters:
    """Put embeddings and LoRA into the base pipeline, where its engine has any.

    The embeddings are called as the manifest says if `own_names`, else `<s0>`, `<s1>` and so on. Raises
    ModelFileError for a file that does not fit, GpuMemoryError if the memory does not suffice.
    """
    from plitka.diffusion.adapters.lora import load_lora
    from plitka.diffusion.adapters.textual_inversion import load_textual_inversion
    from plitka.diffusion.checkpoints.stored_weights import stored_weights

    base = pipelines.base
    tokens: tuple[str, ...] = ()
    if adapters.embeddings and files.models.embeddings:
        with phase("embeddings"):
            names = files.models.embeddings.tokens if own_names else ()
            path, header = adapters.embeddings.path, adapters.embeddings.header
            tokens = load_textual_inversion(base, path, names, header)
            counters = (base.tokenizer, base.tokenizer_2)
            check_prompt_room(
                str(path),
                len(tokens),
                lambda text: max(len(counter(text)["input_ids"]) for counter in counters),
            )
    if not (adapters.lora and files.models.lora):
        return LoadedAdapters(tokens)
    with phase("lora"):
        stored = stored_weights(base, files.base)
        lora = load_lora(base, adapters.lora.path, adapters.lora.header, stored)
        scale = files.models.lora.scale
        with_fallback(pipelines, partial(lora.apply, scale))
        log.info("LoRA: %d modules at scale %g", lora.modules, scale)
    return LoadedAdapters(tokens, lora, scale)
