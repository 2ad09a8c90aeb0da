"""Kandinsky's pipeline: what diffusers' own four draw, at any size, with every sampler."""

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    KandinskyV22ControlnetImg2ImgPipeline,
    KandinskyV22ControlnetPipeline,
    KandinskyV22Img2ImgPipeline,
    KandinskyV22Pipeline,
    KandinskyV22PriorPipeline,
    PriorTransformer,
    UnCLIPScheduler,
)
from kandinsky_checkpoints import WIDTH, make_hinted_unet, make_movq, make_unet
from PIL import Image

from plitka.diffusion.kandinsky.pipeline import KandinskyPipeline
from plitka.diffusion.schedulers import SCHEDULERS, make_scheduler

torch.set_num_threads(1)
NOISE = {
    "num_train_timesteps": 1000,
    "beta_schedule": "linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "clip_sample": False,
    "set_alpha_to_one": False,
}
SIDE = 64


@pytest.fixture(scope="module")
def plain():
    torch.manual_seed(1)
    parts = {"unet": make_unet().eval(), "vae": make_movq().eval(), "scheduler": DDIMScheduler(**NOISE)}
    return KandinskyPipeline(**parts, prior=None, prior_scheduler=None, text_encoder=None, tokenizer=None)


@pytest.fixture(scope="module")
def hinted(plain):
    plain.no_image = torch.zeros(1, WIDTH)
    torch.manual_seed(2)
    return plain.with_unet(make_hinted_unet().eval())


def noise(side, seed):
    values = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(values)


def seeded():
    return torch.Generator().manual_seed(3)


def embeddings(seed=0):
    found, against = torch.randn(2, 1, WIDTH, generator=torch.Generator().manual_seed(seed))
    return {"image_embeds": found, "negative_image_embeds": against}


def latents(pipeline, guidance_scale=4.0, **given):
    pipeline.set_progress_bar_config(disable=True)
    options = {"num_inference_steps": 4, "guidance_scale": guidance_scale, "generator": seeded()}
    return pipeline(**embeddings(), **options, **given).images


@torch.no_grad()
def pixels(pipeline, **given):
    return (pipeline.decode_latents(latents(pipeline, **given)) / 2 + 0.5).clamp(0, 1)


def theirs(pipeline_class, own, guidance_scale=4.0, **given):
    """What one of diffusers' pipelines draws with the same models."""
    pipeline = pipeline_class(unet=own.unet, scheduler=DDIMScheduler(**NOISE), movq=own.vae)
    pipeline.set_progress_bar_config(disable=True)
    result = pipeline(
        **embeddings(),
        **given,
        height=SIDE,
        width=SIDE,
        num_inference_steps=4,
        guidance_scale=guidance_scale,
        generator=seeded(),
        output_type="pt",
    ).images
    is_raw = pipeline_class in (KandinskyV22Pipeline, KandinskyV22ControlnetPipeline)
    return (result / 2 + 0.5).clamp(0, 1) if is_raw else result


@pytest.mark.parametrize("guidance_scale", [1.0, 4.0])
@pytest.mark.parametrize("from_image", [False, True])
@pytest.mark.parametrize("with_hint", [False, True])
def test_it_draws_what_diffusers_own_pipeline_draws(plain, hinted, guidance_scale, from_image, with_hint):
    own, their_class = {
        (False, False): (plain, KandinskyV22Pipeline),
        (True, False): (plain, KandinskyV22Img2ImgPipeline),
        (False, True): (hinted, KandinskyV22ControlnetPipeline),
        (True, True): (hinted, KandinskyV22ControlnetImg2ImgPipeline),
    }[from_image, with_hint]
    given = {"image": noise(SIDE, 1), "strength": 0.5} if from_image else {}
    ours = given if from_image else {"width": SIDE, "height": SIDE}
    hint = noise(SIDE, 2)
    tensor = torch.from_numpy(np.array(hint)).permute(2, 0, 1)[None] / 255
    if with_hint:
        given, ours = given | {"hint": tensor}, ours | {"hint": hint}
    expected = theirs(their_class, own, guidance_scale, **given)
    drawn = pixels(own, guidance_scale=guidance_scale, **ours)
    # Memory lies otherwise, which the MoVQ rounds otherwise.
    assert torch.allclose(drawn, expected, atol=1e-4)
    assert not torch.allclose(drawn, drawn.mean(), atol=1e-2)


