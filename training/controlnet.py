"""Stage 6, the ControlNet: one model that guides granules and joints by canny, softedge and lineart edges.

It starts as a copy of the UNet's encoder (Zhang et al. 2023, https://arxiv.org/abs/2302.05543) and trains on
a frozen UNet. Every example shows one kind of edge, chosen at random.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import ControlNetModel

from plitka.choices import EDGE_KINDS
from training.latents import LatentStore, draw_batch
from training.loop import Average, Budget, Stage, load_weights, optimize, run, worker
from training.precision import precision_for
from training.unet import SIDE, Denoising

# Widths of the layers that bring the edges to the latents' size: one fewer than halvings plus one.
HINT_CHANNELS = (16, 32, 48)
# What the ControlNet's configuration shares with its UNet's.
_SHARED = (
    "in_channels",
    "block_out_channels",
    "layers_per_block",
    "norm_num_groups",
    "down_block_types",
    "attention_head_dim",
    "only_cross_attention",
    "use_linear_projection",
    "cross_attention_dim",
    "addition_embed_type",
    "addition_time_embed_dim",
    "projection_class_embeddings_input_dim",
)


def make_controlnet(unet: Any) -> Any:
    """A ControlNet that changes nothing yet, with the weights of the UNet's encoder."""
    config = {name: unet.config[name] for name in _SHARED}
    controlnet = ControlNetModel(**config, conditioning_embedding_out_channels=HINT_CHANNELS)
    own = controlnet.state_dict()
    shared = {name: weight for name, weight in unet.state_dict().items() if name in own}
    controlnet.load_state_dict(shared, strict=False)
    return controlnet


def train_controlnet(
    stores: Sequence[LatentStore],
    parts: Sequence[float],
    denoising: Denoising,
    unet: Any,
    folder: Path,
    budget: Budget,
    seed: int,
    show: Callable[[Any, Path], None] | None = None,
    make: Callable[[Any], Any] = make_controlnet,
) -> Any:
    """Train, or go on training, on stores chosen with probabilities `parts`; returns the ControlNet, frozen.

    `make(unet)` makes the ControlNet to begin with.

    `show(controlnet, path)` writes a sample sheet.
    """
    torch.manual_seed(seed)
    controlnet = make(unet).to(denoising.device)
    optimizer = torch.optim.AdamW(controlnet.parameters(), budget.rate, (0.9, 0.99), weight_decay=0.01)
    average = Average(controlnet)
    stage = Stage(
        "controlnet",
        folder,
        budget,
        {"controlnet": controlnet},
        {"controlnet": optimizer},
        average,
        precision_for(denoising.device),
    )

    def take_step(stage: Stage) -> Mapping[str, float]:
        rng = np.random.default_rng([seed, stage.step, worker()])
        batch = draw_batch(stores, parts, rng, stage.budget.batch, SIDE)
        kinds = torch.from_numpy(rng.integers(len(EDGE_KINDS), size=stage.budget.batch))
        edges = batch.edges[torch.arange(len(kinds)), kinds][:, None].expand(-1, 3, -1, -1)
        loss = denoising.loss(batch, rng, _controlled(unet, controlnet, edges.to(denoising.device)))
        optimize(loss, optimizer, list(controlnet.parameters()))
        return {"loss": float(loss.detach())}

    def show_average(path: Path) -> None:
        if show is not None:
            show(average.sample_of(controlnet, make_controlnet(unet).to(denoising.device)), path)

    run(stage, take_step, show_average)
    return load_controlnet(folder, unet, denoising.device)


def _controlled(unet: Any, controlnet: Any, edges: torch.Tensor) -> Callable[..., torch.Tensor]:
    """The UNet with the ControlNet's word on every level."""

    def predict(
        noisy: torch.Tensor,
        timesteps: torch.Tensor,
        states: torch.Tensor,
        conditions: dict[str, torch.Tensor],
    ) -> torch.Tensor:
        down, middle = controlnet(
            noisy,
            timesteps,
            states,
            controlnet_cond=edges,
            added_cond_kwargs=conditions,
            return_dict=False,
        )
        return unet(
            noisy,
            timesteps,
            states,
            added_cond_kwargs=conditions,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        ).sample

    return predict


def load_controlnet(folder: Path, unet: Any, device: str = "cpu") -> Any:
    """The trained ControlNet, frozen, on a device."""
    controlnet = make_controlnet(unet).to(device)
    load_weights(folder, {"controlnet": controlnet})
    return controlnet.requires_grad_(False).eval()
