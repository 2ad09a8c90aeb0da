"""What a model draws: by seed, prompt, ControlNet and swatch, and what is said of it."""

import io
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from drawing import FINAL, PREVIEW, SCHEDULER, draw, images, load_small_engine, make_job
from hypothesis import given, settings
from hypothesis import strategies as st
from interruptions import failing

from plitka.diffusion.schedulers import SCHEDULERS
from plitka.errors import RequestError
from plitka.fidelity.color_lock import measure_and_correct
from plitka.request.drawing_settings import swatch_strength
from plitka.request.prompt import Prompt
from plitka.request.prompt_templates import TEMPLATES
from plitka.tile.control_image import draw_control
from plitka.tile.plan import JOINT


def test_preview_comes_first_and_both_have_their_size(engine):
    preview, final = draw(engine)
    assert (preview.name, final.name) == ("preview", "final")
    assert preview.image.shape == (PREVIEW, PREVIEW, 3)
    assert final.image.shape == (FINAL, FINAL, 3)
    assert preview.image.dtype == np.uint8


@pytest.mark.each_value
@pytest.mark.parametrize("angle", [0, 45, 90, 20])
@pytest.mark.parametrize("color_guidance", [0, 0.5])
def test_the_seed_determines_the_whole_picture(engine, angle, color_guidance):
    first = images(draw(engine, angle=angle, color_guidance=color_guidance))
    assert images(draw(engine, angle=angle, color_guidance=color_guidance)) == first
    assert images(draw(engine, angle=angle, color_guidance=color_guidance, seed=6)) != first


@pytest.mark.parametrize("angle", [0, 45])
@pytest.mark.parametrize("color_guidance", [0, 0.5])
def test_a_final_picture_without_its_preview_is_the_same(engine, angle, color_guidance):
    changes = {"angle": angle, "color_guidance": color_guidance}
    job = replace(make_job(**changes), pictures=("final",), variant=(2, 3))
    assert images(engine.draw(job)) == images(draw(engine, **changes))[1:]


def test_progress_says_which_of_the_variants_is_drawn(engine, capsys):
    list(engine.draw(replace(make_job(), pictures=("final",), variant=(2, 3))))
    assert f"final 2 of 3 {FINAL}x{FINAL}: " in capsys.readouterr().err


def test_the_largest_seed_is_drawn(engine):
    assert len(draw(engine, seed=2**63 - 1)) == 2


def test_another_process_state_does_not_change_the_picture(engine):
    first = images(draw(engine))
    torch.manual_seed(99)
    np.random.seed(99)
    assert images(draw(engine)) == first


@pytest.mark.parametrize(
    ("angle", "color_guidance", "pipeline", "controlnet"),
    [
        (0, 0, "StableDiffusionXLPipeline", None),
        (0, 0.5, "StableDiffusionXLImg2ImgPipeline", None),
        (45, 0, "StableDiffusionXLControlNetPipeline", "controlnet-lines"),
        (135, 0.5, "StableDiffusionXLControlNetImg2ImgPipeline", "controlnet-lines"),
        (90, 0, "StableDiffusionXLControlNetUnionPipeline", "controlnet-union"),
        (270, 0.5, "StableDiffusionXLControlNetUnionImg2ImgPipeline", "controlnet-union"),
    ],
)
def test_the_report_names_pipeline_and_controlnet_and_why(
    engine, angle, color_guidance, pipeline, controlnet
):
    for drawing in draw(engine, angle=angle, color_guidance=color_guidance):
        assert drawing.pipeline == pipeline
        assert drawing.controlnet == controlnet
        assert f"{angle % 180}°" in drawing.reason
        assert drawing.denoising.controlnet_scale == (0.8 if controlnet else None)
        assert (drawing.denoising.offload, drawing.denoising.retries) == ("none", ())


@pytest.mark.parametrize("angle", [45, 90])
@pytest.mark.parametrize("color_guidance", [0, 0.5])
def test_the_controlnet_changes_the_picture_by_its_scale(engine, angle, color_guidance):
    request = {"angle": angle, "color_guidance": color_guidance}
    guided = images(draw(engine, **request))
    assert images(draw(engine, **request, controlnet_scale=2.0)) != guided
    assert images(draw(engine, **request, use_controlnet=False)) != guided


