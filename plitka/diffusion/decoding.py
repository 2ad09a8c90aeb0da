"""From latents to pixels, and whether both are numbers."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from plitka.diffusion.families.family import Family
from plitka.errors import NonFiniteImageError


@torch.no_grad()
def decoded(base: Any, family: Family, latents: torch.Tensor) -> NDArray[np.uint8]:
    """Latents (1, channels, h, w) to one picture, (height, width, 3) uint8. Raises NonFiniteImageError."""
    if not torch.isfinite(latents).all():
        raise NonFiniteImageError("the denoised latents are not all finite numbers")
    pixels = (family.decode or _through_vae)(base, latents)
    if not torch.isfinite(pixels).all():
        raise NonFiniteImageError("the decoded picture is not all finite numbers: the VAE overflowed")
    # Rounded on the device, which has to send a quarter of the bytes then.
    image = (base.image_processor.denormalize(pixels)[0].float() * 255).round().to(torch.uint8)
    return image.permute(1, 2, 0).contiguous().cpu().numpy()


def _through_vae(base: Any, latents: torch.Tensor) -> torch.Tensor:
    pixels: torch.Tensor
    pixels = base.vae.decode(_denormalized(latents, base.vae.config).to(base.vae.dtype), return_dict=False)[0]
    return pixels


def _denormalized(latents: torch.Tensor, config: Any) -> torch.Tensor:
    """Undo the scaling that the VAE's configuration puts on latents."""
    if config.latents_mean is None or config.latents_std is None:
        return latents / config.scaling_factor
    mean, std = (
        torch.tensor(values, device=latents.device, dtype=latents.dtype).view(1, -1, 1, 1)
        for values in (config.latents_mean, config.latents_std)
    )
    return latents * std / config.scaling_factor + mean
