"""`quality: "fast"`: what a few-step model draws, and that nothing of it is left in any other picture."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from adapter_lists import write_adapters
from checkpoints import SDXL_SCHEDULER, edit_config, edit_manifest
from diffusers import (
    DDIMScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
    TCDScheduler,
)
from drawing import FINAL, PREVIEW, images, load_small_engine, make_job
from few_step_models import give_guidance_input, write_few_step_lora
from hypothesis import given
from hypothesis import strategies as st
from interruptions import BreaksOff, Cancelled, out_of_memory
from PIL import Image
from safetensors.torch import load_file, save_file
from single_file import write_single_file
from tape import TapeRecorder
from test_adapters import is_same, state_of
from thorough import examples

from plitka.diffusion import recordings
from plitka.diffusion.acceleration import Acceleration
from plitka.diffusion.engine import DiffusionEngine
from plitka.engine.render import RenderEngine
from plitka.errors import EngineError, ModelFileError, RequestError
from plitka.generation import generate
from plitka.request.drawing_settings import settings_for
from plitka.request.few_step import KINDS, FewStep
from plitka.request.tile_request import parse_request
from plitka.tile.swatch import draw_swatch

ADAPTERS = ("kohya", "peft")
TRAILING = {"timestep_spacing": "trailing"}
# How the authors of each kind tell to run it.
PUBLISHED = {
    "lcm": (LCMScheduler, {}),
    "tcd": (TCDScheduler, {}),
    "lightning": (EulerDiscreteScheduler, TRAILING),
    "hyper_sd": (DDIMScheduler, TRAILING),
    "turbo": (EulerAncestralDiscreteScheduler, TRAILING),
}


@pytest.fixture(scope="module")
def lora(tmp_path_factory):
    return write_few_step_lora(tmp_path_factory.mktemp("few-step") / "lightning.safetensors")


@pytest.fixture(scope="module")
def environment(tmp_path_factory, lora):
    """A few-step LoRA, and a list of adapters."""
    adapters = write_adapters(tmp_path_factory.mktemp("adapters"), ADAPTERS)
    named = {"PLITKA_FEW_STEP": "lightning:4", "PLITKA_FEW_STEP_LORA": str(lora)}
    return named | {"PLITKA_ADAPTERS": str(adapters)}


@pytest.fixture(scope="module")
def engine(model_folder, environment):
    """An engine with a few-step LoRA; a test leaves it as it was."""
    return load_small_engine(model_folder, **environment)


def job_at(engine, quality="fast", adapter=None, **given):
    """A job with the engine's defaults; two steps where the quality is not fast."""
    job = make_job(**given)
    overrides = job.request.overrides
    if quality == "fast" and "num_inference_steps" not in given:
        overrides = overrides.model_copy(update={"num_inference_steps": None})
    request = replace(job.request, quality=quality, adapter=adapter, overrides=overrides)
    return replace(job, request=request, settings=settings_for(request, engine.defaults))


def draw(engine, quality="fast", adapter=None, **given):
    return list(engine.draw(job_at(engine, quality, adapter, **given)))


def refusal(engine, **document):
    with pytest.raises(RequestError) as raised:
        generate(parse_request({"colors": [{"name": "red"}], **document}), engine)
    return {problem.field: problem for problem in raised.value.problems}


# What it draws


@pytest.fixture(scope="module")
def published(model_folder, engine, lora):
    """diffusers' own pipelines with the LoRA, as diffusers loads it; adapters of ours are not in them."""
    ours = engine.pipelines.base
    base = StableDiffusionXLPipeline.from_pretrained(
        model_folder / "base", variant="fp16", dtype=torch.float32, vae=ours.vae
    )
    base.load_lora_weights(str(lora.parent), weight_name=lora.name)
    base.fuse_lora()
    for name in ("tokenizer", "tokenizer_2", "text_encoder", "text_encoder_2"):
        base.register_modules(**{name: getattr(ours, name)})
    return base, StableDiffusionXLImg2ImgPipeline(**base.components)


@pytest.mark.each_value
@pytest.mark.parametrize("color_guidance", [0, 0.5])
@pytest.mark.parametrize("named", PUBLISHED)
def test_a_model_is_run_as_its_authors_run_it(engine, published, monkeypatch, named, color_guidance):
    few_step = FewStep(named, 4, eta=KINDS[named].eta or 0)
    monkeypatch.setattr(engine, "defaults", replace(engine.defaults, few_step=few_step))
    job = job_at(engine, color_guidance=color_guidance, lora_scale=0)
    (drawn,) = engine.draw(replace(job, pictures=("final",)))
    start = {"width": FINAL, "height": FINAL}
    if color_guidance:
        start = {"image": Image.fromarray(draw_swatch(job.plan, FINAL)), "strength": 0.5}
    pipeline = published[bool(color_guidance)]
    scheduler_class, settings = PUBLISHED[named]
    pipeline.scheduler = scheduler_class.from_config(SDXL_SCHEDULER, **settings)
    picture = pipeline(
        prompt=engine.prompt_for(job.prompt).positive,
        num_inference_steps=4,
        guidance_scale=0.0,
        generator=torch.Generator("cpu").manual_seed(job.request.seed),
        original_size=(1024, 1024),
        target_size=(1024, 1024),
        output_type="np",
        eta=few_step.eta,
        **start,
    ).images[0]
    assert np.abs(drawn.image - np.rint(picture * 255)).max() <= 1
    assert drawn.steps_run == (2 if color_guidance else 4)
    assert drawn.denoising.few_step == named
    assert (drawn.denoising.guidance_scale, drawn.denoising.steps) == (1, 4)


