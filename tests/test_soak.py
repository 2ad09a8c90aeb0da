"""A slice of `soak.py`: what it measures at length, a few times over."""

import pytest
import soak
from cog_server import CogServer
from small import SMALL

pytestmark = pytest.mark.long


@pytest.fixture
def small(monkeypatch):
    """The render engine is asked for small pictures."""
    monkeypatch.setattr(soak, "REQUEST", soak.REQUEST | SMALL)


@pytest.mark.usefixtures("small")
def test_predictions_in_a_row_leave_only_the_latest_files_and_no_threads(render_server):
    soak.predictions(render_server, 1)
    figures, again = soak.predictions(render_server, 1), soak.predictions(render_server, 4)
    assert again["files_after_a_prediction"] == 3
    for kept in ("open_files", "threads"):
        for process, count in again[kept].items():
            # Less than one a prediction: a thread pool may still grow to its size.
            assert count - figures[kept][process] < 4


@pytest.mark.usefixtures("small")
def test_every_request_of_a_burst_gets_its_own_picture_or_is_told_to_come_again(tmp_path):
    """In a line for two, one of four is told so at first."""
    server = CogServer.start(tmp_path, "render", PLITKA_QUEUE=2)
    try:
        server.wait_until_started()
        figures = soak.burst(server, 4)
    finally:
        server.stop()
    assert figures["at_once"]["served"] >= 3
    assert figures["at_once"]["served"] + figures["at_once"]["full_429"] == 4
    assert figures["until_served"] == {"served": 4, "full_429": 0, "lost": 0, "wrong_picture": 0}
    assert figures["at_once"]["wrong_picture"] == 0


@pytest.mark.usefixtures("small")
def test_a_picture_of_another_request_would_be_found(render_server):
    first, other = (render_server.predict(**soak.request(number)) for number in (1, 2))
    assert soak.is_own_answer(first, 1, first["output"])
    assert not soak.is_own_answer(other, 1, other["output"])
    assert not soak.is_own_answer(first, 1, other["output"])


def test_switching_controlnets_keeps_no_tensor_and_changes_no_picture(model_folder):
    figures = soak.switches(model_folder, 6)
    assert figures["wrong_pictures"] == 0
    assert figures["tensors"][0] == figures["tensors"][1]
    assert figures["tensor_bytes"][0] == figures["tensor_bytes"][1]


@pytest.mark.parametrize(
    ("series", "expected"), [(range(100), (29.5, 89.5)), ([5.0] * 100, (5, 5)), ([1, 2], (1, 2))]
)
def test_growth_compares_the_end_with_the_time_after_the_warm_up(series, expected):
    assert soak.first_and_last(list(series)) == expected
