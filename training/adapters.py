"""Stage 5, and a tool of its own: adapters from a folder of pictures, on the command line.

    python -m training.adapters --model MODEL --pictures FOLDER --output FOLDER

MODEL is a diffusers folder or a hub id in SDXL's format: SDXL itself on a GPU, `model_files/mini/base` on a
CPU. Before anything is trained, the shares and colours that each caption states are compared with those
measured in its picture; disagreements are listed and stop the run, unless `--trust-captions` overrules them.
The run saves as it goes and resumes.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline

from training.adapter_trainer import AdapterSettings, AdapterTrainer
from training.data_check import TOLERANCE, check_captions
from training.data_findings import CaptionError
from training.loop import Budget
from training.pictures import Picture, read_pictures
from training.precision import AUTO

TRUST = "Correct them, or overrule this with --trust-captions."

log = logging.getLogger(__name__)


def check_data(pictures: Sequence[Picture], tolerance: float, trusted: bool) -> None:
    """Report what the data check finds. Raises CaptionError for disagreements, unless they are trusted."""
    check = check_captions(pictures, tolerance)
    for note in check.notes:
        log.warning("note: %s", note)
    if not check.disagreements:
        return
    error = CaptionError(check, TRUST)
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


def settings_of(arguments: argparse.Namespace) -> AdapterSettings:
    """How to train, by the command line."""
    return AdapterSettings(
        output=arguments.output,
        budget=Budget(arguments.steps, arguments.minutes, arguments.batch, arguments.rate),
        rank=arguments.rank,
        resolution=arguments.resolution,
        seed=arguments.seed,
        tokens=arguments.tokens,
        init_words=arguments.init_words,
        low_noise_part=arguments.low_noise_part,
        precision=arguments.precision,
        gradient_checkpointing=arguments.gradient_checkpointing,
        start=arguments.start,
    )


def main(words: Sequence[str] | None = None) -> None:
    """Train a LoRA and embeddings."""
    logging.basicConfig(format="%(message)s")
    arguments = parse_arguments(words)
    pictures = read_pictures(arguments.pictures)
    prior = read_pictures(arguments.prior) if arguments.prior else []
    try:
        check_data(pictures, arguments.tolerance, arguments.trust_captions)
    except CaptionError as error:
        raise SystemExit(str(error)) from error
    pipeline = StableDiffusionXLPipeline.from_pretrained(
        arguments.model, variant=arguments.variant, dtype=torch.float32, add_watermarker=False
    )
    AdapterTrainer(pipeline, settings_of(arguments), pictures, prior).train()


if __name__ == "__main__":
    main()
