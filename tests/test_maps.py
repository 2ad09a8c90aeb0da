"""Maps are the plan's own geometry, and agree with each other, with the picture and with what files say."""

import functools
import io
import json

import cv2
import numpy as np
import pytest
from fake_engine import FakeEngine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from small import SMALL
from thorough import examples

from plitka.choices import MAP_NAMES
from plitka.engine.render import RenderEngine
from plitka.generation import generate
from plitka.request.tile_request import parse_request
from plitka.tile import maps as tile_maps
from plitka.tile.albedo import draw_albedo
from plitka.tile.light import light_and_finish, light_on
from plitka.tile.maps import ID_BITS, JOINT_ID, PlanMaps
from plitka.tile.plan import JOINT, inner_pixels, plan_for
from plitka.tile.swatch import draw_swatch, paleness

SIZE = 512
# Half a level of 8 bits, of a coordinate from -1 to 1.
HALF_LEVEL = 1 / 255 + 1e-9
MIXES = (
    {"black": 60, "white": 40},
    {"red": 50, "blue": 30, "pearl": 20},
    {"yellow": 100},
    {"black": 97, "blue": 3},
)


@functools.cache
def request_of(mix=0, angle=0, seed=1, **more):
    colors = [{"name": name, "proportion": share} for name, share in MIXES[mix].items()]
    return parse_request({"colors": colors, "angle": angle, "seed": seed, **more})


@functools.cache
def maps_of(mix=0, angle=0, seed=1):
    return PlanMaps(plan_for(request_of(mix, angle, seed)), SIZE)


@functools.cache
def results(engine=RenderEngine, maps=MAP_NAMES, **overrides):
    request = parse_request(
        {
            "colors": [{"name": "red", "proportion": 70}, {"name": "black", "proportion": 30}],
            "angle": 30,
            "seed": 4,
            "maps": list(maps),
            "overrides": overrides,
            **SMALL,
        }
    )
    return list(generate(request, engine()))


def read(result):
    """A map as another program reads its file, and its texts."""
    picture = Image.open(io.BytesIO(result.data))
    return np.asarray(picture), picture


def by_name(found):
    return {result.name: result for result in found}


def normals_of(levels, um_per_level, um_per_pixel):
    """The unit normals of a height map, y up: the definition."""
    down, across = np.gradient(levels.astype(np.float64) * um_per_level / um_per_pixel)
    normal = np.dstack([-across, down, np.ones_like(down)])
    return normal / np.linalg.norm(normal, axis=2, keepdims=True)


def decoded(picture):
    return picture.astype(np.float64) / 255 * 2 - 1


# Height and normals


def test_normals_in_the_file_are_the_gradient_of_the_height_in_the_file():
    found = by_name(results())
    levels, height = read(found["height"])
    normal, _ = read(found["normal"])
    said = json.loads(height.info["plitka:map"])
    um_per_pixel = said["width_mm"] * 1000 / height.width
    expected = normals_of(levels, said["um_per_level"], um_per_pixel)
    assert levels.dtype == np.uint16
    assert np.abs(decoded(normal) - expected).max() <= HALF_LEVEL
    # Not a flat map that would agree with anything.
    assert np.quantile(normal[..., 2], 0.1) < 200


@settings(examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), steepest=st.integers(1, 65535), size=st.sampled_from([2, 8, 64]))
def test_normals_follow_any_height_map_within_rounding(seed, steepest, size):
    maps = PlanMaps(maps_of().plan, size)
    rng = np.random.default_rng(seed)
    maps.__dict__["levels"] = rng.integers(0, steepest + 1, (size, size), np.uint16)
    expected = normals_of(maps.levels, maps.um_per_level, maps.plan.scale.width_mm * 1000 / size)
    assert np.abs(decoded(maps.normal("opengl")) - expected).max() <= HALF_LEVEL
    up, down = maps.normal("opengl"), maps.normal("directx")
    assert np.array_equal(up[..., 1], 255 - down[..., 1])
    assert np.array_equal(up[..., ::2], down[..., ::2])


def test_green_is_bright_on_slopes_that_face_the_top_of_the_picture():
    maps = PlanMaps(maps_of().plan, 64)
    maps.__dict__["levels"] = np.repeat(np.arange(64, dtype=np.uint16)[:, None] * 900, 64, 1)
    assert (maps.normal("opengl")[..., 1] > 130).all()
    maps.__dict__["levels"] = maps.levels.T
    assert (maps.normal("opengl")[..., 0] < 125).all()


