"""ControlNets: what the pipelines feed is what they take, or they are refused at setup by name."""

import json
import shutil

import pytest
import torch
from checkpoints import WIDTH_L, edit_config, edit_manifest, write_controlnet
from config_faults import changed_configs
from drawing import CPU, draw, files_in, images, load_small_engine
from safetensors.torch import load_file, save_file

from plitka.diffusion.checkpoints.controlnet_shapes import check_controlnets
from plitka.diffusion.pipelines import Pipelines
from plitka.errors import ModelFileError

FOLDERS = {"softedge": "controlnet-lines", "canny": "controlnet-union"}
CONTROL = {
    "softedge": {"image": torch.rand(1, 3, 64, 64)},
    "canny": {"control_image": [torch.rand(1, 3, 64, 64)], "control_mode": [3]},
}


def start(folder):
    return Pipelines(files_in(folder), CPU)


def refusal(folder):
    """The sentence at setup, before any request."""
    with pytest.raises(ModelFileError) as raised:
        start(folder)
    assert "\n" not in str(raised.value)
    assert "see model_files/readme.md" in str(raised.value).lower()
    return str(raised.value)


@pytest.mark.long
@pytest.mark.parametrize("kind", FOLDERS)
def test_every_change_of_a_controlnets_configuration_is_refused_or_drawn(folder, kind):
    """No key leads to an error in a picture."""
    path = folder / FOLDERS[kind] / "config.json"
    whole, outcomes, pipelines = path.read_text(), {}, start(folder)
    base, files = pipelines.base, files_in(folder)
    for key, value, _ in list(changed_configs(path)):
        edit_config(path, **{key: value})
        pipelines.controlnets.evict_all()
        try:
            check_controlnets(files, base.unet, base.vae_scale_factor)
            pipeline, _ = pipelines.get(kind, False, "euler")
        except ModelFileError as error:
            assert FOLDERS[kind] in str(error)
            assert "\n" not in str(error)
            outcomes[key] = "refused"
        else:
            options = {"num_inference_steps": 1, "height": 64, "width": 64, "output_type": "latent"}
            assert pipeline("red", **CONTROL[kind], **options).images.shape == (1, 4, 8, 8), key
            outcomes.setdefault(key, "drawn")
        path.write_text(whole)
    for key in ("conditioning_channels", "in_channels", "layers_per_block", "something_new"):
        assert outcomes[key] == "refused"


@pytest.mark.parametrize(
    ("kind", "changes", "reason"),
    [
        (
            "softedge",
            {"_class_name": "ControlNetUnionModel"},
            "it is a ControlNetUnionModel, and the",
        ),
        ("softedge", {"_class_name": "SD3ControlNetModel"}, "it is a SD3ControlNetModel, and the manifest"),
        ("canny", {"_class_name": "FluxControlNetModel"}, "it is a FluxControlNetModel, and the manifest"),
        ("softedge", {"conditioning_channels": 4}, "its control image has 4 channels, ours 3"),
        ("softedge", {"in_channels": 9}, "its in_channels is 9, the base model's 4"),
        ("softedge", {"layers_per_block": 2}, "its layers_per_block is 2, the base model's 1"),
        ("softedge", {"controlnet_conditioning_channel_order": "gbr"}, "has the colours as gbr"),
        ("canny", {"controlnet_conditioning_channel_order": "bgr"}, "a union ControlNet does not read"),
        ("softedge", {"global_pool_conditions": True}, "cannot hold edges"),
        ("softedge", {"class_embed_type": "timestep"}, "its class_embed_type is timestep, which nothing"),
        ("softedge", {"addition_embed_type": "text"}, "its addition_embed_type is text, which nothing"),
        ("softedge", {"projection_class_embeddings_input_dim": 2816}, "is 2816, the base model's 96"),
        (
            "canny",
            {"num_control_type": 3},
            "0 to 2, and the manifest's 'mode' is 3",
        ),
    ],
)
def test_a_controlnet_that_takes_something_else_is_refused_at_setup(folder, kind, changes, reason):
    edit_config(folder / FOLDERS[kind] / "config.json", **changes)
    text = refusal(folder)
    assert reason in text
    assert str(folder / FOLDERS[kind] / "config.json") in text


