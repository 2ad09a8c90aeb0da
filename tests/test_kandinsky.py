"""Kandinsky 2.2 as the engine draws with it: prior, decoder and depth decoder, and what they cannot do."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from drawing import CPU, files_in, images, load_small_engine, make_job
from interruptions import Cancelled, failing, out_of_memory, part_of

from plitka.diffusion.hints import guidance_problems
from plitka.diffusion.offload import LowMemory
from plitka.diffusion.pipelines import Pipelines
from plitka.diffusion.seamless import circular
from plitka.errors import DeviceError, GpuMemoryError, RequestError
from plitka.request.drawing_settings import settings_for
from plitka.request.tile_request import parse_request
from plitka.tile.control_image import draw_control

# The preview at once, the final picture in four tiles.
SIZES = (64, 128)


@pytest.fixture(scope="module")
def kandinsky(kandinsky_folder):
    return load_small_engine(kandinsky_folder, sizes=SIZES)


@pytest.fixture
def fresh(kandinsky_folder):
    return load_small_engine(kandinsky_folder, sizes=SIZES)


@pytest.fixture(scope="module")
def without_depth(kandinsky_folder, tmp_path_factory):
    """The same models without a depth decoder."""
    folder = tmp_path_factory.mktemp("without-depth")
    for part in ("decoder", "prior"):
        (folder / part).symlink_to(kandinsky_folder / part)
    models = {"base": {"folder": "decoder"}, "prior": {"folder": "prior"}}
    (folder / "manifest.json").write_text(json.dumps({"models": {"sdxl": models}}))
    return load_small_engine(folder, sizes=SIZES)


def draw(engine, *pictures, **request):
    """The pictures of a request, the preview alone if none is named."""
    return list(engine.draw(replace(make_job(**request), pictures=pictures or ("preview",))))


def preview(engine, **request):
    (drawing,) = draw(engine, **request)
    return drawing


def refusals(engine, angle=0, **overrides):
    """What is wrong with a request, by its fields."""
    job = make_job(angle=angle, **overrides)
    try:
        engine.check(job.request, job.prompt)
    except RequestError as error:
        return {problem.field: str(problem) for problem in error.problems}
    return {}


# Drawing


@pytest.mark.long
def test_every_request_has_its_picture_by_colours_words_and_seed(kandinsky):
    one = preview(kandinsky).image
    assert np.array_equal(preview(kandinsky).image, one)
    for other in (
        {"seed": 6},
        {"prompt": "wet stone"},
        {"negative_prompt": "shiny"},
        {"negative_prompt": ""},
    ):
        assert not np.array_equal(preview(kandinsky, **other).image, one), other


def test_the_prior_sees_the_prompt_and_the_decoder_what_it_makes_of_it(kandinsky):
    given = {}

    def watch(name):
        def note(model, positional, named):
            given.setdefault(name, named)

        module = getattr(kandinsky.pipelines.base, name)
        return module.register_forward_pre_hook(note, with_kwargs=True)

    hooks = [watch("prior"), watch("unet")]
    job = replace(make_job(), pictures=("preview",))
    list(kandinsky.draw(job))
    for hook in hooks:
        hook.remove()
    found, against = kandinsky.pipelines.base.embed(
        kandinsky.prompt_for(job.prompt).positive,
        job.prompt.negative,
        torch.Generator().manual_seed(job.request.seed),
        lambda: None,
    )
    assert torch.equal(given["unet"]["added_cond_kwargs"]["image_embeds"], torch.cat([against, found]))
    assert given["prior"]["encoder_hidden_states"].shape == (4, 77, 32)


@pytest.mark.parametrize("color_guidance", [0, 0.5])
def test_at_an_angle_the_depth_decoder_sees_the_plans_surface(kandinsky, color_guidance):
    job = make_job(angle=45, color_guidance=color_guidance)
    hints = []
    model = kandinsky.pipelines.get("depth", True, "ddim")[1].model
    hook = model.add_embedding.register_forward_pre_hook(lambda _, given: hints.append(given[1].clone()))
    (drawing,) = kandinsky.draw(replace(job, pictures=("preview",)))
    hook.remove()
    expected = draw_control(job.plan, "depth", 64)
    assert np.array_equal((hints[-1][0] * 255).round().permute(1, 2, 0).numpy().astype(np.uint8), expected)
    assert (drawing.controlnet, drawing.denoising.control) == ("depth", "depth")
    (used,) = drawing.denoising.controls
    assert (used.scale, used.calls) == (1.0, drawing.steps_run)


def test_a_surface_at_0_takes_the_hint_only_if_it_is_asked_for(kandinsky):
    assert preview(kandinsky).controlnet is None
    assert preview(kandinsky, angle=45, use_controlnet=False).controlnet is None
    assert preview(kandinsky, use_controlnet=True).controlnet == "depth"
    assert preview(kandinsky, controlnets=[{"kind": "depth"}]).controlnet == "depth"


def test_without_a_depth_decoder_the_swatch_leads(without_depth):
    drawing = preview(without_depth, angle=45)
    assert drawing.controlnet is None
    assert drawing.reason == "laying angle 45°: there is no decoder for depth, the plan's swatch leads"
    assert drawing.denoising.strength == 0.5


def test_a_larger_picture_is_drawn_in_tiles_of_the_size_that_it_knows(kandinsky):
    (drawing,) = draw(kandinsky, "final", angle=45)
    detail = drawing.denoising.detail
    assert (detail.tiles, detail.tile_width) == (4, 96)


def test_every_sampler_draws(kandinsky):
    for sampler in ("euler", "pndm"):
        drawing = preview(kandinsky, scheduler=sampler, num_inference_steps=4)
        assert drawing.image.shape == (64, 64, 3)
        assert drawing.denoising.unet_calls >= drawing.steps_run


def test_guidance_at_some_noise_levels_alone_leaves_the_rest_out(kandinsky):
    drawing = preview(kandinsky, angle=45, num_inference_steps=4, guidance_interval=[0.3, 5])
    assert drawing.denoising.approximations


def test_a_seamless_picture_goes_on_over_its_edges(kandinsky):
    """What is moved around the ring comes out the same, moved as far."""
    base, models = kandinsky.pipelines.base, kandinsky.pipelines
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    conditions = {"image_embeds": torch.zeros(1, 32)}
    with torch.no_grad(), circular([base.unet, base.vae]):
        drawn = [
            models.decode(base.unet(moved, 500, None, added_cond_kwargs=conditions).sample[:, :4])
            for moved in (latents, latents.roll((2, 4), (2, 3)))
        ]
    assert np.abs(np.roll(drawn[0], (16, 32), (0, 1)).astype(int) - drawn[1]).max() <= 1


# Requests that it cannot draw


@pytest.mark.parametrize(
    ("given", "field", "reason"),
    [
        ({"controlnets": [{"kind": "canny"}]}, "controlnets[0].kind", "no control image that a decoder"),
        ({"controlnets": [{"kind": "depth", "scale": 0.5}]}, "controlnets[0].scale", "takes its hint whole"),
        ({"controlnets": [{"kind": "depth", "end": 0.5}]}, "controlnets[0].end", "takes its hint whole"),
        ({"controlnet_scale": 0.6}, "controlnet_scale", "0.6 cannot be had: the decoder for depth"),
        ({"controlnet_start": 0.2}, "controlnet_start", "at every step. Allowed: 0, or a request without it"),
    ],
)
def test_what_a_hint_cannot_do_is_refused_in_words(kandinsky, given, field, reason):
    problems = refusals(kandinsky, angle=45, **given)
    assert list(problems) == [f"overrides.{field}"]
    assert reason in problems[f"overrides.{field}"]


def test_what_is_true_of_a_hint_may_be_said(kandinsky):
    entry = {"kind": "depth", "scale": 1, "start": 0, "end": 1}
    assert refusals(kandinsky, angle=45, controlnets=[entry]) == {}
    assert refusals(kandinsky, angle=45, controlnet_scale=1, controlnet_end=1) == {}


def test_without_a_depth_decoder_control_that_is_asked_for_is_refused(without_depth):
    assert refusals(without_depth, angle=45) == {}
    assert "has none" in refusals(without_depth, use_controlnet=True)["overrides.use_controlnet"]
    listed = refusals(without_depth, controlnets=[{"kind": "depth"}])
    assert "Allowed: a request without controlnets" in listed["overrides.controlnets[0].kind"]
    assert "nothing leads it" in refusals(without_depth, 45, color_guidance=0)["overrides.color_guidance"]
    assert refusals(without_depth, 45, color_guidance=0, use_controlnet=False) == {}
    assert refusals(without_depth, color_guidance=0) == {}


@pytest.mark.parametrize(("side", "is_drawn"), [(1024, True), (640, True), (1000, False), (960, False)])
def test_a_seamless_picture_has_sides_that_the_unet_can_halve(kandinsky, side, is_drawn):
    document = {"colors": [{"name": "red"}], "seamless": True, "width": side, "height": side}
    request = parse_request(json.dumps(document))
    problems = guidance_problems(request, settings_for(request), kandinsky.pipelines)
    assert [problem.field for problem in problems] == ([] if is_drawn else ["width", "height"])
    request = parse_request(json.dumps(document | {"seamless": False}))
    assert not list(guidance_problems(request, settings_for(request), kandinsky.pipelines))


# Memory, cancelling


@pytest.mark.parametrize("part", ["prior", "vae.encoder"])
def test_out_of_memory_falls_back_one_level_and_draws_the_same_picture(kandinsky, fresh, part):
    expected = images(draw(kandinsky))
    with failing(part_of(fresh, part), out_of_memory()):
        drawings = draw(fresh)
    assert images(drawings) == expected
    assert drawings[0].denoising.retries == ("out of memory at offload 'none', again at 'models'",)


@pytest.mark.long
def test_out_of_memory_in_the_depth_decoder_falls_back_too_and_no_tiles_come_after(kandinsky, fresh):
    expected = images(draw(kandinsky, angle=45))
    unet = fresh.pipelines.get("depth", True, "ddim")[1].model
    with failing(unet, out_of_memory()):
        assert images(draw(fresh, angle=45)) == expected
    assert fresh.pipelines.offload_level == "models"
    with failing(fresh.pipelines.base.vae.decoder, out_of_memory()), pytest.raises(GpuMemoryError):
        draw(fresh)
    assert images(draw(fresh, angle=45)) == expected


@pytest.mark.long
def test_layers_that_wait_one_by_one_draw_the_same_picture(kandinsky, fresh):
    expected = images(draw(kandinsky, angle=45))
    fresh.pipelines.save_memory(LowMemory("sequential"))
    drawings = draw(fresh, angle=45)
    assert images(drawings) == expected
    assert drawings[0].denoising.offload == "layers"


def test_a_movq_in_tiles_is_refused_at_the_start(kandinsky_folder):
    with pytest.raises(DeviceError, match="PLITKA_VAE_TILING: 1 cannot be had: the VAE of Kandinsky"):
        Pipelines(files_in(kandinsky_folder), CPU, low_memory=LowMemory(vae_tiles=True))


@pytest.mark.parametrize(("part", "call"), [("prior", 7), ("vae.decoder", 1)])
def test_broken_off_anywhere_the_next_picture_is_the_same(kandinsky, part, call):
    expected = images(draw(kandinsky))
    with failing(part_of(kandinsky, part), Cancelled(), (call,)), pytest.raises(Cancelled):
        draw(kandinsky, seed=77, num_inference_steps=4)
    assert images(draw(kandinsky)) == expected


@pytest.mark.parametrize(("part", "calls"), [("prior", 3), ("unet", 1)])
def test_a_caller_that_is_gone_ends_the_drawing_within_a_step(kandinsky, monkeypatch, part, calls):
    job, made = make_job(num_inference_steps=8), []

    def note(*_):
        made.append(1)

    def check():
        if len(made) == calls:
            raise Cancelled

    hook = part_of(kandinsky, part).register_forward_pre_hook(note)
    monkeypatch.setattr(job.pace, "check", check)
    with pytest.raises(Cancelled):
        list(kandinsky.draw(job))
    hook.remove()
    assert len(made) == calls


def test_a_request_is_read_as_for_every_engine(kandinsky):
    request = parse_request('{"colors": [{"name": "red"}], "angle": 30, "quality": "high"}')
    check = partial(kandinsky.check, request, make_job().prompt)
    assert check() is None
    assert kandinsky.defaults.profiles["high"].guidance_scale == 4.0
