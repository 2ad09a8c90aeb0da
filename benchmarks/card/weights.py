"""Random weights on disk, in the files and layouts that the real ones come in.

Made on the device that will run them, tensor by tensor, so that SDXL's 12 GB take as long as writing them.
"""

import json
import math
import os
import re
from pathlib import Path
from typing import Any

import torch
from diffusers import EulerDiscreteScheduler
from safetensors.torch import save_file

from card.architecture import Architecture, Part
from card.tokenizer import write_tokenizer

LORA_FILE, EMBEDDINGS_FILE = "tile_lora.safetensors", "tile_embeddings.safetensors"
# What the customer's LoRA trains.
LORA_TARGETS = re.compile(r"\.(to_q|to_k|to_v|to_out\.0|conv2)$")
TOKENS = ("<s0>", "<s1>")
WRITTEN = "written"
CLIP_PREFIX, CLIP_PROJECTION = "text_model.", "text_projection.weight"
# Standard deviations that trained models give: of the predicted noise, and of a picture from -1 to 1.
NOISE_STD, PICTURE_STD = 1.0, 0.4

State = dict[str, torch.Tensor]


def write_models(folder: Path, architecture: Architecture, device: str) -> bool:
    """Write a model folder for the engine `sdxl`; False if it is there already.

    Beside what the engine reads, the base folder has a VAE of its own that asks for single precision, as
    SDXL's does; it holds the same weights, so that pictures can be compared.
    """
    done = folder / WRITTEN
    if done.is_file() and done.read_text() == architecture.name:
        return False
    base = folder / "sdxl-base"
    unet = random_state(architecture.empty("unet"), device, 1)
    _scale_output(architecture, "unet", unet, device, "conv_out.weight", NOISE_STD)
    vae = random_state(architecture.empty("vae"), device, 2)
    _scale_output(architecture, "vae", vae, device, "decoder.conv_out.weight", PICTURE_STD)
    _write_model(architecture.empty("unet"), base / "unet", unet)
    _write_model(architecture.empty("vae"), base / "vae", vae, {"force_upcast": True})
    _write_single_precision_vae(architecture, folder / "sdxl-vae-fp16-fix", vae)
    encoders: tuple[Part, ...] = ("text_encoder", "text_encoder_2")
    for seed, part in enumerate(encoders, start=3):
        model = architecture.empty(part)
        state = random_state(model, device, seed)
        _write_model(model, base / part, {_hub_name(name): state[name] for name in state}, stem="model")
    for name, part in (("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2")):
        write_tokenizer(base / name, getattr(architecture, part)["vocab_size"])
    _write_index(base)
    _write_controlnets(folder, architecture, device)
    save_file(random_lora(architecture, device), folder / LORA_FILE)
    save_file(random_embeddings(architecture), folder / EMBEDDINGS_FILE)
    (folder / "manifest.json").write_text(json.dumps(manifest(), indent=2))
    done.write_text(architecture.name)
    return True


def random_state(model: Any, device: str, seed: int) -> State:
    """Half-precision weights for an empty model: as torch initialises them, every bias zero."""
    generator = torch.Generator(device).manual_seed(seed)
    return {name: _random(name, tensor, generator, device) for name, tensor in model.state_dict().items()}


def _random(name: str, like: torch.Tensor, generator: torch.Generator, device: str) -> torch.Tensor:
    if not like.is_floating_point():
        return torch.arange(like.numel(), device=device).view(like.shape)
    if like.ndim < 2:
        fill = torch.ones if name.endswith("weight") else torch.zeros
        return fill(like.shape, dtype=torch.float16, device=device)
    bound = 1 / math.sqrt(like[0].numel())
    values = torch.empty(like.shape, dtype=torch.float16, device=device)
    return values.uniform_(-bound, bound, generator=generator)


@torch.no_grad()
def _scale_output(
    architecture: Architecture, part: Part, state: State, device: str, last: str, wanted: float
) -> None:
    """Scale the last layer so that the model's output spreads as a trained one's does."""
    dtype = torch.float32 if device == "cpu" else torch.float16
    model = architecture.empty(part)
    # A copy, because the model may use a tensor in another type than the one it is stored in.
    weights = {name: tensor.to(dtype) for name, tensor in state.items()}
    model.load_state_dict(weights, assign=True)
    random = torch.Generator(device).manual_seed(0)
    latents = torch.randn(1, 4, 32, 32, generator=random, device=device, dtype=dtype)
    if part == "vae":
        output = model.decode(latents / architecture.vae["scaling_factor"], return_dict=False)[0]
    else:
        output = model(latents, 500, **unet_conditions(architecture, 1, device, dtype), return_dict=False)[0]
    state[last] *= wanted / float(output.float().std())


def unet_conditions(
    architecture: Architecture, batch: int, device: str, dtype: torch.dtype, seed: int = 0
) -> dict[str, Any]:
    """What a UNet takes beside latents and time: random text embeddings and SDXL's sizes."""
    random = torch.Generator(device).manual_seed(seed)
    options: dict[str, Any] = {"generator": random, "device": device, "dtype": dtype}
    width = architecture.unet["cross_attention_dim"]
    pooled = architecture.text_encoder_2["projection_dim"]
    sizes = torch.tensor([[1024, 1024, 0, 0, 1024, 1024]] * batch, device=device, dtype=dtype)
    return {
        "encoder_hidden_states": torch.randn(batch, 77, width, **options),
        "added_cond_kwargs": {"text_embeds": torch.randn(batch, pooled, **options), "time_ids": sizes},
    }


