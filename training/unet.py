"""Stage 3, the UNet: the base model, which draws pebbles and terrazzo in the colours of the prompt.

It predicts v (Salimans and Ho 2022, https://arxiv.org/abs/2202.00512). The noise schedule starts far lower
and ends higher than SDXL's: half of it is a noise of at most the latents' own deviation, through which a
swatch's colours can still be seen, and all of it hides a picture's mean colour.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDPMScheduler, EulerDiscreteScheduler, UNet2DConditionModel
from torch.nn import functional

from plitka.request.prompt import TOKEN_LIMIT
from training.latents import Batch, LatentStore, draw_batch, forget_size
from training.loop import (
    Average,
    Budget,
    Stage,
    load_weights,
    optimize,
    plain_attention,
    run,
    worker,
)
from training.precision import autocast, precision_for
from training.text import PROJECTION, WIDTH_G, WIDTH_L, TextEncoders
from training.vae import LATENT_CHANNELS

# Latents on a side of an example.
SIDE = 32
STYLE_PARTS = (0.6, 0.4)
TIME_EMBEDDING = 16
# Heads of attention in each block: few and wide, which a CPU computes faster than many narrow ones.
HEADS = (1, 2, 2)
TRAIN_STEPS = 1000
SCHEDULE = {
    "beta_start": 1e-6,
    "beta_end": 0.02,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": TRAIN_STEPS,
    "prediction_type": "v_prediction",
    "timestep_spacing": "trailing",
}
# Where samplers on Karras' noise levels begin: half of those levels is then a noise of 0.35, which a briefly
# trained UNet still takes off without changing colours; at the schedule's own end of 30 it would be 1.
SAMPLER_SIGMA_MAX = 8.0
# Half of the examples have the noise of the default start from the swatch, or less.
LOW_NOISE_PART, LOW_NOISE_STEPS = 0.5, 520


def make_scheduler() -> Any:
    """The sampler that the pipeline is saved with."""
    return EulerDiscreteScheduler(**SCHEDULE, sigma_max=SAMPLER_SIGMA_MAX)


def make_unet(channels: tuple[int, ...] = (48, 96, 128), latent_channels: int = LATENT_CHANNELS) -> Any:
    """An untrained UNet with SDXL's two kinds of conditioning and no attention between pixels."""
    lower = len(channels) - 1
    return UNet2DConditionModel(
        sample_size=256,
        in_channels=latent_channels,
        out_channels=latent_channels,
        block_out_channels=channels,
        layers_per_block=1,
        norm_num_groups=16,
        down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * lower,
        up_block_types=("CrossAttnUpBlock2D",) * lower + ("UpBlock2D",),
        attention_head_dim=HEADS,
        only_cross_attention=True,
        transformer_layers_per_block=1,
        use_linear_projection=True,
        cross_attention_dim=WIDTH_L + WIDTH_G,
        addition_embed_type="text_time",
        addition_time_embed_dim=TIME_EMBEDDING,
        projection_class_embeddings_input_dim=6 * TIME_EMBEDDING + PROJECTION,
    )


class Denoising:
    """The diffusion loss of a UNet with frozen text encoders."""

    def __init__(self, tokenizer: Any, encoders: TextEncoders, device: str) -> None:
        self._tokenizer, self._encoders, self.device = tokenizer, encoders, device
        self._noise = DDPMScheduler(**SCHEDULE)

    def encode(self, captions: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, 77, width) states and (n, PROJECTION) pooled, as SDXL's pipelines make them."""
        tokens = self._tokenizer(
            list(captions),
            padding="max_length",
            truncation=True,
            max_length=TOKEN_LIMIT,
            return_tensors="pt",
        )
        return self._encoders.encode(tokens["input_ids"].to(self.device))

    def loss(
        self,
        batch: Batch,
        rng: np.random.Generator,
        predict: Callable[..., torch.Tensor],
        text: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Mean squared error of v. `predict(noisy, timesteps, states, conditions)` is the model."""
        latents = batch.latents.to(self.device)
        timesteps = random_timesteps(rng, len(latents))
        noise = torch.from_numpy(rng.standard_normal(latents.shape, np.float32)).to(self.device)
        timesteps_here = timesteps.to(self.device)
        noisy = self._noise.add_noise(latents, noise, timesteps_here)
        target = self._noise.get_velocity(latents, noise, timesteps_here)
        with autocast(self.device), plain_attention(self.device):
            states, pooled = self.encode(batch.captions) if text is None else text
            time_ids = forget_size(batch.time_ids, timesteps, rng).to(self.device)
            conditions = {"text_embeds": pooled, "time_ids": time_ids}
            predicted = predict(noisy, timesteps_here, states, conditions)
        return functional.mse_loss(predicted.float(), target)


def random_timesteps(rng: np.random.Generator, count: int) -> torch.Tensor:
    """(count,) int64 steps of the noise schedule, low noise more often."""
    low = rng.random(count) < LOW_NOISE_PART
    limits = np.where(low, LOW_NOISE_STEPS, TRAIN_STEPS)
    return torch.from_numpy((rng.random(count) * limits).astype(np.int64))


def train_unet(
    stores: Sequence[LatentStore],
    denoising: Denoising,
    folder: Path,
    budget: Budget,
    seed: int,
    make: Callable[[], Any] = make_unet,
    show: Callable[[Any, Path], None] | None = None,
) -> Any:
    """Train, or go on training, on pebbles and terrazzo; returns the UNet, frozen.

    `show(unet, path)` writes a sample sheet.
    """
    torch.manual_seed(seed)
    unet = make().to(denoising.device)
    optimizer = torch.optim.AdamW(unet.parameters(), budget.rate, (0.9, 0.99), weight_decay=0.01)
    average = Average(unet)
    stage = Stage(
        "unet", folder, budget, {"unet": unet}, {"unet": optimizer}, average, precision_for(denoising.device)
    )

    def predict(
        noisy: torch.Tensor,
        timesteps: torch.Tensor,
        states: torch.Tensor,
        conditions: dict[str, torch.Tensor],
    ) -> torch.Tensor:
        return unet(noisy, timesteps, states, added_cond_kwargs=conditions).sample

    def take_step(stage: Stage) -> Mapping[str, float]:
        rng = np.random.default_rng([seed, stage.step, worker()])
        batch = draw_batch(stores, STYLE_PARTS, rng, stage.budget.batch, SIDE)
        loss = denoising.loss(batch, rng, predict)
        optimize(loss, optimizer, list(unet.parameters()))
        return {"loss": float(loss.detach())}

    def show_average(path: Path) -> None:
        if show is not None:
            show(average.sample_of(unet, make().to(denoising.device)), path)

    run(stage, take_step, show_average)
    return load_unet(folder, denoising.device, make)


def load_unet(folder: Path, device: str = "cpu", make: Callable[[], Any] = make_unet) -> Any:
    """The trained UNet, frozen, on a device."""
    unet = make().to(device)
    load_weights(folder, {"unet": unet})
    return unet.requires_grad_(False).eval()
