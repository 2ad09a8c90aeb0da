"""What trained adapters draw: photographs beside pictures from their captions, with adapters and without."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from plitka.diffusion.schedulers import make_scheduler
from training.adapter_trainer import AdapterTrainer
from training.pictures import Picture
from training.sheets import write_sheet

MOST_ROWS = 4
# The predictor's defaults for SDXL.
SAMPLER, STEPS, GUIDANCE = "dpmpp_2m_karras", 20, 7.0
LARGEST_SIDE = 512


def write_sample_sheet(trainer: AdapterTrainer, path: Path) -> None:
    """Write a PNG of up to four rows: a photograph, what its caption gives, and that without adapters.

    The photographs are spread over those that were trained on. Pictures are drawn at the training's
    resolution, from text alone, and shown at most 512 pixels wide.
    """
    chosen = spread(trainer.pictures, MOST_ROWS)
    side = trainer.settings.resolution
    rows = []
    for picture in chosen:
        drawn = _draw(trainer, picture.caption)
        with trainer.unet.disable_adapter():
            plain = _draw(trainer, picture.caption)
        rows.append([_shown(pixels, side) for pixels in (picture.pixels(side), drawn, plain)])
    write_sheet(path, rows)


def spread(pictures: Sequence[Picture], count: int) -> list[Picture]:
    """At most `count` of the pictures, evenly spread, the first and the last among them."""
    places = np.linspace(0, len(pictures) - 1, min(count, len(pictures)))
    return [pictures[int(place)] for place in places.round()]


def _draw(trainer: AdapterTrainer, prompt: str) -> NDArray[np.uint8]:
    """(side, side, 3) uint8 sRGB."""
    pipeline, side = trainer.pipeline, trainer.settings.resolution
    own = pipeline.scheduler
    pipeline.set_progress_bar_config(disable=True)
    try:
        pipeline.scheduler = make_scheduler(SAMPLER, own.config)
        with torch.no_grad(), trainer.accelerator.autocast():
            image = pipeline(
                prompt,
                height=side,
                width=side,
                num_inference_steps=STEPS,
                guidance_scale=GUIDANCE,
                generator=torch.Generator("cpu").manual_seed(trainer.settings.seed),
                output_type="np",
            ).images[0]
    finally:
        pipeline.scheduler = own
    return (np.nan_to_num(image) * 255).round().astype(np.uint8)


def _shown(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    step = -(-side // LARGEST_SIDE)
    if side % step:
        return pixels
    small = pixels.reshape(side // step, step, side // step, step, 3).astype(np.float32).mean((1, 3))
    return small.round().astype(np.uint8)
