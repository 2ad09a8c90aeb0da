"""What goes with loading an engine: phases timed, an operator's archive opened, adapters, identity.

diffusers and transformers are imported when a function needs them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from plitka.device.select import DeviceInfo
from plitka.diffusion.adapters.prompt_budget import check_prompt_room
from plitka.diffusion.memory_fallback import with_fallback
from plitka.files.temporary_folders import named_when_full, own_folder
from plitka.settings import cudnn_benchmark
from plitka.weights.archive import unpack_weights
from plitka.weights.locate import Adapters, EngineFiles

if TYPE_CHECKING:
    from plitka.diffusion.adapters.lora import Lora
    from plitka.diffusion.pipelines import Pipelines

VERSIONED_LIBRARIES = ("torch", "diffusers", "transformers", "peft")

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


@contextmanager
def timed_phase(on_phase: Callable[[str, float], None] | None, name: str) -> Iterator[None]:
    """Time one phase of loading, for the log and for `on_phase(name, seconds)`."""
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    log.info("%s: %.1f s", name, seconds)
    if on_phase is not None:
        on_phase(name, seconds)


@contextmanager
def opened_weights(weights: Path | None) -> Iterator[Path | None]:
    """The folder with an operator's own weights; an archive is unpacked for as long as it is needed."""
    if weights is None or weights.is_dir():
        yield weights
        return
    with own_folder("plitka-weights-") as folder:
        with named_when_full(folder):
            unpack_weights(weights, folder)
        yield folder


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


def identity_of(name: str, device_info: DeviceInfo, files: EngineFiles, adapters: Adapters) -> dict[str, str]:
    """What makes the pictures; the same text on every run."""
    parts = {"engine": name, "base": files.base.name, "vae": files.vae.name if files.vae else files.base.name}
    parts |= {f"controlnet.{key}": location.name for key, location in files.controlnets.items()}
    for part, file in (("lora", adapters.lora), ("embeddings", adapters.embeddings)):
        parts[part] = f"{file.path.name} sha256:{file.sha256}" if file else "none"
    parts |= {library: version(library) for library in VERSIONED_LIBRARIES}
    # Kernels that round differently make another picture.
    kernels = (
        {"kernels": "chosen by timing" if cudnn_benchmark() else "chosen by rule"}
        if device_info.is_gpu
        else {}
    )
    return {**parts, "device": device_info.name, "dtype": device_info.dtype, **kernels}
