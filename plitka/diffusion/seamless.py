"""Models that see pictures as rings: what lies beyond an edge is the opposite edge.

Convolutions pad with the opposite edge instead of zeros; everything else in these models, attention and
normalisation, knows no place. So a picture moved around the ring gives the same result, moved as far.
"""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.models.downsampling import Downsample2D

CIRCULAR = "circular"


@contextmanager
def circular(models: Iterable[torch.nn.Module]) -> Generator[None]:
    """Have the models' convolutions pad circularly while the block runs; they are as before afterwards.

    Weights stay where they are. A VAE in tiles works on the whole picture meanwhile, since each tile would be
    a ring of its own.
    """
    changed: list[tuple[Any, str, Any]] = []

    def change(holder: Any, name: str, value: Any) -> None:
        changed.append((holder, name, getattr(holder, name)))
        setattr(holder, name, value)

    try:
        for model in models:
            if getattr(model, "use_tiling", False):
                change(model, "use_tiling", False)
            for module in model.modules():
                if isinstance(module, torch.nn.Conv2d) and any(module._reversed_padding_repeated_twice):
                    change(module, "padding_mode", CIRCULAR)
                elif isinstance(module, Downsample2D) and module.use_conv and module.padding == 0:
                    # It pads by itself, with zeros to the right and below, unless it has a padding.
                    change(module, "padding", 1)
                    change(module.conv, "padding_mode", CIRCULAR)
                    change(module.conv, "_reversed_padding_repeated_twice", [0, 1, 0, 1])
        yield
    finally:
        for holder, name, value in reversed(changed):
            setattr(holder, name, value)
