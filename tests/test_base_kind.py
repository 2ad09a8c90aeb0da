"""Base models of every kind: drawn as they are meant, or refused in a sentence before a weight is read."""

import json
import shutil
from typing import get_args

import pytest
import torch
from checkpoints import edit_config
from config_faults import changed_configs
from drawing import CPU, files_in
from safetensors.torch import load_file, save_file
from single_file import write_single_file
from thorough import THOROUGH, one_in

from plitka.choices import Scheduler
from plitka.diffusion.checkpoints.pretrained import read_base
from plitka.diffusion.pipelines import Pipelines
from plitka.errors import ModelFileError

UNET_CONFIG, INDEX = "base/unet/config.json", "base/model_index.json"


def refusal(files):
    with pytest.raises(ModelFileError) as raised:
        read_base(files, torch.float32)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 700
    return str(raised.value)


@pytest.fixture
def unread(monkeypatch):
    """Reading a weight fails the test: the headers and configurations have to be enough."""
    for name in ("read_mapped", "from_pretrained", "_from_single_file"):
        monkeypatch.setattr(
            f"plitka.diffusion.checkpoints.pretrained.{name}",
            lambda *_, **__: pytest.fail("weights were read"),
        )


# Folders


@pytest.mark.parametrize(
    ("file", "changes", "reason"),
    [
        (INDEX, {"_class_name": "StableDiffusionUpscalePipeline"}, "a model for StableDiffusionUpscale"),
        (INDEX, {"_class_name": "StableDiffusion3Pipeline"}, "a model for StableDiffusion3Pipeline"),
        (INDEX, {"_class_name": "FluxPipeline"}, "a model for FluxPipeline"),
        (INDEX, {"_class_name": "KolorsPipeline"}, "a model for KolorsPipeline"),
        (INDEX, {"_class_name": "StableDiffusionXLInstructPix2PixPipeline"}, "InstructPix2PixPipeline"),
        (INDEX, {"_class_name": None}, "a model for None"),
        (INDEX, {"requires_aesthetics_score": True}, "this is SDXL's refiner"),
        (INDEX, {"text_encoder": [None, None]}, "its text_encoder is None, where SDXL's base model has CLIP"),
        (INDEX, {"vae": ["diffusers", "AutoencoderTiny"]}, "its vae is AutoencoderTiny"),
        (INDEX, {"unet": ["diffusers", "UNet2DModel"]}, "its unet is UNet2DModel"),
        (UNET_CONFIG, {"in_channels": 9}, "this is an inpainting model: its UNet takes 9 channels"),
        (UNET_CONFIG, {"in_channels": 8}, "this is an InstructPix2Pix model: its UNet takes 8 channels"),
        (UNET_CONFIG, {"out_channels": 8}, "its UNet gives 8 channels"),
        (UNET_CONFIG, {"addition_embed_type": None}, "its addition_embed_type is None"),
        (UNET_CONFIG, {"addition_embed_type": "text_image"}, "its addition_embed_type is text_image"),
        (UNET_CONFIG, {"class_embed_type": "timestep"}, "its class_embed_type is timestep"),
        (UNET_CONFIG, {"cross_attention_dim": 768}, "its cross_attention_dim is 768, and 80 is fed"),
        (UNET_CONFIG, {"projection_class_embeddings_input_dim": 2560}, "is 2560, and 96 is fed"),
        ("base/vae/config.json", {"scaling_factor": 0.18215}, "its scaling_factor is 0.18215"),
        ("base/vae/config.json", {"latents_mean": [1, 2, 3, 4]}, "its latents_mean is"),
    ],
)
@pytest.mark.usefixtures("unread")
def test_a_folder_of_another_kind_is_refused_by_its_configuration(folder, file, changes, reason):
    edit_config(folder / file, **changes)
    text = refusal(files_in(folder))
    assert reason in text
    assert str(folder / file) in text


@pytest.mark.parametrize("name", ["StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLInpaintPipeline"])
def test_a_base_model_saved_from_a_pipeline_of_the_same_parts_is_drawn(folder, name):
    edit_config(folder / INDEX, _class_name=name)
    assert read_base(files_in(folder), torch.float32).unet is not None