@pytest.mark.parametrize("size", [(64, 48), (56, 104), (72, 64)])
def test_a_picture_has_its_own_size_whatever_the_unet_can_halve(plain, hinted, size):
    picture = noise(128, 4).crop((0, 0, *size))
    for pipeline, more in ((plain, {}), (hinted, {"hint": picture})):
        for start in ({"width": size[0], "height": size[1]}, {"image": picture, "strength": 0.5}):
            assert latents(pipeline, **start, **more).shape == (1, 4, size[1] // 8, size[0] // 8)


def test_what_a_picture_starts_from_is_not_turned_on_its_side(plain):
    wide = Image.fromarray(np.linspace(0, 255, 64 * 32 * 3).reshape(32, 64, 3).astype(np.uint8))
    drawn = latents(plain, image=wide, strength=0.25)
    encoded = plain.vae.encode(plain.image_processor.preprocess(wide)).latents
    assert drawn.shape == encoded.shape == (1, 4, 4, 8)


def test_the_hint_changes_the_picture(hinted):
    drawn = [latents(hinted, width=SIDE, height=SIDE, hint=noise(SIDE, seed)) for seed in (1, 2, 1)]
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.allclose(drawn[0], drawn[1], atol=1e-2)


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("from_image", [False, True])
def test_every_sampler_takes_the_noise_off(plain, name, from_image):
    """A UNet that knows the noise leads every sampler to the same picture."""
    picture = noise(SIDE, 1)
    clean = plain.vae.encode(plain.image_processor.preprocess(picture)).latents.detach()
    config = dict(DDIMScheduler(**NOISE).config)
    steps, strength = 8, 0.5
    pipeline = plain.with_unet(Knowing(clean, config))
    pipeline.scheduler = make_scheduler(name, config, steps - int(steps * strength) if from_image else 0)
    pipeline.set_progress_bar_config(disable=True)
    start = {"image": picture, "strength": strength} if from_image else {"width": SIDE, "height": SIDE}
    calls = []
    drawn = pipeline(
        **embeddings(),
        **start,
        num_inference_steps=steps,
        guidance_scale=4.0,
        generator=seeded(),
        callback_on_step_end=lambda *given: calls.append(given[1]),
    ).images
    # Two of them end at the noise of the first timestep.
    assert (drawn - clean).std() < 0.15 * clean.std()
    assert calls == list(range(pipeline.num_timesteps))


class Knowing(torch.nn.Module):
    """A UNet that knows the picture, and so the noise that was added to it."""

    dtype, device = torch.float32, torch.device("cpu")

    def __init__(self, clean, config):
        super().__init__()
        self.clean, self.kept = clean, DDIMScheduler.from_config(config).alphas_cumprod
        self.config = make_unet().config

    def forward(self, sample, timestep, **_):
        place = float(timestep)
        low = int(place)
        kept = torch.lerp(self.kept[low], self.kept[min(low + 1, 999)], place - low)
        found = (sample - kept**0.5 * self.clean) / (1 - kept) ** 0.5
        return (torch.cat([found, torch.zeros_like(found)], dim=1),)


def test_a_caller_that_is_gone_ends_the_drawing_after_any_step(plain):
    def leave(_pipeline, call, *_):
        if call == 1:
            raise KeyboardInterrupt

    for start in ({"width": SIDE, "height": SIDE}, {"image": noise(SIDE, 1), "strength": 0.75}):
        expected = latents(plain, **start)
        with pytest.raises(KeyboardInterrupt):
            latents(plain, **start, callback_on_step_end=leave)
        assert torch.equal(latents(plain, **start), expected)


@pytest.fixture(scope="module")
def with_prior(plain, tmp_path_factory):
    from kandinsky_checkpoints import write_prior
    from transformers import CLIPTextModelWithProjection, CLIPTokenizer

    folder = tmp_path_factory.mktemp("kandinsky") / "prior"
    write_prior(folder)
    pipeline = KandinskyPipeline(
        unet=plain.unet,
        vae=plain.vae,
        scheduler=plain.scheduler,
        prior=PriorTransformer.from_pretrained(folder / "prior"),
        prior_scheduler=UnCLIPScheduler.from_pretrained(folder / "scheduler"),
        text_encoder=CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder"),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
    )
    their = KandinskyV22PriorPipeline.from_pretrained(folder, image_processor=None)
    their.set_progress_bar_config(disable=True)
    pipeline.no_image = their.get_zero_embed()
    return pipeline, their


def test_the_prior_gives_the_embeddings_of_diffusers_own_pipeline(with_prior):
    own, their = with_prior
    steps = []
    found = own.embed("60% red, 40% blue", "blurry", seeded(), lambda: steps.append(1))
    expected = their("60% red, 40% blue", negative_prompt="blurry", generator=seeded(), return_dict=False)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert len(steps) == 25
    other = own.embed("60% blue, 40% red", "blurry", seeded(), lambda: None)
    assert not torch.allclose(found[0], other[0])


def test_without_a_negative_prompt_the_picture_is_led_away_from_a_black_one(with_prior):
    own, their = with_prior
    _, against = own.embed("60% red", "", seeded(), lambda: None)
    _, expected = their("60% red", generator=seeded(), return_dict=False)
    assert torch.equal(against, expected)
