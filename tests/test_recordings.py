"""Recorded work on the GPU: the same pictures, proved at the first replay, and no picture fails of it."""

import gc
import weakref
from functools import partial

import pytest
import torch
from drawing import draw, images
from interruptions import Cancelled, part_of
from recorded_engines import FailingRecorder, load_recorded, report
from tape import TapeRecorder
from torch.utils._pytree import tree_leaves

from plitka.diffusion import warm_up
from plitka.errors import GpuMemoryError

BASE = ["unet", "text_encoder", "text_encoder_2", "vae.encoder", "vae.decoder"]
# Without a ControlNet, with a plain one, with a union one.
ROUTES = ({}, {"angle": 45}, {"angle": 90})
# From noise too, without guidance, at another scale of the LoRA.
REQUESTS = (
    *ROUTES,
    {"angle": 45, "color_guidance": 0},
    {"angle": 90, "color_guidance": 0, "lora_scale": 1.5},
    {"angle": 90, "guidance_scale": 1, "seed": 6},
)


class RoundingRecorder(TapeRecorder):
    """A recorder whose replays change every result by `change`."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def __call__(self, forward, inputs, options):
        recording = super().__call__(forward, inputs, options)

        def replay():
            recording.replay()
            for part in {id(part): part for part in tree_leaves(recording.output)}.values():
                if isinstance(part, torch.Tensor) and part.is_floating_point():
                    part.mul_(1 + self.change)

        return type(recording)(recording.inputs, recording.output, replay)


@pytest.fixture
def load(model_folder):
    """Loads an engine for a test that spoils its recordings."""
    return partial(load_recorded, model_folder)


@pytest.fixture(scope="module")
def recorded(model_folder):
    """An engine that has recorded both sizes, from noise and from the swatch, at setup."""
    return load_recorded(model_folder, TapeRecorder(), seconds=600.0)


@pytest.fixture(scope="module")
def expected(engine):
    """The pictures of `REQUESTS` from an engine that records nothing."""
    pictures = [images(draw(engine, **request)) for request in REQUESTS]
    assert draw(engine)[0].denoising.recordings == ()
    return pictures


# The same pictures


@pytest.mark.long
def test_a_recorded_engine_draws_the_same_bytes_in_any_order(recorded, expected):
    cases = [*zip(REQUESTS, expected, strict=True)]
    for request, pictures in [*cases, *reversed(cases)]:
        assert images(draw(recorded, **request)) == pictures, request


@pytest.mark.long
def test_every_model_is_recorded_for_each_kind_of_picture_and_reports_that_it_is_exact(recorded):
    for request in REQUESTS:
        draw(recorded, **request)
    after = report(recorded)
    assert list(after) == [*BASE, "controlnet.lines", "controlnet.union"]
    assert {(one.error, one.off) for one in after.values()} == {(0.0, None)}
    assert after["text_encoder"].recordings == 1
    assert after["controlnet.union"].recordings >= 4
    values = draw(recorded)[1].denoising.as_dict()["recordings"]
    assert values[1] == {"model": "text_encoder", "recordings": 1, "error": 0.0, "off": None}


def test_what_setup_has_recorded_no_request_records_again(model_folder):
    recorder = TapeRecorder()
    engine = load_recorded(model_folder, recorder, seconds=600.0)
    at_setup = recorder.recorded
    for request in ({}, {"color_guidance": 0}, {"lora_scale": 0.2}, {"guidance_scale": 3, "seed": 9}):
        draw(engine, **request)
    assert recorder.recorded == at_setup


@pytest.mark.long
@pytest.mark.parametrize("request_", REQUESTS[1:5])
def test_another_scale_of_a_controlnet_is_drawn_as_unrecorded_from_the_same_recording(
    recorded, engine, request_
):
    draw(recorded, **request_)
    before = report(recorded)
    for scale in (0.0, 0.37, 2.0):
        wanted = images(draw(engine, **{**request_, "controlnet_scale": scale}))
        assert images(draw(recorded, **{**request_, "controlnet_scale": scale})) == wanted
    assert report(recorded) == before


@pytest.mark.long
def test_setup_records_no_longer_than_it_may_and_requests_record_the_rest(load, expected):
    recorder = TapeRecorder()
    engine = load(recorder)
    at_setup = recorder.recorded
    assert images(draw(engine)) == expected[0]
    assert recorder.recorded > at_setup


def test_a_model_that_cannot_draw_is_no_error_of_setup(engine, monkeypatch, caplog):
    def broken(job):
        raise GpuMemoryError("not enough")
        yield

    monkeypatch.setattr(engine, "draw", broken)
    warm_up.warm_up(engine)
    assert "warm-up: not enough" in caplog.text


# What a recording must prove


@pytest.mark.long
def test_a_little_rounding_is_kept_and_reported_and_is_the_same_each_time(load):
    engine = load(RoundingRecorder(1e-4))
    first, second = (images(draw(engine, angle=45)) for _ in range(2))
    assert first == second
    for one in report(engine).values():
        assert one.off is None
        assert one.error == pytest.approx(1e-4, rel=0.01)


@pytest.mark.long
@pytest.mark.parametrize("change", [0.011, float("nan")])
def test_a_recording_that_differs_is_not_used(load, expected, caplog, change):
    engine = load(RoundingRecorder(change))
    for request, pictures in zip(ROUTES, expected, strict=False):
        assert images(draw(engine, **request)) == pictures, request
    for name, one in report(engine).items():
        assert (one.recordings, one.error) == (0, None)
        assert "a replay differed from the plain run by" in one.off
        assert f"{name}: not recorded any more: a replay differed" in caplog.text


@pytest.mark.long
@pytest.mark.parametrize("times", [None, (2, 4)])
def test_what_cannot_be_recorded_is_drawn_as_it_is(load, expected, caplog, times):
    engine = load(FailingRecorder(RuntimeError("operation not permitted when stream is capturing"), times))
    for request, pictures in zip(ROUTES, expected, strict=False):
        drawings = draw(engine, **request)
        assert images(drawings) == pictures, request
        assert drawings[1].denoising.retries == ()
    off = {one.off for one in report(engine).values()}
    assert off - {None} == {"it cannot be recorded (operation not permitted when stream is capturing)"}
    assert (None in off) == (times is not None)
    assert "not recorded any more" in caplog.text
    assert engine.is_healthy()


def test_the_reason_is_what_spoilt_the_recording_not_that_it_is_spoilt(load):
    def spoilt(forward, inputs, options):
        try:
            raise RuntimeError("a number was read")
        finally:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")

    engine = load(spoilt)
    assert report(engine)["unet"].off == "it cannot be recorded (a number was read)"
    assert engine.is_healthy()


@pytest.mark.long
def test_cancelled_while_it_records_the_next_picture_is_right(load, expected):
    recorder = FailingRecorder(Cancelled(), ())
    engine = load(recorder)
    recorder.times = (recorder.calls + 2,)
    with pytest.raises(Cancelled):
        draw(engine, angle=45)
    assert images(draw(engine, angle=45)) == expected[1]
    assert {one.off for one in report(engine).values()} == {None}


# What would make a recording stale


@pytest.mark.long
@pytest.mark.parametrize(
    ("part", "way"),
    [("unet", "elsewhere"), ("vae.decoder", "another object"), ("text_encoder_2", "another object")],
)
def test_weights_that_are_replaced_are_the_ones_that_draw(load, expected, part, way):
    engine = load(TapeRecorder())
    assert images(draw(engine)) == expected[0]
    model = part_of(engine, part)
    name, weight = next((n, w) for n, w in model.named_parameters() if w.dim() == 2 or "conv_in" in n)
    old, new = weight.data, weight.data * 1.5
    if way == "elsewhere":
        weight.data = new
    else:
        holder = model.get_submodule(name.rpartition(".")[0])
        setattr(holder, name.rpartition(".")[2], torch.nn.Parameter(new, requires_grad=False))
    changed = images(draw(engine))
    assert changed != expected[0]
    # What was recorded looks at the old weights, which are not to be seen.
    old.fill_(torch.nan)
    assert images(draw(engine)) == changed
    assert report(engine)[part].off == "its weights have moved"
    assert report(engine)["vae.encoder"].off is None


@pytest.mark.long
def test_models_that_move_are_not_replayed(load, expected):
    engine = load(TapeRecorder())
    draw(engine, angle=45)
    engine.pipelines.lower()
    for request, pictures in zip(ROUTES, expected, strict=False):
        assert images(draw(engine, **request)) == pictures, request
    for one in report(engine).values():
        assert (one.recordings, one.off) == (0, "offload: models")


@pytest.mark.long
def test_an_evicted_controlnet_leaves_no_recording(load, expected):
    engine = load(TapeRecorder())
    draw(engine, angle=45)
    model = weakref.ref(engine.pipelines.controlnets.loaded[0].model)
    engine.pipelines.controlnets.evict_all()
    engine.pipelines.recordings._recorder.tapes.clear()
    gc.collect()
    assert model() is None
    assert list(report(engine)) == BASE
    assert images(draw(engine, angle=45)) == expected[1]