@pytest.mark.long
def test_every_change_of_a_unets_configuration_is_refused_or_drawn(folder):
    """No key leads to an error in the first picture."""
    path = folder / UNET_CONFIG
    whole, outcomes = path.read_text(), {}
    refused = ("in_channels", "class_embed_type", "something_new", "block_out_channels")
    for place, (key, value, _) in enumerate(list(changed_configs(path))):
        if place % 3 and key not in refused and not THOROUGH:
            continue
        edit_config(path, **{key: value})
        try:
            pipelines = Pipelines(files_in(folder), CPU)
        except ModelFileError as error:
            assert str(folder / "base") in str(error) or "base:" in str(error)
            assert "\n" not in str(error)
            outcomes[key] = "refused"
        else:
            options = {"num_inference_steps": 1, "height": 64, "width": 64, "output_type": "latent"}
            found = pipelines.get(None, False, "euler")[0]("red", **options).images
            assert found.shape == (1, 4, 8, 8), key
            outcomes.setdefault(key, "drawn")
        path.write_text(whole)
    assert {outcomes[key] for key in refused} == {"refused"}


# Single files


@pytest.fixture
def checkpoint(model_folder, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    write_single_file(path, model_folder / "base")
    return path


def rewrite(path, change=lambda tensors: None, **metadata):
    tensors = load_file(path)
    change(tensors)
    named = {f"modelspec.{key}": value for key, value in metadata.items()}
    save_file({name: value.contiguous() for name, value in tensors.items()}, path, metadata=named or None)


def marked(*names):
    return lambda tensors: tensors.update({name: torch.zeros(0) for name in names})


def files_of(model_folder, checkpoint):
    return files_in(model_folder, PLITKA_BASE_MODEL=str(checkpoint))


@pytest.mark.parametrize(
    ("markers", "metadata", "prediction", "zero_snr"),
    [
        ((), {}, "epsilon", False),
        (("v_pred",), {}, "v_prediction", False),
        (("v_pred", "ztsnr"), {}, "v_prediction", True),
        (("model.diffusion_model.v_pred",), {}, "v_prediction", False),
        ((), {"prediction_type": "v"}, "v_prediction", False),
        ((), {"predict_key": "v"}, "v_prediction", False),
        (("ztsnr",), {"prediction_type": "v"}, "v_prediction", True),
        ((), {"architecture": "stable-diffusion-xl-v1-base"}, "epsilon", False),
        ((), {"prediction_type": "epsilon"}, "epsilon", False),
    ],
)  # fmt: skip
def test_a_single_files_own_word_is_what_the_samplers_do(
    model_folder, checkpoint, markers, metadata, prediction, zero_snr
):
    rewrite(checkpoint, marked(*markers), **metadata)
    pipelines = Pipelines(files_of(model_folder, checkpoint), CPU)
    for sampler in get_args(Scheduler):
        config = pipelines.get(None, False, sampler)[0].scheduler.config
        assert config.prediction_type == prediction
        assert bool(config.rescale_betas_zero_snr) == zero_snr


@pytest.mark.parametrize(
    ("change", "metadata", "reason"),
    [
        (marked("edm_vpred.sigma_max", "edm_vpred.sigma_min", "v_pred"), {}, "'edm_vpred.sigma_max' says"),
        (marked("edm_mean", "edm_std"), {}, "'edm_mean' says that it was trained with EDM's noise"),
        (
            marked("v_pred"),
            {"prediction_type": "epsilon"},
            "contradicts itself: modelspec.prediction_type",
        ),
        (marked(), {"prediction_type": "v", "predict_key": "epsilon"}, "it contradicts itself"),
        (marked("ztsnr"), {}, "zero terminal SNR and epsilon"),
        (marked(), {"prediction_type": "flow"}, "its modelspec.prediction_type is 'flow'"),
        (marked(), {"architecture": "stable-diffusion-v1"}, "its modelspec.architecture is 'stable-diff"),
        (marked(), {"architecture": "stable-diffusion-xl-v1-refiner"}, "v1-refiner', which is no SDXL base"),
        (marked("rectified_flow"), {}, "nothing here knows what its tensor 'rectified_flow' means"),
        (marked("model.diffusion_model.flow_pred"), {}, "'model.diffusion_model.flow_pred' first"),
    ],
)
def test_a_single_file_that_means_something_else_is_refused(
    model_folder, checkpoint, change, metadata, reason
):
    rewrite(checkpoint, change, **metadata)
    assert reason in refusal(files_of(model_folder, checkpoint))


def with_channels(count):
    def change(tensors):
        name = "model.diffusion_model.input_blocks.0.0.weight"
        tensors[name] = torch.zeros(tensors[name].shape[0], count, 3, 3)

    return change


def of_another_layout(*names, drop="conditioner."):
    def change(tensors):
        for name in [name for name in tensors if name.startswith(drop)]:
            del tensors[name]
        tensors.update({name: torch.zeros(4, 4, 1, 1) for name in names})

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (with_channels(9), "this is an inpainting model: its UNet takes 9 channels instead of 4"),
        (with_channels(8), "this is an InstructPix2Pix model"),
        (of_another_layout("conditioner.embedders.0.model.ln_final.weight"), "this is SDXL's refiner"),
        (
            of_another_layout("model.diffusion_model.output_blocks.11.0.skip_connection.weight"),
            "no SDXL base model but a UNet of Stable Diffusion 1.5 without its text encoder",
        ),
        (of_another_layout(), "no SDXL base model but a UNet without the text encoders"),
        (of_another_layout("double_blocks.0.img_attn.norm.key_norm.scale", drop=""), "but flux-schnell"),
        (of_another_layout("joint_blocks.37.x_block.mlp.fc1.weight", drop=""), "but Stable Diffusion 3.5"),
        (of_another_layout("lora_unet_x.lora_down.weight", drop=""), "no SDXL base model but something else"),
    ],
)
@pytest.mark.usefixtures("unread")
def test_a_single_file_of_another_kind_is_named(model_folder, checkpoint, change, reason):
    rewrite(checkpoint, change)
    text = refusal(files_of(model_folder, checkpoint))
    assert reason in text
    assert str(checkpoint) in text


