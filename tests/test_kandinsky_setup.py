"""Kandinsky's files: found by what they say, and refused in words where they do not fit."""

import json
import os
import shutil
from unittest import mock

import pytest
import torch
from adapter_lists import write_adapters
from checkpoints import EMBEDDINGS_FILE, LORA_FILE, edit_config, edit_manifest, make_unet, write_embeddings
from diffusers.pipelines import auto_pipeline
from drawing import CPU, files_in, load_small_engine, make_job
from kandinsky_checkpoints import write_prior
from lora_files import write_lora_peft
from safetensors.torch import load_file, save_file

from plitka.diffusion.checkpoints.pretrained import read_base
from plitka.diffusion.families.kandinsky22 import KANDINSKY22
from plitka.diffusion.kandinsky.checks import check_depth_decoder, noise_of
from plitka.diffusion.pipelines import Pipelines
from plitka.diffusion.samplers import sampler_problems
from plitka.diffusion.schedulers import base_scheduler, make_scheduler
from plitka.errors import ModelFileError
from plitka.weights.base_kind import SIGNS
from plitka.weights.listing import verify

UNET, PRIOR = "decoder/unet/config.json", "prior/prior/config.json"


@pytest.fixture
def models(tmp_path, kandinsky_folder):
    """A copy of Kandinsky's folder that a test may spoil."""
    return shutil.copytree(kandinsky_folder, tmp_path / "models")


def refusal(work):
    with pytest.raises(ModelFileError) as raised:
        work()
    assert "\n" not in str(raised.value)
    return str(raised.value)


def read(folder, **environment):
    return read_base(files_in(folder, **environment), torch.float32)


def of_manifest(folder, **changes):
    edit_manifest(folder, lambda models: models.update(changes))


# Found


def test_its_decoders_are_those_of_autopipeline():
    """Its own pipelines there are made of a decoder and a prior together, as no folder on the hub is."""
    mappings = (
        auto_pipeline._AUTO_TEXT2IMAGE_DECODER_PIPELINES_MAPPING,
        auto_pipeline._AUTO_IMAGE2IMAGE_DECODER_PIPELINES_MAPPING,
    )
    known = {mapping[KANDINSKY22.auto].__name__ for mapping in mappings}
    assert set(SIGNS[KANDINSKY22.name].index_classes) == known


def test_a_base_model_of_another_family_is_found_by_its_own_files(models, model_folder, tmp_path):
    """Beside a manifest of SDXL, under names that say nothing."""
    folder = shutil.copytree(model_folder, tmp_path / "sdxl")
    edit_manifest(folder, lambda sdxl: sdxl.update(families={"kandinsky22": {"base": {"folder": "none"}}}))
    for part, name in (("decoder", "one"), ("prior", "two")):
        (models / part).rename(models / name)
    files = {"PLITKA_BASE_MODEL": str(models / "one"), "PLITKA_PRIOR_MODEL": str(models / "two")}
    base = read(folder, **files)
    assert type(base).__name__ == "KandinskyPipeline"
    assert files_in(folder, **files).prior.name == "two"


def test_the_pictures_say_which_prior_and_which_depth_decoder_drew_them(models):
    identity = load_small_engine(models).identity()
    assert (identity["base"], identity["prior"], identity["controlnet.depth"]) == (
        "decoder",
        "prior",
        "depth",
    )


def test_the_files_of_the_prior_are_verified_too(models):
    (models / "prior/prior/diffusion_pytorch_model.safetensors").write_bytes(b"broken")
    states = {status.path.removeprefix(f"{models}/"): status.state for status in verify("sdxl", models)}
    assert states["prior/prior/diffusion_pytorch_model.safetensors"] == "broken"
    assert states["decoder/unet/diffusion_pytorch_model.safetensors"] == "ok"


# Refused


def test_a_decoder_without_a_prior_is_refused(models):
    edit_manifest(models, lambda entry: entry.pop("prior"))
    text = refusal(lambda: read(models))
    assert "this is the decoder of Kandinsky 2.2, and no prior is named beside it" in text
    assert "such as PLITKA_PRIOR_MODEL=kandinsky-community/kandinsky-2-2-prior, or to a diffusers" in text
    assert text.endswith("such as PLITKA_PRIOR_MODEL=/weights/kandinsky-2-2-prior.")


