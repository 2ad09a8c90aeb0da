"""How long each stage trains and on what: from nothing or from a model, on a CPU or a large GPU."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from training.loop import Budget


@dataclass(frozen=True)
class TrainingProfile:
    """Sizes of the data and budgets of the stages; `sample_side` is the size of a sample picture in pixels.

    `workers` processes train the UNet and the ControlNet together, with the mean of their gradients; on a
    CPU two single-threaded ones get more done than one with two threads, and suffer less from other work.
    `start` is a model folder to go on from (`training/start.py`), None for nothing.
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
    start: Path | None = None


NO_LIMIT = 10**9
TAKEN_OVER = Budget(0, 0, 0, 0)

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
        "refresh": TrainingProfile(
            device="cpu",
            workers=2,
            tiles=640,
            latents=640,
            pieces=1600,
            prior=600,
            sample_side=192,
            vae=TAKEN_OVER,
            text=TAKEN_OVER,
            decoder=Budget(NO_LIMIT, 18, 8, 5e-4),
            unet=Budget(NO_LIMIT, 30, 8, 6e-4),
            adapters=Budget(NO_LIMIT, 11, 8, 6e-4),
            controlnet=Budget(NO_LIMIT, 8, 8, 3e-4),
            start=Path("model_files/mini"),
        ),
        # Eight minutes in all on one large card and 16 cores, drawing tiles and encoding them included.
        "gpu": TrainingProfile(
            device="cuda",
            workers=1,
            tiles=960,
            latents=960,
            pieces=1600,
            prior=600,
            sample_side=192,
            vae=TAKEN_OVER,
            text=TAKEN_OVER,
            decoder=Budget(NO_LIMIT, 1.25, 64, 5e-4),
            unet=Budget(NO_LIMIT, 2.5, 192, 8e-4),
            adapters=Budget(NO_LIMIT, 1, 64, 6e-4),
            controlnet=Budget(NO_LIMIT, 0.75, 96, 4e-4),
            start=Path("model_files/mini"),
        ),
    }
)
