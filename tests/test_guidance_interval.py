"""Guidance between two noise levels: which steps have it, what the models get, and what is said of it."""

import math

import numpy as np
import pytest
import torch
from drawing import draw, images
from interruptions import Cancelled, failing
from thorough import one_in

from plitka.diffusion.guidance_interval import noise_level
from plitka.diffusion.schedulers import SCHEDULERS, make_scheduler

# Sampler, angle and colour guidance: text to image and image to image, without, with a plain and with a union
# ControlNet.
WAYS = [
    ("dpmpp_2m_karras", 0, 0),
    ("dpmpp_sde_karras", 0, 0.5),
    ("ddim", 45, 0),
    ("euler", 45, 0.5),
    ("euler_a", 90, 0),
    ("dpmpp_2m_karras", 90, 0.5),
]
NEVER = [9999, 10000]
ALWAYS = [0, 10000]
# Levels between those of the steps that are run.
SOME = [0.2, 4]


class Calls:
    """The batch that a model works on, by its first layer, in every call while it is watched."""

    def __init__(self, model):
        self.batches = []
        self.hook = model.conv_in.register_forward_pre_hook(self._note)

    def _note(self, layer, given):
        self.batches.append(len(given[0]))

    def taken(self):
        batches, self.batches = self.batches, []
        return batches


def unet_of(engine):
    return engine.pipelines.base.unet


@pytest.fixture
def calls(engine):
    calls = Calls(unet_of(engine))
    yield calls
    calls.hook.remove()


def picture(engine, way, steps=6, **overrides):
    sampler, angle, color_guidance = way
    return draw(
        engine,
        angle=angle,
        scheduler=sampler,
        color_guidance=color_guidance,
        num_inference_steps=steps,
        **overrides,
    )


@pytest.mark.parametrize("way", one_in(3, [(way,) for way in WAYS]))
def test_without_a_step_in_the_interval_it_is_the_picture_without_guidance(engine, way):
    never = picture(engine, way, guidance_interval=NEVER)
    assert images(never) == images(picture(engine, way, guidance_scale=1))
    for drawing in never:
        (said,) = drawing.denoising.approximations
        assert said.endswith(f": 0 of {drawing.steps_run} steps")


@pytest.mark.parametrize("way", WAYS[::2])
def test_with_every_step_in_the_interval_it_is_the_picture_as_ever(engine, way):
    always = picture(engine, way, guidance_interval=ALWAYS)
    assert images(always) == images(picture(engine, way))
    assert all(drawing.denoising.approximations == () for drawing in always)


@pytest.mark.long
@pytest.mark.parametrize("way", one_in(3, [(way,) for way in WAYS]))
def test_in_between_the_steps_outside_run_with_half_the_batch_and_the_picture_is_the_formula_s(
    engine, calls, way
):
    drawn = picture(engine, way, guidance_interval=SOME)
    batches = calls.taken()
    assert set(batches) == {1, 2}
    for drawing in drawn:
        run, batches = batches[: drawing.steps_run], batches[drawing.steps_run :]
        (said,) = drawing.denoising.approximations
        assert said == (
            f"guidance only at noise levels above 0.2 and up to 4: {run.count(2)} of {len(run)} steps"
        )
        assert drawing.denoising.as_dict()["guidance_interval"] == SOME
    with _the_formula(engine, way, SOME):
        expected = picture(engine, way)
    for ours, theirs in zip(drawn, expected, strict=True):
        # Half the batch is summed in another order.
        assert np.abs(ours.image.astype(int) - theirs.image).max() <= 2
    assert images(drawn) != images(picture(engine, way))


class _the_formula:  # noqa: N801  # reads as a phrase
    """Within, a prediction outside the interval is the prompt's alone, made with the whole batch."""

    def __init__(self, engine, way, interval):
        self.pipelines, self.way, self.interval = engine.pipelines, way, interval

    def __enter__(self):
        base = make_scheduler(self.way[0], self.pipelines.base.scheduler.config)
        self.levels = []

        def note(model, given, named):
            # What the sampler itself would put onto a signal at this timestep.
            kept = float(np.interp(float(given[1]), range(1000), base.alphas_cumprod))
            self.levels.append(math.sqrt((1 - kept) / kept))

        def replace(model, given, output):
            low, high = self.interval
            text = output[0].chunk(2)[1]
            return None if low < self.levels[-1] <= high else (torch.cat([text, text]),)

        unet = self.pipelines.base.unet
        self.hooks = [
            unet.register_forward_pre_hook(note, with_kwargs=True),
            unet.register_forward_hook(replace),
        ]

    def __exit__(self, *error):
        for hook in self.hooks:
            hook.remove()


@pytest.mark.long
@pytest.mark.parametrize("angle", [45, 90])
def test_the_controlnet_runs_with_half_the_batch_too(engine, calls, angle):
    picture(engine, ("euler", angle, 0))
    (loaded,) = [net for net in engine.pipelines.controlnets.loaded if net.name.endswith(_net_at(angle))]
    calls.taken()
    controlnet = Calls(loaded.model)
    picture(engine, ("euler", angle, 0), guidance_interval=SOME)
    controlnet.hook.remove()
    assert controlnet.taken() == calls.taken()


def _net_at(angle):
    return "lines" if angle == 45 else "union"


@pytest.mark.each_value
@pytest.mark.parametrize("sampler", SCHEDULERS)
@pytest.mark.parametrize("begin", [0, 5])
def test_the_level_of_a_step_is_the_noise_that_the_sampler_itself_adds(loaded, sampler, begin):
    scheduler = make_scheduler(sampler, loaded.base.scheduler.config, begin)
    scheduler.set_timesteps(12)
    begin *= scheduler.order
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(begin)
    one, zero = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    latents, levels = torch.ones(1, 4, 2, 2), []
    for index, timestep in enumerate(scheduler.timesteps[begin:]):
        scheduler.scale_model_input(latents, timestep)
        levels.append(noise_level(scheduler, timestep))
        if index == 0:
            at = timestep.reshape(1)
            expected = scheduler.add_noise(zero, one, at) / scheduler.add_noise(one, zero, at)
            assert levels[0] == pytest.approx(expected.item(), rel=1e-5)
        # DPM-Solver and DDIM take no generator where they draw no noise.
        latents = scheduler.step(torch.ones_like(latents), timestep, latents, **_noise(sampler, generator))[0]
    assert levels == sorted(levels, reverse=True)
    assert len(levels) == len(scheduler.timesteps) - begin


def _noise(sampler, generator):
    return {"generator": generator} if sampler.startswith(("dpmpp", "euler")) else {}


@pytest.mark.parametrize("guidance_scale", [1, 6.5])
def test_nothing_of_it_stays_in_the_models(engine, undisturbed, guidance_scale):
    draw(engine, angle=45, guidance_scale=guidance_scale, guidance_interval=SOME)
    with failing(engine.pipelines.base.vae.decoder, Cancelled()), pytest.raises(Cancelled):
        draw(engine, angle=45, guidance_interval=SOME)
    with failing(unet_of(engine), Cancelled(), (2,)), pytest.raises(Cancelled):
        draw(engine, angle=45, guidance_interval=NEVER)
    assert not unet_of(engine)._forward_hooks
    assert images(draw(engine, angle=45)) == undisturbed


def test_without_guidance_there_is_nothing_to_leave_out(engine, calls):
    for drawing in draw(engine, guidance_scale=1, guidance_interval=SOME):
        assert drawing.denoising.approximations == ()
    assert set(calls.taken()) == {1}