def _hub_name(name: str) -> str:
    """A text encoder's tensor as the hub's files name it, whatever the library does.

    The projection stands beside the text model: a library that does not find it there invents one.
    """
    plain = name.removeprefix(CLIP_PREFIX)
    return plain if plain == CLIP_PROJECTION else f"{CLIP_PREFIX}{plain}"


def _write_model(
    model: Any, folder: Path, state: State, settings: dict[str, Any] | None = None, stem: str = ""
) -> None:
    """A model's configuration and its half-precision weights, named as the hub's `fp16` variant."""
    folder.mkdir(parents=True, exist_ok=True)
    if stem:
        model.config.architectures = [type(model).__name__]
        model.config.save_pretrained(folder)
    else:
        model.register_to_config(**(settings or {}))
        model.save_config(folder)
    # transformers refuses weights that do not say which library wrote them.
    metadata = {"format": "pt"}
    save_file(state, folder / f"{stem or 'diffusion_pytorch_model'}.fp16.safetensors", metadata)


def _write_single_precision_vae(architecture: Architecture, folder: Path, state: State) -> None:
    model = architecture.empty("vae")
    model.register_to_config(force_upcast=False)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_config(folder)
    single = {name: tensor.float() for name, tensor in state.items()}
    save_file(single, folder / "diffusion_pytorch_model.safetensors")


def _write_controlnets(folder: Path, architecture: Architecture, device: str) -> None:
    """A plain ControlNet under two names, so that the cache has something to switch, and a union one."""
    model = architecture.empty("controlnet")
    _write_model(model, folder / "controlnet-canny", random_state(model, device, 5))
    model = architecture.empty("union")
    _write_model(model, folder / "controlnet-union", random_state(model, device, 6))
    (folder / "controlnet-softedge").mkdir(exist_ok=True)
    for file in (folder / "controlnet-canny").iterdir():
        link = folder / "controlnet-softedge" / file.name
        link.unlink(missing_ok=True)
        os.link(file, link)


def _write_index(base: Path) -> None:
    names = {
        "scheduler": ("diffusers", "EulerDiscreteScheduler"),
        "text_encoder": ("transformers", "CLIPTextModel"),
        "text_encoder_2": ("transformers", "CLIPTextModelWithProjection"),
        "tokenizer": ("transformers", "CLIPTokenizer"),
        "tokenizer_2": ("transformers", "CLIPTokenizer"),
        "unet": ("diffusers", "UNet2DConditionModel"),
        "vae": ("diffusers", "AutoencoderKL"),
    }
    index = {"_class_name": "StableDiffusionXLPipeline", "force_zeros_for_empty_prompt": True, **names}
    (base / "model_index.json").write_text(json.dumps(index))
    EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        steps_offset=1,
        timestep_spacing="leading",
    ).save_pretrained(base / "scheduler")


def random_lora(architecture: Architecture, device: str) -> State:
    """A LoRA for attention and `conv2`, as PEFT saves one; small, so that pictures keep their contrast."""
    generator = torch.Generator(device).manual_seed(7)
    rank = architecture.lora_rank
    tensors: State = {}

    def draw(*shape: int) -> torch.Tensor:
        values = torch.empty(shape, dtype=torch.float16, device=device)
        return values.uniform_(-0.02, 0.02, generator=generator)

    for name, module in architecture.empty("unet").named_modules():
        if LORA_TARGETS.search(name):
            outer, *inner = module.weight.shape
            key = f"base_model.model.{name}"
            tensors[f"{key}.lora_A.weight"] = draw(rank, *inner)
            tensors[f"{key}.lora_B.weight"] = draw(outer, rank, *(1 for _ in inner[1:]))
    return tensors


def random_embeddings(architecture: Architecture) -> State:
    """Two tokens for each text encoder, in the customer's format."""
    generator = torch.Generator().manual_seed(8)
    widths = {
        "clip_g": architecture.text_encoder_2["hidden_size"],
        "clip_l": architecture.text_encoder["hidden_size"],
    }
    return {
        name: (0.02 * torch.randn(len(TOKENS), width, generator=generator)).to(torch.bfloat16)
        for name, width in widths.items()
    }


def manifest() -> dict[str, Any]:
    """The model folder's manifest: without hashes, so that what is timed is loading."""
    controlnets: dict[str, Any] = {
        name: {"type": "ControlNetModel", "folder": f"controlnet-{name}", "variant": "fp16"}
        for name in ("canny", "softedge")
    }
    union = {"type": "ControlNetUnionModel", "folder": "controlnet-union", "variant": "fp16"}
    return {
        "models": {
            "sdxl": {
                "base": {"folder": "sdxl-base", "variant": "fp16"},
                "vae": {"folder": "sdxl-vae-fp16-fix"},
                "lora": {"file": LORA_FILE, "scale": 0.75},
                "embeddings": {"file": EMBEDDINGS_FILE, "tokens": list(TOKENS)},
                "controlnets": {**controlnets, "union": union},
                "control": {
                    "canny": {"controlnet": "canny"},
                    "softedge": {"controlnet": "softedge"},
                    "lineart": {"controlnet": "union", "mode": 3},
                },
            }
        }
    }