def test_convention_of_the_request_is_that_of_the_file():
    normal, file = read(by_name(results(maps=("normal",), normal_convention="directx"))["normal"])
    other, _ = read(by_name(results())["normal"])
    assert json.loads(file.info["plitka:map"])["convention"] == "directx"
    assert np.array_equal(normal[..., 1], 255 - other[..., 1])


@pytest.mark.parametrize("mix, angle, seed", [(0, 0, 1), (1, 30, 2)])
def test_height_is_that_of_the_heap_in_micrometres(mix, angle, seed):
    maps = maps_of(mix, angle, seed)
    plan = maps.plan
    mm = maps.levels * (maps.um_per_level / 1000)
    pitches = cv2.resize(plan.heights(SIZE).height, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    # Pressing halves what stands above four fifths of the heap; bevels are at joints only.
    limit = np.quantile(plan.heights(SIZE).height, 0.8)
    plain = inner_pixels(plan.labels(SIZE)) & (pitches < limit - 0.1) & (pitches > -1)
    if angle == 0:
        off = mm[plain] - pitches[plain] * plan.pitch_mm
        assert np.quantile(np.abs(off - np.median(off)), 0.99) < 0.02
    # A heap of granules of 2 mm is some millimetres deep, and nearly nothing lies outside the scale.
    granule = plan.scale.granule_mm
    assert granule < np.ptp(np.quantile(mm, [0.01, 0.99])) < 4 * granule
    assert ((maps.levels == 0) | (maps.levels == 65535)).mean() < 0.001


def test_steps_of_height_are_round_and_hold_every_height():
    maps = maps_of()
    assert maps.um_per_level == 0.1
    assert (tile_maps._HIGHEST - tile_maps._LOWEST) * maps.plan.pitch_mm * 1000 / 0.1 <= 65535


def test_joints_lie_low_and_their_rims_fall_towards_them():
    maps = maps_of(1, 30, 2)
    is_joint = maps.plan.labels(SIZE) == JOINT
    near = cv2.distanceTransform((~is_joint).view(np.uint8), cv2.DIST_L2, 5)
    heights = [np.median(maps.levels[where]) for where in (near == 0, (near > 0) & (near < 3), near > 12)]
    assert heights == sorted(heights)
    assert heights[2] - heights[0] > 1000 / maps.um_per_level
    assert maps.openness[near == 0].mean() < 0.5 < maps.openness[near > 12].mean()


# Ids


@settings(max_examples=12, deadline=None)
@given(
    mix=st.integers(0, len(MIXES) - 1),
    angle=st.sampled_from([0, 30]),
    seed=st.sampled_from([1, 2]),
    size=st.sampled_from([64, 256, 512]),
)
def test_ids_give_granule_and_colour_of_every_pixel(mix, angle, seed, size):
    plan = maps_of(mix, angle, seed).plan
    red, green, blue = PlanMaps(plan, size).ids().astype(np.int64).transpose(2, 0, 1)
    number = red * 65536 + green * 256 + blue
    labels = plan.labels(size)
    is_joint = labels == JOINT
    assert np.array_equal(number == JOINT_ID, is_joint)
    assert np.array_equal((number % 2**ID_BITS)[~is_joint], labels[~is_joint])
    assert np.array_equal((number >> ID_BITS)[~is_joint], plan.color_indices(size)[~is_joint])


def test_shares_are_exact_in_the_file_of_ids():
    ids, file = read(by_name(results())["ids"])
    number = ids.astype(np.int64) @ [65536, 256, 1]
    said = json.loads(file.info["plitka:map"])
    counts = np.bincount(number[number != JOINT_ID] >> said["id_bits"], minlength=2)
    assert said["colors"] == ["RED", "BLACK"]
    assert counts / counts.sum() == pytest.approx([0.7, 0.3], abs=0.001)


# Occlusion, roughness, base colour


def test_occlusion_is_that_of_the_light():
    maps = maps_of(3)
    plan = maps.plan
    seen = plan.seen(SIZE)
    light, finish = light_and_finish(plan.relief, seen, plan.seed)
    pale = np.array([paleness(color) for color in plan.mix])
    filled = plan.relief.per_granule(pale[plan.granule_color], seen) * light.pale
    expected = np.exp(np.minimum(filled - finish.occlusion, 0))
    assert np.allclose(maps.openness, cv2.resize(expected, (SIZE, SIZE), interpolation=cv2.INTER_AREA))
    assert 0 <= maps.openness.min() < 0.2 < 0.7 < np.median(maps.openness) <= 1


def test_what_shines_in_the_picture_is_smooth_in_the_map():
    maps = maps_of(0)
    color = maps.plan.color_indices(SIZE)
    black, white = (maps.roughness[color == index].mean() for index in (0, 1))
    assert black < white - 0.05
    assert 0.3 <= maps.roughness.min() < maps.roughness.max() <= 1
    light = light_on(maps.plan.relief, maps.plan.seen(SIZE), maps.plan.seed)
    gloss = cv2.resize(light.gloss, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    glints = (color == 0) & (gloss > 0.5)
    assert maps.roughness[glints].mean() < black - 0.1


@pytest.mark.parametrize("color", ["black", "blue", "yellow", "white"])
def test_base_colour_in_even_light_is_the_palette(color):
    maps = PlanMaps(plan_for(parse_request({"colors": [{"name": color}], "seed": 1})), SIZE)
    linear = _linear(draw_albedo(maps)) * maps.openness[..., None]
    mean = _linear(np.array(list(bytes.fromhex(maps.plan.mix[0].hex[1:]))))
    # Pale granules cannot be lighter than rubber is.
    assert linear.mean((0, 1)) == pytest.approx(mean, rel=0.1 if color in ("white", "yellow") else 0.03)


def test_base_colour_has_no_light_in_it():
    maps = maps_of(2)
    labels = maps.plan.labels(SIZE)
    inner = inner_pixels(labels)
    spread = [
        _within_granules(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(float), labels, inner)
        for picture in (draw_albedo(maps), draw_swatch(maps.plan, SIZE))
    ]
    assert spread[0] < spread[1] / 3


def _within_granules(plane, labels, inner):
    """The mean deviation within a granule."""
    owner, values = labels[inner], plane[inner]
    counts = np.maximum(np.bincount(owner), 1)
    means = np.bincount(owner, values) / counts
    return np.sqrt(((values - means[owner]) ** 2).mean())


def _linear(levels):
    value = levels / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


# Files


def test_maps_follow_the_three_files_in_the_order_asked_for():
    order = ("ids", "ao", "height")
    found = results(FakeEngine, order)
    assert [result.name for result in found] == ["preview", "final", "colormap", *order]
    assert [result.filename for result in found][3:] == ["ids.png", "ao.png", "height.png"]
    assert all(result.fidelity is None and result.seconds > 0 for result in found[3:])
    assert [("timing.total" in result.metrics) for result in found] == [False] * 5 + [True]
    metrics = found[-1].metrics
    assert list(metrics["maps"]) == list(metrics["timing.maps"]) == list(order)
    assert metrics["maps"]["height"]["um_per_level"] == 0.1


@pytest.mark.parametrize("name", MAP_NAMES)
def test_files_are_exact_say_their_request_and_declare_no_colours(name):
    result = by_name(results())[name]
    pixels, file = read(result)
    assert np.array_equal(pixels, result.image)
    assert file.mode == {"height": "I;16", "roughness": "L", "ao": "L"}.get(name, "RGB")
    assert file.size == (SMALL["width"], SMALL["height"])
    assert file.info["plitka:picture"] == name
    assert parse_request(file.info["plitka:request"]).maps == MAP_NAMES
    assert (
        json.loads(file.info["plitka:map"])
        == {"width_mm": 42.0, "height_mm": 42.0} | result.metrics["maps"][name]
    )
    assert not {"srgb", "gamma", "icc_profile"} & file.info.keys()


def test_every_engine_gives_the_same_maps():
    assert FakeEngine().name != RenderEngine().name
    ours, models = (by_name(results(engine)) for engine in (RenderEngine, FakeEngine))
    for name in MAP_NAMES:
        assert np.array_equal(ours[name].image, models[name].image)


def test_a_request_without_maps_has_the_files_that_it_has_with_them_but_for_their_texts():
    plain, asked = results(maps=()), results()
    assert [result.name for result in plain] == ["preview", "final", "colormap"]
    for one, other in zip(plain, asked, strict=False):
        assert np.array_equal(one.image, other.image)
        assert b"maps" not in one.data
    assert plain[-1].metrics["maps"] == plain[-1].metrics["timing.maps"] == {}


def test_leaving_before_the_maps_draws_none_of_them(monkeypatch):
    drawn = []
    monkeypatch.setattr(PlanMaps, "draw", lambda self, name, _: drawn.append(name))

    class Slow(FakeEngine):
        def draw(self, job):
            yield from super().draw(job)

    request = request_of(maps=MAP_NAMES[:])
    found = generate(request, Slow())
    found.close()
    assert drawn == []


def test_unknown_names_and_conventions_are_refused():
    with pytest.raises(ValueError, match="'depth' is not one of height, normal"):
        maps_of().draw("depth")
    with pytest.raises(ValueError, match="'vulkan' is not"):
        maps_of().normal("vulkan")
