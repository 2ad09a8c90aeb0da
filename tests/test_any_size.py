"""Pictures of any size: large ones are drawn in parts, and nobody sees where parts meet."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from thorough import examples

from plitka.choices import MAP_NAMES
from plitka.engine.render import RenderEngine
from plitka.errors import RequestError
from plitka.fidelity import measure, shown_colors
from plitka.generation import generate
from plitka.request.scale import SIDES
from plitka.request.tile_request import parse_request
from plitka.server.output_folders import room_for
from plitka.tile import bands, maps, members
from plitka.tile.plan import plan_for
from plitka.tile.swatch import cached_swatch, draw_swatch

COLORS = [{"name": "red", "proportion": 60}, {"name": "black", "proportion": 30}, {"name": "white"}]
COLORS[2]["proportion"] = 10
PLANS = (
    {},
    # More facets than 16 bits number.
    {"width_mm": 180},
    {"height": 256, "width_mm": 150, "angle": 30},
    {"seamless": True, "width_mm": 150},
    {
        "seamless": True,
        "width_mm": 400,
        "height_mm": 400,
        "tile_mm": [100, 100],
        "overrides": {"layout": "grid"},
    },
    # Granules smaller than a pixel, and a heap that repeats.
    {"width_mm": 900, "overrides": {"layout": "puzzle"}},
)


def request_of(**fields):
    return parse_request(json.dumps({"colors": COLORS, "seed": 7, **fields}))


def drawn(plan, monkeypatch, largest, columns=1 << 30):
    monkeypatch.setattr(bands, "LARGEST_WHOLE", largest)
    monkeypatch.setattr(bands, "BAND_COLUMNS", columns)
    monkeypatch.setattr(bands, "BLOCK_ROWS", columns * 2 // 3)
    cached_swatch.cache_clear()
    picture = draw_swatch(plan, plan.canvas.width)
    cached_swatch.cache_clear()
    return picture


@pytest.mark.long
@pytest.mark.parametrize("fields", PLANS)
def test_a_picture_in_parts_is_the_same_however_wide_they_are(fields, monkeypatch):
    plan = plan_for(request_of(width=384, **fields))
    one_part = drawn(plan, monkeypatch, 0)
    # Of the largest heap each takes seconds.
    for columns in (60, 150, 300) if plan.scale.width_mm < 900 else (150,):
        assert np.array_equal(drawn(plan, monkeypatch, 0, columns), one_part)
    # As it is drawn where it is not large: noise is stretched over it by another function.
    whole = drawn(plan, monkeypatch, 1 << 40).astype(int)
    assert np.abs(whole - one_part).mean() < 0.02


def drawn_maps(plan, monkeypatch, largest, columns=1 << 30):
    """Each map, its files' bytes before they are packed, and the normals of the other convention."""
    monkeypatch.setattr(maps, "LARGEST_WHOLE", largest)
    monkeypatch.setattr(bands, "BAND_COLUMNS", columns)
    monkeypatch.setattr(bands, "BLOCK_ROWS", columns * 2 // 3)
    monkeypatch.setattr(bands.row_bands, "__defaults__", (columns * 100,))
    of_plan = maps.PlanMaps(plan, plan.canvas.width)
    found = {name: of_plan.draw(name).image for name in MAP_NAMES}
    return found | {"directx": of_plan.draw("normal", "directx").image}


@pytest.mark.long
@pytest.mark.parametrize("fields", PLANS)
def test_maps_in_parts_are_the_same_however_large_they_are(fields, monkeypatch):
    plan = plan_for(request_of(width=256, **fields))
    one_part = drawn_maps(plan, monkeypatch, 0)
    # Of the largest heap each part takes as long as all of it.
    for columns in (60, 150) if plan.scale.width_mm < 900 else (150,):
        in_parts = drawn_maps(plan, monkeypatch, 0, columns)
        assert [name for name in in_parts if not np.array_equal(in_parts[name], one_part[name])] == []
    # As they are drawn where they are not large; roughness and light have noise, which differs in a trace.
    whole = drawn_maps(plan, monkeypatch, 1 << 40)
    for name in ("height", "normal", "directx", "ids"):
        assert np.array_equal(whole[name], one_part[name]), name
    for name in ("roughness", "ao"):
        assert np.abs(whole[name].astype(int) - one_part[name]).mean() < 0.02, name


@examples(10)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    most=st.sampled_from([1, 3, 1000]),
    tiles=st.sampled_from([1, 5, 100_000]),
    table=st.sampled_from([0, 1 << 26]),
    rows=st.sampled_from([1, 70, 1 << 20]),
    seed=st.integers(0, 9),
)
def test_granules_cut_by_tiles_are_numbered_as_sorting_them_does(shape, most, tiles, table, rows, seed):
    rng = np.random.default_rng(seed)
    granules = rng.integers(0, most, shape, np.int32)
    tile = rng.integers(0, tiles, shape, np.int32)
    expected = np.unique(granules.astype(np.int64) * tiles + tile, return_inverse=True)[1].reshape(shape)
    cut = granules.copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(members, "_TABLE", table)
        patch.setattr(bands.row_bands, "__defaults__", (rows,))
        members.cut_by_tiles(cut, tile)
    assert np.array_equal(cut, expected)


