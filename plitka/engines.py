"""Engines by name: how each is loaded."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from plitka.choices import EngineName
from plitka.errors import EngineError, printable
from plitka.settings import check_engine_name

if TYPE_CHECKING:
    from plitka.engine.protocol import Engine

RENDER: EngineName = "render"


def load_engine(name: str, *, weights: Path | None = None) -> Engine:
    """Load an engine and its models: once, for any number of requests.

    Args:
        name: "render" (draws the plan itself, without weights), "mini" (the small embedded model) or "sdxl".
        weights: A folder, `.tar` or `.zip` with a LoRA and embeddings, in place of the model folder's own.

    Returns:
        The engine on the best device here. `close()` releases its models and memory.

    Raises:
        EngineError: There is no engine of this name, a part of the installation is missing, or weights are
            given to `render`.
        ModelFileError: A weight file is missing, broken or does not fit.
        DeviceError: A setting of the device (an environment variable) is not allowed.
        PaletteError: The palette of `PLITKA_PALETTE` cannot be used.
        FolderError: The temporary folder cannot hold an unpacked archive of weights.
    """
    name = check_engine_name(name)
    from plitka.colors.palette import palette_in_use

    # A bad one is refused now, not at the first request.
    palette_in_use()
    if name == RENDER:
        if weights is not None:
            raise EngineError(f"weights {weights}: the engine 'render' draws without any; use mini or sdxl")
        from plitka.engine.render import RenderEngine

        return RenderEngine()
    try:
        from plitka.diffusion.engine import DiffusionEngine
    except ModuleNotFoundError as missing:
        raise EngineError(
            f"the engine '{name}' needs the diffusion part, and its module '{missing.name}' is missing; "
            "install it with: pip install --constraint constraints.txt --editable '.[diffusion]'"
        ) from missing
    return DiffusionEngine.load(name, weights=weights)


def log_to_stderr() -> None:
    """Log this package's own messages to standard error: the phases of setup, warnings and errors."""
    handler = logging.StreamHandler()
    handler.setFormatter(_PrintableFormatter("%(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("plitka").setLevel(logging.INFO)


class _PrintableFormatter(logging.Formatter):
    """Escapes control characters that come from paths, files and the environment."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's own name
        return printable(super().formatMessage(record))
