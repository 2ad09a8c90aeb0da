"""`quality: "fast"`: what a few-step model draws, and which requests it refuses."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from checkpoints import SDXL_SCHEDULER
from diffusers import (
    DDIMScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
    TCDScheduler,
)
from drawing import FINAL, images, load_small_engine
from few_step_jobs import draw, job_at, refusal
from few_step_models import few_step_environment, write_few_step_lora
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from thorough import examples

from plitka.engine.render import RenderEngine
from plitka.generation import generate
from plitka.request.few_step import KINDS, FewStep
from plitka.request.tile_request import parse_request
from plitka.tile.swatch import draw_swatch

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
    return few_step_environment(tmp_path_factory.mktemp("adapters"), lora)


@pytest.fixture(scope="module")
def engine(model_folder, environment):
    """An engine with a few-step LoRA; a test leaves it as it was."""
    return load_small_engine(model_folder, **environment)


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


# What is refused


@pytest.fixture(scope="module")
def plain(model_folder, environment):
    """The same engine without a few-step model."""
    return load_small_engine(
        model_folder, **environment | {"PLITKA_FEW_STEP": "", "PLITKA_FEW_STEP_LORA": ""}
    )


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
