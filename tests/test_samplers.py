"""From noise to pixels: every sampler by its name, and the decoding of what it leaves."""

import json
from functools import lru_cache

import diffusers
import numpy as np
import pytest
import torch
from checkpoints import SDXL_SCHEDULER, edit_config
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from drawing import SCHEDULER, draw, images, load_small_engine, make_job
from hypothesis import given
from hypothesis import strategies as st
from oracles import Oracle, sample
from PIL import Image
from test_detail import LARGE
from test_noise_schedule import MEANINGS, alphas_cumprod, config_for
from thorough import one_in

from plitka.choices import SCHEDULER_ALIASES
from plitka.diffusion.lost_detail import with_lost_detail
from plitka.diffusion.samplers import ends_step
from plitka.diffusion.schedulers import SCHEDULERS, make_scheduler, suits
from plitka.errors import NonFiniteImageError, RequestError
from plitka.request.tile_request import parse_request

LATENT_STATISTICS = {"latents_mean": [0.1, 0.2, 0.3, 0.4], "latents_std": [1.0, 2.0, 3.0, 4.0]}


def calls_in(name, steps):
    """How often a sampler calls the UNet in so many steps."""
    return {"heun": 2 * steps - 1, "pndm": steps + (steps > 1)}.get(name, steps)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_sampler_calls_the_unet_as_often_as_it_says_and_takes_its_noise_from_the_seed(
    loaded, monkeypatch, name
):
    calls = []
    monkeypatch.setattr(loaded.base.unet, "forward", _counting(loaded.base.unet.forward, calls))
    pictures = []
    for seed in (1, 1, 2):
        pipeline, _ = loaded.get(None, False, name)
        options = {
            "prompt": "red",
            "num_inference_steps": 4,
            "height": 64,
            "width": 64,
            "output_type": "latent",
        }
        pictures.append(pipeline(**options, generator=torch.Generator().manual_seed(seed)).images)
    assert len(calls) == 3 * calls_in(name, 4)
    assert torch.equal(pictures[0], pictures[1])
    assert not torch.equal(pictures[0], pictures[2])


def _counting(forward, calls):
    def counted(*inputs, **options):
        calls.append(1)
        return forward(*inputs, **options)

    return counted


def test_the_default_sampler_has_karras_noise_levels(loaded):
    config = make_scheduler("dpmpp_2m_karras", loaded.base.scheduler.config).config
    assert (config.use_karras_sigmas, config.algorithm_type) == (True, "dpmsolver++")
    config = make_scheduler("dpmpp_sde_karras", loaded.base.scheduler.config).config
    assert (config.use_karras_sigmas, config.algorithm_type) == (True, "sde-dpmsolver++")
    assert not make_scheduler("ddim", loaded.base.scheduler.config).config.clip_sample


def test_every_picture_gets_a_fresh_sampler(loaded):
    first = loaded.get(None, False, "euler")[0].scheduler
    assert loaded.get(None, False, "euler")[0].scheduler is not first


@lru_cache
def known_config(meaning, spacing):
    return config_for(**MEANINGS[meaning], timestep_spacing=spacing)


