"""Quality profiles: how many steps each picture takes, how strong the guidance is, and the two sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

# Pixels on a side.
PREVIEW_SIZE = 512
FINAL_SIZE = 1024


@dataclass(frozen=True)
class Profile:
    """Denoising steps of the preview and the final picture, and the classifier-free guidance scale."""

    steps_preview: int
    steps_final: int
    guidance_scale: float


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "preview": Profile(steps_preview=35, steps_final=40, guidance_scale=6.5),
        "standard": Profile(steps_preview=35, steps_final=50, guidance_scale=6.5),
        "high": Profile(steps_preview=40, steps_final=60, guidance_scale=6.0),
    }
)
# `fast` where an engine has no few-step model, and so refuses it.
NO_FAST = Profile(steps_preview=4, steps_final=4, guidance_scale=1.0)