@examples(6)
@given(
    kind=st.sampled_from(list(KINDS)),
    number=st.integers(0, 10),
    color_guidance=st.sampled_from([0.0, 0.01, 0.3, 0.5, 0.8, 1.0]),
)
def test_the_steps_that_are_run_are_the_last_of_those_the_model_has_learned(
    engine, kind, number, color_guidance
):
    steps = KINDS[kind].steps[number % len(KINDS[kind].steps)]
    engine.defaults = replace(engine.defaults, few_step=FewStep(kind, steps, eta=KINDS[kind].eta or 0))
    called = []
    hook = engine.pipelines.base.unet.register_forward_pre_hook(
        lambda model, given: called.append(float(given[1]))
    )
    try:
        job = job_at(engine, color_guidance=color_guidance)
        (drawn,) = engine.draw(replace(job, pictures=("preview",)))
    finally:
        hook.remove()
        engine.defaults = replace(engine.defaults, few_step=FewStep("lightning", 4))
    if kind in ("lcm", "tcd"):
        # Some of the fifty of its training, the noisiest first, as evenly as they go.
        learned = [999 - 20 * (50 * step // steps) for step in range(steps)]
    else:
        learned = [round(1000 * (1 - step / steps)) - 1 for step in range(steps)]
    assert called == learned[steps - drawn.steps_run :]
    assert drawn.denoising.unet_calls == drawn.steps_run
    if color_guidance:
        # From pure noise nothing of the swatch would be left.
        assert 1 <= drawn.steps_run < steps
        assert abs(drawn.steps_run - steps * (1 - color_guidance)) <= 1
    else:
        assert drawn.steps_run == steps


@pytest.mark.long
def test_a_controlnet_and_an_adapter_take_part(engine):
    plain, joints = draw(engine), draw(engine, angle=45)
    assert joints[1].denoising.control == "softedge"
    assert joints[1].denoising.controls[0].calls == joints[1].steps_run == 2
    assert images(draw(engine, adapter="peft")) != images(plain)
    assert images(draw(engine, controlnet_scale=0.1, angle=45)) != images(joints)


@pytest.mark.long
def test_a_model_with_guidance_has_a_negative_prompt(engine, monkeypatch):
    few_step = FewStep("hyper_sd", 8, 5.0, (5.0, 8.0))
    monkeypatch.setattr(engine, "defaults", replace(engine.defaults, few_step=few_step))
    assert images(draw(engine)) != images(draw(engine, negative_prompt="gray stone"))
    assert images(draw(engine)) != images(draw(engine, guidance_scale=8))


# What is left of it


@pytest.fixture(scope="module")
def plain(model_folder, environment):
    """The same engine without a few-step model."""
    return load_small_engine(
        model_folder, **environment | {"PLITKA_FEW_STEP": "", "PLITKA_FEW_STEP_LORA": ""}
    )


@pytest.fixture(scope="module")
def straight(model_folder, environment, plain):
    """The models' state at each adapter, scale and quality, where nothing is ever broken off."""
    engine, known = load_small_engine(model_folder, **environment), {}

    def state(name, scale, is_fast):
        if (name, scale, is_fast) not in known:
            used = engine if is_fast else plain
            used.adapters.use(name, scale)
            used.adapters.use(name, scale, few_step=is_fast)
            known[name, scale, is_fast] = state_of(used)
        return known[name, scale, is_fast]

    return state


STEP = st.tuples(
    st.sampled_from((None, *ADAPTERS)),
    st.sampled_from([0.0, 0.75, 2.0]),
    st.booleans(),
    st.none() | st.tuples(st.integers(1, 900), st.sampled_from([Cancelled, out_of_memory])),
)


@pytest.mark.long
@examples(7)
@given(steps=st.lists(STEP, min_size=1, max_size=6))
def test_whatever_was_asked_for_or_broke_off_the_models_are_as_if_nothing_had_been(engine, straight, steps):
    for name, scale, is_fast, trouble in [*steps, (None, 0.75, False, None)]:
        if trouble is None:
            engine.adapters.use(name, scale, few_step=is_fast)
        else:
            operation, error = trouble
            breaking = BreaksOff(error(), operation, function=None)
            try:
                with breaking:
                    engine.adapters.use(name, scale, few_step=is_fast)
            except BaseException:
                assert breaking.made >= operation
                continue
        assert is_same(state_of(engine), straight(name, scale, is_fast))


REQUESTS = {
    "usual": {"quality": "standard"},
    "usual, joints": {"quality": "standard", "angle": 45, "lora_scale": 0.3},
    "fast": {},
    "fast, joints, from noise": {"angle": 90, "color_guidance": 0},
    "fast, another LoRA": {"adapter": "kohya"},
}


@pytest.fixture(scope="module")
def alone(model_folder, environment):
    """What each request draws in an engine that has drawn nothing else."""
    return {
        name: images(draw(load_small_engine(model_folder, **environment), **request))
        for name, request in REQUESTS.items()
    }


@pytest.mark.long
@examples(3)
@given(names=st.lists(st.sampled_from(list(REQUESTS)), min_size=3, max_size=6))
def test_each_request_draws_what_it_draws_alone(engine, alone, names):
    for name in names:
        assert images(draw(engine, **REQUESTS[name])) == alone[name]


@pytest.mark.long
def test_other_files_are_those_of_an_engine_without_a_few_step_model(engine, plain):
    document = {"colors": [{"name": "red"}], "seed": 3, "overrides": {"num_inference_steps": 2}}
    fast = parse_request(document | {"quality": "fast", "overrides": {}})
    drawn = {result.name: result.data for result in generate(fast, engine)}
    assert b"lightning lightning.safetensors sha256:" in drawn["final"]
    # Text stands in PNG files as it is, or packed.
    ours, theirs = (
        [result.data for result in generate(parse_request(document), one)] for one in (engine, plain)
    )
    assert ours == theirs


@pytest.mark.long
def test_recordings_stay_valid(model_folder, environment, engine, monkeypatch):
    monkeypatch.setattr(recordings, "CudaRecorder", lambda: TapeRecorder())
    for name, value in (environment | {"PLITKA_MODEL_DIR": str(model_folder)}).items():
        monkeypatch.setenv(name, value)
    recorded = DiffusionEngine.load(
        "sdxl", acceleration=Acceleration(graphs=True), preview_size=PREVIEW, final_size=FINAL
    )
    counts = []
    for request in (*REQUESTS.values(), *REQUESTS.values()):
        drawn = draw(recorded, **request)
        assert images(drawn) == images(draw(engine, **request))
        counts.append({one.model: one.recordings for one in drawn[1].denoising.recordings})
    # Guided or not are two shapes, and both are known after the first round.
    assert counts[-1] == counts[len(REQUESTS) - 1]


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


# What is refused


def test_without_a_few_step_model_fast_is_refused_with_whatever_else_is_wrong(plain):
    for engine, said in ((RenderEngine(), "draws the plan without any model"), (plain, "PLITKA_FEW_STEP")):
        found = refusal(engine, quality="fast", adapter="summer")
        assert said in found["quality"].reason
        assert found["quality"].allowed == '"preview", "standard" or "high"'
        assert "adapter" in found


def test_settings_that_the_model_cannot_have_are_refused_together(engine):
    wrong = {
        "num_inference_steps": 35,
        "num_inference_steps_final": 8,
        "guidance_scale": 6.5,
        "scheduler": "ddim",
        "negative_prompt": "blurry",
        "guidance_interval": [1, 5],
    }
    found = refusal(engine, quality="fast", overrides=wrong)
    # With guidance asked for, the prompt is not wrong too.
    assert {field.partition(".")[2]: problem.allowed for field, problem in found.items()} == {
        "num_inference_steps": "4",
        "num_inference_steps_final": "4",
        "guidance_scale": "1, which is none",
        "scheduler": "leave it out: the sampler is euler_trailing",
    }
    del wrong["guidance_scale"]
    found = refusal(engine, quality="fast", overrides=wrong)
    assert found["overrides.negative_prompt"].allowed == '""'
    assert "without guidance" in found["overrides.guidance_interval"].reason
    # Nothing of it where the quality is another.
    generate(parse_request({"colors": [{"name": "red"}], "overrides": wrong}), engine)
    right = {"num_inference_steps": 4, "guidance_scale": 1, "negative_prompt": ""}
    generate(parse_request({"colors": [{"name": "red"}], "quality": "fast", "overrides": right}), engine)


def test_a_picture_in_tiles_is_refused_where_the_sampler_adds_noise(engine, monkeypatch):
    document = {"quality": "fast", "width": 1536, "height": 1024, "granule_mm": 3}
    generate(parse_request({"colors": [{"name": "red"}], **document}), engine)
    monkeypatch.setattr(engine, "defaults", replace(engine.defaults, few_step=FewStep("lcm", 4)))
    assert "adds noise at every step" in refusal(engine, **document)["width"].reason


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
