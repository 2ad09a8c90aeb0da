"""A LoRA and a two-encoder textual inversion from captioned pictures, for any base model in SDXL's format.

The captions name the learned tokens (`ohwx_rubber_tile <s0><s1>, 60% red, 40% blue, …`). Prior pictures,
whose captions do not, keep the model drawing those as before (Ruiz et al. 2023,
https://arxiv.org/abs/2208.12242). `training/adapters.py` is the command line.

Written are the LoRA in PEFT's layout with its `adapter_config.json`, and the embeddings, `clip_l` and
`clip_g` in bfloat16.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from diffusers import DDPMScheduler
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from plitka.diffusion.progress import bar_options
from training.learned_tokens import LearnedTokens
from training.loop import Budget, Stage, plain_attention, run, worker
from training.pictures import Picture
from training.precision import AUTO, precision_for
from training.sheets import to_tensor

LORA_NAME, EMBEDDINGS_NAME = "tile_lora.safetensors", "tile_embeddings.safetensors"
CONFIG_NAME = "adapter_config.json"
# The layers of the UNet that the customer's LoRA changes.
TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "conv2"]
PRIOR_PART = 0.35
# Prompts that are left empty, so that guidance still works.
EMPTY_PART = 0.05
# The learned words move faster than the low-rank pairs.
TOKEN_RATE_FACTOR = 5.0


@dataclass(frozen=True)
class AdapterSettings:
    """How adapters are trained.

    Attributes:
        output: The folder for what is written.
        budget: Steps, minutes, pictures in a step, learning rate of the LoRA.
        rank: Of the LoRA; its alpha is the same.
        resolution: Pixels on a side of an example.
        seed: At least 0.
        token_factor: The learning rate of the learned words by that of the LoRA.
        tokens: The learned words.
        init_words: Where they start from.
        low_noise_part: Part of the examples from the lower half of the noise schedule, 0 to 1.
        precision: "auto", "no", "bf16" or "fp16".
        gradient_checkpointing: Whether activations are computed again to save memory.
        start: A folder with a LoRA and embeddings to go on from.
        keeps_checkpoints: Whether the run can be gone on with.
    """

    output: Path
    budget: Budget
    rank: int
    resolution: int
    seed: int
    token_factor: float = TOKEN_RATE_FACTOR
    tokens: Sequence[str] = ("<s0>", "<s1>")
    init_words: str = "rubber tile"
    low_noise_part: float = 0.0
    precision: str = AUTO
    gradient_checkpointing: bool = False
    start: Path | None = None
    keeps_checkpoints: bool = True


class AdapterTrainer:
    """A pipeline with trainable low-rank pairs and words, and the pictures to train them on."""

    def __init__(
        self,
        pipeline: Any,
        settings: AdapterSettings,
        pictures: Sequence[Picture],
        prior: Sequence[Picture] = (),
    ) -> None:
        """Put fresh adapters into a `StableDiffusionXLPipeline` in float32, and encode the pictures.

        Raises ValueError if the base model knows the tokens already, or what is gone on from does not fit.
        """
        self.pipeline, self.settings = pipeline, settings
        self.pictures, self.prior = list(pictures), list(prior)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        auto = settings.precision == AUTO
        self.precision = precision_for(device) if auto else settings.precision
        self.accelerator = Accelerator(mixed_precision=self.precision, cpu=device == "cpu")
        torch.manual_seed(settings.seed)
        for model in (pipeline.vae, pipeline.text_encoder, pipeline.text_encoder_2):
            model.requires_grad_(False).to(self.accelerator.device)
        self.tokens = LearnedTokens(pipeline, settings.init_words, settings.tokens)
        self.config = LoraConfig(r=settings.rank, lora_alpha=settings.rank, target_modules=TARGETS)
        pipeline.unet.requires_grad_(False)
        if settings.gradient_checkpointing:
            pipeline.unet.enable_gradient_checkpointing()
        self.unet = get_peft_model(pipeline.unet, self.config).to(self.accelerator.device)
        if settings.start:
            self._go_on_from(settings.start)
        self.noise = DDPMScheduler.from_config(pipeline.scheduler.config)
        self.latents = self._encode_pictures()

    def train(self, on_step: Callable[[Stage, float], None] | None = None) -> None:
        """Train until the budget is used up, from the last checkpoint if there is one; write the files.

        `on_step` is called with the stage and the loss after every step, in place of a progress bar.
        """
        settings, budget = self.settings, self.settings.budget
        pairs = [weight for weight in self.unet.parameters() if weight.requires_grad]
        words = list(self.tokens.vectors.parameters())
        groups: list[dict[str, Any]] = [{"params": pairs}, {"params": words, "factor": settings.token_factor}]
        optimizer = torch.optim.AdamW(groups, budget.rate, weight_decay=0.0)
        unet, optimizer = self.accelerator.prepare(self.unet, optimizer)
        trained = {"lora": nn.ParameterList(pairs), "words": self.tokens.vectors}
        stage = Stage(
            "adapters",
            settings.output / "training",
            budget,
            trained,
            {"adapters": optimizer},
            precision=self.precision,
            keeps_checkpoints=settings.keeps_checkpoints,
            has_bar=on_step is None,
        )

        def take_step(stage: Stage) -> Mapping[str, float]:
            rng = np.random.default_rng([settings.seed, stage.step, worker()])
            loss = self.loss(unet, rng, budget.batch)
            optimizer.zero_grad(set_to_none=True)
            self.accelerator.backward(loss)
            for vector in words:  # they are outside the module that accelerate keeps in step
                vector.grad = self.accelerator.reduce(vector.grad, "mean")
            self.accelerator.clip_grad_norm_([*pairs, *words], 1.0)
            optimizer.step()
            seen = float(loss.detach())
            if on_step is not None:
                on_step(stage, seen)
            return {"loss": seen}

        run(stage, take_step)
        if self.accelerator.is_main_process:
            self.save(settings.output)

    def loss(self, unet: nn.Module, rng: np.random.Generator, count: int) -> torch.Tensor:
        """The diffusion loss of `count` random pictures, whatever the base model predicts."""
        pictures = self.pictures + self.prior
        numbers = self._random_numbers(rng, count)
        device = self.accelerator.device
        latents = torch.stack([self.latents[number] for number in numbers]).to(device).float()
        steps = int(self.noise.config.num_train_timesteps)
        low = rng.random(count) < self.settings.low_noise_part
        limits = np.where(low, steps // 2, steps)
        timesteps = torch.from_numpy((rng.random(count) * limits).astype(np.int64)).to(device)
        noise = torch.from_numpy(rng.standard_normal(latents.shape, np.float32)).to(device)
        noisy = self.noise.add_noise(latents, noise, timesteps)
        captions = ["" if rng.random() < EMPTY_PART else pictures[number].caption for number in numbers]
        time_ids = torch.tensor([self._time_ids(pictures[number]) for number in numbers], device=device)
        with self.accelerator.autocast(), plain_attention(device.type):
            states, pooled = self.tokens.encode(captions)
            conditions = {"text_embeds": pooled, "time_ids": time_ids}
            predicted = unet(noisy, timesteps, states, added_cond_kwargs=conditions).sample
        return functional.mse_loss(predicted.float(), self._target(latents, noise, timesteps))

    def save(self, folder: Path) -> None:
        """Write the LoRA and the embeddings in the customer's formats."""
        folder.mkdir(parents=True, exist_ok=True)
        lora = {
            name: weight.contiguous().cpu() for name, weight in get_peft_model_state_dict(self.unet).items()
        }
        save_file({name: weight.half() for name, weight in lora.items()}, folder / LORA_NAME)
        config = {
            "peft_type": "LORA",
            "r": self.config.r,
            "lora_alpha": self.config.lora_alpha,
            "target_modules": TARGETS,
            "bias": "none",
        }
        (folder / CONFIG_NAME).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        save_file(self.tokens.state(), folder / EMBEDDINGS_NAME)

    def _go_on_from(self, folder: Path) -> None:
        """Begin with the LoRA and the embeddings of a folder. Raises ValueError if they do not fit."""
        lora, words = load_file(folder / LORA_NAME), load_file(folder / EMBEDDINGS_NAME)
        own = get_peft_model_state_dict(self.unet)
        if lora.keys() != own.keys() or any(own[name].shape != lora[name].shape for name in lora):
            raise ValueError(f"{folder / LORA_NAME}: it has other layers or another rank")
        set_peft_model_state_dict(self.unet, {name: weight.float() for name, weight in lora.items()})
        self.tokens.load(words)

    def _target(self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        if self.noise.config.prediction_type == "v_prediction":
            target: torch.Tensor = self.noise.get_velocity(latents, noise, timesteps)
            return target
        return noise

    def _random_numbers(self, rng: np.random.Generator, count: int) -> list[int]:
        own = [number for number in self.latents if number < len(self.pictures)]
        prior = [number for number in self.latents if number >= len(self.pictures)]
        return [int(rng.choice(prior if prior and rng.random() < PRIOR_PART else own)) for _ in range(count)]

    def _time_ids(self, picture: Picture) -> list[float]:
        side = self.settings.resolution
        size = picture.original_size or (side, side)
        return [float(value) for value in (*size, *picture.corner, *size)]

    @torch.no_grad()
    def _encode_pictures(self) -> dict[int, torch.Tensor]:
        """Latents of this process's part of the pictures, in half precision, by number."""
        vae, latents, pictures = self.pipeline.vae, {}, self.pictures + self.prior
        own = range(self.accelerator.process_index, len(pictures), self.accelerator.num_processes)
        for number in tqdm(own, **bar_options("encoding pictures")):
            pixels = to_tensor(pictures[number].pixels(self.settings.resolution)[None])
            pixels = pixels.to(self.accelerator.device, vae.dtype)
            mean = vae.encode(pixels).latent_dist.mode()[0] * vae.config.scaling_factor
            latents[number] = mean.cpu().half()
        return latents