@pytest.mark.parametrize("fields", [{}, {"angle": 30}])
def test_what_is_measured_in_bands_is_what_is_measured_at_once(fields, monkeypatch):
    plan = plan_for(request_of(width=384, **fields))
    picture = draw_swatch(plan, 384)
    whole = measure.measure_picture(picture, plan.mix, plan)
    monkeypatch.setattr(shown_colors, "LARGEST_WHOLE", 0)
    monkeypatch.setattr(shown_colors, "_BAND_PIXELS", 384 * 100)
    in_bands = measure.measure_picture(picture, plan.mix, plan)
    assert in_bands.unguided == whole.unguided
    # The light is judged by a part of the picture, which has nearly the same.
    assert abs(in_bands.fidelity.worst_error_pp - whole.fidelity.worst_error_pp) < 0.1


@pytest.mark.parametrize(("width", "height"), [(256, 256), (264, 512), (512, 256), (1000, 256)])
def test_every_file_has_the_size_that_is_asked_for(width, height):
    results = list(generate(request_of(width=width, height=height, width_mm=120), RenderEngine()))
    half = [max(8, 8 * round(side / max(2, max(width, height) / 512) / 8)) for side in (height, width)]
    assert [list(one.image.shape[:2]) for one in results] == [half, [height, width], [height, width]]
    room = room_for(request_of(width=width, height=height, width_mm=120))
    assert sum(len(one.data) for one in results) < room


def test_sides_up_to_8192_are_read():
    assert SIDES == (256, 8192)
    scale = request_of(width=8192, height=8192).scale
    assert (scale.width, scale.height, scale.is_large) == (8192, 8192, True)
    assert not request_of(width=4096).scale.is_large


@pytest.mark.parametrize(
    ("fields", "texts"),
    [
        ({"width": 8200}, ("width: 8200", "256 to 8192")),
        ({"width": 8192, "width_mm": 2000}, ("width_mm: 2000", "1,000,000 granules", "400,000", "1265 mm")),
    ],
)
def test_what_large_pictures_have_no_room_for_is_said(fields, texts):
    with pytest.raises(RequestError) as error:
        request_of(**fields)
    assert all(text in str(error.value) for text in texts), error.value


def test_a_large_picture_is_not_corrected_in_silence():
    engine = RenderEngine()
    for side in (4096, 8192):
        request = request_of(width=side, overrides={"color_lock": "always"})
        if side == 4096:
            engine.check(request, None)
        else:
            with pytest.raises(RequestError, match=r"overrides.color_lock: \"always\".*4096 x 4096"):
                engine.check(request, None)


def test_the_room_for_files_follows_the_request():
    small, large = (room_for(request_of(width=side)) for side in (1024, 4096))
    assert large - small >= 2 * 3 * (4096**2 - 1024**2)
    assert room_for(request_of(width=1024, maps=["height", "ao"])) >= small + 3 * 1024**2
