"""The block about GPUs: what one request costs in arithmetic, and the least time that takes on each card."""

from typing import NamedTuple

from language import Say
from markdown_text import table

from plitka.request.drawing_settings import swatch_strength
from plitka.request.overrides import DEFAULT_COLOR_GUIDANCE
from plitka.request.profiles import PROFILES

# TFLOP of SDXL: one denoising step with classifier-free guidance and one VAE decoding, by picture size; and
# what a ControlNet adds to a step. Counted from the layers of the models.
STEP_512, STEP_1024 = 3.2, 13.5
DECODE_512, DECODE_1024 = 2.6, 10.5
CONTROLNET = 0.43


class Gpu(NamedTuple):
    """A card: its memory in GB and its dense half-precision TFLOP/s, both from NVIDIA's data sheet."""

    name: str
    memory: int
    tflops: int


GPUS = (
    Gpu("T4", 16, 65),
    Gpu("L4", 24, 121),
    Gpu("L40S", 48, 362),
    Gpu("A100 80 GB", 80, 312),
    Gpu("H100 SXM", 80, 989),
)


def hardware(say: Say) -> str:
    """Cards and the seconds below which they cannot draw both pictures of a request."""
    head = (
        "GPU",
        "memory, GB",
        "TFLOP/s",
        "`standard`, s",
        "`standard` + ControlNet, s",
        "`high` + ControlNet, s",
    )
    loads = [
        request_tflop("standard", 0),
        request_tflop("standard", CONTROLNET),
        request_tflop("high", CONTROLNET),
    ]
    rows = (
        (gpu.name, str(gpu.memory), str(gpu.tflops), *(say(f"{load / gpu.tflops:.1f}") for load in loads))
        for gpu in GPUS
    )
    return table(map(say, head), rows)


def request_tflop(quality: str, controlnet: float) -> float:
    """TFLOP of both pictures of a request, with `controlnet` times the UNet's work added to it."""
    profile = PROFILES[quality]
    preview = _steps_run(profile.steps_preview) * STEP_512
    final = _steps_run(profile.steps_final) * STEP_1024
    return (preview + final) * (1 + controlnet) + DECODE_512 + DECODE_1024


def _steps_run(steps: int) -> int:
    """The steps that are left when a picture starts from the plan's swatch."""
    return round(steps * (swatch_strength(DEFAULT_COLOR_GUIDANCE, steps) or 1))
