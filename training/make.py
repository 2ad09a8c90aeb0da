"""Makes the embedded model `mini` from nothing: `make mini`, or

    python -m training.make --profile cpu --output build/mini

Every stage keeps its checkpoints, log and sample sheets under the work folder and goes on where it was broken
off; a stage that is finished is not trained again. Remove its folder there to train it anew.
"""

import argparse
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import torch
from diffusers import StableDiffusionXLPipeline
from torch import distributed
from torch.multiprocessing.spawn import spawn
from tqdm import tqdm

from plitka.diffusion.adapters.lora import load_lora
from plitka.diffusion.adapters.textual_inversion import load_textual_inversion
from plitka.diffusion.progress import bar_options
from training import adapters
from training.controlnet import load_controlnet, train_controlnet
from training.controlnet import make_controlnet as random_controlnet
from training.data import STYLES, Style, TileStore
from training.decoder import load_decoder, train_decoder
from training.export import (
    ADAPTER_FILES,
    BASE,
    export_adapters,
    export_base,
    export_controlnet,
    write_manifest,
)
from training.latents import LatentStore
from training.loop import Budget, is_finished, worker
from training.pieces import write_pieces
from training.precision import VARIABLE, Precision, precision_for
from training.profiles import PROFILES, TrainingProfile
from training.samples import sample_writer
from training.start import first_controlnet, first_unet, take_over_text, take_over_vae
from training.text import BASE_STYLES, load_text, train_text, write_tokenizer
from training.unet import LOW_NOISE_PART, Denoising, load_unet, train_unet
from training.unet import make_unet as random_unet
from training.vae import load_vae, train_vae

# Pixels on a side of the adapters' pictures, and what they are mixed with so that the model keeps its own.
PIECE = 128
PRIOR_PARTS: dict[Style, float] = {"terrazzo": 0.8, "pebbles": 0.2}
INIT_WORDS = "polished pebbles"
LORA_SCALE = 1.0
# Where the adapter trainer keeps its checkpoints, below the work folder.
ADAPTER_TRAINING = "adapters/training"
# Sharp granules matter most to a ControlNet that is used with the adapters.
CONTROLNET_PARTS = (0.6, 0.2, 0.2)


@dataclass(frozen=True)
class Workshop:
    """Where a model is made, and how."""

    work: Path
    output: Path
    profile: TrainingProfile
    seed: int

    def store(self) -> TileStore:
        """The tiles."""
        return TileStore(self.work / "tiles", self.profile.tiles)

    def vae(self) -> Any:
        """The trained VAE on the profile's device."""
        return load_vae(self.store(), self.work / "vae", self.profile.device)

    def latents(self, style: Style, vae: Any) -> LatentStore:
        """The tiles of a style as latents."""
        return LatentStore(self.store(), self.work / "latents", style, self.profile.latents, vae)


def make_tiles(shop: Workshop) -> None:
    """Draw the training pictures."""
    store = shop.store()
    missing = store.capacity - len(store.tiles)
    for _ in tqdm(store.fill(shop.seed, len(os.sched_getaffinity(0))), total=missing, **bar_options("tiles")):
        pass


def make_vae(shop: Workshop) -> None:
    """Train the VAE."""
    profile = shop.profile
    train_vae(shop.store(), shop.work / "vae", profile.vae, shop.seed, profile.device)


def make_text(shop: Workshop) -> None:
    """Train the text encoders."""
    train_text(shop.work / "text", shop.profile.text, shop.seed, shop.profile.device)


def make_latents(shop: Workshop, styles: Sequence[Style]) -> None:
    """Encode the tiles in some styles, this process its part of them."""
    vae = shop.vae()
    for style in styles[worker() :: shop.profile.workers]:
        latents = shop.latents(style, vae)
        for _ in tqdm(
            latents.encode(vae, shop.profile.device), total=shop.profile.latents, **bar_options(style)
        ):
            pass


def make_unet(shop: Workshop) -> None:
    """Train the UNet."""
    device, vae = shop.profile.device, shop.vae()
    tokenizer, encoders = load_text(shop.work / "text", device)
    stores = [shop.latents(style, vae) for style in BASE_STYLES]
    train_unet(
        stores,
        Denoising(tokenizer, encoders, device),
        shop.work / "unet",
        shop.profile.unet,
        shop.seed,
        make=partial(first_unet, start) if (start := shop.profile.start) else random_unet,
        show=sample_writer(vae, tokenizer, encoders, device, shop.profile.sample_side),
    )


def make_decoder(shop: Workshop) -> None:
    """Go on training the VAE's decoder."""
    train_decoder(
        shop.vae(),
        shop.store(),
        shop.work / "decoder",
        shop.profile.decoder,
        shop.seed,
        shop.profile.device,
    )


def make_base(shop: Workshop) -> None:
    """Write the base pipeline."""
    device, vae = shop.profile.device, shop.vae()
    load_decoder(vae, shop.work / "decoder")
    tokenizer, encoders = load_text(shop.work / "text", device)
    unet = load_unet(shop.work / "unet", device)
    export_base(shop.output, vae, tokenizer, shop.work / "text" / "tokenizer", encoders, unet)


def make_pieces(shop: Workshop) -> None:
    """Cut the adapters' pictures out of the tiles."""
    store, profile = shop.store(), shop.profile
    write_pieces(store, shop.work / "pieces", {"crumb": 1.0}, profile.pieces, PIECE, shop.seed)
    write_pieces(store, shop.work / "prior", PRIOR_PARTS, profile.prior, PIECE, shop.seed + 1)


