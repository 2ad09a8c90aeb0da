"""The embedded model, as it is shipped: what each of its parts is good for."""

from contextlib import closing
from dataclasses import replace
from functools import cache
from itertools import islice

import cv2
import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from drawing import make_job
from thorough import one_in

from plitka.colors.palette import PALETTE, delta_e00
from plitka.diffusion.adapters.switch import AdapterSwitch
from plitka.diffusion.engine import DiffusionEngine
from plitka.diffusion.schedulers import SCHEDULERS
from plitka.fidelity.joint_angle import joint_angle
from plitka.fidelity.measure import measure
from plitka.settings import SHIPPED_MODEL_DIR
from plitka.tile.swatch import draw_swatch
from plitka.weights.listing import verify

FOLDER = SHIPPED_MODEL_DIR / "mini"
STEPS = 4
RED_AND_WHITE = [("red", 50), ("white", 50)]


@pytest.fixture(scope="module")
def mini(module_environment):
    """The shipped engine, drawing small pictures: its granules have the size they have in large ones."""
    module_environment.delenv("PLITKA_MODEL_DIR", raising=False)
    engine = DiffusionEngine.load("mini", preview_size=256, final_size=512)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def module_environment():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def draw(engine, colors, *, angle=0, seed=3, which=0, **overrides):
    """One picture, from noise alone unless `color_guidance` is given; `which` is 0 for the preview."""
    given = {"color_guidance": 0, "num_inference_steps": STEPS, **overrides}
    job = make_job(angle, seed, colors, engine.defaults, {}, **given)
    with closing(engine.draw(job)) as drawings:
        return next(islice(drawings, which, None)).image


@pytest.fixture(scope="module")
def plain(mini):
    """Pictures of whole mixes that several tests look at: of a colour alone, or of red and white."""
    return cache(lambda *colors: draw(mini, [(color, 100 / len(colors)) for color in colors]))


def lab(image):
    return cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)


def difference(image, code):
    """Median CIEDE2000 of an image's pixels to a palette colour, lightness left to light and shade."""
    wanted = PALETTE[code].lab
    pixels = lab(cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA)).reshape(-1, 3)
    return float(np.median([delta_e00((wanted[0], *pixel[1:]), wanted) for pixel in pixels]))


def test_the_pipeline_loads_without_plitka():
    pipeline = StableDiffusionXLPipeline.from_pretrained(FOLDER / "base", dtype=torch.float32)
    assert pipeline.unet.config.addition_embed_type == "text_time"
    picture = pipeline(
        "terrazzo, 100% blue", height=64, width=64, num_inference_steps=2, output_type="np"
    ).images
    assert np.isfinite(picture).all()
    assert picture.std() > 0.01


def test_all_parts_together_are_at_most_forty_megabytes():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 40_000_000


def test_every_file_is_the_one_that_the_manifest_names(module_environment):
    module_environment.delenv("PLITKA_MODEL_DIR", raising=False)
    statuses = list(verify("mini", hashes=True))
    assert statuses
    assert {status.state for status in statuses} == {"ok"}


@pytest.mark.parametrize("code", one_in(2, ["BLUE", "RED", "YELLOW", "DKGREEN"]))
def test_the_prompt_names_the_colour(plain, code):
    image = plain(PALETTE[code].prompt_word)
    others = [other for other in ("RED", "BLUE", "YELLOW", "DKGREEN") if other != code]
    assert difference(image, code) < min(difference(image, other) for other in others) / 2


@pytest.mark.long
def test_the_share_in_the_prompt_moves_the_share_in_the_picture(mini):
    blue = [
        float((lab(draw(mini, [("blue", share), ("yellow", 100 - share)]))[..., 2] < 0).mean())
        for share in (20, 50, 80)
    ]
    assert blue[0] + 0.15 < blue[1] < blue[2] - 0.15


@pytest.mark.long
def test_the_seed_changes_the_picture_and_nothing_else_does(mini, plain):
    first = plain("red", "white")
    again, other = (draw(mini, RED_AND_WHITE, seed=seed) for seed in (3, 2))
    assert np.array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 10


