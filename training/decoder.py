"""Stage 4, the VAE's decoder again, while its encoder, and so the latents, stay as they are.

Mostly crumb. A critic asks for grain and edges as sharp as a swatch's from the first step on. At half of the
resolution the picture must be the drawn one, its colours above all: they decide whether a pixel is counted
for its granule's colour or for a neighbour's.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from training.critic import BETAS, RATE, PatchCritic, critic_loss, fooling_loss
from training.data import TileStore
from training.loop import Average, Budget, Stage, load_weights, optimize, run, worker
from training.precision import autocast, precision_for
from training.sheets import to_pictures, to_tensor, write_sheet
from training.vae import CROP, random_crops, reconstruction_loss

STYLE_PARTS = (0.86, 0.07, 0.07)
CHROMA_WEIGHT = 0.5
# Deviation of the noise put on the latents: those that the UNet makes are not exact either.
LATENT_NOISE = 0.03


def decoder_of(vae: Any) -> nn.Module:
    """The parts of a VAE that turn latents into pictures, sharing its weights."""
    return nn.ModuleList([vae.post_quant_conv, vae.decoder])


def chroma_loss(decoded: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """L1 of the red-green and the blue-yellow difference of (n, 3, h, w) pictures."""
    error = decoded - pixels
    red, green, blue = error.unbind(1)
    return (red - green).abs().mean() + (blue - 0.5 * (red + green)).abs().mean()


def decoder_loss(decoded: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """How far a decoded picture is from the real one, at full and at half resolution."""
    loss = reconstruction_loss(decoded, pixels)
    half, other = functional.avg_pool2d(decoded, 2), functional.avg_pool2d(pixels, 2)
    loss = loss + (half - other).abs().mean()
    return loss + CHROMA_WEIGHT * chroma_loss(half, other)


def train_decoder(vae: Any, store: TileStore, folder: Path, budget: Budget, seed: int, device: str) -> None:
    """Train, or go on training, the decoder of a VAE in place."""
    torch.manual_seed(seed)
    decoder, critic = decoder_of(vae).requires_grad_(True), PatchCritic().to(device)
    optimizer = torch.optim.AdamW(decoder.parameters(), budget.rate, BETAS, weight_decay=1e-4)
    judging = torch.optim.AdamW(
        [{"params": list(critic.parameters()), "factor": RATE / budget.rate}], budget.rate, BETAS
    )
    stage = Stage(
        "decoder",
        folder,
        budget,
        {"decoder": decoder, "critic": critic},
        {"decoder": optimizer, "critic": judging},
        Average(decoder),
        precision_for(device),
    )
    shown = random_crops(store, np.random.default_rng(0), 6, 3 * CROP, STYLE_PARTS)

    def take_step(stage: Stage) -> Mapping[str, float]:
        rng = np.random.default_rng([seed, stage.step, worker()])
        crops = random_crops(store, rng, stage.budget.batch, CROP, STYLE_PARTS)
        pixels = to_tensor(crops).to(device)
        with autocast(device):
            with torch.no_grad():
                latents = vae.encode(pixels).latent_dist.mode()
            noise = LATENT_NOISE * torch.randn_like(latents)
            decoded = vae.decode(latents + noise).sample.float()
        loss = decoder_loss(decoded, pixels) + fooling_loss(critic, decoded, device)
        optimize(loss, optimizer, list(decoder.parameters()))
        found = critic_loss(critic, pixels, decoded, device)
        optimize(found, judging, list(critic.parameters()))
        error = (decoded - pixels).detach().pow(2).mean()
        return {"psnr": float(10 * torch.log10(4 / error)), "critic": float(found.detach())}

    def show(path: Path) -> None:
        with torch.no_grad(), autocast(device):
            decoded = vae.decode(vae.encode(to_tensor(shown).to(device)).latent_dist.mode()).sample
        write_sheet(path, [list(shown), list(to_pictures(decoded))])

    run(stage, take_step, show)
    load_decoder(vae, folder)


def load_decoder(vae: Any, folder: Path) -> None:
    """Give a VAE the trained decoder, frozen."""
    load_weights(folder, {"decoder": decoder_of(vae)})
    vae.requires_grad_(False)
