"""What a picture starts from and what guides it: the inputs of one denoising run, from the plan."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from PIL import Image

from plitka.engine.protocol import Job, PictureName
from plitka.request.drawing_settings import ControlSettings, PictureSettings
from plitka.request.profiles import FINAL_SIZE, PREVIEW_SIZE
from plitka.tile.canvas import canvas_for
from plitka.tile.control_image import draw_control
from plitka.tile.swatch import draw_swatch


class Stage(NamedTuple):
    """One of the two pictures: its name, width and height in pixels, steps and strength."""

    name: PictureName
    width: int
    height: int
    settings: PictureSettings

    @property
    def steps_run(self) -> int:
        """Denoising steps that are run, of those of the whole schedule."""
        steps, strength = self.settings.steps, self.settings.strength
        return steps if strength is None else min(int(steps * _strength(self)), steps)


def stages_of(job: Job, sizes: tuple[int, int]) -> tuple[Stage, Stage]:
    """Preview and final picture; `sizes` are an engine's: of smaller ones than usual, sizes in proportion."""
    canvas, (preview_size, final_size) = canvas_for(job.request.scale), sizes
    preview = canvas.preview[0] * preview_size // PREVIEW_SIZE
    final = canvas.width * final_size // FINAL_SIZE
    return (
        Stage("preview", preview, canvas.shape(preview)[0], job.settings.preview),
        Stage("final", final, canvas.shape(final)[0], job.settings.final),
    )


def start_inputs(job: Job, stage: Stage) -> dict[str, Any]:
    """Pipeline arguments for what the picture starts from: the swatch, or noise of the stage's size."""
    if stage.settings.strength is None:
        return {"height": stage.height, "width": stage.width}
    return {"image": Image.fromarray(draw_swatch(job.plan, stage.width)), "strength": _strength(stage)}


def _strength(stage: Stage) -> float:
    # Half a step more, because diffusers rounds steps * strength down.
    return min(1.0, (stage.settings.strength or 0.0) + 0.5 / stage.settings.steps)


def control_inputs(job: Job, stage: Stage, control: ControlSettings, mode: int | None) -> dict[str, Any]:
    """Pipeline arguments for one ControlNet at every step, as each family of ControlNet pipelines calls them.

    `mode` is the kind's number in a union ControlNet, None for a plain one.
    """
    image = _control_image(job, stage, control)
    inputs: dict[str, Any] = {"controlnet_conditioning_scale": control.scale}
    if mode is not None:
        return {**inputs, "control_image": [image], "control_mode": [mode]}
    return {**inputs, _image_name(job): image}


def hint_inputs(job: Job, stage: Stage, controls: Sequence[ControlSettings]) -> dict[str, Any]:
    """Pipeline arguments for a decoder whose UNet takes a control image as hint; none without one."""
    return {"hint": _control_image(job, stage, controls[0])} if controls else {}


def inputs_of_several(job: Job, stage: Stage, controls: Sequence[ControlSettings]) -> dict[str, Any]:
    """Pipeline arguments for `plitka.diffusion.several_controlnets.SeveralControlNets`."""
    return {
        _image_name(job): [_control_image(job, stage, control) for control in controls],
        "controlnet_conditioning_scale": [control.scale for control in controls],
        "control_guidance_start": [control.start for control in controls],
        "control_guidance_end": [control.end for control in controls],
    }


def _control_image(job: Job, stage: Stage, control: ControlSettings) -> Image.Image:
    return Image.fromarray(draw_control(job.plan, control.kind, stage.width))


def _image_name(job: Job) -> str:
    # Image to image has an `image` already: the one it starts from.
    return "control_image" if job.settings.starts_from_swatch else "image"