def make_adapters(shop: Workshop) -> None:
    """Train LoRA and embeddings, by the trainer that the customer uses."""
    profile, folder = shop.profile, shop.work
    budget = profile.adapters
    given = {
        "model": shop.output / BASE,
        "pictures": folder / "pieces",
        "prior": folder / "prior",
        "output": folder / "adapters",
        "init-words": INIT_WORDS,
        "resolution": PIECE,
        "steps": budget.steps,
        "minutes": budget.minutes,
        "batch": budget.batch,
        "rate": budget.rate,
        "low-noise-part": LOW_NOISE_PART,
        "seed": shop.seed,
    }
    if profile.start:
        given["start"] = profile.start
    adapters.main([word for name, value in given.items() for word in (f"--{name}", str(value))])


def make_controlnet(shop: Workshop) -> None:
    """Train the ControlNet on the UNet as the product uses it: with LoRA and learned words."""
    device, vae = shop.profile.device, shop.vae()
    export_adapters(shop.output, shop.work / "adapters")
    pipeline = StableDiffusionXLPipeline.from_pretrained(shop.output / BASE, dtype=torch.float32)
    load_textual_inversion(pipeline, shop.output / ADAPTER_FILES[2])
    load_lora(pipeline, shop.output / ADAPTER_FILES[0]).apply(LORA_SCALE)
    _, encoders = load_text(shop.work / "text", device)
    encoders.first, encoders.second = pipeline.text_encoder.to(device), pipeline.text_encoder_2.to(device)
    unet = pipeline.unet.requires_grad_(False).to(device)
    stores = [shop.latents(style, vae) for style in STYLES]
    denoising = Denoising(pipeline.tokenizer, encoders.requires_grad_(False), device)
    folder, budget, start = shop.work / "controlnet", shop.profile.controlnet, shop.profile.start
    train_controlnet(
        *(stores, CONTROLNET_PARTS, denoising, unet, folder, budget, shop.seed),
        make=(lambda _: first_controlnet(start)) if start else random_controlnet,
    )


def make_manifest(shop: Workshop) -> None:
    """Write the ControlNet, and the manifest beside the model folder."""
    unet = load_unet(shop.work / "unet")
    export_adapters(shop.output, shop.work / "adapters")
    export_controlnet(shop.output, load_controlnet(shop.work / "controlnet", unet))
    write_manifest(shop.output, LORA_SCALE, shop.output.parent / "manifest.json")


def _worker(
    rank: int, shop: Workshop, train: Callable[[Workshop], None], address: str, precision: Precision
) -> None:
    torch.set_num_threads(1)
    os.environ[VARIABLE] = precision
    count = str(shop.profile.workers)  # as accelerate's launcher would tell a process about itself
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
    os.environ["OMP_NUM_THREADS"] = "1"
    distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=shop.profile.workers)
    train(shop)
    distributed.destroy_process_group()


def together(shop: Workshop, train: Callable[[Workshop], None]) -> None:
    """Train in the profile's number of processes."""
    if shop.profile.workers == 1:
        train(shop)
        return
    meeting = (shop.work / "meeting").resolve()
    meeting.unlink(missing_ok=True)
    shared = (shop, train, f"file://{meeting}", precision_for(shop.profile.device))
    spawn(_worker, shared, shop.profile.workers)  # type: ignore[no-untyped-call]


def make_mini(shop: Workshop) -> None:
    """Run every stage that is not finished."""
    profile, work = shop.profile, shop.work
    print(f"precision: {precision_for(profile.device)}", flush=True)
    stages: list[tuple[str, Budget | None, Callable[[], object]]] = [
        ("tiles", None, lambda: make_tiles(shop)),
        (
            "vae",
            profile.vae,
            lambda: together(shop, make_vae),
        ),
        ("tokenizer", None, lambda: write_tokenizer(work / "text" / "tokenizer")),
        ("text", profile.text, lambda: together(shop, make_text)),
        ("latents", None, lambda: together(shop, partial(make_latents, styles=BASE_STYLES))),
        ("unet", profile.unet, lambda: together(shop, make_unet)),
        ("decoder", profile.decoder, lambda: together(shop, make_decoder)),
        ("base", None, lambda: make_base(shop)),
        ("pieces", None, lambda: make_pieces(shop)),
        (ADAPTER_TRAINING, profile.adapters, lambda: together(shop, make_adapters)),
        ("crumb latents", None, lambda: together(shop, partial(make_latents, styles=("crumb",)))),
        ("controlnet", profile.controlnet, lambda: together(shop, make_controlnet)),
        ("manifest", None, lambda: make_manifest(shop)),
    ]
    if profile.start:
        taken_over = {
            "vae": partial(take_over_vae, profile.start, work / "vae"),
            "text": partial(take_over_text, profile.start, work / "text"),
        }
        stages = [
            (name, None, taken_over[name]) if name in taken_over else (name, budget, stage)
            for name, budget, stage in stages
        ]
    for name, budget, stage in stages:
        start = time.perf_counter()
        if budget is None or not is_finished(work / name, budget):
            stage()
        print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)


def main() -> None:
    """Make the model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--profile", choices=list(PROFILES), default="cpu")
    parser.add_argument("--work", type=Path, default=Path("build/training"))
    parser.add_argument("--output", type=Path, default=Path("build/mini"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--afresh", action="store_true", help="remove what earlier runs have made")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    if arguments.afresh:
        for folder in (arguments.work, arguments.output):
            shutil.rmtree(folder, ignore_errors=True)
    make_mini(Workshop(arguments.work, arguments.output, PROFILES[arguments.profile], arguments.seed))


if __name__ == "__main__":
    main()
