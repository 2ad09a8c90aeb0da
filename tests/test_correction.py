import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mixes import mix_of, mixes
from model_faults import drawn_badly, tinted, with_wrong_granules

from plitka.colors.lab import to_lab
from plitka.fidelity.correct import correct
from plitka.fidelity.measure import measure
from plitka.request.scale import Dimensions, scale_of
from plitka.tile.plan import JOINT, inner_pixels, make_plan
from plitka.tile.swatch import draw_swatch

MIX = mix_of(RED=30, BLUE=40, WHITE=20, BLACK=10)


@pytest.fixture(scope="module")
def plan():
    return make_plan(MIX, 30, "brick", 4, scale_of("brick", Dimensions(width_mm=94)))


@pytest.fixture(scope="module")
def bad(plan):
    return drawn_badly(plan, 512)


def contrast_within_granules(image, labels):
    """Median over granules of the deviation of L* among their inner pixels."""
    inside = inner_pixels(labels) & (labels != JOINT)
    lightness, index = to_lab(image)[..., 0][inside].astype(float), labels[inside]
    count = np.maximum(np.bincount(index), 1)
    variance = np.bincount(index, lightness**2) / count - (np.bincount(index, lightness) / count) ** 2
    return np.median(np.sqrt(np.maximum(variance[count > 12], 0)))


def test_a_picture_with_every_fault_gets_its_mix_back(plan, bad):
    before, after = measure(bad, MIX, plan), measure(correct(bad, plan), MIX, plan)
    assert before.worst_error_pp > 1
    assert before.worst_delta_e > 3
    assert after.worst_error_pp < 0.5
    assert after.worst_delta_e < 3


@pytest.fixture(scope="module", params=["brick", "hexagon"])
def usual_plan(request):
    """A layout at its usual scale: granules of 6 pixels in the preview."""
    return make_plan(mix_of(WHITE=50, BLUE=30, YELLOW=20), 45, request.param, 2)


def test_preview_of_the_usual_scale_with_colours_run_into_each_other_gets_its_mix_back(usual_plan):
    # What a model's decoder makes of granules that small: colours half as vivid, edges gone.
    image = cv2.GaussianBlur(draw_swatch(usual_plan, 512), (0, 0), 1.3)
    before = measure(image, usual_plan.mix, usual_plan)
    after = measure(correct(image, usual_plan), usual_plan.mix, usual_plan)
    assert before.worst_error_pp > 1.5
    assert before.worst_delta_e > 8
    assert after.worst_error_pp < 1
    assert after.worst_delta_e < 2


def test_final_picture_of_the_usual_scale_gets_its_mix_back(usual_plan):
    bad = drawn_badly(usual_plan, 1024)
    after = measure(correct(bad, usual_plan), usual_plan.mix, usual_plan)
    assert after.worst_error_pp < 0.5
    assert after.worst_delta_e < 3


def test_the_correction_shows_without_the_plan_too(plan, bad):
    assert measure(correct(bad, plan), MIX).worst_error_pp < measure(bad, MIX).worst_error_pp


def test_joints_keep_their_bytes(plan, bad):
    joint = plan.labels(512) == JOINT
    assert joint.sum() > 1000
    assert np.array_equal(correct(bad, plan)[joint], bad[joint])


def test_light_inside_of_granules_stays_the_models(plan, bad):
    labels = plan.labels(512)
    before = contrast_within_granules(bad, labels)
    assert contrast_within_granules(correct(bad, plan), labels) == pytest.approx(before, rel=0.1)


def test_granules_of_the_right_colour_are_left_alone(plan):
    drawn = with_wrong_granules(plan, 0.12)
    picture = draw_swatch(drawn, 512)
    labels = plan.labels(512)
    right = np.append(drawn.granule_color == plan.granule_color, False)
    inside = cv2.erode(right[labels].view(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    moved = np.linalg.norm(to_lab(correct(picture, plan)) - to_lab(picture), axis=-1)
    assert inside.mean() > 0.3
    assert np.median(moved[inside]) < 1.5
    # The lens has mixed red and blue at their edges; there the correction makes colour crisper.
    assert np.percentile(moved[inside], 90) < 4
    assert np.percentile(moved[inside], 99) < 17


def test_granules_of_the_wrong_colour_keep_the_play_of_their_light(plan):
    picture = draw_swatch(with_wrong_granules(plan, 0.5), 512)
    labels = plan.labels(512)
    before = contrast_within_granules(picture, labels)
    after = contrast_within_granules(correct(picture, plan), labels)
    assert after > 0.75 * before


def test_no_granule_becomes_flat(plan, bad):
    labels = plan.labels(512)
    corrected = correct(bad, plan)
    inside = inner_pixels(labels) & (labels != JOINT)
    area = np.bincount(labels[inside])
    largest = np.argsort(area)[-50:]
    for granule in largest:
        assert len(np.unique(corrected[inside & (labels == granule)], axis=0)) > 12


def test_a_cast_is_taken_off_and_nothing_else(plan):
    picture = draw_swatch(plan, 512)
    corrected = correct(tinted(picture, 4, 6, -6), plan)
    granules = plan.labels(512) != JOINT
    distance = np.linalg.norm(to_lab(corrected) - to_lab(picture), axis=-1)[granules]
    assert np.median(distance) < 3


def test_the_same_picture_is_corrected_to_the_same_bytes(plan, bad):
    assert correct(bad, plan).tobytes() == correct(bad.copy(), plan).tobytes()


def test_the_given_picture_is_not_touched(plan, bad):
    before = bad.copy()
    correct(bad, plan)
    assert np.array_equal(bad, before)


@given(mixes(), st.sampled_from(["surface", "brick"]), st.integers(0, 99))
@settings(max_examples=4, deadline=None)
def test_any_mix_can_be_corrected_from_any_picture(mix, layout, seed):
    plan = make_plan(mix, 45, layout, seed)
    noise = np.random.default_rng(seed).integers(0, 256, (256, 256, 3), np.uint8)
    corrected = correct(noise, plan)
    assert corrected.shape == noise.shape
    before, after = measure(noise, mix, plan), measure(corrected, mix, plan)
    assert after.worst_error_pp <= before.worst_error_pp + 1
