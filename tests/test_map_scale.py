"""Maps at every scale: true millimetres, any shape and layout, over seams, many granules and tiny ones."""

import functools
import io
import json
from typing import get_args

import numpy as np
import pytest
from PIL import Image
from thorough import one_in

from plitka.choices import MAP_NAMES, Layout
from plitka.engine.render import RenderEngine
from plitka.errors import RequestError
from plitka.generation import generate
from plitka.request.map_names import MOST_ID_GRANULES
from plitka.request.tile_request import parse_request
from plitka.tile.albedo import draw_albedo
from plitka.tile.maps import ID_BITS, JOINT_ID, PlanMaps
from plitka.tile.plan import JOINT, plan_for

MIX = [{"name": "red", "proportion": 60}, {"name": "black", "proportion": 40}]
# Extents after which the joints of each layout repeat.
SEAMLESS = {
    "surface": {},
    "grid": {"width_mm": 100, "tile_mm": [50, 50]},
    "brick": {"width_mm": 100, "tile_mm": [100, 50]},
    "herringbone": {"width_mm": 120, "tile_mm": [60, 30]},
    "hexagon": {"width_mm": 100, "height_mm": 75, "tile_mm": [50, 50]},
    "puzzle": {"width_mm": 300, "tile_mm": [300, 300]},
}


def request_of(layout="surface", **keys):
    overrides = {"layout": layout}
    return parse_request({"colors": MIX, "seed": 5, "overrides": overrides, **keys})


@functools.cache
def maps_of(layout="surface", size=512, **keys):
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in keys.items()}
    return PlanMaps(plan_for(request_of(layout, **given)), size)


@functools.cache
def seamless_maps(layout):
    request = request_of(layout, seamless=True, **SEAMLESS[layout])
    plan = plan_for(request)
    return PlanMaps(plan, plan.canvas.preview[0])


def planes(maps):
    """All that the maps and the material show, as floats."""
    found = {name: maps.draw(name).image.astype(float) for name in MAP_NAMES if name != "ids"}
    return found | {"base colour": draw_albedo(maps).astype(float)}


def seam_deviations(plane):
    """How many standard deviations the step over each seam is off the mean of the inner steps."""
    flat = plane if plane.ndim == 3 else plane[..., None]
    for axis in (0, 1):
        step = np.abs(np.roll(flat, -1, axis) - flat).mean((1 - axis, 2))
        yield (step[-1] - step[:-1].mean()) / step[:-1].std()


@pytest.mark.parametrize("layout", one_in(2, get_args(Layout)))
def test_maps_go_on_over_the_edges_of_a_seamless_picture(layout):
    maps = seamless_maps(layout)
    for name, plane in planes(maps).items():
        for deviation in seam_deviations(plane):
            # A joint may lie on the seam, where steps are as large as at any joint.
            assert deviation < (4 if layout == "surface" else 25), name


def test_an_ordinary_picture_has_a_seam_in_every_map():
    for name, plane in planes(maps_of()).items():
        assert max(seam_deviations(plane)) > 4, name


@pytest.mark.parametrize("layout", get_args(Layout))
def test_normals_of_a_seamless_picture_are_the_gradient_of_its_heights_on_a_ring(layout):
    maps = seamless_maps(layout)
    um = maps.plan.scale.width_mm * 1000 / maps.size
    height = np.pad(maps.levels.astype(float), 1, mode="wrap") * maps.um_per_level / um
    down, across = (slope[1:-1, 1:-1] for slope in np.gradient(height))
    normal = np.dstack([-across, down, np.ones_like(down)])
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    found = maps.normal("opengl") / 255 * 2 - 1
    assert np.abs(found - normal).max() <= 1 / 255 + 1e-9


@pytest.mark.parametrize("layout", [layout for layout in get_args(Layout) if layout != "surface"])
def test_joints_of_every_layout_lie_low_and_have_their_number(layout):
    maps = seamless_maps(layout)
    is_joint = maps.plan.labels(maps.size) == JOINT
    number = maps.ids().astype(int) @ [65536, 256, 1]
    assert 0.005 < is_joint.mean() < 0.2
    assert np.array_equal(number == JOINT_ID, is_joint)
    assert np.median(maps.levels[is_joint]) < np.quantile(maps.levels[~is_joint], 0.05)