@given(
    name=st.sampled_from(list(SCHEDULERS)),
    meaning=st.sampled_from(list(MEANINGS)),
    spacing=st.sampled_from(["leading", "trailing", "linspace"]),
    steps=st.integers(1, 100),
    part=st.floats(0, 0.999),
    dtype=st.sampled_from([torch.float32, torch.float16]),
)
def test_from_any_step_of_any_schedule_a_model_that_knows_the_picture_gives_it(
    name, meaning, spacing, steps, part, dtype
):
    """As image-to-image does: noise is put on at the first step that is run, and the rest takes it off."""
    config = known_config(meaning, spacing)
    if not suits(name, config) or (name == "ddim" and spacing == "linspace"):
        return
    skipped = int(steps * part)
    scheduler = make_scheduler(name, config, skipped)
    scheduler.set_timesteps(steps)
    timesteps = scheduler.timesteps[skipped * scheduler.order :]
    assert len(timesteps) == calls_in(name, steps - skipped)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(skipped * scheduler.order)
    picture = torch.linspace(-1, 1, 16).view(1, 1, 4, 4).expand(1, 4, 4, 4)
    random = torch.Generator().manual_seed(1)
    noise = torch.randn(picture.shape, generator=random)
    latents = scheduler.add_noise(picture.to(dtype), noise.to(dtype), timesteps[:1])
    knows = Oracle(alphas_cumprod(SDXL_SCHEDULER | MEANINGS[meaning]), picture, 0, config["prediction_type"])
    more = {"generator": random} if name in ("dpmpp_sde_karras", "euler_a") else {}
    for timestep in timesteps:
        predicted = knows(scheduler.scale_model_input(latents, timestep), timestep)
        latents = scheduler.step(predicted, timestep, latents, **more, return_dict=False)[0]
    assert latents.dtype == dtype
    if dtype == torch.float32:
        # Two end at the schedule's first level of noise, which may be 0.04 deep; LMS is off by 0.026 at most,
        # in double precision too.
        allowed = {"ddim": 0.2, "pndm": 0.2, "lms": 0.04}
        assert (latents - picture).abs().max() < allowed.get(name, 1e-2)
    assert torch.isfinite(latents).all()


@pytest.mark.parametrize("steps", [2, 3, 12, 30, 100])
@pytest.mark.parametrize(
    ("name", "theirs"), [("pndm", diffusers.PNDMScheduler), ("lms", diffusers.LMSDiscreteScheduler)]
)
def test_from_noise_pndm_and_lms_are_those_that_diffusers_has(name, theirs, steps):
    """Where those are right: from the first step, with timesteps at equal distances."""
    config = config_for()
    expected = theirs.from_config(config, **SCHEDULERS[name][1])
    predict = Oracle(alphas_cumprod(SDXL_SCHEDULER), torch.zeros(1, 4, 8, 8), 0.7, "epsilon")
    found = sample(make_scheduler(name, config), predict, (1, 4, 8, 8), steps)
    assert torch.allclose(found, sample(expected, predict, (1, 4, 8, 8), steps), atol=2e-3)


@given(steps=st.integers(1, 400), more=st.floats(0, 1))
def test_every_step_ends_once_and_the_last_with_the_last_call(steps, more):
    calls = steps + int(more * (steps - 1))
    ends = [ends_step(call, calls, steps) for call in range(calls)]
    assert sum(ends) == steps
    assert ends[-1]


@pytest.mark.long
@pytest.mark.parametrize("name", ["heun", "pndm"])
def test_calls_of_the_unet_are_counted_apart_from_steps(engine, capsys, name):
    job = make_job(scheduler=name, num_inference_steps=6, color_guidance=0.5, dimensions=LARGE)
    preview, final = engine.draw(job)
    assert (preview.steps_run, preview.denoising.unet_calls) == (3, calls_in(name, 3))
    tiles = final.denoising.detail.tiles
    assert (final.steps_run, final.denoising.unet_calls) == (3 * tiles, calls_in(name, 3) * tiles)
    lines = capsys.readouterr().err.replace("\r", "\n").splitlines()
    for drawing in (preview, final):
        last = [line for line in lines if line.startswith(f"{drawing.name} ")][-1]
        assert f" {drawing.steps_run}/{drawing.steps_run} [" in last


def test_guidance_left_out_is_counted_in_calls_where_there_are_more_than_steps(engine):
    drawn = draw(engine, scheduler="heun", num_inference_steps=4, guidance_interval=[0.2, 4])
    for drawing in drawn:
        (said,) = drawing.denoising.approximations
        assert said.endswith(" of 3 calls of the UNet")


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "angle", "color_guidance"),
    one_in(2, [("unipc", 45, 0.4), ("heun", 90, 0), ("heun", 45, 0.4), ("lms", 90, 0.4), ("pndm", 45, 0)]),
)
def test_with_a_controlnet_the_same_request_gives_the_same_bytes(engine, name, angle, color_guidance):
    way = {"angle": angle, "color_guidance": color_guidance, "scheduler": name, "num_inference_steps": 3}
    first = images(draw(engine, **way))
    draw(engine, scheduler="euler_a", num_inference_steps=1)
    assert images(draw(engine, **way)) == first