def test_a_prior_that_only_the_manifest_names_is_asked_for_by_its_variable(models):
    shutil.rmtree(models / "prior")
    text = refusal(lambda: read(models))
    assert text.startswith(f"{models / 'prior'}: the folder of the prior is missing. Set PLITKA_PRIOR_MODEL")
    assert "PLITKA_PRIOR_MODEL=kandinsky-community/kandinsky-2-2-prior" in text


@pytest.mark.parametrize(
    ("file", "changes", "reason"),
    [
        (UNET, {"addition_embed_type": "image_hint"}, "this is a decoder that takes a hint"),
        (UNET, {"addition_embed_type": "text_time"}, "no decoder of Kandinsky 2.2"),
        (UNET, {"in_channels": 9}, "its in_channels is 9, where latents of 4 channels need 4"),
        (UNET, {"out_channels": 4}, "its out_channels is 4, where latents of 4 channels need 8"),
        (UNET, {"encoder_hid_dim": 48}, "its encoder_hid_dim is 48, and the prior gives 32"),
        (UNET, {"encoder_hid_dim_type": "text_proj"}, "where image_proj is fed"),
        (UNET, {"time_cond_proj_dim": 8}, "which nothing here feeds"),
        (UNET, {"a_new_setting": 1}, "its a_new_setting = 1 is not known"),
        ("decoder/movq/config.json", {"block_out_channels": [32, 32]}, "shrinks pictures 2 times"),
        ("decoder/model_index.json", {"movq": ["diffusers", "AutoencoderKL"]}, "its movq is AutoencoderKL"),
        ("decoder/scheduler/scheduler_config.json", {"prediction_type": "sample"}, "prediction_type is 'sam"),
        ("prior/model_index.json", {"_class_name": "KandinskyPriorPipeline"}, "no prior of Kandinsky 2.2"),
        ("prior/model_index.json", {"prior": ["diffusers", "UNet2DModel"]}, "its prior is UNet2DModel"),
        (PRIOR, {"embedding_dim": 64}, "its embedding_dim is 64, the text_encoder's hidden_size 32"),
        (PRIOR, {"num_embeddings": 40}, "it reads 40 tokens, its text encoder 77"),
        (PRIOR, {"a_new_setting": 1}, "its a_new_setting = 1 is not known"),
        ("prior/image_encoder/config.json", {"projection_dim": 16}, "the image_encoder's projection_dim 16"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_configuration(models, file, changes, reason):
    edit_config(models / file, **changes)
    assert reason in refusal(lambda: read(models))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"addition_embed_type": "image"}, "this is a decoder without a hint"),
        ({"in_channels": 4}, "its in_channels is 4, where latents of 4 channels need 8"),
        ({"cross_attention_dim": 16}, "its cross_attention_dim is 16, the base model's 32"),
    ],
)
def test_a_depth_decoder_that_is_none_is_refused(models, changes, reason):
    unet = read(models).unet
    location = files_in(models).controlnets["depth"]
    check_depth_decoder(location, unet)
    edit_config(models / "depth/unet/config.json", **changes)
    text = refusal(lambda: check_depth_decoder(location, unet))
    assert reason in text
    assert "with the type UNet2DConditionModel" in text


def test_a_controlnet_of_another_kind_is_refused_at_the_start(models):
    of_manifest(models, controlnets={"depth": {"type": "ControlNetModel", "folder": "depth"}})
    text = refusal(lambda: Pipelines(files_in(models), CPU))
    assert "it is a ControlNetModel, of which there is none for Kandinsky 2.2" in text


@pytest.mark.parametrize("part", ["decoder/movq", "prior/prior", "prior/text_encoder", "prior/image_encoder"])
def test_a_part_that_lacks_a_weight_is_refused(models, part):
    (path,) = (models / part).glob("*.safetensors")
    weights = load_file(path)
    name = next(iter(sorted(weights)))
    save_file({key: value for key, value in weights.items() if key != name}, path, {"format": "pt"})
    assert "it lacks 1 of the model's" in refusal(lambda: read(models))


@pytest.mark.parametrize("part", ["decoder/movq", "prior/prior"])
def test_a_part_with_numbers_that_are_not_finite_is_refused(models, part):
    (path,) = (models / part).glob("*.safetensors")
    weights = load_file(path)
    weights[max(weights)].view(-1)[0] = torch.nan
    save_file(weights, path, {"format": "pt"})
    text = refusal(lambda: Pipelines(files_in(models), CPU))
    assert f"{part}/diffusion_pytorch_model.safetensors" in text
    assert "not finite" in text