def test_files_of_an_oblong_picture_have_its_shape_and_millimetres():
    request = request_of(width_mm=150, height_mm=75, width=512, maps=list(MAP_NAMES))
    found = {result.name: result for result in generate(request, RenderEngine())}
    for name in MAP_NAMES:
        file = Image.open(io.BytesIO(found[name].data))
        said = json.loads(file.info["plitka:map"])
        assert file.size == (512, 256)
        assert (said["width_mm"], said["height_mm"]) == (150, 75)
        assert np.array_equal(np.asarray(file), found[name].image)


@pytest.mark.parametrize(("granule", "um"), [(0.5, 0.05), (1, 0.05), (2, 0.1), (3, 0.2), (10, 0.5)])
def test_heaps_of_larger_granules_are_as_much_deeper(granule, um):
    maps = maps_of(granule_mm=granule, size=256)
    assert maps.um_per_level == um
    deep = np.ptp(np.quantile(maps.levels, [0.02, 0.98])) * um / 1000
    usual = maps_of(size=256)
    expected = np.ptp(np.quantile(usual.levels, [0.02, 0.98])) * usual.um_per_level / 1000
    # The same heap, in whole levels.
    assert deep / granule == pytest.approx(expected / 2, rel=1e-3)


def test_granules_of_every_repeated_heap_have_their_own_number():
    maps = maps_of(width_mm=600, size=1024)
    plan = maps.plan
    assert plan.granule_count > 65535
    number = maps.ids().astype(int) @ [65536, 256, 1]
    assert np.array_equal(number % 2**ID_BITS, plan.labels(1024))
    assert np.array_equal(number >> ID_BITS, plan.color_indices(1024))
    assert ((maps.levels == 0) | (maps.levels == 65535)).mean() < 0.001


@pytest.mark.parametrize("granules", [600, 640])
def test_ids_are_refused_where_they_would_be_too_many(granules):
    keys = {"width_mm": 2 * granules, "maps": ["height", "ids"]}
    if granules**2 <= MOST_ID_GRANULES:
        assert request_of(**keys).maps == ("height", "ids")
        return
    with pytest.raises(RequestError) as refused:
        request_of(**keys)
    (problem,) = refused.value.problems
    assert (problem.field, problem.value) == ("maps[1]", '"ids"')
    assert "409,600 granules of 2 mm" in problem.reason and "400,000" in problem.allowed
    assert request_of(**keys | {"maps": ["height"]}).maps == ("height",)


@pytest.mark.parametrize("tile", one_in(3, [None, [200, 100], [40, 20], [20, 10]]))
def test_no_request_with_ids_has_more_granules_than_numbers(tile):
    """Each in so many pixels that nearly all its granules are seen, for a sixteenth of the largest area."""
    keys = {"width": 1024, "maps": ["ids"], **({"tile_mm": tile} if tile else {})}
    layout = "herringbone" if tile else "surface"
    side = next(side for side in range(1300, 0, -20) if not refused(layout, width_mm=side, **keys))
    plan = plan_for(request_of(layout, **keys, width_mm=side / 4))
    assert 2**18 < 16 * plan.granule_count < 2**ID_BITS


def refused(layout, **keys):
    try:
        request_of(layout, **keys)
    except RequestError:
        return True
    return False


@pytest.mark.long
def test_granules_below_a_pixel_are_flatter_the_smaller_they_are():
    """Means of n granules differ by the n-th root less, and small granules are as much lower."""
    wide, wider = (maps_of(width_mm=width, size=256, width=256) for width in (1500, 3000))
    assert wider.plan.canvas.contrast < 1
    deep = [maps.levels.std() * maps.um_per_level for maps in (wide, wider)]
    finest = [maps.plan.canvas.contrast for maps in (wide, wider)]
    assert deep[1] / deep[0] == pytest.approx(finest[1] / finest[0], rel=0.2)
    for one, other in zip(planes(wide).values(), planes(wider).values(), strict=True):
        assert np.mean(other) == pytest.approx(np.mean(one), rel=0.05)