def test_pure_noise_is_refused_where_the_sampler_cannot_begin_there(folder):
    edit_config(folder / "base/scheduler/scheduler_config.json", **MEANINGS["zero-SNR"])
    engine = load_small_engine(folder)
    document = {"colors": [{"name": "red"}], "width": 4104, "width_mm": 400}
    for name in SCHEDULERS:
        request = parse_request({**document, "overrides": {"scheduler": name}})
        with pytest.raises(RequestError) as raised:
            engine.check(request, make_job().prompt)
        fields = [problem.field for problem in raised.value.problems]
        assert ("overrides.scheduler" in fields) == (name in ("heun", "pndm", "euler_a"))
        assert "width" in fields
        if name == "heun":
            assert 'overrides.scheduler: "heun"' in str(raised.value)
            assert '"lms"' in str(raised.value)


@pytest.mark.parametrize("alias", SCHEDULER_ALIASES)
def test_another_name_of_a_sampler_is_the_sampler_and_files_have_its_own(alias):
    request = parse_request({"colors": [{"name": "red"}], "overrides": {"scheduler": f" {alias.upper()} "}})
    assert request.overrides.scheduler == SCHEDULER_ALIASES[alias]
    assert json.loads(request.to_json())["overrides"] == {"scheduler": SCHEDULER_ALIASES[alias]}


# Decoding


def test_decoding_is_what_the_pipeline_itself_would_give(loaded):
    options = {"prompt": "red", "num_inference_steps": 1, "height": 64, "width": 64}
    runs = [
        loaded.base(**options, output_type=kind, generator=torch.Generator().manual_seed(1)).images
        for kind in ("latent", "np")
    ]
    assert np.array_equal(loaded.decode(runs[0]), np.rint(runs[1][0] * 255).astype(np.uint8))


def test_a_vae_with_latent_statistics_is_denormalised_as_the_pipeline_does(loaded):
    loaded.base.vae.register_to_config(**LATENT_STATISTICS)
    test_decoding_is_what_the_pipeline_itself_would_give(loaded)


@pytest.mark.parametrize("statistics", [{}, LATENT_STATISTICS])
def test_encoding_is_what_a_picture_from_an_image_starts_with(loaded, monkeypatch, statistics):
    loaded.base.vae.register_to_config(**statistics)
    # Of the latents that an image may have, the likeliest.
    monkeypatch.setattr(DiagonalGaussianDistribution, "sample", lambda own, generator: own.mode())
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8))
    pipeline, _ = loaded.get(None, True, SCHEDULER)
    pixels = pipeline.image_processor.preprocess(image)
    started = pipeline.prepare_latents(pixels, None, 1, 1, torch.float32, "cpu", add_noise=False)
    torch.testing.assert_close(loaded.encode(image), started)


def test_what_the_vae_loses_comes_back_to_a_picture_of_the_swatch_and_to_no_other(loaded):
    swatch, other = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    carried = loaded.decode(loaded.encode(Image.fromarray(swatch)))
    assert not np.array_equal(carried, swatch)
    assert np.array_equal(with_lost_detail(loaded, carried, Image.fromarray(swatch)), swatch)
    assert np.array_equal(with_lost_detail(loaded, other, Image.fromarray(swatch)), other)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_an_error_and_no_picture(loaded, value):
    with pytest.raises(NonFiniteImageError, match="latents"):
        loaded.decode(torch.full((1, 4, 8, 8), value))
    loaded.base.vae.decoder.conv_out.bias.data.fill_(value)
    with pytest.raises(NonFiniteImageError, match="VAE overflowed"):
        loaded.decode(torch.zeros(1, 4, 8, 8))
