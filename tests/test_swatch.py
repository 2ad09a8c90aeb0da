from dataclasses import replace
from functools import cache
from itertools import product

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mixes import mix_of, random_mixes
from thorough import THOROUGH, examples, one_in

from plitka.colors.mix import hex_mix_color
from plitka.colors.palette import PALETTE, delta_e00
from plitka.fidelity.measure import measure
from plitka.tile.camera import camera_of
from plitka.tile.plan import JOINT, make_plan
from plitka.tile.shading import at_lightness
from plitka.tile.swatch import draw_swatch


def lab_of(image):
    return cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)


@cache
def plan_of(many, seed):
    """A plan of so many colours in equal shares."""
    return make_plan(mix_of(**dict.fromkeys(list(PALETTE)[:many], 1)), 0, "surface", seed)


def plan_with(codes, seed):
    """The plan of equal shares of these colours: only in them does it differ from any others'."""
    return replace(plan_of(len(codes), seed), mix=mix_of(**dict.fromkeys(codes, 1)))


def tile_of(code):
    return plan_with((code,), 1)


@pytest.mark.parametrize("codes", [("SAND",), ("BLACK", "DKGRAY")])
def test_granules_do_not_depend_on_the_colours(codes):
    ours, made = plan_with(codes, 2), make_plan(mix_of(**dict.fromkeys(codes, 1)), 0, "surface", 2)
    assert ours.mix == made.mix
    assert np.array_equal(ours.granule_color, made.granule_color)
    assert np.array_equal(ours.relief.facets, made.relief.facets)


@cache
def lab_of_tile(code, size=1024):
    """A tile of one colour, drawn once for all tests that look at it."""
    lab = lab_of(draw_swatch(tile_of(code), size))
    lab.flags.writeable = False
    return lab


@pytest.mark.parametrize(
    ("code", "size"),
    [*one_in(6, product(PALETTE, [1024])), *((code, 512) for code in list(PALETTE)[1::3])],
)
def test_a_tile_of_one_colour_has_the_photographed_mean(code, size):
    mean = tuple(float(v) for v in lab_of_tile(code, size).reshape(-1, 3).mean(0))
    assert delta_e00(mean, PALETTE[code].lab) < 1.0


@pytest.mark.long
@pytest.mark.parametrize("layout", ["grid", "brick"])
def test_joints_do_not_change_the_colour_of_the_granules(layout):
    plan = make_plan(mix_of(SAND=100), 30, layout, 1)
    granules = lab_of(draw_swatch(plan, 1024))[plan.labels(1024) != JOINT]
    assert delta_e00(tuple(float(v) for v in granules.mean(0)), PALETTE["SAND"].lab) < 1.0


@pytest.mark.parametrize("code", one_in(6, PALETTE))
def test_granules_are_lit_and_shaded_as_on_photographs(code):
    lightness = lab_of_tile(code)[..., 0]
    low, high = np.percentile(lightness, [5, 95])
    assert (low, high) == pytest.approx(PALETTE[code].lightness_range, abs=3.0)


@pytest.mark.parametrize("mix", random_mixes(4, seed=9), ids=lambda mix: "+".join(color.id for color in mix))
def test_every_colour_of_a_mix_has_its_mean(mix):
    plan = make_plan(mix, 0, "surface", 3)
    lab, colors = lab_of(draw_swatch(plan, 1024)), plan.color_indices(1024)
    for index, color in enumerate(mix):
        difference = delta_e00(tuple(float(v) for v in lab[colors == index].mean(0)), color.lab)
        if color.share >= 0.05:
            assert difference < 3
        if color.share > 0.5:
            # Over 60 mixes, the largest of 18 is 0.79.
            assert difference < 1


@pytest.mark.each_value
@pytest.mark.parametrize("vivid", ["RED", "GRSGRN", "BLUE", "YELLOW"])
@pytest.mark.parametrize("neutral", ["BLACK", "GRAY", "WHITE"])
def test_a_neutral_colour_is_neutral_beside_a_vivid_one(neutral, vivid):
    mix = mix_of(**{neutral: 30, vivid: 70})
    plan = make_plan(mix, 0, "surface", 3)
    lab, shown = lab_of(draw_swatch(plan, 1024)), (plan.color_indices(1024) == 0).view(np.uint8)
    inside = cv2.erode(shown, np.ones((9, 9), np.uint8)) > 0
    own = at_lightness(mix[0], lab[inside, 0].astype(float))
    # The eye sees a tint of 2 on a grey. At edges some of the neighbour's is left; so it is on photographs.
    assert np.abs((lab[inside] - own).mean(0))[1:].max() < 1.5
    assert np.hypot(*(lab[shown > 0].mean(0) - mix[0].lab)[1:]) < 3


