"""Little memory: the models wait beside the GPU, the VAE works in tiles, the picture stays the same."""

import numpy as np
import torch
from drawing import CPU, SCHEDULER, files_in, make_job

from plitka.device.select import DeviceInfo, MemoryStatus
from plitka.diffusion import controlnets, pipelines
from plitka.diffusion.pipeline_inputs import Stage, control_inputs, start_inputs
from plitka.diffusion.pipelines import Pipelines


def run(pipelines_in_use, kind=None, from_image=False, size=64):
    pipeline, controlnet = pipelines_in_use.get(kind, from_image, "ddim")
    job = make_job(angle=45, color_guidance=0.5 if from_image else 0)
    stage = Stage("preview", size, size, job.settings.preview)
    inputs = start_inputs(job, stage)
    if controlnet:
        inputs |= control_inputs(job, stage, kind, pipelines_in_use.controlnets.mode(kind))
    latents = pipeline(
        prompt="red",
        **inputs,
        num_inference_steps=2,
        generator=torch.Generator().manual_seed(1),
        output_type="latent",
    ).images
    return pipelines_in_use.decode(latents)


def test_each_offload_level_draws_the_same_picture_and_names_itself(model_folder):
    whole, offloaded = (Pipelines(files_in(model_folder), CPU) for _ in range(2))
    assert offloaded.offload_level == "none"
    assert offloaded.lower()
    assert offloaded.offload_level == "models"
    for kind in (None, "softedge", "canny", None):
        for from_image in (False, True):
            expected = run(whole, kind, from_image)
            assert np.array_equal(run(offloaded, kind, from_image), expected)
    assert offloaded.lower()
    assert offloaded.offload_level == "models and VAE tiles"
    assert np.array_equal(run(offloaded), run(whole))
    assert not offloaded.lower()


def test_a_controlnet_loaded_after_offload_has_a_hook_too(loaded):
    loaded.lower()
    pipeline, controlnet = loaded.get("softedge", False, SCHEDULER)
    assert all(hasattr(model, "_hf_hook") for model in (controlnet.model, pipeline.unet, pipeline.vae))


def test_the_last_level_cuts_the_vae_into_tiles(loaded):
    loaded.lower()
    loaded.lower()
    vae = loaded.base.vae
    assert vae.use_tiling
    assert vae.use_slicing
    assert (vae.tile_sample_min_size, vae.tile_latent_min_size) == (512, 64)


def test_a_card_too_small_for_the_base_starts_offloaded(model_folder, monkeypatch, caplog):
    monkeypatch.setattr(pipelines, "usable_bytes", lambda device_info: 4 * 2**30)
    for module in (pipelines, controlnets):
        monkeypatch.setattr(module, "manage_gpu_memory", lambda *call: MemoryStatus(0, 0, 0, 0))
    # The hooks run on the CPU just as well.
    small = Pipelines(files_in(model_folder), DeviceInfo("cuda", "cpu", "a small GPU", 4 * 2**30, "float32"))
    assert small.offload_level == "models"
    assert "offload: models" in caplog.text
    assert np.array_equal(run(small, "canny"), run(Pipelines(files_in(model_folder), CPU), "canny"))


def test_too_little_memory_beside_a_controlnet_starts_the_offload(model_folder, monkeypatch):
    free = iter([10**12, 10**9])
    monkeypatch.setattr(pipelines, "usable_bytes", lambda device_info: next(free))
    for module in (pipelines, controlnets):
        monkeypatch.setattr(module, "manage_gpu_memory", lambda *call: MemoryStatus(0, 0, 0, 0))
    gpu = Pipelines(files_in(model_folder), DeviceInfo("cuda", "cpu", "a GPU", 2**34, "float32"))
    assert gpu.offload_level == "none"
    gpu.get("softedge", False, SCHEDULER)
    assert gpu.offload_level == "models"
