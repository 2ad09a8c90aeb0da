"""Little memory: the models wait beside the GPU, the VAE works in tiles, the picture stays the same."""

from unittest import mock

import numpy as np
import pytest
import torch
from drawing import CPU, SCHEDULER, draw, files_in, images, load_small_engine, make_job
from interruptions import failing, out_of_memory

from plitka.device.select import DeviceInfo, MemoryStatus
from plitka.diffusion import controlnets, pipelines
from plitka.diffusion.offload import LowMemory, low_memory_for
from plitka.diffusion.pipeline_inputs import Stage, control_inputs, start_inputs
from plitka.diffusion.pipelines import Pipelines
from plitka.errors import DeviceError
from plitka.request.drawing_settings import ControlSettings

GPU = DeviceInfo("cuda", "cuda:0", "a GPU", 2**34, "float16")


def run(pipelines_in_use, kind=None, from_image=False, size=64):
    pipeline, controlnet = pipelines_in_use.get(kind, from_image, "ddim")
    job = make_job(angle=45, color_guidance=0.5 if from_image else 0)
    stage = Stage("preview", size, size, job.settings.preview)
    inputs = start_inputs(job, stage)
    if controlnet:
        control = ControlSettings(kind, job.settings.controlnet_scale)
        inputs |= control_inputs(job, stage, control, pipelines_in_use.controlnets.mode(kind))
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


# By name


@pytest.mark.long
def test_layer_by_layer_every_kind_of_pipeline_draws_the_same_picture(model_folder):
    whole = Pipelines(files_in(model_folder), CPU)
    layers = Pipelines(files_in(model_folder), CPU, low_memory=LowMemory("sequential"))
    assert layers.offload_level == "layers"
    for kind in (None, "softedge", "canny"):
        for from_image in (False, True):
            expected = run(whole, kind, from_image)
            assert np.array_equal(run(layers, kind, from_image), expected)
            assert layers.base.unet.conv_in.weight.is_meta


@pytest.mark.long
@pytest.mark.parametrize("how", ["model", "sequential"])
def test_what_is_offloaded_from_the_start_follows_the_lora_scale_of_each_request(model_folder, engine, how):
    requests = [{"lora_scale": 0.3}, {"lora_scale": 1.5, "angle": 45}, {}]
    expected = [images(draw(engine, **request)) for request in requests]
    with mock.patch("plitka.diffusion.engine.low_memory_for", lambda device: LowMemory(how)):
        offloaded = load_small_engine(model_folder)
    assert [images(draw(offloaded, **request)) for request in requests] == expected
    drawing = draw(offloaded)[0]
    assert drawing.denoising.offload == {"model": "models", "sequential": "layers"}[how]
    assert not offloaded.pipelines.recordings.is_on


@pytest.mark.long
def test_layers_that_run_out_of_memory_go_on_with_vae_tiles(model_folder, engine):
    expected = images(draw(engine))
    with mock.patch("plitka.diffusion.engine.low_memory_for", lambda device: LowMemory("sequential")):
        offloaded = load_small_engine(model_folder)
    with failing(offloaded.pipelines.base.unet, out_of_memory()):
        drawings = draw(offloaded)
    assert images(drawings) == expected
    assert drawings[0].denoising.retries == (
        "out of memory at offload 'layers', again at 'layers and VAE tiles'",
    )


def test_vae_tiles_by_name_work_without_a_gpu(model_folder):
    engine = load_small_engine(model_folder, PLITKA_VAE_TILING="1")
    assert engine.pipelines.offload_level == "VAE tiles"
    assert (engine.pipelines.base.vae.use_tiling, engine.pipelines.base.vae.tile_sample_min_size) == (
        True,
        512,
    )


@pytest.mark.parametrize(
    ("device", "environment", "reason"),
    [
        (CPU, {"PLITKA_OFFLOAD": "model"}, "PLITKA_OFFLOAD: model needs a GPU .* here is CPU"),
        (CPU, {"PLITKA_OFFLOAD": "sequential"}, "PLITKA_OFFLOAD: sequential needs a GPU"),
        (GPU, {"PLITKA_OFFLOAD": "lowvram"}, "'lowvram' is not one of none, model, sequential"),
        (GPU, {"PLITKA_VAE_TILING": "on"}, "PLITKA_VAE_TILING: 'on' is not one of 0, 1"),
        (GPU, {"PLITKA_OFFLOAD": "model", "PLITKA_GRAPHS": "1"}, "PLITKA_GRAPHS=1 exclude each other"),
        (GPU, {"PLITKA_OFFLOAD": "sequential", "PLITKA_COMPILE": "unet"}, "PLITKA_COMPILE=unet exclude"),
    ],
)
def test_what_cannot_be_is_refused_before_any_model_is_read(monkeypatch, device, environment, reason):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(DeviceError, match=reason):
        low_memory_for(device)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "none"),
        ({"PLITKA_OFFLOAD": "model", "PLITKA_GRAPHS": "0", "PLITKA_COMPILE": "blocks"}, "models"),
        ({"PLITKA_OFFLOAD": "sequential", "PLITKA_VAE_TILING": "1"}, "layers and VAE tiles"),
    ],
)
def test_what_is_asked_for_is_where_it_begins(monkeypatch, environment, expected):
    for name in ("PLITKA_OFFLOAD", "PLITKA_VAE_TILING", "PLITKA_GRAPHS", "PLITKA_COMPILE"):
        monkeypatch.setenv(name, environment.get(name, ""))
    assert str(low_memory_for(GPU)) == expected


def test_a_server_that_is_to_offload_without_a_gpu_does_not_start(model_folder):
    with pytest.raises(DeviceError, match="PLITKA_OFFLOAD: model needs a GPU"):
        load_small_engine(model_folder, PLITKA_OFFLOAD="model")
