"""What an engine says about a picture that it has drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plitka.diffusion.denoise import Denoised
from plitka.diffusion.pipeline_inputs import Stage
from plitka.diffusion.routing import Route
from plitka.engine.protocol import ControlUse, Denoising, Drawing, Job

if TYPE_CHECKING:
    from plitka.diffusion.pipelines import Pipelines


def drawing_of(
    pipelines: Pipelines,
    lora_scale: float | None,
    job: Job,
    chosen: Route,
    stage: Stage,
    denoised: Denoised,
    retries: tuple[str, ...],
) -> Drawing:
    """A picture with everything about it; `lora_scale` is that of the LoRA in the weights, None without."""
    settings = job.settings
    denoising = Denoising(
        control=chosen.control,
        scheduler=settings.scheduler,
        steps=stage.settings.steps,
        strength=stage.settings.strength,
        color_guidance=settings.color_guidance,
        guidance_scale=settings.guidance_scale,
        controlnet_scale=chosen.controls[0].scale if len(chosen.controls) == 1 else None,
        lora_scale=lora_scale,
        offload=pipelines.offload_level,
        retries=retries,
        recordings=pipelines.recordings.report(),
        guidance_interval=settings.guidance_interval,
        approximations=denoised.approximations,
        detail=denoised.detail,
        unet_calls=denoised.unet_calls,
        controls=tuple(
            ControlUse(one.kind, one.scale, one.start, one.end, calls)
            for one, calls in zip(chosen.controls, denoised.control_calls, strict=True)
        ),
        few_step=settings.few_step.kind if settings.few_step else None,
    )
    return Drawing(
        stage.name,
        denoised.image,
        denoised.pipeline,
        denoised.controlnet,
        chosen.reason,
        denoised.steps_run,
        denoising,
    )