def test_a_lora_and_embeddings_and_a_vae_are_refused(models):
    write_lora_peft(models / LORA_FILE, make_unet())
    write_embeddings(models / EMBEDDINGS_FILE)
    of_manifest(models, lora={"file": LORA_FILE})
    assert "Kandinsky 2.2 takes no LoRA" in refusal(lambda: load_small_engine(models))
    of_manifest(models, lora=None, embeddings={"file": EMBEDDINGS_FILE, "tokens": ["<s0>", "<s1>"]})
    assert "Kandinsky 2.2 takes no embeddings" in refusal(lambda: load_small_engine(models))
    of_manifest(models, embeddings=None, vae={"folder": "decoder/movq"})
    assert "Take 'vae' out of the manifest" in refusal(lambda: load_small_engine(models))


@pytest.mark.parametrize("named", ["lcm:4", "turbo:2"])
def test_a_few_step_model_is_refused(models, named):
    text = refusal(lambda: load_small_engine(models, PLITKA_FEW_STEP=named))
    assert "PLITKA_FEW_STEP: it names a few-step model, and Kandinsky 2.2 is drawn with none" in text


def test_a_list_of_adapters_is_refused(models, tmp_path):
    listed = write_adapters(tmp_path / "adapters", ("kohya",))
    text = refusal(lambda: load_small_engine(models, PLITKA_ADAPTERS=str(listed)))
    assert "it lists 1 adapters, and Kandinsky 2.2 takes none. Unset PLITKA_ADAPTERS" in text


def test_a_prior_that_lacks_a_file_is_named_and_not_the_decoder(models):
    (models / "prior/prior/config.json").unlink()
    assert refusal(lambda: read(models)).startswith(f"{models / 'prior'}: prior/config.json is")


def test_a_prior_beside_a_base_model_that_has_none_is_refused(models, sd15_folder):
    text = refusal(lambda: read(sd15_folder, PLITKA_PRIOR_MODEL=str(models / "prior")))
    assert "prior: a prior is named, and Stable Diffusion 1.5 draws without one" in text
    assert "Unset PLITKA_PRIOR_MODEL" in text


def test_what_is_named_in_the_place_of_another_is_refused_for_what_it_is(models, model_folder):
    """And not for files that it has under other names, or for what stands beside it."""
    for other in (models / "decoder", model_folder / "base"):
        text = refusal(lambda other=other: read(models, PLITKA_PRIOR_MODEL=str(other)))
        assert "and no prior of Kandinsky 2.2. Set PLITKA_PRIOR_MODEL" in text
        statuses = verify("sdxl", models, hashes=False)
        with mock.patch.dict(os.environ, {"PLITKA_PRIOR_MODEL": str(other)}):
            assert {status.state for status in statuses} == {"ok"}
    text = refusal(lambda: read(models, PLITKA_BASE_MODEL=str(models / "prior")))
    assert "this is a model for KandinskyV22PriorPipeline" in text


def test_one_file_is_no_prior(models):
    path = models / "prior/prior/diffusion_pytorch_model.safetensors"
    text = refusal(lambda: files_in(models, PLITKA_PRIOR_MODEL=str(path)))
    assert "a prior is read from a diffusers folder, not from one file" in text


def test_a_prior_of_another_width_is_refused(models, tmp_path):
    write_prior(tmp_path / "other")
    edit_config(tmp_path / "other/prior/config.json", embedding_dim=48)
    assert "its embedding_dim is 48" in refusal(
        lambda: read(models, PLITKA_PRIOR_MODEL=str(tmp_path / "other"))
    )


# Samplers


def test_a_limit_on_predictions_is_honoured_or_the_sampler_is_refused(models):
    """`thresholding` in the decoder's scheduler."""
    path = models / "decoder/scheduler/scheduler_config.json"
    edit_config(path, thresholding=True, sample_max_value=2.0)
    config = base_scheduler(noise_of(files_in(models).base), "decoder").config
    for name in ("ddim", "dpmpp_2m_karras", "dpmpp_sde_karras", "unipc"):
        made = make_scheduler(name, config).config
        assert (made["thresholding"], made["sample_max_value"]) == (True, 2.0)
    settings = make_job(scheduler="euler").settings
    (problem,) = sampler_problems(settings, config)
    assert "does not limit what the base model predicts" in str(problem)
    assert '"euler"' not in problem.allowed
    assert json.loads(path.read_text())["variance_type"] == "learned_range"
