"""Which few-step model an engine starts with, and which it refuses to start with."""

import json

import pytest
from checkpoints import edit_config, edit_manifest
from drawing import images, load_small_engine
from few_step_jobs import draw, refusal
from few_step_models import give_guidance_input, write_few_step_lora
from safetensors.torch import load_file, save_file
from single_file import write_single_file

from plitka.errors import EngineError, ModelFileError
from plitka.request.few_step import FewStep


@pytest.fixture(scope="module")
def lora(tmp_path_factory):
    return write_few_step_lora(tmp_path_factory.mktemp("few-step") / "lightning.safetensors")


# Base models


def test_a_base_model_with_guidance_as_an_input_is_found_by_its_configuration(folder):
    give_guidance_input(folder / "base" / "unet")
    edit_config(folder / "base/scheduler/scheduler_config.json", _class_name="LCMScheduler")
    engine = load_small_engine(folder)
    assert engine.defaults.few_step == FewStep("lcm", 4, 8.0, (3.0, 13.0), is_base=True)
    few, more = draw(engine), draw(engine, guidance_scale=3)
    assert few[1].denoising.scheduler == "lcm"
    assert images(few) != images(more)
    for quality in ("standard", "preview", "high"):
        problem = refusal(engine, quality=quality)["quality"]
        assert "the base model is a few-step model (lcm)" in problem.reason
        assert problem.allowed == '"fast"'
    found = refusal(engine, quality="fast", overrides={"guidance_scale": 2, "negative_prompt": "blurry"})
    assert found["overrides.guidance_scale"].allowed == "from 3 to 13"
    assert found["overrides.negative_prompt"].allowed == '""'


@pytest.mark.long
def test_a_single_file_says_by_its_metadata_that_it_is_one(folder, tmp_path):
    path = tmp_path / "one.safetensors"
    write_single_file(path, folder / "base")
    save_file(load_file(path), path, metadata={"modelspec.architecture": "stable-diffusion-xl-v1-base/LCM"})
    engine = load_small_engine(folder, PLITKA_BASE_MODEL=str(path))
    assert engine.defaults.few_step == FewStep("lcm", 4, 1.0, (1.0, 2.0), is_base=True)
    named = load_small_engine(folder, PLITKA_BASE_MODEL=str(path), PLITKA_FEW_STEP="lcm:8:2")
    assert named.defaults.few_step == FewStep("lcm", 8, 2.0, (1.0, 2.0), is_base=True)
    with pytest.raises(ModelFileError, match=r"one\.safetensors .*says of itself that it is lcm"):
        load_small_engine(folder, PLITKA_BASE_MODEL=str(path), PLITKA_FEW_STEP="turbo:4")


def test_a_base_model_that_the_operator_names_draws_with_the_lora(folder):
    engine = load_small_engine(folder, PLITKA_FEW_STEP="turbo:2")
    drawn = draw(engine)
    assert (drawn[1].denoising.scheduler, drawn[1].steps_run) == ("euler_a_trailing", 1)
    assert drawn[1].denoising.lora_scale == 0.75
    assert images(drawn) != images(draw(engine, lora_scale=0))


def test_a_saved_lcm_scheduler_keeps_the_steps_of_its_training(folder):
    changes = {"_class_name": "LCMScheduler", "original_inference_steps": 100}
    edit_config(folder / "base/scheduler/scheduler_config.json", **changes)
    pipelines = load_small_engine(folder).pipelines
    scheduler = pipelines.get(None, False, "lcm")[0].scheduler
    scheduler.set_timesteps(8)
    assert scheduler.timesteps.tolist() == [999, 879, 749, 629, 499, 379, 249, 129]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("lightning", "no such model"),
        ("lighting:4", "the kind lcm, tcd, lightning, hyper_sd or turbo"),
        ("lightning:four", "no such model"),
        ("lightning:3", "lightning has no 3 steps; allowed: 2, 4, 8"),
        ("lightning:1", "allowed: 2, 4, 8"),
        ("lcm:50", "allowed: 2, 3, 4, 5, 6, 7, 8"),
        ("lightning:4:7", "its guidance is 7; allowed for lightning of 4 steps: 1, which is none"),
        ("hyper_sd:8:2", "allowed for hyper_sd of 8 steps: from 5 to 8"),
        ("hyper_sd:12:1", "allowed for hyper_sd of 12 steps: from 5 to 8"),
        ("lcm:4:nan", "its guidance is nan"),
    ],
)
def test_a_setting_that_no_model_has_stops_the_start(model_folder, lora, named, said):
    with pytest.raises((EngineError, ModelFileError), match="PLITKA_FEW_STEP") as raised:
        load_small_engine(model_folder, PLITKA_FEW_STEP=named, PLITKA_FEW_STEP_LORA=str(lora))
    assert said in str(raised.value)


def test_a_lora_that_is_not_there_or_of_no_known_kind_stops_the_start(model_folder, lora, tmp_path):
    with pytest.raises(EngineError, match="does not say what it is"):
        load_small_engine(model_folder, PLITKA_FEW_STEP_LORA=str(lora))
    for text in (b"", b"version https://git-lfs.github.com/spec/v1\n"):
        path = tmp_path / "fast.safetensors"
        path.write_bytes(text)
        with pytest.raises(ModelFileError, match=r"fast\.safetensors"):
            load_small_engine(model_folder, PLITKA_FEW_STEP="lcm:4", PLITKA_FEW_STEP_LORA=str(path))
    with pytest.raises(ModelFileError, match="missing"):
        load_small_engine(model_folder, PLITKA_FEW_STEP="lcm:4", PLITKA_FEW_STEP_LORA=str(tmp_path / "none"))


def test_the_manifest_names_the_model_and_the_environment_another(folder, lora):
    path = write_few_step_lora(folder / "hyper.safetensors", "diffusers")
    named = {"kind": "tcd", "steps": 8, "eta": 1, "lora": {"file": path.name, "scale": 0.5}}
    edit_manifest(folder, lambda models: models.update(few_step=named))
    engine = load_small_engine(folder)
    assert engine.defaults.few_step == FewStep("tcd", 8, eta=1)
    assert "tcd hyper.safetensors sha256:" in engine.identity(quality="fast")["few_step"]
    first = draw(engine)
    assert first[1].denoising.scheduler == "tcd"
    other = load_small_engine(folder, PLITKA_FEW_STEP="lcm:4", PLITKA_FEW_STEP_LORA=str(lora))
    assert other.defaults.few_step == FewStep("lcm", 4, 1.0, (1.0, 2.0))
    for wrong in ({"eta": 2}, {"steps": 1}, {"kind": "lightning", "steps": 4}, {"kind": "sdxl"}):
        edit_manifest(folder, lambda models, wrong=wrong: models.update(few_step=named | wrong))
        with pytest.raises(ModelFileError, match=r"manifest\.json"):
            load_small_engine(folder)


def test_a_lora_beside_a_base_model_that_is_one_itself_stops_the_start(folder, lora):
    edit_config(folder / "base/scheduler/scheduler_config.json", _class_name="LCMScheduler")
    with pytest.raises(ModelFileError, match=r"it names a LoRA \(lcm\).*a few-step model itself \(lcm\)"):
        load_small_engine(folder, PLITKA_FEW_STEP="lcm:4", PLITKA_FEW_STEP_LORA=str(lora))
    with pytest.raises(ModelFileError, match="it says turbo, and base says of itself that it is lcm"):
        load_small_engine(folder, PLITKA_FEW_STEP="turbo:4")
    assert json.loads((folder / "manifest.json").read_text())
