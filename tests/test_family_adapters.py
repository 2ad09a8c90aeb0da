"""LoRAs, embeddings and ControlNets of a family, and what it refuses of another's."""

import shutil
from types import SimpleNamespace

import pytest
import torch
from checkpoints import (
    EMBEDDINGS_FILE,
    LORA_FILE,
    WIDTH_G,
    WIDTH_L,
    edit_config,
    edit_manifest,
    make_unet,
    write_controlnet,
    write_embeddings,
)
from drawing import draw, images, load_small_engine, make_job, refusal
from lora_files import write_lora_diffusers, write_lora_kohya, write_lora_peft
from safetensors.torch import save_file
from sd15_checkpoints import make_sd15_unet, write_sd15_embeddings

from plitka.errors import ModelFileError, RequestError
from training.cog_training import _load

LORAS = {"PEFT": write_lora_peft, "diffusers": write_lora_diffusers, "kohya": write_lora_kohya}


@pytest.mark.parametrize(
    ("tensors", "count"),
    [
        ({"emb_params": (3, WIDTH_L)}, 3),
        ({"<tile>": (WIDTH_L,)}, 1),
        ({"tile texture": (2, WIDTH_L)}, 2),
        ({"clip_l": (2, WIDTH_L)}, 2),
    ],
)
def test_embeddings_of_one_encoder_are_read(spoilt, tmp_path, tensors, count):
    own = tmp_path / "own"
    own.mkdir()
    shutil.copy(spoilt / LORA_FILE, own / "lora.safetensors")
    random = torch.Generator().manual_seed(count)
    vectors = {name: torch.randn(*shape, generator=random) for name, shape in tensors.items()}
    save_file(vectors, own / "embeddings.safetensors")
    engine = load_small_engine(spoilt, own)
    assert engine.tokens == tuple(f"<s{number}>" for number in range(count))
    base = engine.pipelines.base
    rows = base.text_encoder.get_input_embeddings().weight[-count:]
    assert torch.equal(rows, next(iter(vectors.values())).reshape(count, WIDTH_L))


@pytest.mark.long
@pytest.mark.parametrize("layout", LORAS)
def test_a_lora_of_its_own_changes_its_pictures(spoilt, sd15, layout):
    path = spoilt / LORA_FILE
    LORAS[layout](path, make_sd15_unet())
    # The same pairs in every layout.
    assert images(draw(load_small_engine(spoilt))) == images(draw(sd15))
    LORAS[layout](path, make_sd15_unet(), seed=6)
    assert images(draw(load_small_engine(spoilt))) != images(draw(sd15))


@pytest.mark.long
def test_a_lora_of_its_text_encoder_is_read_in_kohyas_layout(spoilt, sd15):
    name = "lora_te_text_model_encoder_layers_0_self_attn_q_proj"
    down, up = torch.ones(2, WIDTH_L) * 0.1, torch.ones(WIDTH_L, 2)
    tensors = {
        f"{name}.lora_down.weight": down,
        f"{name}.lora_up.weight": up,
        f"{name}.alpha": torch.ones(()),
    }
    save_file(tensors, spoilt / LORA_FILE)
    engine = load_small_engine(spoilt)
    assert engine.lora.modules == 1
    assert images(draw(engine)) != images(draw(sd15))


@pytest.mark.parametrize("layout", LORAS)
def test_a_lora_of_another_family_is_refused_in_words(spoilt, folder, layout):
    LORAS[layout](spoilt / LORA_FILE, make_unet())
    LORAS[layout](folder / LORA_FILE, make_sd15_unet())
    edit_manifest(folder, lambda models: models["lora"].update(size=None, sha256=None))
    trained = f"it was trained on words of {WIDTH_L + WIDTH_G} numbers, and Stable Diffusion 1.5 here has 32"
    assert trained in refusal(spoilt)
    assert f"it was trained on words of {WIDTH_L} numbers, and SDXL here has 80" in refusal(folder)


def test_embeddings_of_another_family_are_refused_in_words(spoilt, folder):
    write_embeddings(spoilt / EMBEDDINGS_FILE)
    write_sd15_embeddings(folder / EMBEDDINGS_FILE)
    edit_manifest(folder, lambda models: models["embeddings"].update(size=None, sha256=None))
    said = "['clip_g', 'clip_l'] instead of one table of vectors for the text encoder of Stable Diffusion 1.5"
    assert said in refusal(spoilt)
    assert "for one of the two text encoders only, as Stable Diffusion 1.5 has it" in refusal(folder)


def test_controlnets_of_another_family_are_refused_in_words(spoilt, model_folder):
    shutil.rmtree(spoilt / "controlnet")
    write_controlnet(spoilt / "controlnet")
    assert "its cross_attention_dim is 80, the base model's 32" in refusal(spoilt)
    shutil.copytree(model_folder / "controlnet-union", spoilt / "union")
    union = {"type": "ControlNetUnionModel", "folder": "union"}
    edit_manifest(spoilt, lambda models: models.update(controlnets={"plain": union}))
    assert "it is a ControlNetUnionModel, of which there is none for Stable Diffusion 1.5" in refusal(spoilt)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"angle": 30}, "angle"),
        ({"angle": 30, "use_controlnet": True}, "overrides.use_controlnet"),
        ({"controlnets": [{"kind": "lineart"}]}, "overrides.controlnets[0].kind"),
        ({"scheduler": "euler_a"}, "overrides.scheduler"),
        ({"scheduler": "euler_a", "color_guidance": 0}, "overrides.scheduler"),
    ],
)
def test_what_a_request_cannot_have_is_refused_before_any_drawing(sd15, request_, field):
    job = make_job(**request_)
    with pytest.raises(RequestError) as raised:
        sd15.check(job.request, job.prompt)
    assert [problem.field for problem in raised.value.problems] == [field]


def test_a_request_of_an_angle_without_a_controlnet_is_drawn_where_it_wants_none(sd15):
    job = make_job(angle=30, use_controlnet=False)
    sd15.check(job.request, job.prompt)
    assert [drawing.controlnet for drawing in sd15.draw(job)] == [None, None]


def test_the_pipelines_have_no_safety_checker(sd15):
    assert sd15.pipelines.base.safety_checker is None
    assert sd15.pipelines.base.feature_extractor is None


def test_it_cannot_be_trained(sd15_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("PLITKA_MODEL_DIR", str(sd15_folder))
    with pytest.raises(ModelFileError, match=r"this is Stable Diffusion 1\.5, and what is trained here is"):
        _load(SimpleNamespace(base_model="sdxl"), [], tmp_path)


def test_a_few_step_model_cannot_be_trained(folder, monkeypatch, tmp_path):
    edit_config(folder / "base/scheduler/scheduler_config.json", _class_name="LCMScheduler")
    monkeypatch.setenv("PLITKA_MODEL_DIR", str(folder))
    with pytest.raises(ModelFileError, match=r"this is a few-step model \(lcm\), and training would undo"):
        _load(SimpleNamespace(base_model="sdxl"), [], tmp_path)
