"""The block about GPUs: what one request costs in arithmetic, and the time computed from it for each card."""

import json
from typing import NamedTuple

from language import Say
from markdown_text import table
from site_layout import ROOT

from plitka.request.drawing_settings import swatch_strength
from plitka.request.overrides import DEFAULT_COLOR_GUIDANCE
from plitka.request.profiles import PROFILES

# TFLOP of SDXL: one denoising step with classifier-free guidance and one VAE decoding, by picture size; and
# what a ControlNet adds to a step. Counted from the layers of the models.
STEP_512, STEP_1024 = 3.2, 13.5
DECODE_512, DECODE_1024 = 2.6, 10.5
CONTROLNET = 0.43
# What was measured on one of the cards.
FIGURES = ROOT / "benchmarks/card/figures-h200.jsonl"
RECORDED_STEP = "ours, recorded: guided step at {}"


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
    Gpu("H200", 141, 989),
)
MEASURED = GPUS[-1]


class Load(NamedTuple):
    """TFLOP of a request: of its picture at 512 pixels and of that at 1024, decoding included."""

    at_512: float
    at_1024: float

    def seconds(self, tflops: float, shares: tuple[float, float] = (1, 1)) -> float:
        """Seconds at a rate, of which shares are reached at 512 and at 1024 pixels."""
        return self.at_512 / (tflops * shares[0]) + self.at_1024 / (tflops * shares[1])


def hardware(say: Say) -> str:
    """Cards, and two computed numbers of seconds: the least, and at the shares that were measured."""
    head = (
        "GPU",
        "memory, GB",
        "TFLOP/s",
        "`standard`, s, computed",
        "`standard` + ControlNet, s, computed",
        "`high` + ControlNet, s, computed",
    )
    loads = [load("standard", 0), load("standard", CONTROLNET), load("high", CONTROLNET)]
    shares = measured_shares()
    rows = (
        (
            gpu.name,
            str(gpu.memory),
            str(gpu.tflops),
            *(
                say(f"{one.seconds(gpu.tflops):.1f}") + " / " + say(f"{one.seconds(gpu.tflops, shares):.1f}")
                for one in loads
            ),
        )
        for gpu in GPUS
    )
    return table(map(say, head), rows)


def measured_shares() -> tuple[float, float]:
    """The shares of the data sheet's rate that a recorded step reached on the measured card."""
    figures = {
        figure["figure"]: figure for figure in map(json.loads, FIGURES.read_text("utf-8").splitlines())
    }
    small, large = (figures[RECORDED_STEP.format(size)]["tflops"] / MEASURED.tflops for size in (512, 1024))
    return small, large


def load(quality: str, controlnet: float) -> Load:
    """The work of a request, with `controlnet` times the UNet's work added to it."""
    profile = PROFILES[quality]
    preview = _steps_run(profile.steps_preview) * STEP_512
    final = _steps_run(profile.steps_final) * STEP_1024
    return Load(preview * (1 + controlnet) + DECODE_512, final * (1 + controlnet) + DECODE_1024)


def _steps_run(steps: int) -> int:
    """The steps that are left when a picture starts from the plan's swatch."""
    return round(steps * (swatch_strength(DEFAULT_COLOR_GUIDANCE, steps) or 1))
