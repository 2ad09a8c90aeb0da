import json
import os
import shutil
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import torch
from checkpoints import write_base, write_controlnet
from drawing import make_job
from safetensors.torch import load_file
from single_file import write_single_file

from plitka import controlnets, pipelines
from plitka.controlnets import ControlNetCache
from plitka.denoising import Stage, control_inputs, start_inputs
from plitka.device import DeviceInfo, MemoryStatus
from plitka.models import find_files
from plitka.pipelines import NonFiniteImageError, Pipelines, read_base
from plitka.schedulers import SCHEDULERS, make_scheduler
from plitka.weight_files import ModelFileError

CPU = DeviceInfo("cpu", "cpu", "CPU", 2**34, "float32")
SCHEDULER = "dpmpp_2m_karras"
SHARED = ("unet", "vae", "text_encoder", "text_encoder_2")


def files_in(folder, **environment):
    with mock.patch.dict(
        os.environ, {"PLITKA_MODEL_DIR": str(folder), "PLITKA_BASE_MODEL": "", **environment}
    ):
        return find_files("sdxl")


@pytest.fixture
def loaded(model_folder):
    return Pipelines(files_in(model_folder), CPU)


@pytest.fixture
def folder(tmp_path, model_folder):
    shutil.copytree(model_folder, tmp_path / "models")
    return tmp_path / "models"


def addresses(pipeline):
    return {
        (part, name): weight.data_ptr()
        for part in SHARED
        for name, weight in pipeline.components[part].named_parameters()
    }


# Sharing and laziness


@pytest.mark.parametrize("from_image", [False, True])
@pytest.mark.parametrize("kind", [None, "softedge", "canny", "lineart"])
def test_every_pipeline_shares_every_weight_of_the_base(loaded, kind, from_image):
    before = addresses(loaded.base)
    pipeline, _ = loaded.get(kind, from_image, SCHEDULER)
    assert addresses(pipeline) == before == addresses(loaded.base)
    assert all(getattr(pipeline, part) is getattr(loaded.base, part) for part in SHARED)


def test_sharing_keeps_half_precision_half(model_folder):
    half = Pipelines(files_in(model_folder), replace(CPU, dtype="float16"))
    before = addresses(half.base)
    pipeline, controlnet = half.get("softedge", True, SCHEDULER)
    assert addresses(pipeline) == before
    assert {model.dtype for model in (half.base.unet, half.base.vae, controlnet.model)} == {torch.float16}


def test_no_controlnet_is_loaded_before_a_request_needs_one(loaded):
    assert loaded.controlnets.loaded == ()
    loaded.get(None, True, SCHEDULER)
    assert loaded.controlnets.loaded == ()
    _, controlnet = loaded.get("softedge", True, SCHEDULER)
    assert [kept.key for kept in loaded.controlnets.loaded] == ["lines"]
    assert controlnet.name == "controlnet-lines"


def test_kinds_that_share_a_controlnet_load_it_once(loaded):
    _, canny = loaded.get("canny", True, SCHEDULER)
    _, lineart = loaded.get("lineart", True, SCHEDULER)
    assert canny.model is lineart.model
    assert loaded.get("canny", True, SCHEDULER)[0] is loaded.get("lineart", True, SCHEDULER)[0]


def test_every_picture_gets_a_fresh_sampler(loaded):
    first = loaded.get(None, False, "euler")[0].scheduler
    assert loaded.get(None, False, "euler")[0].scheduler is not first


# The small LRU


def cache(files, kept, device_info=CPU):
    evicted = []
    return ControlNetCache(files, device_info, lambda *call: object(), evicted.append, kept), evicted


def test_the_least_recently_used_controlnet_goes_first(model_folder):
    kept_one, evicted = cache(files_in(model_folder), kept=1)
    kept_one.get("canny", 0)
    kept_one.get("lineart", 0)
    assert evicted == []
    kept_one.get("softedge", 0)
    assert evicted == ["union"]
    assert [controlnet.key for controlnet in kept_one.loaded] == ["lines"]


