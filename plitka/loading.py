"""What goes with loading an engine: each phase timed, an operator's archive opened, the models' identity."""

import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from plitka.device import DeviceInfo
from plitka.models import Adapters, EngineFiles
from plitka.weight_files import hash_file, unpack_weights

VERSIONED_LIBRARIES = ("torch", "diffusers", "transformers", "peft")

log = logging.getLogger(__name__)


@contextmanager
def timed_phase(on_phase: Callable[[str, float], None] | None, name: str) -> Iterator[None]:
    """Time one phase of loading; tell the log and the caller."""
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
    with tempfile.TemporaryDirectory(prefix="plitka-weights-") as folder:
        unpack_weights(weights, Path(folder))
        yield Path(folder)


def identity_of(name: str, device_info: DeviceInfo, files: EngineFiles, adapters: Adapters) -> dict[str, str]:
    """What makes the pictures; the same text on every run."""
    parts = {"engine": name, "base": files.base.name, "vae": files.vae.name if files.vae else files.base.name}
    parts |= {f"controlnet.{key}": location.name for key, location in files.controlnets.items()}
    for part, path in (("lora", adapters.lora), ("embeddings", adapters.embeddings)):
        parts[part] = f"{path.name} sha256:{hash_file(path)}" if path else "none"
    parts |= {library: version(library) for library in VERSIONED_LIBRARIES}
    return {**parts, "device": device_info.name, "dtype": device_info.dtype}
