"""Pictures that go on over their edges."""

import itertools

import cv2
import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from mixes import mix_of
from scipy import ndimage

from plitka.choices import CONTROL_KINDS
from plitka.colors.lab import to_lab
from plitka.diffusion.seamless import circular
from plitka.errors import RequestError
from plitka.request.bonds import lattice, period
from plitka.request.scale import Dimensions, scale_of
from plitka.request.tile_request import parse_request
from plitka.tile.control_image import draw_control
from plitka.tile.lens import Lens, develop
from plitka.tile.light import light_on
from plitka.tile.plan import JOINT, make_plan
from plitka.tile.swatch import draw_swatch

JOINTED = ("grid", "brick", "herringbone", "hexagon", "puzzle")


def seamless_plan(seed, layout="surface", angle=0, **given):
    scale = scale_of(layout, Dimensions(seamless=True, **given))
    return make_plan(mix_of(BLACK=30, RED=50, WHITE=20), angle, layout, seed, scale)


def steps(picture):
    """Mean step of L* from each column to the next, and from the last to the first; likewise for rows."""
    light = to_lab(picture)[..., 0]
    return [np.abs(np.roll(plane, -1, 1) - plane).mean(0) for plane in (light, light.T)]


def seam_deviations(plan, size=512):
    """How many standard deviations the step over each seam is off the mean of all inner steps."""
    found = []
    for means in steps(draw_swatch(plan, size)):
        inner = means[:-1]
        found.append((means[-1] - inner.mean()) / inner.std())
    return found


@pytest.mark.long
@pytest.mark.parametrize("width_mm", [None, 300])
def test_no_eye_finds_the_seam(width_mm):
    found = [one for seed in range(3) for one in seam_deviations(seamless_plan(seed, width_mm=width_mm))]
    assert np.abs(found).max() < 4 and abs(np.mean(found)) < 1.5


def test_the_heap_is_as_high_on_both_sides_of_the_seam():
    """A facet that is seen from the wrong side would be tens of pitches off."""
    for width_mm in (None, 300):
        height = seamless_plan(1, width_mm=width_mm).heights(512).height
        assert height.min() > -15 and height.max() < 15
        for plane in (height, height.T):
            across = np.abs(plane[:, 0] - plane[:, -1]).mean()
            assert across < 1.5 * np.abs(np.diff(plane, axis=1)).mean()


@pytest.mark.long
def test_light_does_not_step_inside_a_granule_that_lies_over_the_seam():
    found = []
    for seed in range(4):
        plan = seamless_plan(seed)
        light = light_on(plan.relief, plan.seen(1024), seed)
        for plane in (light.brightness, light.pale):
            for light_of, granules in (
                (plane, plan.seen(1024).members),
                (plane.T, plan.seen(1024).members.T),
            ):
                inside = np.roll(granules, -1, 1) == granules
                means = np.abs(np.roll(light_of, -1, 1) - light_of).mean(0, where=inside)
                found.append((means[-1] - means[:-1].mean()) / means[:-1].std())
    assert abs(np.mean(found)) < 1


@pytest.mark.long
@pytest.mark.parametrize("given", [{}, {"width_mm": 300.0}, {"width": 1024, "height": 512}])
def test_a_granule_that_is_seen_is_drawn_at_every_edge_that_it_reaches(given):
    plan = seamless_plan(1, **given)
    granules = plan.granules
    size = np.array(plan.canvas.heap) * plan.canvas.pitch
    drawn = {}
    for center, radius, level in zip(granules.center, granules.radius, granules.level, strict=True):
        drawn.setdefault((radius, level), []).append(center)
    for (radius, _), centers in drawn.items():
        beyond = centers[0] + size * list(itertools.product((-1, 0, 1), repeat=2))
        beyond = np.concatenate([beyond, beyond + size, beyond - size])
        reaches = ((beyond > -1.9 * radius) & (beyond < size + 1.9 * radius)).all(1)
        for center in beyond[reaches]:
            assert np.abs(np.array(centers) - center).max(1).min() < 1e-5


def test_the_grain_of_colour_goes_on_over_the_seam():
    grey = np.full((64, 64, 3), 128, np.uint8)
    found = []
    for seed in range(20):
        lens = Lens((48, 48), 1.0, 1.0, True)
        shown = develop(grey, np.zeros((64, 64), np.float32), lens, seed)
        chroma = cv2.cvtColor(shown, cv2.COLOR_RGB2YCrCb)[..., 1:].astype(float)
        found.append(np.abs(np.roll(chroma, -1, 1) - chroma).mean((0, 2)))
    means = np.mean(found, 0)
    assert means[-1] < means[:-1].max() * 1.05


def test_an_ordinary_picture_has_a_seam():
    plan = make_plan(mix_of(BLACK=30, RED=50, WHITE=20), 0, "surface", 1)
    assert min(seam_deviations(plan)) > 4