def test_a_gpu_short_of_memory_keeps_fewer(model_folder, monkeypatch):
    free = {"bytes": 10**9}
    monkeypatch.setattr(
        controlnets, "manage_gpu_memory", lambda *call: MemoryStatus(10**10, free["bytes"], 0, 0)
    )
    gpu = DeviceInfo("cuda", "cuda:0", "a GPU", 10**10, "float16")
    two, evicted = cache(files_in(model_folder), kept=2, device_info=gpu)
    two.get("canny", 10**8)
    two.get("softedge", 10**8)
    assert (len(two.loaded), evicted) == (2, [])
    three, evicted = cache(files_in(model_folder), kept=3, device_info=gpu)
    three.get("canny", 10**8)
    free["bytes"] = 10**8
    three.get("softedge", 10**8)
    assert evicted == ["union"]


def test_an_evicted_controlnet_takes_its_pipelines_along(loaded):
    loaded.controlnets._kept = 1
    first, _ = loaded.get("canny", True, SCHEDULER)
    loaded.get("softedge", True, SCHEDULER)
    again, _ = loaded.get("canny", True, SCHEDULER)
    assert again is not first
    assert len(loaded._variants) == 2


def test_a_controlnet_that_fails_to_load_leaves_nothing_behind(loaded, monkeypatch):
    class Cancelled(BaseException):
        pass

    def cancel(*call, **options):
        raise Cancelled

    with monkeypatch.context() as patch:
        patch.setattr(pipelines, "_from_pretrained", cancel)
        with pytest.raises(Cancelled):
            loaded.get("canny", True, SCHEDULER)
    assert loaded.controlnets.loaded == ()
    assert loaded.get("canny", True, SCHEDULER)[1].key == "union"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"cross_attention_dim": 32}, "its cross_attention_dim is 32, the base model's 80"),
        ({"hint_channels": (4, 8, 8)}, "it shrinks the control image 4 times, the base model's VAE 8 times"),
    ],
)
def test_a_controlnet_made_for_another_model_is_refused_when_it_is_loaded(folder, options, complaint):
    shutil.rmtree(folder / "controlnet-lines")
    write_controlnet(folder / "controlnet-lines", **options)
    with pytest.raises(ModelFileError, match=f"controlnet-lines: {complaint}"):
        Pipelines(files_in(folder), CPU).get("softedge", False, SCHEDULER)


