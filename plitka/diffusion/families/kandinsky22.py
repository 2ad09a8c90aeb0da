"""Kandinsky 2.2 (https://github.com/ai-forever/Kandinsky-2): a prior, and a decoder of its embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from plitka.diffusion.families.family import Family, HintedDecoder, TextEncoder
from plitka.diffusion.kandinsky.pipeline import KandinskyPipeline
from plitka.request.profiles import Profile

if TYPE_CHECKING:
    import torch

    from plitka.request.prompt import Prompt
    from plitka.weights.locate import EngineFiles, Location

# diffusers' class of a decoder whose UNet takes a hint; its other parts are the base model's.
HINTED_TYPE = "UNet2DConditionModel"
# The guidance that Kandinsky's own pipelines take; steps as for SDXL. To be confirmed with the real weights.
PROFILES: Mapping[str, Profile] = {
    "preview": Profile(steps_preview=35, steps_final=40, guidance_scale=4.0),
    "standard": Profile(steps_preview=35, steps_final=50, guidance_scale=4.0),
    "high": Profile(steps_preview=40, steps_final=60, guidance_scale=4.0),
}


def _check(files: EngineFiles, index: Mapping[str, Any]) -> dict[str, Any]:
    from plitka.diffusion.kandinsky.checks import check_decoder, noise_of

    check_decoder(files, index)
    return noise_of(files.base)


def _read(
    files: EngineFiles, dtype: torch.dtype, scheduler: Any, on_model: Callable[[Any], None]
) -> KandinskyPipeline:
    from plitka.diffusion.kandinsky.reading import read_kandinsky

    return read_kandinsky(files, dtype, scheduler, on_model)


def _embed(
    base: KandinskyPipeline, prompt: Prompt, device: torch.device, seed: int, on_step: Callable[[], object]
) -> Mapping[str, torch.Tensor]:
    import torch

    generator = torch.Generator("cpu").manual_seed(seed)
    found, against = base.embed(prompt.positive, prompt.negative, generator, on_step)
    return {"image_embeds": found.to(device), "negative_image_embeds": against.to(device)}


def _decode(base: KandinskyPipeline, latents: torch.Tensor) -> torch.Tensor:
    return base.decode_latents(latents)


def _check_hinted(location: Location, unet: Any) -> None:
    from plitka.diffusion.kandinsky.checks import check_depth_decoder

    check_depth_decoder(location, unet)


def _read_hinted(location: Location, dtype: torch.dtype) -> Any:
    from diffusers import UNet2DConditionModel

    from plitka.diffusion.kandinsky.reading import read_part

    return read_part(UNet2DConditionModel, location, "unet", dtype)


KANDINSKY22 = Family(
    name="kandinsky22",
    title="Kandinsky 2.2",
    auto="kandinsky22",
    parts={"unet": ("UNet2DConditionModel",), "movq": ("VQModel",)},
    models=("unet", "vae", "prior", "text_encoder"),
    pipelines={
        (kind, from_image): KandinskyPipeline for kind in (None, HINTED_TYPE) for from_image in (False, True)
    },
    pipeline_options={},
    text_encoders=(
        TextEncoder(
            name="text_encoder",
            tokenizer="tokenizer",
            classes=("CLIPTextModelWithProjection",),
            vectors="",
            prefix="",
        ),
    ),
    token_limit=77,
    embeddings=("image_embeds", "negative_image_embeds"),
    native_size=768,
    addition_embed_type="image",
    few_step=False,
    recorded=("unet", "text_encoder", "vae.encoder", "vae.decoder"),
    vae_may_overflow=False,
    check=_check,
    read=_read,
    embed=_embed,
    decode=_decode,
    places={
        "vae": ("base", "movq"),
        "prior": ("prior", "prior"),
        "text_encoder": ("prior", "text_encoder"),
    },
    takes_embeddings=False,
    hinted=HintedDecoder(
        kind="depth",
        type=HINTED_TYPE,
        # Eight pixels a latent pixel, and three blocks that halve.
        grain=64,
        check=_check_hinted,
        read=_read_hinted,
        join=KandinskyPipeline.with_unet,
    ),
    vae_tiles=False,
    profiles=PROFILES,
)
