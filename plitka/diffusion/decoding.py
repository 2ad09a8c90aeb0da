"""From latents to pixels, and whether both are numbers; from pixels to latents."""

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

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


@torch.no_grad()
def encoded(base: Any, family: Family, image: Image.Image, device: str) -> torch.Tensor:
    """A picture to latents (1, channels, h, w), as the UNet knows them and `decoded` takes them."""
    pixels = base.image_processor.preprocess(image).to(device, base.vae.dtype)
    found = base.vae.encode(pixels, return_dict=False)[0]
    if family.decode:
        return cast(torch.Tensor, found)
    return _normalized(found.mode(), base.vae.config)


def _through_vae(base: Any, latents: torch.Tensor) -> torch.Tensor:
    pixels: torch.Tensor
    pixels = base.vae.decode(_denormalized(latents, base.vae.config).to(base.vae.dtype), return_dict=False)[0]
    return pixels


def _denormalized(latents: torch.Tensor, config: Any) -> torch.Tensor:
    """Undo the scaling that the VAE's configuration puts on latents."""
    if config.latents_mean is None or config.latents_std is None:
        return latents / config.scaling_factor
    mean, std = _mean_and_std(latents, config)
    return latents * std / config.scaling_factor + mean


def _normalized(latents: torch.Tensor, config: Any) -> torch.Tensor:
    """Put the scaling of the VAE's configuration on latents."""
    if config.latents_mean is None or config.latents_std is None:
        scaled: torch.Tensor = latents * config.scaling_factor
        return scaled
    mean, std = _mean_and_std(latents, config)
    return (latents - mean) * config.scaling_factor / std


def _mean_and_std(latents: torch.Tensor, config: Any) -> tuple[torch.Tensor, ...]:
    return tuple(
        torch.tensor(values, device=latents.device, dtype=latents.dtype).view(1, -1, 1, 1)
        for values in (config.latents_mean, config.latents_std)
    )
