"""Pictures larger than a model of few pixels knows: drawn smaller, then image to image at their size.

The second pass starts from the first one's picture, enlarged, with the finest detail of the plan's picture in
it, and keeps the plan's control images: the plan leads it as it has led the first.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from plitka.diffusion.denoise import Denoised
from plitka.diffusion.pipeline_inputs import Stage
from plitka.engine.protocol import Job
from plitka.request.drawing_settings import PictureSettings
from plitka.request.scale import SIDE_STEP
from plitka.tile.canvas import stretched

# The largest part of the noise schedule that the second pass runs. To be confirmed with the real weights.
STRENGTH = 0.35
# How many times larger than it is first drawn a picture may become.
MOST = 2


class Run(NamedTuple):
    """One pass over a picture: what is drawn, and at which size the plan's pictures for it are made."""

    job: Job
    stage: Stage
    plan_stage: Stage


def runs_of(job: Job, stage: Stage, native: int, usual: int) -> tuple[Run, ...]:
    """The passes of a picture by a model that knows `native` pixels a side, of the `usual` ones.

    A model that knows the usual size draws in one pass, and so does any what it knows.
    """
    longest = max(stage.width, stage.height)
    if native >= usual or longest <= native:
        return (Run(job, stage, stage),)
    width, height = first_size(stage.width, stage.height, native)
    small = stage._replace(width=width, height=height)
    half = stage._replace(width=stage.width // 2, height=stage.height // 2)
    # The plan makes pictures of whole parts of its own size; those of others are scaled.
    first = Run(job, small, half if small == half else stage)
    return first, _second(job, stage)


def first_size(width: int, height: int, native: int) -> tuple[int, int]:
    """Width and height of the first pass over a picture, pixels; its own where that is the only one."""
    shrink = min(max(width, height) / native, MOST)
    return (width, height) if shrink <= 1 else (_in_steps(width / shrink), _in_steps(height / shrink))


def _second(job: Job, stage: Stage) -> Run:
    steps, given = stage.settings.steps, stage.settings.strength
    strength = max(1, round(steps * STRENGTH)) / steps
    strength = strength if given is None else min(strength, given)
    # From an image, whatever the first pass starts from.
    guidance = job.settings.color_guidance or 1 - STRENGTH
    job = replace(job, settings=replace(job.settings, color_guidance=guidance))
    stage = stage._replace(settings=PictureSettings(steps, strength))
    return Run(job, stage, stage)


def _in_steps(pixels: float) -> int:
    return max(SIDE_STEP, SIDE_STEP * round(pixels / SIDE_STEP))


def scaled_inputs(inputs: Mapping[str, Any], stage: Stage) -> dict[str, Any]:
    """A pipeline's arguments with every picture, width and height brought to those of the stage."""
    size = {"width": stage.width, "height": stage.height}

    def scaled(value: Any) -> Any:
        if isinstance(value, list):
            return [scaled(one) for one in value]
        if not isinstance(value, Image.Image) or value.size == (stage.width, stage.height):
            return value
        return value.resize((stage.width, stage.height), Image.Resampling.BOX)

    return {name: size.get(name, scaled(value)) for name, value in inputs.items()}


def enlarged(picture: NDArray[np.uint8], plan: Image.Image, wraps: bool, is_led: bool) -> Image.Image:
    """What the second pass starts from: a picture of the first at the size of the plan's.

    Args:
        picture: (rows, columns, 3) uint8 sRGB.
        plan: The plan's picture at the size that is wanted.
        wraps: Whether both go on over their edges.
        is_led: Whether the picture has the plan's granules, and so takes the plan's finest detail.
    """
    whole = np.asarray(plan).astype(np.float32)
    large = _resized(picture.astype(np.float32), whole.shape, wraps)
    if is_led:
        small = cv2.resize(whole, picture.shape[1::-1], interpolation=cv2.INTER_AREA)
        large += whole - _resized(small, whole.shape, wraps)
    return Image.fromarray(np.clip(np.rint(large), 0, 255).astype(np.uint8))


def _resized(plane: NDArray[np.float32], shape: tuple[int, ...], wraps: bool) -> NDArray[np.float32]:
    return stretched(plane, (shape[0], shape[1]), wraps, interpolation=cv2.INTER_CUBIC)


def together(first: Denoised, second: Denoised) -> Denoised:
    """Two passes as one: the second one's picture, the steps and calls of both."""
    pipelines = dict.fromkeys((first.pipeline, second.pipeline))
    calls = zip(first.control_calls, second.control_calls, strict=True)
    return second._replace(
        pipeline=" + ".join(pipelines),
        steps_run=first.steps_run + second.steps_run,
        unet_calls=first.unet_calls + second.unet_calls,
        approximations=tuple(dict.fromkeys((*first.approximations, *second.approximations))),
        control_calls=tuple(one + other for one, other in calls),
    )