@pytest.mark.parametrize("width_mm", [400, 600])
def test_every_granule_of_a_repeated_heap_is_in_one_place(width_mm):
    scale = scale_of("surface", Dimensions(width_mm=width_mm))
    plan = make_plan(mix_of(BLACK=1), 0, "surface", 1, scale)
    labels = plan.labels(1024)
    rows, columns = np.indices(labels.shape)
    granules = np.arange(plan.granule_count)
    for place in (rows, columns):
        spread = ndimage.maximum(place, labels, granules) - ndimage.minimum(place, labels, granules)
        seen = np.bincount(labels.ravel(), minlength=plan.granule_count) > 0
        assert spread[seen].max() < 4 * scale.granule_pixels


def test_granules_at_the_edge_are_whole_and_of_one_colour():
    labels = seamless_plan(2).labels(1024)
    for seen in (labels, labels.T):
        continued = (np.roll(seen, -1, 1) == seen).mean(0)
        assert np.quantile(continued[:-1], 0.01) < continued[-1] < np.quantile(continued[:-1], 0.99)


@pytest.mark.each_value
@pytest.mark.parametrize("layout", JOINTED)
@pytest.mark.parametrize("angle", [0, 90])
def test_joints_go_on_over_the_edges_and_shares_stay_exact(layout, angle):
    repeats = period(layout, scale_of(layout).tile_mm, angle)
    side = np.lcm.reduce(np.round(np.array(repeats) * 100).astype(int)) / 100
    tile = None
    if layout == "hexagon":
        # Regular hexagons do not repeat in a square: these do nearly.
        tile, side = (200, 266.6667), 400
    plan = seamless_plan(1, layout, angle, width_mm=float(side), tile_mm=tile)
    assert np.abs(plan.shares(1024) - [0.3, 0.5, 0.2]).max() < 0.001
    joints = plan.labels(1024) == JOINT
    assert 0 < joints.mean() < 0.1
    for seen in (joints, joints.T):
        across = (seen[:, -1] != seen[:, 0]).mean()
        inner = (seen[:, 1:] != seen[:, :-1]).mean(0)
        # A joint along the seam differs from its neighbours as one inside does.
        assert across <= inner.max() + 0.005


@pytest.mark.parametrize("kind", CONTROL_KINDS)
def test_edges_for_a_controlnet_go_on_too(kind):
    edges = draw_control(seamless_plan(3), kind, 512)[..., 0].astype(float)
    means = edges.mean(0)
    assert abs(means[-1] - means.mean()) < 4 * means.std()


def moved(plane):
    return torch.roll(plane, (8, 16), (2, 3))


def tiny_vae():
    blocks = ["DownEncoderBlock2D"] * 2
    return AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=blocks,
        up_block_types=["UpDecoderBlock2D"] * 2,
        norm_num_groups=4,
    )


def tiny_unet():
    return UNet2DConditionModel(
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
        cross_attention_dim=8,
        attention_head_dim=4,
    )


@torch.no_grad()
def test_a_model_draws_the_same_anywhere_on_the_ring_and_is_as_before_afterwards():
    torch.manual_seed(0)
    vae, unet = tiny_vae().eval(), tiny_unet().eval()
    picture, latents, words = torch.randn(1, 3, 64, 64), torch.randn(1, 4, 32, 32), torch.randn(1, 3, 8)
    works = {
        "encoder": (lambda x: vae.encode(x).latent_dist.mean, picture),
        "decoder": (lambda x: vae.decode(x).sample, latents),
        "unet": (lambda x: unet(x, 5, words).sample, latents),
    }
    before = {name: work(given) for name, (work, given) in works.items()}
    with circular([vae, unet]):
        for name, (work, given) in works.items():
            plain, of_moved = work(given), work(moved(given))
            scale = plain.shape[-1] / given.shape[-1]
            expected = torch.roll(plain, (int(8 * scale), int(16 * scale)), (2, 3))
            assert torch.allclose(of_moved, expected, atol=1e-4), name
            assert not torch.allclose(plain, before[name], atol=1e-3), name
    for name, (work, given) in works.items():
        assert torch.equal(work(given), before[name])


@pytest.mark.parametrize(
    ("layout", "angle", "size", "words"),
    [
        ("brick", 0, 300, "width_mm a multiple of 200 and height_mm of 200"),
        ("grid", 45, 500, "width_mm a multiple of 707.107 and height_mm of 707.107"),
        ("herringbone", 0, 500, "width_mm a multiple of 200 and height_mm of 200"),
        ("brick", 17.3, 400, "an angle such as 0 or 90"),
    ],
)
def test_a_period_that_does_not_fit_is_refused_with_sizes_that_do(layout, angle, size, words):
    document = {
        "colors": [{"name": "red"}],
        "angle": angle,
        "width_mm": size,
        "seamless": True,
        "overrides": {"layout": layout},
    }
    with pytest.raises(RequestError) as caught:
        parse_request(document)
    assert words in str(caught.value) and "seamless" in str(caught.value)


@pytest.mark.parametrize("layout", JOINTED)
def test_a_lattice_has_the_area_of_its_tiles(layout):
    length, height = tile = scale_of(layout).tile_mm
    (a, b), (c, d) = lattice(layout, tile)
    areas = {"herringbone": 2 * length * height, "hexagon": length * height * 3 / 4}
    assert abs(a * d - b * c) == pytest.approx(areas.get(layout, length * height))
