"""Going on from a finished model: its weights as the first ones of a new training.

The VAE's encoder and the text encoders are taken over as they are, so that latents and prompts keep their
meaning; the other parts start from the model's own weights instead of random ones.
"""

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from training.export import BASE, CONTROLNET, TOKENIZER_FILES
from training.loop import keep
from training.text import TextEncoders, write_tokenizer


def take_over_vae(model: Path, folder: Path) -> None:
    """Make the VAE of a model folder the result of the stage that `folder` belongs to."""
    keep(folder, {"vae": AutoencoderKL.from_pretrained(model / BASE / "vae").float()})


def take_over_text(model: Path, folder: Path) -> None:
    """Make the text encoders of a model folder the result of the stage that `folder` belongs to.

    Raises ValueError if the prompts' words are others than those that the encoders know.
    """
    known, tokenizer = model / BASE / "tokenizer", folder / "tokenizer"
    with TemporaryDirectory() as needed:
        write_tokenizer(Path(needed))
        if set(_words(known)) != set(_words(Path(needed))):
            raise ValueError(f"{known}: prompts have other words; train the text encoders from nothing")
    tokenizer.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER_FILES:
        shutil.copy(known / name, tokenizer / name)
    encoders = TextEncoders(len(_words(known)))
    encoders.first = CLIPTextModel.from_pretrained(model / BASE / "text_encoder").float()
    encoders.second = CLIPTextModelWithProjection.from_pretrained(model / BASE / "text_encoder_2").float()
    keep(folder, {"encoders": encoders})


def first_unet(model: Path) -> Any:
    """The UNet of a model folder, single precision."""
    return UNet2DConditionModel.from_pretrained(model / BASE / "unet").float().train()


def first_controlnet(model: Path) -> Any:
    """The ControlNet of a model folder, single precision."""
    return ControlNetModel.from_pretrained(model / CONTROLNET).float().train()


def _words(tokenizer: Path) -> dict[str, int]:
    words: dict[str, int] = json.loads((tokenizer / "vocab.json").read_text(encoding="utf-8"))
    return words