BESIDE = {
    "model_ema.diffusion_modelx": True,
    "denoiser.sigmas": True,
    "alphas_cumprod": True,
    "log_one_minus_alphas_cumprod": True,
    "sqrt_recipm1_alphas_cumprod": True,
    "posterior_mean_coef1": True,
    "conditioner.embedders.0.transformer.text_model.embeddings.position_ids": True,
    "conditioner.embedders.0.transformer.text_projection.weight": True,
    "conditioner.embedders.1.model.logit_scale": True,
    "control_model.input_blocks.0.0.weight": False,
    "model.diffusion_model.input_blocks.1.0.extra.weight": False,
    "model.diffusion_model.input_blocks.9.1.weight": False,
    "conditioner.embedders.0.transformer.text_model.extra.weight": False,
    "conditioner.embedders.1.model.transformer.resblocks.9.ln_1.weight": False,
    "conditioner.embedders.2.model.ln_final.weight": False,
}


@pytest.mark.parametrize("name", one_in(2, BESIDE))
def test_a_tensor_beside_the_model_is_known_to_be_harmless_or_refused(model_folder, checkpoint, name):
    rewrite(checkpoint, lambda tensors: tensors.update({name: torch.ones(2)}))
    files = files_of(model_folder, checkpoint)
    if BESIDE[name]:
        assert read_base(files, torch.float32).unet is not None
    else:
        assert name in refusal(files)


@pytest.mark.parametrize("part", ["unet", "text_encoder", "text_encoder_2"])
def test_a_tensor_left_over_in_a_folder_is_refused(folder, part):
    path = next((folder / "base" / part).glob("*.safetensors"))
    rewrite(path, lambda tensors: tensors.update({"extra.weight": torch.ones(2)}))
    text = refusal(files_in(folder))
    assert "1 of its tensors have no place in a" in text
    assert "'extra.weight' first" in text
    assert str(path) in text


def test_what_older_exports_store_beside_a_text_encoder_is_no_fault(folder):
    path = next((folder / "base/text_encoder").glob("*.safetensors"))
    rewrite(path, lambda tensors: tensors.update({"embeddings.position_ids": torch.arange(77)[None]}))
    assert read_base(files_in(folder), torch.float32).unet is not None


def test_the_configuration_of_a_single_file_is_looked_at_as_well(folder, checkpoint):
    edit_config(folder / UNET_CONFIG, class_embed_type="timestep")
    shutil.rmtree(folder / "base/vae")
    assert "its class_embed_type is timestep" in refusal(files_of(folder, checkpoint))
    assert json.loads((folder / INDEX).read_text())["_class_name"] == "StableDiffusionXLPipeline"
