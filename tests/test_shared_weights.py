"""One set of weights for every pipeline, and ControlNets that come when they are needed."""

import shutil
from dataclasses import replace

import pytest
import torch
from checkpoints import edit_manifest, write_controlnet
from drawing import CPU, SCHEDULER, files_in
from interruptions import Cancelled

from plitka.device.select import DeviceInfo, MemoryStatus
from plitka.diffusion import controlnets
from plitka.diffusion.checkpoints import read_controlnet
from plitka.diffusion.controlnets import ControlNetCache
from plitka.diffusion.pipelines import Pipelines
from plitka.errors import ModelFileError

SHARED = ("unet", "vae", "text_encoder", "text_encoder_2")


def addresses(pipeline):
    return {
        (part, name): weight.data_ptr()
        for part in SHARED
        for name, weight in pipeline.components[part].named_parameters()
    }


@pytest.mark.each_value
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


# Which ControlNets are kept


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
    loaded.controlnets.kept = 1
    first, _ = loaded.get("canny", True, SCHEDULER)
    loaded.get("softedge", True, SCHEDULER)
    again, _ = loaded.get("canny", True, SCHEDULER)
    assert again is not first
    assert len(loaded.variants) == 2


def test_a_controlnet_that_fails_to_load_leaves_nothing_behind(loaded, monkeypatch):
    def cancel(*call, **options):
        raise Cancelled

    with monkeypatch.context() as patch:
        patch.setattr(read_controlnet, "read_model", cancel)
        with pytest.raises(Cancelled):
            loaded.get("canny", True, SCHEDULER)
    assert loaded.controlnets.loaded == ()
    assert loaded.get("canny", True, SCHEDULER)[1].key == "union"


# Which are refused


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"cross_attention_dim": 32}, "its cross_attention_dim is 32, the base model's 80"),
        ({"hint_channels": (4, 8, 8)}, "it shrinks the control image 4 times, the base model's VAE 8 times"),
    ],
)
def test_a_controlnet_made_for_another_model_is_refused(folder, options, reason):
    shutil.rmtree(folder / "controlnet-lines")
    write_controlnet(folder / "controlnet-lines", **options)
    with pytest.raises(ModelFileError, match=f"controlnet-lines/config.json: {reason}"):
        Pipelines(files_in(folder), CPU).get("softedge", False, SCHEDULER)


def test_a_kind_of_edge_without_a_controlnet_is_an_error(folder):
    edit_manifest(folder, lambda models: models["control"].pop("lineart"))
    with pytest.raises(ModelFileError, match="lineart: the manifest has no ControlNet"):
        Pipelines(files_in(folder), CPU).get("lineart", False, SCHEDULER)
