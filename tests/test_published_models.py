"""The models that people have: none of them is taken for something else."""

import hashlib
from types import SimpleNamespace

import pytest
import torch
from checkpoints import SDXL_SCHEDULER, edit_config
from diffusers import ControlNetModel, ControlNetUnionModel, UNet2DConditionModel
from drawing import files_in
from published import (
    CLIP_G,
    CLIP_L,
    CONTROLNET,
    INDEX,
    UNET,
    VAE,
    as_written,
    write_config,
    write_empty_weights,
)
from single_file import unet_name
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from plitka.diffusion.checkpoints.base_model import check_base
from plitka.diffusion.checkpoints.controlnet_shapes import check_controlnets
from plitka.diffusion.checkpoints.noise_schedule import Statement
from plitka.diffusion.checkpoints.single_file import read_statement
from plitka.diffusion.checkpoints.single_file_names import check_none_left_over
from plitka.diffusion.checkpoints.weight_checks import check_complete
from plitka.diffusion.families.sdxl import CLIP_G as SECOND
from plitka.diffusion.families.sdxl import CLIP_L as FIRST
from plitka.diffusion.families.sdxl import SDXL
from plitka.errors import ModelFileError
from plitka.weights.files import read_header
from plitka.weights.locate import EngineFiles, Location
from plitka.weights.manifest import ControlNetSource, engine_models
from plitka.weights.model_folder import files_read

L, G = FIRST.prefix, SECOND.prefix
BASE = {
    "model_index.json": (INDEX, False),
    "scheduler/scheduler_config.json": (SDXL_SCHEDULER, True),
    "text_encoder/config.json": (CLIP_L, True),
    "text_encoder_2/config.json": (CLIP_G, True),
    "unet/config.json": (UNET, True),
    "vae/config.json": (VAE, True),
}
# What diffusers 0.42 writes for a model that was averaged in training.
AVERAGED = {
    "decay": 0.9999,
    "inv_gamma": 1.0,
    "min_decay": 0.0,
    "optimization_step": 4000,
    "power": 0.6666666666666666,
    "update_after_step": 0,
    "use_ema_warmup": False,
}


@pytest.fixture
def sdxl(tmp_path):
    """The manifest's base model, VAE and ControlNet, without weights."""
    for name, (config, in_order) in BASE.items():
        write_config(tmp_path / "base" / name, config, in_order)
    write_config(tmp_path / "vae/config.json", VAE | {"force_upcast": False, "sample_size": 512})
    write_config(tmp_path / "net/config.json", CONTROLNET)
    return tmp_path


def files_with(folder, **controlnets):
    models = engine_models("sdxl")
    models = models.model_copy(update={"controlnets": controlnets} if controlnets else {})
    places = {
        key: Location(str(folder / "net"), "net", variant=one.variant)
        for key, one in models.controlnets.items()
    }
    base, vae = Location(str(folder / "base"), "base"), Location(str(folder / "vae"), "vae")
    return EngineFiles(models, folder, base, None, vae, places)


@pytest.fixture(scope="module")
def unet():
    with torch.device("meta"):
        return UNet2DConditionModel.from_config(UNET)


def shapes_of(model):
    return {name: list(weight.shape) for name, weight in model.state_dict().items()}


@pytest.mark.parametrize("name", BASE)
def test_the_configurations_here_are_those_on_the_hub(name):
    listed = {file.path: file for file in engine_models("sdxl").base.files}
    assert hashlib.sha256(as_written(*BASE[name])).hexdigest() == listed[name].sha256


def test_the_manifests_base_model_is_one(sdxl):
    _, schedule = check_base(files_with(sdxl))
    assert schedule["prediction_type"] == "epsilon"
    assert schedule["beta_end"] == 0.012


def test_a_model_saved_from_its_average_is_one(sdxl):
    edit_config(sdxl / "base/unet/config.json", **AVERAGED)
    assert check_base(files_with(sdxl))[1]["beta_schedule"] == "scaled_linear"


UNIONS = [
    {},
    {"num_control_type": 6},
    {"_class_name": "ControlNetUnionModel", "num_control_type": 6},
    {"_class_name": "ControlNetModel_Union"},
    {"mid_block_type": "UNetMidBlock2DCrossAttn"},
    {"num_control_type": 8},
    AVERAGED,
]


@pytest.mark.parametrize("changes", UNIONS, ids=str)
def test_the_union_controlnet_is_one_however_it_was_saved(sdxl, unet, changes):
    edit_config(sdxl / "net/config.json", **changes)
    with torch.device("meta"):
        model = ControlNetUnionModel.from_config(CONTROLNET | changes)
    write_empty_weights(sdxl / "net/diffusion_pytorch_model.safetensors", shapes_of(model))
    files = files_with(sdxl)
    check_controlnets(files, unet, 8)
    check_complete(model.to_empty(device="cpu"), files.controlnets["union"])


# What lies beside the weights in repositories of TheMistoAI, xinsir and diffusers.
BESIDE = (
    "mistoLine_fp16.safetensors",
    "mistoLine_rank256.safetensors",
    "diffusion_pytorch_model_promax.safetensors",
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.bf16.safetensors",
)


