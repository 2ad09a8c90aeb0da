"""Pictures larger than the model knows: drawn in tiles, which nobody tells from one picture."""

import json
from concurrent.futures import CancelledError

import numpy as np
import pytest
import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from drawing import draw, images, make_job
from hypothesis import given
from hypothesis import strategies as st
from interruptions import Cancelled, failing, out_of_memory, part_of

from plitka.colors.lab import to_lab
from plitka.diffusion.detail import Mosaic, NoiseField, seam_contrast, tiles_of
from plitka.errors import RequestError
from plitka.request.tile_request import parse_request

# With the small engine these are 256 and 256 x 128 pixels, in tiles of 128.
LARGE = {"width": 2048, "width_mm": 120}
WIDE = {"width": 2048, "height": 1024, "width_mm": 80}


@given(
    width=st.integers(1, 64),
    height=st.integers(1, 64),
    native=st.sampled_from([8, 16, 128]),
    wraps=st.booleans(),
)
def test_tiles_make_one_picture_of_any_size(width, height, native, wraps):
    width, height, native = 8 * width, 8 * height, 8 * native
    tiles = tiles_of(width, height, native, wraps)
    if tiles is None:
        assert max(width, height) <= native
        return
    mosaic, covered = Mosaic(tiles), np.zeros((height, width), bool)
    for across, down in tiles:
        assert across.length <= native and across.first % 8 == 0 == down.first % 8
        rows, columns = (np.arange(one.first, one.first + one.length) for one in (down, across))
        covered[(rows % height)[:, None], columns % width] = True
        mosaic.add((across, down), np.full((down.length, across.length, 3), 200, np.uint8))
    assert covered.all()
    assert (mosaic.picture() == 200).all()


def test_a_seam_is_never_at_the_edge_of_a_tile():
    """Of a tile, what lies next to its edge inside of the picture is thrown away."""
    for wraps in (False, True):
        for across, _ in tiles_of(4096, 2048, 1024, wraps):
            weights = across.weights(128)
            if across.before is not None:
                assert not weights[:32].any()
            if across.after is not None:
                assert not weights[-32:].any()


