"""Stage 1, the VAE: pictures to latents of a quarter of their side, and back.

The loss is that of a picture's pixels, of its edges (gradients), of its contrast at every scale (magnitudes
of the Fourier transform of blocks), of its colours (means of blocks), and late in training that of a critic
(`training/critic.py`).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch.nn import functional

from training.critic import BETAS, PatchCritic, critic_loss, fooling_loss
from training.data import STYLES, TILE, TileStore
from training.loop import Average, Budget, Stage, load_weights, optimize, run, worker
from training.precision import autocast, precision_for
from training.sheets import to_pictures, to_tensor, write_sheet

CROP = 64
# Pieces, twice as large, whose latents get mean 0 and deviation 1.
NORMALIZED_OVER = 64
LATENT_CHANNELS = 8
# Crumb is the hardest of the three styles, and what the product shows.
STYLE_PARTS = (0.6, 0.2, 0.2)
KL_WEIGHT = 1e-6
# Log-variance of the latents at the start: next to no noise.
LOG_VARIANCE = -6.0
FFT_BLOCK = 16
ADVERSARIAL_FROM = 0.6


def make_vae(channels: tuple[int, ...] = (32, 48, 64), latent_channels: int = LATENT_CHANNELS) -> Any:
    """An untrained SDXL-format VAE that works in half precision and shrinks a side by 4."""
    blocks = len(channels)
    vae = AutoencoderKL(
        block_out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=latent_channels,
        sample_size=1024,
        scaling_factor=1.0,
        force_upcast=False,
        mid_block_add_attention=False,
    )
    with torch.no_grad():
        vae.quant_conv.weight[latent_channels:] *= 0.1
        vae.quant_conv.bias[latent_channels:] = LOG_VARIANCE
    return vae


def train_vae(
    store: TileStore, folder: Path, budget: Budget, seed: int, device: str, make: Callable[[], Any] = make_vae
) -> Any:
    """Train, or go on training, and return the VAE with its latents' mean and deviation in its config."""
    torch.manual_seed(seed)
    vae, critic = make().to(device), PatchCritic().to(device)
    stage = Stage(
        "vae",
        folder,
        budget,
        {"vae": vae, "critic": critic},
        {
            "vae": torch.optim.AdamW(vae.parameters(), budget.rate, (0.9, 0.99), weight_decay=1e-4),
            "critic": torch.optim.AdamW(critic.parameters(), budget.rate, BETAS),
        },
        Average(vae),
        precision_for(device),
    )
    shown = random_crops(store, np.random.default_rng(0), 6, 2 * CROP)

    def take_step(stage: Stage) -> Mapping[str, float]:
        if stage.step % 200 == 0:
            store.reload()
        rng = np.random.default_rng([seed, stage.step, worker()])
        pixels = to_tensor(random_crops(store, rng, stage.budget.batch, CROP)).to(device)
        return _step(stage, pixels, device)

    def show(path: Path) -> None:
        with torch.no_grad(), autocast(device):
            pixels = to_tensor(shown).to(device)
            decoded = vae.decode(vae.encode(pixels).latent_dist.mode()).sample
        write_sheet(path, [list(shown), list(to_pictures(decoded))])

    run(stage, take_step, show)
    return load_vae(store, folder, device, make)


def load_vae(store: TileStore, folder: Path, device: str = "cpu", make: Callable[[], Any] = make_vae) -> Any:
    """The trained VAE, frozen, on a device."""
    vae = make().to(device)
    load_weights(folder, {"vae": vae})
    _normalize_latents(vae, store, device)
    return vae.requires_grad_(False).eval()


def random_crops(
    store: TileStore,
    rng: np.random.Generator,
    count: int,
    size: int,
    parts: tuple[float, ...] = STYLE_PARTS,
) -> NDArray[np.uint8]:
    """(count, size, size, 3) uint8 pieces of random tiles, flipped and turned at random.

    `parts` are the probabilities of STYLES.
    """
    crops = []
    for style in rng.choice(STYLES, count, p=parts):
        number = rng.integers(len(store.tiles))
        top, left = rng.integers(0, TILE - size + 1, 2)
        crop = store.planes[str(style)][number, top : top + size, left : left + size]
        crops.append(np.rot90(crop[:, :: int(rng.choice([-1, 1]))], int(rng.integers(4))))
    return np.stack(crops)


def _step(stage: Stage, pixels: torch.Tensor, device: str) -> Mapping[str, float]:
    vae, critic = stage.modules["vae"], stage.modules["critic"]
    with autocast(device):
        posterior = vae.encode(pixels).latent_dist  # type: ignore[operator]
        decoded = vae.decode(posterior.sample()).sample.float()  # type: ignore[operator]
    error = decoded - pixels
    figures = {"psnr": float(10 * torch.log10(4 / error.detach().pow(2).mean()))}
    loss = reconstruction_loss(decoded, pixels) + KL_WEIGHT * posterior.kl().mean()
    if stage.progress > ADVERSARIAL_FROM:
        loss = loss + fooling_loss(critic, decoded, device)
    optimize(loss, stage.optimizers["vae"], list(vae.parameters()))
    if stage.progress > ADVERSARIAL_FROM - 0.05:
        found = critic_loss(critic, pixels, decoded, device)
        optimize(found, stage.optimizers["critic"], list(critic.parameters()))
        figures["critic"] = float(found.detach())
    return {**figures, "loss": float(loss.detach())}


def reconstruction_loss(decoded: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """How far a decoded picture is from the real one: pixels, edges, contrast, colours."""
    error = decoded - pixels
    loss = error.abs().mean() + 2 * error.pow(2).mean()
    for axis in (-1, -2):
        loss = loss + 0.5 * error.diff(dim=axis).abs().mean()
    loss = loss + 0.04 * (_magnitudes(decoded) - _magnitudes(pixels)).abs().mean()
    return loss + 0.5 * functional.avg_pool2d(error, 4).abs().mean()


def _magnitudes(pixels: torch.Tensor) -> torch.Tensor:
    """Magnitudes of the Fourier transform of lightness in blocks."""
    gray = pixels.mean(1)
    blocks = gray.unfold(1, FFT_BLOCK, FFT_BLOCK // 2).unfold(2, FFT_BLOCK, FFT_BLOCK // 2)
    return torch.fft.rfft2(blocks, norm="ortho").abs()


@torch.no_grad()
def _normalize_latents(vae: Any, store: TileStore, device: str) -> None:
    """Give each latent channel mean 0 and deviation 1, in the weights.

    `latents_mean` and `latents_std` in the configuration are meant for it, but diffusers' SDXL pipelines
    take them for four channels.
    """
    crops = random_crops(store, np.random.default_rng(1), NORMALIZED_OVER, 2 * CROP)
    with autocast(device):
        latents = vae.encode(to_tensor(crops).to(device)).latent_dist.mode().float()
    mean, std = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    channels = len(mean)
    into, out_of = vae.quant_conv, vae.post_quant_conv
    into.bias[:channels] = (into.bias[:channels] - mean) / std
    into.weight[:channels] /= std.view(-1, 1, 1, 1)
    into.bias[channels:] -= 2 * std.log()
    out_of.bias += out_of.weight[..., 0, 0] @ mean
    out_of.weight *= std.view(1, -1, 1, 1)
