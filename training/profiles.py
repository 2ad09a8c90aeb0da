"""How long each stage trains, on what, on a CPU and on a large GPU."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from training.loop import Budget


@dataclass(frozen=True)
class TrainingProfile:
    """Sizes of the data and budgets of the stages; `sample_side` is the size of a sample picture in pixels.

    `workers` processes train the UNet and the ControlNet together, with the mean of their gradients; on a
    CPU two single-threaded ones get more done than one with two threads, and suffer less from other work.
    """

    device: str
    workers: int
    tiles: int
    latents: int
    pieces: int
    prior: int
    sample_side: int
    vae: Budget
    text: Budget
    decoder: Budget
    unet: Budget
    adapters: Budget
    controlnet: Budget


NO_LIMIT = 10**9

PROFILES: Mapping[str, TrainingProfile] = MappingProxyType(
    {
        "cpu": TrainingProfile(
            device="cpu",
            workers=2,
            tiles=640,
            latents=320,
            pieces=1600,
            prior=600,
            sample_side=192,
            vae=Budget(NO_LIMIT, 22, 8, 1.5e-3),
            text=Budget(NO_LIMIT, 12, 32, 2e-3),
            decoder=Budget(NO_LIMIT, 6, 8, 1e-3),
            unet=Budget(NO_LIMIT, 50, 8, 1e-3),
            adapters=Budget(NO_LIMIT, 15, 8, 1e-3),
            controlnet=Budget(NO_LIMIT, 14, 8, 5e-4),
        ),
        "gpu": TrainingProfile(
            device="cuda",
            workers=1,
            tiles=1200,
            latents=1200,
            pieces=4000,
            prior=1500,
            sample_side=192,
            vae=Budget(NO_LIMIT, 4, 64, 1.5e-3),
            text=Budget(NO_LIMIT, 1, 256, 2e-3),
            decoder=Budget(NO_LIMIT, 1, 64, 1e-3),
            unet=Budget(NO_LIMIT, 7, 256, 1.5e-3),
            adapters=Budget(NO_LIMIT, 2, 64, 1e-3),
            controlnet=Budget(NO_LIMIT, 2, 128, 5e-4),
        ),
    }
)
