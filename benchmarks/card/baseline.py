"""The predecessor's way to the same two pictures, as the yardstick.

diffusers in half precision; two pipeline calls, each of which encodes the prompt anew; the cache emptied
before each; the LoRA fused; no channels-last, no compilation; a VAE that is cast to single precision.
"""

import gc
import io
import statistics
import time
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionXLPipeline
from PIL import Image
from safetensors.torch import load_file

from card.bench import GUIDANCE, SEED, Bench
from card.pictures import keep_picture
from card.weights import EMBEDDINGS_FILE, LORA_FILE, TOKENS
from plitka.request.drawing_settings import settings_for
from plitka.request.prompt import build_prompt

LORA_SCALE = 0.75
# Pillow's fastest level that still compresses.
PNG_COMPRESS_LEVEL = 1
LORA_ADAPTER = "tile"
EMBEDDINGS = (
    "prompt_embeds",
    "negative_prompt_embeds",
    "pooled_prompt_embeds",
    "negative_pooled_prompt_embeds",
)


@dataclass(frozen=True)
class Way:
    """What the predecessor does, each of which can be left out to see what it costs."""

    encodes_twice: bool = True
    empties_cache: bool = True


PREDECESSORS = Way()


def run(bench: Bench) -> None:
    """Time whole predictions and keep the pictures."""
    pipeline = load(bench)
    prediction(bench, pipeline)
    bench.reset_peak()
    runs = [prediction(bench, pipeline) for _ in range(bench.repeats)]
    for name, image in zip(("preview", "final"), runs[-1][1], strict=True):
        keep_picture(bench, "baseline", name, image)
    totals = [seconds[-1] for seconds, _ in runs]
    bench.emit(
        "baseline",
        "baseline",
        seconds=statistics.median(totals),
        runs=totals,
        first_picture=statistics.median(seconds[0] for seconds, _ in runs),
        steps=bench.architecture.steps,
        **bench.peak(),
    )


def load(bench: Bench, fused: bool = True) -> Any:
    """The pipeline with embeddings and a LoRA, fused or beside the weights."""
    dtype = getattr(torch, bench.device_info.dtype)
    pipeline = StableDiffusionXLPipeline.from_pretrained(
        bench.models / "sdxl-base", variant="fp16", dtype=dtype, add_watermarker=False, local_files_only=True
    ).to(bench.device)
    vectors = load_file(bench.models / EMBEDDINGS_FILE)
    for name, tokenizer, encoder in (
        ("clip_l", pipeline.tokenizer, pipeline.text_encoder),
        ("clip_g", pipeline.tokenizer_2, pipeline.text_encoder_2),
    ):
        pipeline.load_textual_inversion(
            vectors[name], token=list(TOKENS), tokenizer=tokenizer, text_encoder=encoder
        )
    lora = load_file(bench.models / LORA_FILE)
    pipeline.load_lora_weights(
        {name.replace("base_model.model.", "unet."): tensor for name, tensor in lora.items()},
        adapter_name=LORA_ADAPTER,
    )
    if fused:
        pipeline.fuse_lora(lora_scale=LORA_SCALE)
        pipeline.unload_lora_weights()
    else:
        pipeline.set_adapters([LORA_ADAPTER], [LORA_SCALE])
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(
        pipeline.scheduler.config, algorithm_type="dpmsolver++", use_karras_sigmas=True
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def prediction(bench: Bench, pipeline: Any, way: Way = PREDECESSORS) -> tuple[list[float], list[Image.Image]]:
    """Both pictures as PNG. Returns the seconds until each was finished, and the pictures."""
    bench.synchronize()
    start, seconds, images = time.perf_counter(), [], []
    words = _words(bench, pipeline, way)
    for size, steps in zip(bench.architecture.sizes, bench.architecture.steps, strict=True):
        if way.empties_cache:
            gc.collect()
            if bench.device_info.is_gpu:
                torch.cuda.empty_cache()
        image = pipeline(
            **words,
            height=size,
            width=size,
            num_inference_steps=steps,
            guidance_scale=GUIDANCE,
            # The same sizes as ours are conditioned on, so that the pictures can be compared.
            original_size=(1024, 1024),
            target_size=(1024, 1024),
            generator=torch.Generator("cpu").manual_seed(SEED),
        ).images[0]
        image.save(io.BytesIO(), "PNG", compress_level=PNG_COMPRESS_LEVEL)
        images.append(image)
        seconds.append(time.perf_counter() - start)
    return seconds, images


@torch.no_grad()
def _words(bench: Bench, pipeline: Any, way: Way) -> dict[str, Any]:
    """The prompt, or what the text encoders make of it."""
    request = bench.request()
    prompt = build_prompt(request.mix, settings_for(request).negative_prompt)
    if way.encodes_twice:
        return {"prompt": prompt.positive, "negative_prompt": prompt.negative}
    encoded = pipeline.encode_prompt(
        prompt.positive, negative_prompt=prompt.negative, device=torch.device(bench.device)
    )
    return dict(zip(EMBEDDINGS, encoded, strict=True))
