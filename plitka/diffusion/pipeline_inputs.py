"""What a picture starts from and what holds it: the inputs of one denoising run, from the plan."""

from typing import Any, NamedTuple

from PIL import Image

from plitka.choices import ControlKind
from plitka.engine.protocol import Job
from plitka.tile.control_image import draw_control
from plitka.tile.swatch import draw_swatch

# What both pictures tell SDXL about their original and target size: a 512-pixel picture conditioned on 512
# pixels is SDXL's idea of a small picture. To be confirmed with the real weights.
CONDITIONING_SIZE = (1024, 1024)
DEFAULT_CONTROLNET_SCALE = 0.8


class Stage(NamedTuple):
    """One of the two pictures: its name, pixels on a side, denoising steps."""

    name: str
    size: int
    steps: int


def swatch_strength(color_guidance: float, steps: int) -> float | None:
    """The part of the noise schedule that runs when a picture starts from the plan's swatch.

    1 - color_guidance, in whole steps, at least one; None at 0, where the picture starts from noise alone.
    """
    if color_guidance == 0:
        return None
    return max(1, round(steps * (1 - color_guidance))) / steps


def controlnet_scale(job: Job) -> float:
    """How strongly the ControlNet holds: the request's word or the default."""
    given = job.request.overrides.controlnet_scale
    return DEFAULT_CONTROLNET_SCALE if given is None else given


def start_inputs(job: Job, stage: Stage) -> dict[str, Any]:
    """Pipeline arguments for what the picture starts from: the swatch, or noise of the stage's size."""
    strength = swatch_strength(job.request.color_guidance, stage.steps)
    if strength is None:
        return {"height": stage.size, "width": stage.size}
    # Half a step more, because diffusers rounds steps * strength down.
    strength = min(1.0, strength + 0.5 / stage.steps)
    return {"image": Image.fromarray(draw_swatch(job.plan, stage.size)), "strength": strength}


def control_inputs(job: Job, stage: Stage, kind: ControlKind, mode: int | None) -> dict[str, Any]:
    """Pipeline arguments for the edges of the plan, as each family of ControlNet pipelines calls them.

    `mode` is the edge kind's number in a union ControlNet, None for a plain one.
    """
    edges = Image.fromarray(draw_control(job.plan, kind, stage.size))
    inputs: dict[str, Any] = {"controlnet_conditioning_scale": controlnet_scale(job)}
    if mode is not None:
        return {**inputs, "control_image": [edges], "control_mode": [mode]}
    from_noise = job.request.color_guidance == 0
    return {**inputs, "image" if from_noise else "control_image": edges}
