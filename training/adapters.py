"""Stage 5, and a tool of its own: a LoRA and a two-encoder textual inversion from captioned pictures.

    python -m training.adapters --model MODEL --pictures FOLDER --output FOLDER

MODEL is a diffusers folder or a hub id in SDXL's format: SDXL itself on a GPU, `model_files/mini/base` on a
CPU. The captions name the learned tokens (`ohwx_rubber_tile <s0><s1>, 60% red, 40% blue, …`). Before
anything is trained, the shares that each caption states are compared with those measured in its picture;
disagreements are listed and stop the run, unless `--trust-captions` overrules them.

`--prior FOLDER` gives pictures whose captions do not name the tokens, so that the model goes on drawing those
as before (Ruiz et al. 2023, https://arxiv.org/abs/2208.12242). The run saves as it goes and resumes.

Written to the output folder: the LoRA in PEFT's layout with its `adapter_config.json`, and the embeddings,
`clip_l` and `clip_g` in bfloat16.
"""

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from diffusers import DDPMScheduler, StableDiffusionXLPipeline
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from plitka.diffusion.progress import bar_options
from training.learned_tokens import LearnedTokens
from training.loop import Budget, Stage, plain_attention, run, worker
from training.pictures import TOLERANCE, CaptionError, Picture, check_captions, read_pictures
from training.precision import AUTO, precision_for
from training.sheets import to_tensor

LORA_NAME, EMBEDDINGS_NAME = "tile_lora.safetensors", "tile_embeddings.safetensors"
# The layers of the UNet that the customer's LoRA changes.
TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "conv2"]
PRIOR_PART = 0.35
# Prompts that are left empty, so that guidance still works.
EMPTY_PART = 0.05
# The learned words move faster than the low-rank pairs.
TOKEN_RATE_FACTOR = 5.0

log = logging.getLogger(__name__)


class AdapterTrainer:
    """A pipeline with trainable low-rank pairs and words, and the pictures to train them on."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        """Load model and pictures. Raises CaptionError for captions that disagree with their pictures."""
        self.arguments = arguments
        self.pictures = read_pictures(arguments.pictures)
        self.prior = read_pictures(arguments.prior) if arguments.prior else []
        check_data(self.pictures, arguments.tolerance, arguments.trust_captions)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.precision = precision_for(device) if arguments.precision == AUTO else arguments.precision
        self.accelerator = Accelerator(mixed_precision=self.precision, cpu=device == "cpu")
        torch.manual_seed(arguments.seed)
        self.pipeline = StableDiffusionXLPipeline.from_pretrained(
            arguments.model, variant=arguments.variant, dtype=torch.float32, add_watermarker=False
        )
        for model in (self.pipeline.vae, self.pipeline.text_encoder, self.pipeline.text_encoder_2):
            model.requires_grad_(False).to(self.accelerator.device)
        self.tokens = LearnedTokens(self.pipeline, arguments.init_words, arguments.tokens)
        self.config = LoraConfig(r=arguments.rank, lora_alpha=arguments.rank, target_modules=TARGETS)
        self.pipeline.unet.requires_grad_(False)
        if arguments.gradient_checkpointing:
            self.pipeline.unet.enable_gradient_checkpointing()
        self.unet = get_peft_model(self.pipeline.unet, self.config).to(self.accelerator.device)
        if arguments.start:
            self._go_on_from(arguments.start)
        self.noise = DDPMScheduler.from_config(self.pipeline.scheduler.config)
        self.latents = self._encode_pictures()

    def train(self) -> None:
        """Train until the budget is used up, from the last checkpoint if there is one; write the files."""
        arguments = self.arguments
        pairs = [weight for weight in self.unet.parameters() if weight.requires_grad]
        words = list(self.tokens.vectors.parameters())
        budget = Budget(arguments.steps, arguments.minutes, arguments.batch, arguments.rate)
        groups: list[dict[str, Any]] = [{"params": pairs}, {"params": words, "factor": TOKEN_RATE_FACTOR}]
        optimizer = torch.optim.AdamW(groups, budget.rate, weight_decay=0.0)
        unet, optimizer = self.accelerator.prepare(self.unet, optimizer)
        trained = {"lora": nn.ParameterList(pairs), "words": self.tokens.vectors}
        folder, optimizers = arguments.output / "training", {"adapters": optimizer}
        stage = Stage("adapters", folder, budget, trained, optimizers, precision=self.precision)

        def take_step(stage: Stage) -> Mapping[str, float]:
            rng = np.random.default_rng([arguments.seed, stage.step, worker()])
            loss = self.loss(unet, rng, budget.batch)
            optimizer.zero_grad(set_to_none=True)
            self.accelerator.backward(loss)
            for vector in words:  # they are outside the module that accelerate keeps in step
                vector.grad = self.accelerator.reduce(vector.grad, "mean")
            self.accelerator.clip_grad_norm_([*pairs, *words], 1.0)
            optimizer.step()
            return {"loss": float(loss.detach())}

        run(stage, take_step)
        if self.accelerator.is_main_process:
            self.save(arguments.output)

    def loss(self, unet: nn.Module, rng: np.random.Generator, count: int) -> torch.Tensor:
        """The diffusion loss of `count` random pictures, whatever the base model predicts."""
        pictures = self.pictures + self.prior
        numbers = self._random_numbers(rng, count)
        device = self.accelerator.device
        latents = torch.stack([self.latents[number] for number in numbers]).to(device).float()
        steps = int(self.noise.config.num_train_timesteps)
        low = rng.random(count) < self.arguments.low_noise_part
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
        (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
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
        side = self.arguments.resolution
        size = picture.original_size or (side, side)
        return [float(value) for value in (*size, *picture.corner, *size)]

    @torch.no_grad()
    def _encode_pictures(self) -> dict[int, torch.Tensor]:
        """Latents of this process's part of the pictures, in half precision, by number."""
        vae, latents, pictures = self.pipeline.vae, {}, self.pictures + self.prior
        own = range(self.accelerator.process_index, len(pictures), self.accelerator.num_processes)
        for number in tqdm(own, **bar_options("encoding pictures")):
            pixels = to_tensor(pictures[number].pixels(self.arguments.resolution)[None])
            pixels = pixels.to(self.accelerator.device, vae.dtype)
            mean = vae.encode(pixels).latent_dist.mode()[0] * vae.config.scaling_factor
            latents[number] = mean.cpu().half()
        return latents