@pytest.mark.long
@pytest.mark.parametrize("code", ["WHITE", "PEARL"])
def test_a_picture_from_noise_is_as_light_as_its_mix(mini, code):
    word = PALETTE[code].prompt_word
    image = draw(mini, [(word, 100)])
    plan = make_job(0, 3, [(word, 100)], mini.defaults, {}).plan
    assert abs(lightness(image) - lightness(draw_swatch(plan, 256))) < 4


def lightness(image):
    return float(lab(image)[..., 0].mean())


@pytest.mark.long
def test_granules_too_fine_for_the_vae_show_their_own_colours(mini):
    # As wide as in a preview with joints, in a picture half as large.
    colors = [("sky blue", 22), ("pink", 15), ("orange", 20), ("violet", 43)]
    given = {"dimensions": {"width_mm": 85}, "num_inference_steps": STEPS}
    job = make_job(45, 3, colors, mini.defaults, **given)
    with closing(mini.draw(job)) as drawings:
        image = next(drawings).image
    assert job.plan.granule_pixels(len(image)) < 7
    assert measure(image, job.plan.mix, job.plan).worst_error_pp < 4


def test_lora_at_scale_zero_is_no_lora(mini, plain):
    zero = draw(mini, RED_AND_WHITE, lora_scale=0)
    adapters, mini.adapters = mini.adapters, AdapterSwitch(None, mini.adapters.words)
    without = draw(mini, RED_AND_WHITE)
    mini.adapters = adapters
    assert np.array_equal(zero, without)
    assert np.abs(zero.astype(int) - plain("red", "white")).mean() > 10


@pytest.mark.long
def test_without_the_learned_words_it_draws_chips_in_pale_cement(mini, plain):
    rubber = plain("blue")
    adapters = mini.adapters
    wordless = replace(adapters.words[None], tokens=())
    mini.adapters = AdapterSwitch(adapters.own, {None: wordless})
    terrazzo = draw(mini, [("blue", 100)])
    mini.adapters = adapters
    assert pale(terrazzo) > pale(rubber) + 0.15


def pale(image):
    """Part of the pixels that are light and nearly grey."""
    pixels = lab(image)
    return float(((pixels[..., 0] > 60) & (np.hypot(pixels[..., 1], pixels[..., 2]) < 15)).mean())


@pytest.mark.long
def test_guidance_brings_the_colours_of_the_prompt_out(mini):
    # Granules of other colours are what it takes away.
    weak, strong = (
        draw(mini, [("red", 100)], guidance_scale=scale, num_inference_steps=8) for scale in (1, 3)
    )
    assert foreign(strong) < 0.9 * foreign(weak)


def foreign(image):
    """Spread of hue and chroma between pieces of a few pixels."""
    return float(lab(cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA))[..., 1:].std((0, 1)).sum())


@pytest.mark.long
def test_more_steps_draw_sharper_granules(mini, plain):
    one, many = draw(mini, [("blue", 100)], num_inference_steps=1), plain("blue")
    assert sharpness(many) > 1.5 * sharpness(one)


def sharpness(image):
    return float(np.abs(cv2.Laplacian(lab(image)[..., 0], cv2.CV_32F)).mean())


@pytest.mark.long
def test_the_controlnet_lays_the_joints_at_the_angle(mini):
    mix = [("red", 60), ("white", 40)]
    given = {"angle": 90, "seed": 4, "num_inference_steps": 1}
    # Joints are a few pixels wide in the final picture.
    guided, free = (
        joint_angle(draw(mini, mix, which=1, **given, **scale)) for scale in ({}, {"controlnet_scale": 0})
    )
    assert abs(guided - 90) <= 2
    assert abs(free - 90) > 2


@pytest.mark.long
@pytest.mark.parametrize("scheduler", one_in(4, SCHEDULERS))
def test_every_sampler_draws_the_colour(mini, scheduler):
    image = draw(mini, [("blue", 100)], scheduler=scheduler)
    # With so few calls of the model heun, which needs two a step, is half as far.
    assert difference(image, "BLUE") < difference(image, "YELLOW") / 2


def test_the_model_card_lies_beside_the_weights():
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: mit\n")
    for word in ("LoRA", "ControlNet", "Figures", "falls short"):
        assert word in card
