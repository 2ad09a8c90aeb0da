"""Broken off anywhere: the next picture is, to the byte, what it would have been without."""

import threading
from contextlib import closing
from itertools import cycle
from pathlib import Path
from unittest import mock

import psutil
import pytest
from cog_server import small_json
from drawing import draw, images, load_small_engine, make_job
from interruptions import CALLS, BreaksOff, Cancelled, failing, out_of_memory, part_of
from local_predictor import LocalPredictor, predict, run

from plitka import generation
from plitka.diffusion import pipelines
from plitka.diffusion.checkpoints import read_controlnet
from plitka.engine.render import RenderEngine
from plitka.errors import GpuMemoryError
from plitka.request.tile_request import parse_request

# What is called while a ControlNet is loaded, and the module that calls it.
LOADING = {
    "check_fit": read_controlnet,
    "read_model": read_controlnet,
    "check_complete": read_controlnet,
    "check_finite": pipelines,
}


@pytest.mark.parametrize(
    ("part", "call", "error"),
    [(*at, error) for at, error in zip(CALLS, cycle([Cancelled(), ValueError("a defect")]), strict=False)],
)
def test_broken_off_at_any_model_call_the_next_picture_is_the_same(engine, undisturbed, part, call, error):
    with failing(part_of(engine, part), error, (call,)), pytest.raises(type(error)):
        draw(engine, angle=45, scheduler="euler_a", lora_scale=0.3, seed=77, num_inference_steps=4)
    assert images(draw(engine, angle=45)) == undisturbed


@pytest.mark.each_value
@pytest.mark.parametrize("angle", [0, 90])
@pytest.mark.parametrize("part", ["text_encoder", "unet", "vae.decoder", "vae.encoder"])
def test_cancelling_leaves_no_state_behind(engine, angle, part):
    expected = images(draw(engine, angle=angle))
    with failing(part_of(engine, part), Cancelled()), pytest.raises(Cancelled):
        draw(engine, angle=angle, scheduler="euler_a", seed=77)
    assert images(draw(engine, angle=angle)) == expected


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_broken_off_at_any_denoising_step_the_next_picture_is_the_same(engine, undisturbed, step):
    with failing(engine.pipelines.base.unet, Cancelled(), (step,)) as made, pytest.raises(Cancelled):
        draw(engine, angle=45, seed=77, num_inference_steps=4, color_guidance=0)
    assert len(made) == step
    assert images(draw(engine, angle=45)) == undisturbed


def test_cancelling_between_the_pictures_leaves_the_engine_usable(engine):
    expected = images(draw(engine))
    drawings = engine.draw(make_job(seed=8))
    next(drawings)
    drawings.close()
    assert images(draw(engine)) == expected


@pytest.mark.long
def test_cancelling_while_offloaded_leaves_the_engine_usable(fresh_engine):
    fresh_engine.pipelines.lower()
    expected = images(draw(fresh_engine, angle=45))
    with failing(fresh_engine.pipelines.base.vae.decoder, Cancelled()), pytest.raises(Cancelled):
        draw(fresh_engine, angle=90)
    assert images(draw(fresh_engine, angle=45)) == expected


# While something is loaded or changed


@pytest.mark.parametrize("module", [1, 4, -1])
def test_broken_off_while_the_lora_changes_its_scale_the_next_picture_is_the_same(
    engine, undisturbed, module
):
    weights = list(engine.pipelines.base.unet.parameters())
    product = engine.lora.modules if module == -1 else module
    with BreaksOff(Cancelled(), product), pytest.raises(Cancelled):
        draw(engine, angle=45, lora_scale=0.3)
    assert engine.lora.scale is None
    assert images(draw(engine, angle=45)) == undisturbed
    assert engine.lora.scale == engine.defaults.lora_scale
    again = engine.pipelines.base.unet.parameters()
    assert all(weight is same for weight, same in zip(weights, again, strict=True))


@pytest.mark.each_value
@pytest.mark.parametrize("error", [Cancelled(), OSError("input/output error")], ids=["cancelled", "failed"])
@pytest.mark.parametrize("stage", ["check_fit", "check_complete", "check_finite", "read_model"])
def test_a_controlnet_that_stops_half_way_is_not_kept(model_folder, monkeypatch, stage, error, undisturbed):
    engine = load_small_engine(model_folder)

    def stop(*given, **options):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(LOADING[stage], stage, stop)
        with pytest.raises(type(error)):
            draw(engine, angle=45)
    assert engine.pipelines.controlnets.loaded == ()
    assert len(engine.pipelines.variants) <= 2
    assert images(draw(engine, angle=45)) == undisturbed


# Our own stages, with the engine that needs no weights


def finals(engine, **changes):
    return [result.data for result in generation.generate(parse_request(small_json(**changes)), engine)]


@pytest.fixture(scope="module")
def expected_files():
    """What an engine that nothing has been broken off in gives at 45 degrees."""
    return finals(RenderEngine(), angle=45)


@pytest.fixture(scope="module")
def expected_predictions(tmp_path_factory):
    # The files are gone with the predictor.
    predictor = LocalPredictor(tmp_path_factory.mktemp("undisturbed"))
    return [Path(file).read_bytes() for file in run(predictor)]


@pytest.mark.parametrize("stage", ["prompt_of", "plan_for", "measure_and_correct", "encode", "draw_colormap"])
def test_cancelled_in_any_stage_of_ours_the_next_files_are_the_same(monkeypatch, stage, expected_files):
    engine = RenderEngine()

    def cancel(*given):
        raise Cancelled

    with monkeypatch.context() as patch:
        patch.setattr(generation, stage, cancel)
        with pytest.raises(Cancelled):
            finals(engine, angle=20)
    assert finals(engine, angle=45) == expected_files


@pytest.mark.parametrize("stage", ["parse_inputs", "request_metrics", "generate"])
def test_cancelled_before_the_first_picture_the_next_files_are_the_same(
    tmp_path, monkeypatch, stage, expected_predictions
):
    predictor = LocalPredictor(tmp_path)

    def cancel(*given, **named):
        raise Cancelled

    with monkeypatch.context() as patch:
        patch.setattr(predict, stage, cancel)
        with pytest.raises(Cancelled):
            run(predictor)
    assert [Path(file).read_bytes() for file in run(predictor)] == expected_predictions


# What stays


def open_files():
    """The files that this process holds open."""
    return sorted(file.path for file in psutil.Process().open_files())


@pytest.mark.long
def test_no_thread_and_no_file_stays_after_broken_off_drawings(model_folder, monkeypatch):
    engine = load_small_engine(model_folder)
    draw(engine, angle=45)
    threads, files = set(threading.enumerate()), set(open_files())
    for _ in range(5):
        with closing(engine.draw(make_job(angle=45))) as drawings:
            next(drawings)
    for stage in ("check_fit", "check_complete", "check_finite"):
        engine.pipelines.controlnets.evict_all()
        with monkeypatch.context() as patch:
            patch.setattr(LOADING[stage], stage, mock.Mock(side_effect=Cancelled))
            with pytest.raises(Cancelled):
                draw(engine, angle=45)
    with failing(engine.pipelines.base.unet, out_of_memory(), (1, 2)), pytest.raises(GpuMemoryError):
        draw(engine, angle=0)
    # Of earlier tests, some may end only here.
    assert set(threading.enumerate()) <= threads
    assert set(open_files()) <= files


def test_a_file_left_open_would_be_found(tmp_path):
    files = open_files()
    with (tmp_path / "left.open").open("w"):
        assert str(tmp_path / "left.open") in set(open_files()) - set(files)