def test_all_tiles_have_cuts_of_one_noise():
    tiles = tiles_of(256, 128, 128, wraps=True)
    field = NoiseField(3, 4, 16, 32)
    whole = field.cut(0, (tiles.spans[0][0]._replace(first=0, length=256), tiles.spans[1][0]), 8)
    again = NoiseField(3, 4, 16, 32)
    again.cut(2, next(iter(tiles)), 8)
    for across, down in reversed(list(tiles)):
        rows, columns = (
            torch.arange(one.first // 8, (one.first + one.length) // 8) for one in (down, across)
        )
        expected = whole[:, :, rows % 16][..., columns % 32]
        assert torch.equal(again.cut(0, (across, down), 8), expected)
    assert not torch.equal(again.cut(1, next(iter(tiles)), 8), again.cut(0, next(iter(tiles)), 8))


def test_seams_with_less_detail_are_noticed():
    tiles = tiles_of(512, 512, 256, wraps=False)
    plan = np.random.default_rng(0).integers(0, 255, (512, 512, 3), np.uint8)
    assert seam_contrast(plan, plan, tiles) == 1
    dull = plan.astype(np.float32)
    for axis, spans in enumerate(tiles.spans):
        for span in spans:
            if span.before is not None:
                middle = round(span.first + span.before)
                near = (slice(None), slice(middle - 16, middle + 16))[:: 1 if axis == 0 else -1]
                dull[near] = dull[near] / 2 + 64
    assert 0.4 < seam_contrast(dull.astype(np.uint8), plan, tiles) < 0.7


@pytest.mark.each_value
@pytest.mark.parametrize("angle", [0, 45])
@pytest.mark.parametrize("scheduler", ["dpmpp_2m_karras", "dpmpp_sde_karras", "ddim"])
def test_a_large_picture_is_drawn_in_tiles_the_same_each_time(engine, angle, scheduler):
    preview, final = draw(engine, angle=angle, dimensions=WIDE, scheduler=scheduler)
    assert final.image.shape == (128, 256, 3)
    assert preview.image.shape == (32, 64, 3)
    detail = final.denoising.detail
    assert (detail.tiles, detail.tile_width, detail.tile_height) == (3, 128, 128)
    assert preview.denoising.detail is None
    assert json.loads(json.dumps(final.denoising.as_dict()))["detail"]["tiles"] == 3
    assert bool(final.controlnet) == (angle != 0)
    draw(engine, angle=90)
    assert images(draw(engine, angle=angle, dimensions=WIDE, scheduler=scheduler)) == images([preview, final])


def test_the_order_of_the_tiles_changes_nothing(engine, monkeypatch):
    expected = images(draw(engine, dimensions=WIDE))
    forwards = type(tiles_of(256, 128, 128, False)).__iter__
    monkeypatch.setattr(
        "plitka.diffusion.detail.Tiles.__iter__", lambda tiles: iter(list(forwards(tiles))[::-1])
    )
    found = draw(engine, dimensions=WIDE)
    # Sums of floats may round otherwise.
    difference = np.abs(
        found[1].image.astype(int) - np.frombuffer(expected[1], np.uint8).reshape(128, 256, 3)
    )
    assert difference.max() <= 1


@pytest.mark.long
def test_a_seamless_picture_in_tiles_has_no_seam_at_its_edges(engine):
    final = draw(engine, dimensions={**LARGE, "seamless": True}, color_guidance=0.9)[1].image
    assert final.shape == (256, 256, 3)
    light = to_lab(final)[..., 0]
    for plane in (light, light.T):
        steps = np.abs(np.roll(plane, -1, 1) - plane).mean(0)
        assert abs(steps[-1] - steps[:-1].mean()) < 4 * steps[:-1].std()


@pytest.mark.long
def test_one_bar_counts_the_steps_of_all_tiles(engine, capsys):
    job = make_job(dimensions=LARGE, num_inference_steps=4, color_guidance=0.5)
    final = list(engine.draw(job))[1]
    lines = [line for line in capsys.readouterr().err.replace("\r", "\n").splitlines() if "final" in line]
    assert all(line.startswith("final 256x256: ") for line in lines)
    tiles = final.denoising.detail.tiles
    assert tiles == 9 and final.steps_run == 2 * tiles
    assert f" {2 * tiles}/{2 * tiles} [" in lines[-1]


@pytest.mark.long
@pytest.mark.parametrize("call", [1, 5])
def test_broken_off_in_a_tile_the_next_picture_is_the_same(engine, undisturbed, call):
    preview_calls = 1
    unet = engine.pipelines.base.unet
    with failing(unet, Cancelled(), (preview_calls + call,)), pytest.raises(Cancelled):
        draw(engine, angle=45, dimensions=LARGE, scheduler="dpmpp_sde_karras")
    assert images(draw(engine, angle=45)) == undisturbed


@pytest.mark.long
def test_out_of_memory_in_a_tile_gives_the_same_picture_on_every_level(fresh_engine, engine):
    """The tiles are those of the size, whatever the memory: each level down draws the same ones again."""
    expected = images(draw(engine, dimensions=WIDE))
    levels = []
    for part, call in (("vae.encoder", 3), ("unet", 4)):
        with failing(part_of(fresh_engine, part), out_of_memory(), (call,)):
            drawn = draw(fresh_engine, dimensions=WIDE)
        assert images(drawn) == expected
        levels.append(fresh_engine.pipelines.offload_level)
        assert len(sum((one.denoising.retries for one in drawn), ())) == 1
    assert len(set(levels)) == 2


def test_the_encoders_own_noise_begins_anew_in_every_tile(engine, monkeypatch):
    """It is no part of the field: a picture of another split would differ by it."""
    sample, noises = DiagonalGaussianDistribution.sample, []

    def recorded(posterior, generator=None):
        found = sample(posterior, generator)
        noises.append((found - posterior.mean) / posterior.std)
        return found

    monkeypatch.setattr(DiagonalGaussianDistribution, "sample", recorded)
    expected = images(draw(engine, dimensions=WIDE))
    (_, *tiles), first = noises, noises[1]
    assert len(tiles) == 3
    assert all(torch.allclose(noise, first, atol=1e-4) for noise in tiles)
    noises.clear()
    assert images(draw(engine, dimensions=WIDE)) == expected
    assert all(torch.allclose(noise, first, atol=1e-4) for noise in noises[1:])


def test_nobody_waits_for_a_tile_that_is_not_wanted(engine):
    job = make_job(dimensions=LARGE)
    drawings = engine.draw(job)
    next(drawings)
    with job.pace:
        pass
    with pytest.raises(CancelledError):
        next(drawings)


@pytest.mark.parametrize(
    ("fields", "overrides", "texts"),
    [
        ({"width": 4104, "width_mm": 400}, {}, ("width: 4104", "512 to 4096")),
        ({"width": 256, "width_mm": 40}, {}, ("width: 256", "512 to 4096")),
        ({"width": 2056, "width_mm": 200}, {"color_guidance": 0}, ("width: 2056", "noise", "at most 2048")),
        ({"width": 1032}, {"scheduler": "euler_a"}, ("overrides.scheduler", "1024")),
        ({"width": 512}, {}, ("width: 512", "at most 42 granules, 85 mm")),
        ({"width": 2048, "width_mm": 400}, {}, ("width_mm: 400", "at most 170 granules, 340 mm")),
    ],
)
def test_what_no_model_draws_is_said(engine, fields, overrides, texts):
    document = {"colors": [{"name": "red"}], **fields, "overrides": overrides}
    with pytest.raises(RequestError) as error:
        engine.check(parse_request(json.dumps(document)), make_job().prompt)
    assert all(text in str(error.value) for text in texts), error.value


def test_a_picture_from_noise_is_drawn_at_once(engine):
    final = draw(engine, dimensions=WIDE, color_guidance=0)[1]
    assert final.denoising.detail is None
    assert final.image.shape == (128, 256, 3)