@pytest.mark.parametrize("mode", [-1, 6, 100])
def test_a_kind_of_edge_that_the_union_does_not_know_is_refused_at_setup(folder, mode):
    edit_manifest(folder, lambda models: models["control"]["lineart"].update(mode=mode))
    assert f"0 to 5, and the manifest's 'mode' is {mode}" in refusal(folder)


@pytest.mark.parametrize(("kind", "other"), [("softedge", "canny"), ("canny", "softedge")])
@pytest.mark.parametrize("what", ["folder", "tensors"])
def test_one_kind_of_controlnet_in_the_place_of_the_other_is_refused_at_setup(folder, kind, other, what):
    place, source = folder / FOLDERS[kind], folder / FOLDERS[other]
    if what == "folder":
        name = next(place.glob("*.safetensors")).name
        shutil.rmtree(place)
        shutil.copytree(source, place)
        next(place.glob("*.safetensors")).rename(place / name)
    else:
        shutil.copy(next(source.glob("*.safetensors")), next(place.glob("*.safetensors")))
    assert "and the manifest says Control" in refusal(folder)


@pytest.mark.long
def test_a_union_saved_under_a_plain_ones_name_is_known_by_its_tensors(folder):
    whole = images(draw(load_small_engine(folder), angle=90))
    edit_config(folder / "controlnet-union/config.json", _class_name="ControlNetModel")
    assert images(draw(load_small_engine(folder), angle=90)) == whole


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_tensor_left_over_in_a_controlnet_is_refused(folder, kind):
    path = next((folder / FOLDERS[kind]).glob("*.safetensors"))
    save_file(load_file(path) | {"extra.weight": torch.ones(2)}, path)
    with pytest.raises(ModelFileError, match=r"no place in a ControlNet\w*, 'extra.weight'"):
        start(folder).get(kind, False, "euler")


@pytest.mark.parametrize(("extra", "lacking"), [("extra.weight", None), (None, "conv_in.bias")])
def test_a_controlnet_from_the_hub_is_checked_against_what_diffusers_reports(
    folder, monkeypatch, extra, lacking
):
    """Its files lie in a cache that is not ours to look into."""
    path = next((folder / "controlnet-lines").glob("*.safetensors"))
    tensors = load_file(path)
    tensors |= {extra: torch.ones(2)} if extra else {}
    tensors.pop(lacking, None)
    save_file(tensors, path)
    pipelines = start(folder)
    monkeypatch.setattr("plitka.diffusion.checkpoints.read_controlnet.check_complete", lambda *_: None)
    with pytest.raises(ModelFileError, match=f"1 tensors .*'{extra or lacking}' first"):
        pipelines.get("softedge", False, "euler")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_configuration_that_is_none_is_refused_at_setup(folder, content):
    path = folder / "controlnet-lines/config.json"
    path.write_bytes(content)
    assert f"{path.parent}: config.json is cut short" in refusal(folder)


def test_one_without_attention_or_sizes_is_drawn(folder):
    """Smaller ControlNets for SDXL leave both out, and say so."""
    shutil.rmtree(folder / "controlnet-lines")
    write_controlnet(folder / "controlnet-lines", down_block_types=("DownBlock2D", "DownBlock2D"))
    assert len(draw(load_small_engine(folder), angle=45)) == 2


def test_one_for_another_base_is_refused_at_setup(folder):
    shutil.rmtree(folder / "controlnet-lines")
    write_controlnet(folder / "controlnet-lines", cross_attention_dim=WIDTH_L)
    assert "its cross_attention_dim is 32, the base model's 80" in refusal(folder)
    assert json.loads((folder / "controlnet-lines/config.json").read_text())["cross_attention_dim"] == WIDTH_L


@pytest.mark.parametrize("kind", FOLDERS)
def test_one_whose_weights_have_a_name_that_nothing_reads_is_refused_at_setup(folder, kind):
    path = next((folder / FOLDERS[kind]).glob("*.safetensors"))
    path.rename(path.with_name("controlnet-sd-xl-1.0-softedge.safetensors"))
    assert f"{FOLDERS[kind]}: {path.name} is missing" in refusal(folder)