@pytest.mark.parametrize("beside", BESIDE)
def test_a_file_that_is_not_read_is_not_looked_into(sdxl, unet, beside):
    with torch.device("meta"):
        model = ControlNetModel.from_config(CONTROLNET)
    net = sdxl / "net"
    write_empty_weights(net / "diffusion_pytorch_model.fp16.safetensors", shapes_of(model))
    write_empty_weights(net / beside, {"task_embedding": [6, 320], "lora_controlnet.up": [4, 4]})
    files = files_with(sdxl, lines=ControlNetSource(type="ControlNetModel", folder="net", variant="fp16"))
    check_controlnets(files, unet, 8)
    check_complete(model.to_empty(device="cpu"), files.controlnets["lines"])


def test_a_tensor_in_a_file_that_is_not_read_makes_up_for_none(folder):
    """Both precisions lie in one folder, and one of them is broken."""
    path = next((folder / "base/unet").glob("*.fp16.safetensors"))
    whole = path.with_name("diffusion_pytorch_model.safetensors")
    whole.write_bytes(path.read_bytes())
    write_empty_weights(path, {"conv_in.weight": [32, 4, 3, 3]})
    model = SimpleNamespace(named_parameters=lambda: [("conv_in.bias", torch.zeros(1))])
    with pytest.raises(ModelFileError, match="it lacks 1 of the model's 1 tensors"):
        check_complete(model, files_in(folder).base, "unet")


@pytest.mark.parametrize(
    ("names", "variant", "read"),
    [
        (["model.safetensors", "model.fp16.safetensors"], "fp16", [1]),
        (["model.safetensors", "model.fp16.safetensors"], None, [0]),
        (["model.safetensors", "model.bf16.safetensors"], "fp16", [0]),
        (["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"], None, [0, 1]),
        (["model.fp16-00001-of-00002.safetensors", "model.fp16-00002-of-00002.safetensors"], "fp16", [0, 1]),
        (["model-00001-of-00002.fp16.safetensors", "model-00002-of-00002.fp16.safetensors"], "fp16", [0, 1]),
        (["controlnet-softedge.safetensors", "lora.safetensors"], None, []),
    ],
)
def test_the_files_that_are_read_go_by_their_names(tmp_path, names, variant, read):
    for name in names:
        (tmp_path / name).touch()
    assert [path.name for path in files_read(tmp_path, variant)] == [names[index] for index in read]


# Single files: SDXL's own, and what merges, trainers and user interfaces leave in theirs.


@pytest.fixture(scope="module")
def pipeline(unet):
    with torch.device("meta"):
        first = CLIPTextModel(CLIPTextConfig(**CLIP_L))
        second = CLIPTextModelWithProjection(CLIPTextConfig(**CLIP_G))
    return SimpleNamespace(unet=unet, text_encoder=first, text_encoder_2=second)


@pytest.fixture(scope="module")
def names(pipeline):
    """Names and shapes in SDXL's single file, those of CLIP-G in part."""
    found = {
        f"model.diffusion_model.{unet_name(name, 2)}": shape
        for name, shape in shapes_of(pipeline.unet).items()
    }
    assert len(found) == 1680
    for name, shape in shapes_of(pipeline.text_encoder).items():
        found[f"{L}text_model.{name.removeprefix('text_model.')}"] = shape
    found[f"{L}text_model.embeddings.position_ids"] = ("I64", [1, 77])
    found |= {f"{G}ln_final.weight": [1280], f"{G}logit_scale": [], f"{G}text_projection": [1280, 1280]}
    return found | {"first_stage_model.decoder.conv_in.weight": [512, 4, 3, 3]}


STABILITY = {
    "modelspec.sai_model_spec": "1.0.0",
    "modelspec.architecture": "stable-diffusion-xl-v1-base",
    "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
    "modelspec.predict_key": "epsilon",
}
LISTS = (
    "betas",
    "alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "denoiser.sigmas",
)


@pytest.mark.parametrize(
    ("extra", "metadata", "said"),
    [
        ({}, STABILITY, Statement("epsilon")),
        ({}, {"sd_merge_recipe": "{}", "sd_merge_models": "{}"}, Statement()),
        ({}, {"modelspec.architecture": "stable-diffusion-xl-turbo-v1"}, Statement()),
        ({}, {"modelspec.architecture": "Pony"}, Statement()),
        ({}, {"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"}, Statement()),
        ({}, {"modelspec.architecture": " ", "modelspec.prediction_type": ""}, Statement()),
        ({}, {"modelspec.prediction_type": "V-Prediction"}, Statement("v_prediction")),
        ({name: ("F32", [1000]) for name in LISTS}, {}, Statement()),
        ({"model_ema.decay": ("F32", []), "global_step": ("I64", [])}, {}, Statement()),
        ({f"{L}text_projection.weight": [768, 768]}, {}, Statement()),
        ({"conditioner.embedders.0.logit_scale": []}, {}, Statement()),
        ({"v_pred": ("F32", [0]), "ztsnr": ("F32", [0])}, {}, Statement("v_prediction", True)),
    ],
)  # fmt: skip
def test_the_single_files_of_others_are_sdxl(tmp_path, pipeline, names, extra, metadata, said):
    path = tmp_path / "checkpoint.safetensors"
    write_empty_weights(path, names | extra, metadata)
    assert read_statement(path, read_header(path), 4, SDXL) == said
    check_none_left_over(pipeline, path, read_header(path), SDXL)
