"""A small discriminator that tells patches of drawn pictures from decoded ones (hinge loss, spectral norm:
Miyato et al. 2018, https://arxiv.org/abs/1802.05957).

It judges grain and edges, a few pixels wide, at full resolution, and facets at half of it. It asks for what a
sum of absolute errors cannot ask for: grain of the right strength, wherever it lies.
"""

from typing import cast

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from training.precision import autocast

ADVERSARIAL_WEIGHT = 0.05
RATE = 1e-3
BETAS = (0.5, 0.99)


class PatchCritic(nn.Module):
    """(n, 3, h, w) pictures to maps of scores, positive for drawn: (n, 1, h, w) and (n, 1, h / 2, w / 2)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        layers = [
            *(nn.Conv2d(3, width, 3, 1, 1), nn.Conv2d(width, width, 3, 1, 1)),
            *(nn.Conv2d(width, 2 * width, 4, 2, 1), nn.Conv2d(2 * width, 2 * width, 3, 1, 1)),
        ]
        self.layers = nn.ModuleList([spectral_norm(layer) for layer in layers])
        self.fine_head = spectral_norm(nn.Conv2d(width, 1, 1))
        self.coarse_head = spectral_norm(nn.Conv2d(2 * width, 1, 3, 1, 1))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores at full and at half resolution, float32."""
        found = []
        for layer in self.layers:
            pixels = functional.leaky_relu(layer(pixels), 0.2)
            found.append(pixels)
        fine, coarse = self.fine_head(found[1]), self.coarse_head(found[-1])
        return cast(torch.Tensor, fine).float(), cast(torch.Tensor, coarse).float()


def fooling_loss(critic: nn.Module, decoded: torch.Tensor, device: str) -> torch.Tensor:
    """How surely decoded pictures are recognised; its gradient leaves the critic alone."""
    critic.requires_grad_(False)
    with autocast(device):
        fine, coarse = critic(decoded)
    critic.requires_grad_(True)
    return -ADVERSARIAL_WEIGHT * cast(torch.Tensor, fine.mean() + coarse.mean())


def critic_loss(critic: nn.Module, pixels: torch.Tensor, decoded: torch.Tensor, device: str) -> torch.Tensor:
    """The hinge loss of a critic on drawn and decoded pictures; its gradient leaves the decoder alone."""
    with autocast(device):
        real, made = critic(pixels), critic(decoded.detach())
    losses = [
        functional.relu(1 - one).mean() + functional.relu(1 + other).mean()
        for one, other in zip(real, made, strict=True)
    ]
    return torch.stack(losses).sum()
