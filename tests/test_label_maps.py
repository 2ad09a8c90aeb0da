"""A plan's label maps: made once for each size, shared, and left alone."""

import gc
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from plitka.request.tile_request import parse_inputs
from plitka.tile.plan import plan_for


@pytest.fixture
def plan():
    return plan_for(parse_inputs("", "60% black, 40% red", 45, "preview", 7))


@pytest.mark.parametrize("size", [256, 512, 1024])
def test_every_thread_gets_the_same_map(plan, size):
    with ThreadPoolExecutor(4) as threads:
        maps = list(threads.map(plan.labels, [size] * 8))
    assert all(labels is maps[0] for labels in maps)
    assert maps[0].shape == (size, size)


def test_a_map_cannot_be_written_to(plan):
    with pytest.raises(ValueError, match="read-only"):
        plan.labels(512)[0, 0] = 5


def test_the_maps_of_a_plan_go_with_it():
    plan = plan_for(parse_inputs("", "red", 0, "preview", 7))
    labels = weakref.ref(plan.labels(512))
    assert labels() is not None
    del plan
    gc.collect()
    assert labels() is None


def test_a_copy_of_a_plan_is_as_small_as_without_maps_and_has_the_same(plan):
    small = len(pickle.dumps(plan))
    plan.labels(256)
    data = pickle.dumps(plan)
    assert len(data) == small
    copy = pickle.loads(data)  # noqa: S301  # written two lines above
    assert np.array_equal(copy.labels(256), plan.labels(256))
    assert np.array_equal(copy.color_indices(512), plan.color_indices(512))


def test_a_map_is_made_once(plan, monkeypatch):
    plan.labels(256)
    monkeypatch.setattr(cv2, "LUT", lambda *given: pytest.fail("made again"))
    for size in (256, 512, 1024):
        plan.labels(size)