def test_a_kind_of_edge_without_a_controlnet_is_an_error(folder):
    document = json.loads((folder / "manifest.json").read_text())
    del document["models"]["sdxl"]["control"]["lineart"]
    (folder / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(ModelFileError, match="lineart: the manifest has no ControlNet"):
        Pipelines(files_in(folder), CPU).get("lineart", False, SCHEDULER)


# The base model and its VAE


def test_the_manifests_vae_is_used_in_place_of_the_bases_own(loaded, model_folder):
    ours = loaded.base.vae.state_dict()
    safe = load_file(model_folder / "vae" / "diffusion_pytorch_model.safetensors")
    own = load_file(model_folder / "base" / "vae" / "diffusion_pytorch_model.fp16.safetensors")
    assert all(torch.equal(ours[name], value) for name, value in safe.items())
    assert not torch.equal(ours["decoder.conv_in.weight"], own["decoder.conv_in.weight"].float())
    assert not loaded.base.vae.config.force_upcast


def test_half_precision_with_a_vae_that_overflows_in_it_is_refused(folder):
    document = json.loads((folder / "manifest.json").read_text())
    document["models"]["sdxl"]["vae"] = None
    (folder / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(ModelFileError, match="base: its VAE overflows in half precision"):
        read_base(files_in(folder), torch.float16)
    assert read_base(files_in(folder), torch.float32).vae.config.force_upcast


def test_another_folder_may_be_the_base(folder, tmp_path):
    write_base(tmp_path / "other", seed=9)
    other = read_base(files_in(folder, PLITKA_BASE_MODEL=str(tmp_path / "other")), torch.float32)
    expected = load_file(tmp_path / "other" / "unet" / "diffusion_pytorch_model.fp16.safetensors")
    assert torch.equal(other.unet.conv_in.weight, expected["conv_in.weight"].float())


def test_a_single_file_needs_no_more_than_the_bases_configuration(folder):
    checkpoint = folder / "checkpoint.safetensors"
    write_single_file(checkpoint, folder / "base")
    for weights in (folder / "base").rglob("*.safetensors"):
        weights.unlink()
    base = read_base(files_in(folder, PLITKA_BASE_MODEL=str(checkpoint)), torch.float32)
    original = load_file(checkpoint)["model.diffusion_model.input_blocks.0.0.weight"]
    assert torch.equal(base.unet.conv_in.weight, original.float())


def test_a_single_file_gives_every_weight_of_the_folder_it_was_written_from(model_folder, tmp_path):
    write_single_file(tmp_path / "checkpoint.safetensors", model_folder / "base")
    files = files_in(model_folder, PLITKA_BASE_MODEL=str(tmp_path / "checkpoint.safetensors"))
    one, other = read_base(files, torch.float32), read_base(files_in(model_folder), torch.float32)
    for part in ("unet", "text_encoder", "text_encoder_2"):
        ours, theirs = getattr(one, part).state_dict(), getattr(other, part).state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_base_that_does_not_load_is_named(folder):
    (folder / "base" / "unet" / "config.json").write_text("{")
    with pytest.raises(ModelFileError, match="base: it does not load"):
        read_base(files_in(folder), torch.float32)


def test_a_pickle_is_never_loaded(folder):
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    (folder / "vae" / "diffusion_pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(ModelFileError, match="vae: it does not load"):
        read_base(files_in(folder), torch.float32)


# Decoding


def test_decoding_is_what_the_pipeline_itself_would_give(loaded):
    options = {"prompt": "red", "num_inference_steps": 1, "height": 64, "width": 64}
    runs = [
        loaded.base(**options, output_type=kind, generator=torch.Generator().manual_seed(1)).images
        for kind in ("latent", "np")
    ]
    assert np.array_equal(loaded.decode(runs[0]), np.rint(runs[1][0] * 255).astype(np.uint8))


def test_a_vae_with_latent_statistics_is_denormalised_as_the_pipeline_does(loaded):
    loaded.base.vae.register_to_config(latents_mean=[0.1, 0.2, 0.3, 0.4], latents_std=[1.0, 2.0, 3.0, 4.0])
    test_decoding_is_what_the_pipeline_itself_would_give(loaded)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_an_error_and_no_picture(loaded, value):
    with pytest.raises(NonFiniteImageError, match="latents"):
        loaded.decode(torch.full((1, 4, 8, 8), value))
    loaded.base.vae.decoder.conv_out.bias.data.fill_(value)
    with pytest.raises(NonFiniteImageError, match="VAE overflowed"):
        loaded.decode(torch.zeros(1, 4, 8, 8))


# Offload


def run(pipelines_in_use, kind=None, from_image=False, size=64):
    pipeline, controlnet = pipelines_in_use.get(kind, from_image, "ddim")
    job = make_job(angle=45, color_guidance=0.5 if from_image else 0)
    stage = Stage("preview", size, 2)
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


# Samplers


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_sampler_calls_the_unet_once_a_step_and_takes_its_noise_from_the_seed(
    loaded, monkeypatch, name
):
    calls = []
    monkeypatch.setattr(loaded.base.unet, "forward", _counting(loaded.base.unet.forward, calls))
    pictures = []
    for seed in (1, 1, 2):
        pipeline, _ = loaded.get(None, False, name)
        options = {
            "prompt": "red",
            "num_inference_steps": 4,
            "height": 64,
            "width": 64,
            "output_type": "latent",
        }
        pictures.append(pipeline(**options, generator=torch.Generator().manual_seed(seed)).images)
    assert len(calls) == 12
    assert torch.equal(pictures[0], pictures[1])
    assert not torch.equal(pictures[0], pictures[2])


def _counting(forward, calls):
    def counted(*inputs, **options):
        calls.append(1)
        return forward(*inputs, **options)

    return counted


def test_the_default_sampler_has_karras_noise_levels(loaded):
    config = make_scheduler("dpmpp_2m_karras", loaded.base.scheduler.config).config
    assert (config.use_karras_sigmas, config.algorithm_type) == (True, "dpmsolver++")
    config = make_scheduler("dpmpp_sde_karras", loaded.base.scheduler.config).config
    assert (config.use_karras_sigmas, config.algorithm_type) == (True, "sde-dpmsolver++")
    assert not make_scheduler("ddim", loaded.base.scheduler.config).config.clip_sample
