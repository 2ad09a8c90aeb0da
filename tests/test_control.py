import cv2
import numpy as np
import pytest
from mixes import mix_of

from plitka.choices import EDGE_KINDS
from plitka.request.scale import Dimensions, scale_of
from plitka.tile.control_image import draw_control
from plitka.tile.plan import JOINT, make_plan


@pytest.fixture(scope="module")
def plan():
    scale = scale_of("brick", Dimensions(width_mm=94))
    return make_plan(mix_of(RED=50, BLUE=50), 30, "brick", 4, scale)


@pytest.mark.parametrize("kind", EDGE_KINDS)
@pytest.mark.parametrize("size", [512, 1024])
def test_control_images_are_white_edges_on_black_in_three_channels(plan, kind, size):
    image = draw_control(plan, kind, size)
    assert image.shape == (size, size, 3) and image.dtype == np.uint8
    assert (image[..., 0] == image[..., 1]).all() and (image[..., 0] == image[..., 2]).all()
    assert image.max() > 240 and image.min() == 0
    assert image.mean() < 128


def test_canny_is_pure_black_and_white_and_thin_but_for_the_joints(plan):
    edges = draw_control(plan, "canny", 1024)[..., 0]
    joints = plan.labels(1024) == JOINT
    assert set(np.unique(edges)) == {0, 255}
    assert (edges[joints] == 255).all()
    blocks = cv2.erode(np.where(joints, 0, edges), np.ones((3, 3)))
    assert (blocks > 0).mean() < 0.01


@pytest.mark.parametrize("kind", EDGE_KINDS)
def test_granule_edges_are_where_the_plan_has_them(plan, kind):
    labels = plan.labels(1024)
    inside = cv2.erode((labels == np.roll(labels, 1, 1)).astype(np.uint8), np.ones((7, 7))) > 0
    inside &= labels != JOINT
    control = draw_control(plan, kind, 1024)[..., 0]
    edge = np.zeros_like(inside)
    edge[:, :-1] = labels[:, :-1] != labels[:, 1:]
    assert control[edge].mean() > 60 + control[inside].mean()


@pytest.mark.parametrize("kind", ["softedge", "lineart"])
def test_joints_stand_out_from_granules(plan, kind):
    control = draw_control(plan, kind, 1024)[..., 0]
    joint = cv2.erode((plan.labels(1024) == JOINT).astype(np.uint8), np.ones((3, 3))) > 0
    assert control[joint].mean() > 240
    assert control[~joint].mean() < 100


def test_softedge_is_softer_than_lineart(plan):
    steps = {
        k: np.abs(np.diff(draw_control(plan, k, 1024)[..., 0].astype(int), axis=1)).mean() for k in EDGE_KINDS
    }
    assert steps["softedge"] < steps["lineart"] < steps["canny"]


@pytest.fixture(scope="module", params=["brick", "hexagon"])
def usual_plan(request):
    return make_plan(mix_of(WHITE=50, BLUE=30, YELLOW=20), 30, request.param, 4)


@pytest.mark.parametrize("kind", EDGE_KINDS)
def test_joints_stand_out_in_the_preview_of_the_usual_scale_too(usual_plan, kind):
    control = draw_control(usual_plan, kind, 512)[..., 0]
    joint = cv2.erode((usual_plan.labels(512) == JOINT).astype(np.uint8), np.ones((3, 3))) > 0
    assert control[joint].mean() > 240
    assert control.mean() < 128
    assert (control[~joint] > 240).mean() < 0.45


@pytest.mark.parametrize("kind", ["softedge", "lineart"])
def test_preview_of_the_usual_scale_is_as_bright_as_the_final_picture(usual_plan, kind):
    preview, final = (draw_control(usual_plan, kind, size).mean() for size in (512, 1024))
    assert preview == pytest.approx(final, rel=0.3)


def test_an_unknown_kind_is_refused(plan):
    with pytest.raises(ValueError, match="sketch"):
        draw_control(plan, "sketch", 512)