def contrast_at_edges(picture, labels):
    """Range of L* within 5 x 5 pixels: 10th percentile and median at edges, median inside of granules."""
    lightness = lab_of(picture)[..., 0]
    edge = np.zeros(labels.shape, np.uint8)
    edge[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    edge[:-1] |= labels[:-1] != labels[1:]
    square = np.ones((5, 5), np.uint8)
    found = cv2.dilate(lightness, square) - cv2.erode(lightness, square)
    inside = cv2.dilate(edge, np.ones((7, 7), np.uint8)) == 0
    return np.percentile(found[edge > 0], 10), np.median(found[edge > 0]), np.median(found[inside])


GREYS = [("BLACK",), ("DKGRAY",), ("GRAY",), ("LTGRAY",), ("WHITE",), ("PEARL",), ("BEIGE",)]
ALIKE = [("GRAY", "LTGRAY"), ("BLACK", "DKGRAY"), ("WHITE", "PEARL"), ("BEIGE", "SAND")]


@pytest.mark.parametrize("codes", GREYS + ALIKE, ids="+".join)
def test_neighbours_of_one_colour_differ(codes):
    plan = plan_with(codes, 2)
    least, usual, inside = contrast_at_edges(draw_swatch(plan, 1024), plan.labels(1024))
    # The eye sees a step of 1 or 2; photographs cannot be measured so, their granules are not known.
    assert least > 8
    assert usual > 1.3 * inside and usual > 18


@pytest.mark.parametrize(("code", "brown"), [("WHITE", 8.5), ("PEARL", 9.5), ("BEIGE", 25)])
def test_shade_of_a_pale_colour_is_browner_and_its_tops_are_whiter(code, brown):
    picture = cv2.GaussianBlur(draw_swatch(tile_of(code), 1024), (0, 0), 1)
    lab = lab_of(picture).reshape(-1, 3)
    darkest, lightest = np.percentile(lab[:, 0], [8, 92])
    # b* of the photographs' darkest 8 %: 9.4, 10.4 and 26.2; of their lightest: 2.8, 5.3 and 21.8.
    assert lab[lab[:, 0] < darkest, 2].mean() > brown
    assert lab[lab[:, 0] > lightest, 2].mean() < PALETTE[code].lab[2] - 1.5


@pytest.mark.parametrize("code", ["GRAY", "WHITE", "RED"])
def test_the_light_has_no_direction(code):
    lightness = lab_of_tile(code)[..., 0]
    for axis in (0, 1):
        step = np.diff(lightness.astype(np.float64), axis=axis)
        # Photographs: 0.001 to 0.09.
        assert abs((step**3).mean()) < 0.03 * (np.abs(step) ** 3).mean()


def test_edges_are_as_soft_as_a_lens_makes_them():
    plan = make_plan(mix_of(BLACK=50, WHITE=50), 0, "surface", 1)
    lightness = lab_of(draw_swatch(plan, 1024))[..., 0]
    step = np.abs(np.diff(lightness, axis=1))
    middle = step[:, 1:-1]
    strong = (middle > 20) & (middle >= step[:, :-2]) & (middle >= step[:, 2:])
    whole = middle + step[:, :-2] + step[:, 2:]
    # Of strong edges, those that are crossed within one pixel; photographs: 1 in 5.
    assert (middle[strong] > 0.75 * whole[strong]).mean() < 0.3


def test_gaps_between_vivid_granules_are_dark_and_saturated():
    for code in ("RED", "BLUE", "YELLOW"):
        lightness, a, b = cv2.split(lab_of_tile(code))
        gap = lightness < np.percentile(lightness, 8)
        saturation = np.hypot(a, b) / lightness
        assert saturation[gap].mean() > 1.1 * saturation[~gap].mean()


@pytest.mark.parametrize(("code", "deep"), [("BEIGE", 0.5), ("YELLOW", 0.5), ("GRSGRN", 0.4), ("RED", 0.25)])
def test_pockets_between_granules_are_far_darker_than_other_shade(code, deep):
    lightness = lab_of_tile(code)[..., 0]
    darkest, low, high = np.percentile(lightness, [1, 5, 95])
    # Photographs: 0.60, 0.65, 0.42 and 0.31.
    assert low - darkest > deep * (high - low)
    # They are holes, not lines: of their pixels most have a neighbour of the kind above or below, and beside.
    pocket = np.pad(lightness < (darkest + low) / 2, 1)
    beside = pocket[1:-1, :-2] | pocket[1:-1, 2:]
    over = pocket[:-2, 1:-1] | pocket[2:, 1:-1]
    assert (beside & over)[pocket[1:-1, 1:-1]].mean() > 0.6


def test_black_rubber_shines():
    lightness = lab_of_tile("BLACK")[..., 0]
    mean = PALETTE["BLACK"].lab[0]
    assert np.percentile(lightness, 99) > 2.1 * mean


@given(st.tuples(*[st.integers(0, 255)] * 3))
@examples(8)
def test_any_hex_colour_keeps_its_mean(rgb):
    color = hex_mix_color("#" + bytes(rgb).hex(), 1.0)
    mean = lab_of(draw_swatch(make_plan((color,), 0, "surface", 1), 512)).reshape(-1, 3).mean(0)
    # At the edge of the gamut light and shade cannot keep full chroma.
    assert delta_e00(tuple(float(v) for v in mean), color.lab) < 6.0


@pytest.mark.long
def test_without_a_plan_the_requested_shares_are_measured():
    cases = list(enumerate(random_mixes(12, seed=5)))[:: 1 if THOROUGH else 2]
    errors = [
        measure(draw_swatch(make_plan(mix, 0, "surface", seed), 1024), mix).worst_error_pp
        for seed, mix in cases
    ]
    assert np.median(errors) < 1.25
    assert max(errors) < 3.5


def test_joints_are_dark_and_straight_to_the_eye():
    plan = make_plan(mix_of(WHITE=100), 30, "brick", 2)
    lightness = lab_of(draw_swatch(plan, 1024))[..., 0]
    inside = cv2.erode((plan.labels(1024) == JOINT).astype(np.uint8), np.ones((3, 3))) > 0
    assert lightness[inside].mean() < 25 < lightness[~inside].mean()


def test_edges_of_tiles_catch_the_light_and_the_gap_is_uneven():
    plan = make_plan(mix_of(RED=100), 30, "brick", 2)
    lightness = lab_of(draw_swatch(plan, 1024))[..., 0]
    away = cv2.distanceTransform((plan.labels(1024) != JOINT).view(np.uint8), cv2.DIST_L2, 5)
    edge = (away > 2) & (away < 6)
    assert lightness[edge].mean() > lightness[away > 20].mean() + 3
    gap = lightness[cv2.erode((away == 0).view(np.uint8), np.ones((3, 3), np.uint8)) > 0]
    assert gap.std() > 2


@pytest.mark.long
def test_crumbs_reach_over_the_joint():
    plan = make_plan(mix_of(WHITE=100), 0, "grid", 2)
    lightness = lab_of(draw_swatch(plan, 1024))[..., 0]
    rim = cv2.distanceTransform((plan.labels(1024) == JOINT).view(np.uint8), cv2.DIST_L2, 5)
    outermost = lightness[(rim > 0) & (rim <= 1.5)]
    assert 0.02 < (outermost > 60).mean() < 0.6


def test_the_same_plan_gives_the_same_picture():
    mix = mix_of(RED=30, BLUE=70)
    first, second = (draw_swatch(make_plan(mix, 45, "brick", 7), 512).tobytes() for _ in range(2))
    assert first == second


def test_the_number_of_threads_changes_no_byte():
    threads = cv2.getNumThreads()
    try:
        pictures = []
        for number in (1, 2):
            cv2.setNumThreads(number)
            plan = make_plan(mix_of(RED=30, BLUE=70), 45, "brick", 7)
            pictures.append((plan.relief.facets.tobytes(), draw_swatch(plan, 1024).tobytes()))
    finally:
        cv2.setNumThreads(threads)
    assert pictures[0] == pictures[1]


def test_the_preview_looks_like_the_final_picture():
    plan = make_plan(mix_of(RED=30, BLUE=70), 0, "surface", 7)
    preview = lab_of(draw_swatch(plan, 512))
    shrunk = lab_of(cv2.resize(draw_swatch(plan, 1024), (512, 512), interpolation=cv2.INTER_AREA))
    assert np.corrcoef(preview[..., 1].ravel(), shrunk[..., 1].ravel())[0, 1] > 0.9
    assert np.corrcoef(preview[..., 0].ravel(), shrunk[..., 0].ravel())[0, 1] > 0.5


@pytest.mark.long
def test_each_seed_has_a_camera_of_its_own_and_colours_do_not_depend_on_it():
    mix = mix_of(BLACK=50, YELLOW=50)
    sharpness, grain = [], []
    for seed in range(6):
        plan = make_plan(mix, 0, "surface", seed)
        lab, colors = lab_of(draw_swatch(plan, 512)), plan.color_indices(512)
        sharpness.append(float(np.abs(np.diff(lab[..., 0], axis=1)).mean()))
        grain.append(camera_of(seed).grain)
        for index, color in enumerate(mix):
            assert delta_e00(tuple(float(v) for v in lab[colors == index].mean(0)), color.lab) < 3
    assert max(sharpness) > 1.1 * min(sharpness)
    assert max(grain) > 1.3 * min(grain)