def test_the_plan_decides_what_the_controlnet_sees(engine):
    grid = images(draw(engine, angle=45, layout="grid", color_guidance=0))
    assert images(draw(engine, angle=45, layout="brick", color_guidance=0)) != grid


@pytest.mark.parametrize(
    ("angle", "kind", "mode"), [(45, "softedge", None), (30, "lineart", [3]), (90, "canny", [3])]
)
def test_the_controlnet_sees_the_plans_edges_in_the_kind_for_the_angle(engine, angle, kind, mode):
    seen, modes = {}, []

    def watch(module, given, options):
        edges = options["controlnet_cond"]
        edges = edges[0] if isinstance(edges, list) else edges
        seen[edges.shape[-1]] = (edges[0].permute(1, 2, 0) * 255).round().byte().numpy()
        modes.append(options.get("control_type_idx"))

    model = engine.pipelines.get(kind, True, SCHEDULER)[1].model
    hook = model.register_forward_pre_hook(watch, with_kwargs=True)
    draw(engine, angle=angle)
    hook.remove()
    assert set(seen) == {PREVIEW, FINAL}
    for size, edges in seen.items():
        assert np.array_equal(edges, draw_control(make_job(angle).plan, kind, size))
    assert modes == [mode] * len(modes)


@pytest.mark.long
def test_preview_of_a_usual_layout_is_guided_by_its_joints_and_given_its_colours(model_folder, monkeypatch):
    # At the sizes that people get: 6 pixels a granule in the preview.
    engine = load_small_engine(model_folder, sizes=(512, 1024))
    seen = []

    def watching(*given):
        seen.append(draw_control(*given))
        return seen[-1]

    monkeypatch.setattr("plitka.diffusion.pipeline_inputs.draw_control", watching)
    job = make_job(angle=45, color_guidance=0.9)
    drawings = engine.draw(job)
    preview = next(drawings).image
    drawings.close()
    engine.close()
    edges = next(image for image in seen if len(image) == 512)[..., 0]
    joint = job.plan.labels(512) == JOINT
    assert edges[joint].mean() > 1.5 * edges[~joint].mean()
    assert edges.mean() < 128
    finished = measure_and_correct("preview", preview, job.plan, job.settings)
    assert finished.corrected
    before, after = finished.before.fidelity, finished.measured.fidelity
    assert after.worst_error_pp < before.worst_error_pp / 2 or after.worst_delta_e < before.worst_delta_e / 2


@pytest.mark.parametrize("color_guidance", [0, 0.5])
def test_both_pictures_are_conditioned_on_full_size(engine, monkeypatch, color_guidance):
    seen = []
    forward = engine.pipelines.base.unet.forward

    def watching(*inputs, **options):
        seen.extend(options["added_cond_kwargs"]["time_ids"].tolist())
        return forward(*inputs, **options)

    monkeypatch.setattr(engine.pipelines.base.unet, "forward", watching)
    drawings = draw(engine, color_guidance=color_guidance)
    steps = sum(drawing.steps_run for drawing in drawings)
    assert seen == [[1024, 1024, 0, 0, 1024, 1024]] * 2 * steps  # each step with and without the prompt


def test_the_prompt_is_encoded_once_for_both_pictures(engine):
    with failing(engine.pipelines.base.text_encoder_2, None, calls=()) as calls:
        draw(engine, angle=45)
    assert len(calls) == 2  # prompt and negative prompt


def test_the_negative_prompt_counts(engine):
    assert images(draw(engine, color_guidance=0)) != images(
        draw(engine, color_guidance=0, negative_prompt="")
    )


def test_the_guidance_scale_counts(engine):
    weak, strong = (images(draw(engine, guidance_scale=scale)) for scale in (2, 12))
    assert weak != strong


def test_each_sampler_draws_a_picture_of_its_own(engine):
    previews = {draw(engine, scheduler=name, num_inference_steps=8)[0].image.tobytes() for name in SCHEDULERS}
    assert len(previews) == len(SCHEDULERS)