def check_data(pictures: Sequence[Picture], tolerance: float, trusted: bool) -> None:
    """List the captions that disagree with their pictures. Raises CaptionError unless they are trusted."""
    disagreements = check_captions(pictures, tolerance)
    if not disagreements:
        return
    error = CaptionError(disagreements)
    if not trusted:
        raise error
    log.warning("%s", error)


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", required=True, help="diffusers folder or hub id in SDXL's format")
    parser.add_argument("--variant", default=None, help="fp16 for half-precision files")
    parser.add_argument("--pictures", type=Path, required=True, help="pictures with captions")
    parser.add_argument("--prior", type=Path, help="pictures of what the model should go on drawing")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="folder with a LoRA and embeddings to go on from")
    parser.add_argument("--tokens", nargs="+", default=["<s0>", "<s1>"])
    parser.add_argument("--init-words", default="rubber tile", help="where the learned words start from")
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--resolution", type=int, default=1024, help="pixels on a side")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--minutes", type=float, default=24 * 60.0)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument(
        "--low-noise-part",
        type=float,
        default=0.0,
        help="part of the examples from the lower half of the noise schedule: pictures started from a swatch",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--precision",
        choices=(AUTO, "no", "bf16", "fp16"),
        default=AUTO,
        help="number format: auto is bf16 where the device is built for it, else no, which is float32",
    )
    parser.add_argument("--gradient-checkpointing", action="store_true")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help="percentage points")
    parser.add_argument("--trust-captions", action="store_true", help="train even if captions disagree")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    """Train a LoRA and embeddings."""
    logging.basicConfig(format="%(message)s")
    try:
        AdapterTrainer(parse_arguments(words)).train()
    except CaptionError as error:
        raise SystemExit(f"{error}\nCorrect them, or overrule this with --trust-captions.") from error


if __name__ == "__main__":
    main()
