"""Quality profiles: how many steps each picture takes, how strong the guidance is, and the two sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plitka.request.tile_request import TileRequest

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


def profile_for(request: TileRequest, profiles: Mapping[str, Profile] = PROFILES) -> Profile:
    """Give the profile of the request's quality, from an engine's own, with the request's overrides applied.

    ``num_inference_steps`` sets the steps of both pictures; ``num_inference_steps_preview`` and
    ``num_inference_steps_final`` take precedence over it.
    """
    profile, overrides = profiles[request.quality], request.overrides
    return Profile(
        steps_preview=_first_given(
            overrides.num_inference_steps_preview, overrides.num_inference_steps, profile.steps_preview
        ),
        steps_final=_first_given(
            overrides.num_inference_steps_final, overrides.num_inference_steps, profile.steps_final
        ),
        guidance_scale=(
            profile.guidance_scale if overrides.guidance_scale is None else overrides.guidance_scale
        ),
    )


def _first_given(special: int | None, common: int | None, default: int) -> int:
    if special is not None:
        return special
    return default if common is None else common