# Colour guidance


@given(guidance=st.floats(0.001, 1), steps=st.integers(1, 100))
def test_colour_guidance_leaves_whole_steps_and_at_least_one(guidance, steps):
    strength = swatch_strength(guidance, steps)
    assert 1 / steps <= strength <= 1
    assert round(strength * steps) == pytest.approx(strength * steps)
    assert abs(strength - (1 - guidance)) <= max(0.5 / steps, 1 / steps - (1 - guidance)) + 1e-9


@pytest.mark.parametrize(
    ("guidance", "steps"), [(0, 3), (0.01, 49), (0.35, 7), (0.5, 1), (0.5, 2), (0.5, 49), (0.99, 7), (1, 35)]
)
def test_the_steps_that_run_are_those_reported(engine, guidance, steps):
    drawing = draw(
        engine, color_guidance=guidance, num_inference_steps_preview=steps, num_inference_steps_final=1
    )
    expected = steps if guidance == 0 else max(1, round(steps * (1 - guidance)))
    assert drawing[0].steps_run == expected
    assert drawing[0].denoising.strength == (None if guidance == 0 else expected / steps)


def test_the_swatch_is_where_the_picture_starts(engine):
    red = images(draw(engine, color_guidance=1, num_inference_steps=50, colors=(("red", 100),)))
    blue = images(draw(engine, color_guidance=1, num_inference_steps=50, colors=(("blue", 100),)))
    assert red != blue


# The token budget


def test_a_prompt_that_is_too_long_is_refused_before_any_work(engine):
    job = make_job(dimensions={})
    engine.check(job.request, job.prompt)
    with pytest.raises(RequestError, match=r"(?s)negative_prompt.*at most 300 tokens"):
        engine.check(job.request, Prompt(job.prompt.positive, "rubber " * 301))


def test_the_length_is_counted_with_both_tokenizers(engine, monkeypatch):
    job = make_job(dimensions={})
    tokenizers = engine.adapters.words[None].tokenizers
    plain = tokenizers["tokenizer_2"]

    class Thorough:
        """Cuts everything into twenty times as much."""

        def __call__(self, text, **options):
            return plain(text * 20 if isinstance(text, str) else [one * 20 for one in text], **options)

        def __getattr__(self, name):
            return getattr(plain, name)

    monkeypatch.setitem(tokenizers, "tokenizer_2", Thorough())
    with pytest.raises(RequestError, match="at most 300 tokens"):
        engine.check(job.request, job.prompt)


WORDS = ["wet", "glossy rubber", "60%", "<s0><s1>", "Крошка,"]


@pytest.mark.parametrize("template", TEMPLATES)
@settings(max_examples=8)
@given(words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=8))
def test_own_words_may_fill_four_chunks_and_no_more(engine, template, words):
    """Counted here by both tokenizers, learned tokens inside, on the prompt as the text encoders get it."""
    job = make_job(prompt_template=template, prompt=" ".join(words * 6))
    read = engine.prompt_for(job.prompt).positive
    assert "<s0><s1>" in read or template == "plain"
    base = engine.pipelines.base
    tokens = max(len(count(read)["input_ids"]) for count in (base.tokenizer, base.tokenizer_2)) - 2
    try:
        engine.check(job.request, job.prompt)
    except RequestError as error:
        (problem,) = error.problems
        assert problem.field == "overrides.prompt"
        assert problem.reason.startswith(f"makes a prompt of {tokens} tokens in ")
        # A chunk ends at a comma where it has one, else with a word.
        assert tokens > 4 * 37
    else:
        assert tokens <= 4 * 75


# Progress


def test_the_log_has_one_bar_a_picture(engine, monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    draw(engine, angle=45, num_inference_steps=4)
    lines = [line.rsplit("\r", 1)[-1] for line in log.getvalue().strip("\n").split("\n")]
    assert [line.split(":")[0] for line in lines] == [
        f"preview {PREVIEW}x{PREVIEW}",
        f"final {FINAL}x{FINAL}",
    ]
    assert all("2/2" in line and "100%" in line for line in lines)
