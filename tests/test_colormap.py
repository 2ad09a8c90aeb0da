"""The colour map as somebody counts it: by exact colour, or by the nearest colour after small errors."""

import functools
import io
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mixes import mix_of
from PIL import Image
from thorough import examples

from plitka.colors.mix import Mix, blend, hex_mix_color, palette_mix_color
from plitka.colors.palette import PALETTE
from plitka.generation import generate
from plitka.output.provenance import encode, provenance_of
from plitka.output.provenance_reader import read_provenance
from plitka.request.prompt import build_prompt
from plitka.request.tile_request import parse_request
from plitka.tile.colormap import JOINTS, draw_colormap, joint_color, joint_hex
from plitka.tile.plan import JOINT, make_plan, plan_for

LEAST_RGB, LEAST_LAB = 40, 7.8
ERROR_RGB, ERROR_LAB = 11, 4
USUAL = "#181818"


def rgb_of(color):
    return tuple(bytes.fromhex(color.hex[1:]))


def lab_of(rgb):
    return cv2.cvtColor(np.float32(rgb).reshape(1, -1, 3) / 255, cv2.COLOR_RGB2Lab)[0]


def nearest(pixels, colors):
    """Index of the nearest of `colors` to each of `pixels`."""
    return np.linalg.norm(pixels[:, None] - colors, axis=2).argmin(1)


def hex_near(color, offset):
    return "#" + bytes(np.clip(np.add(color, offset), 0, 255).astype(np.uint8).tolist()).hex()


near_a_joint = st.builds(
    hex_near,
    st.sampled_from([color for color, _ in JOINTS]),
    st.tuples(*[st.integers(-60, 60)] * 3) | st.tuples(*[st.integers(-3, 3)] * 3),
)
any_hex = st.integers(0, 2**24 - 1).map(lambda number: f"#{number:06x}")
colors = near_a_joint.map(hex_mix_color) | any_hex.map(hex_mix_color)
colors |= st.sampled_from(list(PALETTE.values())).map(palette_mix_color)


@st.composite
def adversarial_mixes(draw) -> Mix:
    """1 to 8 colours, most of them where a joint's colour may be; or one beside each joint but one."""
    found = draw(st.lists(colors, min_size=1, max_size=8) | all_but_one_joint())
    parts = draw(st.lists(st.integers(1, 100), min_size=len(found), max_size=len(found)))
    return blend(zip(found, parts, strict=True), 100)[0]


@st.composite
def all_but_one_joint(draw):
    spared = draw(st.integers(1, len(JOINTS) - 1))
    offset = st.tuples(*[st.integers(-25, 25)] * 3)
    kept = [color for i, (color, _) in enumerate(JOINTS) if i != spared]
    return [hex_mix_color(hex_near(color, draw(offset))) for color in kept]


@functools.cache
def plan_of(colors, layout):
    names = list(PALETTE)[:colors]
    return make_plan(mix_of(**dict.fromkeys(names, 1)), 30, layout, 5)


@given(adversarial_mixes())
@example((hex_mix_color("#000000"),))
@example(tuple(hex_mix_color(hex_near(color, (0, 0, 0))) for color, _ in JOINTS[:8]))
def test_joints_are_unlike_every_colour_of_the_mix(mix):
    joint = np.array(joint_color(mix))
    own = np.array([rgb_of(color) for color in mix])
    distances = np.linalg.norm(own - joint, axis=1)
    assert distances.min() >= LEAST_RGB
    assert np.linalg.norm(lab_of(own) - lab_of(joint), axis=1).min() >= LEAST_LAB
    assert joint_color(mix[::-1]) == joint_color(mix)
    is_usual_free = np.linalg.norm(own - (24, 24, 24), axis=1).min() >= LEAST_RGB
    assert (joint_hex(mix) == USUAL) == is_usual_free


@given(adversarial_mixes(), st.integers(0, 2**32 - 1))
def test_joints_and_granules_are_distinguished_by_the_nearest_colour_after_small_errors(mix, seed):
    true = np.array([joint_color(mix), *map(rgb_of, mix)])
    for error, view in ((ERROR_RGB, np.float64), (ERROR_LAB, lab_of)):
        corners = np.random.default_rng(seed).choice((-error, error), (50, len(true), 3))
        seen = np.clip(true + corners, 0, 255).reshape(-1, 3)
        is_joint = nearest(view(seen), view(true)) == 0
        assert np.array_equal(is_joint, np.tile(np.arange(len(true)) == 0, 50))


@examples(6)
@given(adversarial_mixes(), st.sampled_from(["surface", "grid", "brick"]))
def test_counting_pixels_of_the_file_gives_the_shares_of_the_plan(mix, layout):
    plan = replace(plan_of(len(mix), layout), mix=mix)
    request = parse_request('{"colors": [{"name": "red", "proportion": 1}]}')
    said = provenance_of("colormap", request, build_prompt(request.mix, ""), "render", {"engine": "render"})
    with Image.open(io.BytesIO(encode(draw_colormap(plan, 512), "png", said))) as picture:
        counts = {rgb: count for count, rgb in picture.getcolors()}
    labels = plan.labels(512)
    assert counts.pop(joint_color(mix), 0) == np.count_nonzero(labels == JOINT)
    granules = np.count_nonzero(labels != JOINT)
    assert {rgb: count / granules for rgb, count in counts.items()} == {
        rgb_of(color): share for color, share in zip(mix, plan.shares(512), strict=True) if share
    }


@pytest.mark.parametrize("codes", [[code] for code in PALETTE] + [list(PALETTE)[:8]])
def test_colours_of_the_palette_keep_the_usual_joints(codes):
    assert joint_hex(mix_of(**dict.fromkeys(codes, 1))) == USUAL


@pytest.mark.long
@pytest.mark.parametrize(("given_hex", "joint"), [("#181818", "#FFFFFF"), ("#000000", USUAL)])
def test_colour_of_the_joints_is_named_in_the_files_and_used_in_the_map(tmp_path, given_hex, joint):
    from plitka.engine.render import RenderEngine
    from plitka.output.metrics import request_metrics

    colors = [{"hex": given_hex, "proportion": 60}, {"name": "red", "proportion": 40}]
    request = parse_request(json.dumps({"colors": colors, "angle": 45, "seed": 1}))
    assert request_metrics(request, RenderEngine())["colormap.joint_color"] == joint
    *_, result = generate(request, RenderEngine())
    path = tmp_path / result.filename
    path.write_bytes(result.data)
    assert read_provenance(path).joint_color == joint
    joints = result.image[plan_for(request).labels(1024) == JOINT]
    assert {f"#{bytes(rgb).hex().upper()}" for rgb in np.unique(joints, axis=0)} == {joint}
