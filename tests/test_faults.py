"""Faults in the middle of the work: the next prediction is, to the byte, what it would have been without."""

import errno
import importlib.util
import itertools
import os
import signal
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import httpx
import psutil
import pytest
from cog_server import CogServer, as_json, pictures
from drawing import draw, failing, images, load_small_engine, make_job, out_of_memory

from plitka import generate, pipelines
from plitka.engine import RenderEngine
from plitka.gpu_errors import GpuMemoryError
from plitka.request import parse_request
from plitka.serve import ROOT
from plitka.workspace import Workspace

SPEC = importlib.util.spec_from_file_location("predict", ROOT / "predict.py")
predict = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(predict)


class Cancelled(BaseException):
    """As Cog's own, no Exception."""


@pytest.fixture(scope="module")
def engine(model_folder):
    return load_small_engine(model_folder)


@pytest.fixture(scope="module")
def undisturbed(engine):
    return images(draw(engine, angle=45))


def part_of(engine, path):
    first, _, rest = path.partition(".")
    return getattr(engine.pipelines.base, first).get_submodule(rest)


# Every model call: preview runs one or two steps, the final picture two.
CALLS = [("text_encoder", 1), ("text_encoder_2", 2), ("vae.encoder", 1), ("vae.encoder", 2)]
CALLS += [("unet", 1), ("unet", 2), ("vae.decoder", 1), ("vae.decoder", 2)]


@pytest.mark.parametrize(("part", "call"), CALLS)
@pytest.mark.parametrize("error", [Cancelled(), ValueError("a defect")], ids=["cancelled", "defect"])
def test_broken_off_at_any_model_call_the_next_picture_is_the_same(engine, undisturbed, part, call, error):
    with failing(part_of(engine, part), error, (call,)), pytest.raises(type(error)):
        draw(engine, angle=45, scheduler="euler_a", lora_scale=0.3, seed=77, num_inference_steps=4)
    assert images(draw(engine, angle=45)) == undisturbed


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_broken_off_at_any_denoising_step_the_next_picture_is_the_same(engine, undisturbed, step):
    with failing(engine.pipelines.base.unet, Cancelled(), (step,)) as made, pytest.raises(Cancelled):
        draw(engine, angle=45, seed=77, num_inference_steps=4, color_guidance=0)
    assert len(made) == step
    assert images(draw(engine, angle=45)) == undisturbed


@pytest.mark.parametrize("layer", [0, 3, -1])
def test_broken_off_while_the_lora_changes_its_scale_the_next_picture_is_the_same(engine, undisturbed, layer):
    weight = engine.lora._layers[layer].module.weight

    class Refusing:
        """In place of a layer's original: whoever asks for it is broken off."""

        def to(self, *given):
            raise Cancelled

    layers = list(engine.lora._layers)
    broken = [*layers]
    broken[layer] = replace(layers[layer], original=Refusing())
    engine.lora._layers = broken
    try:
        with pytest.raises(Cancelled):
            draw(engine, angle=45, lora_scale=0.3)
        assert engine.lora.scale is None
    finally:
        engine.lora._layers = layers
    assert images(draw(engine, angle=45)) == undisturbed
    assert engine.lora.scale == engine.default_lora_scale
    assert weight is engine.lora._layers[layer].module.weight


@pytest.mark.parametrize("error", [Cancelled(), OSError("input/output error")], ids=["cancelled", "failed"])
@pytest.mark.parametrize("stage", ["check_fit", "check_complete", "check_finite", "_from_pretrained"])
def test_a_controlnet_that_stops_half_way_is_not_kept(model_folder, monkeypatch, stage, error, undisturbed):
    engine = load_small_engine(model_folder)

    def stop(*given, **options):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(pipelines, stage, stop)
        with pytest.raises(type(error)):
            draw(engine, angle=45)
    assert engine.pipelines.controlnets.loaded == ()
    assert len(engine.pipelines._variants) <= 2
    assert images(draw(engine, angle=45)) == undisturbed


@pytest.mark.parametrize(("part", "call"), CALLS)
def test_out_of_memory_at_any_call_gives_the_same_picture(model_folder, undisturbed, part, call):
    engine = load_small_engine(model_folder)
    with failing(part_of(engine, part), out_of_memory(), (call,)):
        drawings = draw(engine, angle=45)
    assert images(drawings) == undisturbed
    assert len(drawings[1].report["retries"]) == 1
    assert images(draw(engine, angle=45)) == undisturbed


def test_out_of_memory_while_a_controlnet_loads_gives_the_same_picture(
    model_folder, monkeypatch, undisturbed
):
    engine = load_small_engine(model_folder)
    load, tries = pipelines._from_pretrained, []

    def once(*given, **options):
        tries.append(1)
        if len(tries) == 1:
            raise out_of_memory()
        return load(*given, **options)

    monkeypatch.setattr(pipelines, "_from_pretrained", once)
    assert images(draw(engine, angle=45)) == undisturbed


# Our own stages, with the engine that needs no weights


def finals(engine, **changes):
    return [result.data for result in generate.generate(parse_request(as_json(**changes)), engine)]


@pytest.mark.parametrize("stage", ["build_prompt", "plan_for", "hold_colors", "encode", "draw_colormap"])
def test_cancelled_in_any_stage_of_ours_the_next_files_are_the_same(monkeypatch, stage):
    engine = RenderEngine()
    expected = finals(engine, angle=45)

    def cancel(*given):
        raise Cancelled

    with monkeypatch.context() as patch:
        patch.setattr(generate, stage, cancel)
        with pytest.raises(Cancelled):
            finals(engine, angle=20)
    assert finals(engine, angle=45) == expected


@pytest.mark.parametrize("hours", [-1, 1, 24 * 365])
def test_a_clock_that_jumps_leaves_the_durations_true(monkeypatch, hours):
    now = itertools.count(10**9, 3600 * hours)
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    results = list(generate.generate(parse_request(as_json()), RenderEngine()))
    seconds = results[-1].metrics["timing.total"]
    assert 0 < seconds < 60


# Disk


class Door(predict.OptimizedPredictor):
    """The predictor without Cog around it."""

    def __init__(self, parent):
        self.workspace, self.engine, self.monitor = Workspace(parent), RenderEngine(), None

    def record_metric(self, name, value):
        pass


def run(door):
    return list(door.run(as_json(), "60% black, 40% white", 0.0, "standard", -1))


@pytest.mark.parametrize("stage", ["parse_inputs", "request_metrics", "generate"])
def test_cancelled_before_the_first_picture_the_next_files_are_the_same(tmp_path, monkeypatch, stage):
    door = Door(tmp_path)
    expected = [Path(file).read_bytes() for file in run(door)]

    def cancel(*given):
        raise Cancelled

    with monkeypatch.context() as patch:
        patch.setattr(predict, stage, cancel)
        with pytest.raises(Cancelled):
            run(door)
    assert [Path(file).read_bytes() for file in run(door)] == expected


def test_a_full_disk_is_named_and_keeps_no_half_file(tmp_path, monkeypatch):
    door, write = Door(tmp_path), Path.write_bytes
    expected = [Path(file).read_bytes() for file in run(door)]

    def full(self, data):
        write(self, data[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match=r"No space left on device: .*preview\.png"):
            run(door)
    assert [path for path in door.workspace.root.rglob("*") if path.is_file()] == []
    assert [Path(file).read_bytes() for file in run(door)] == expected


def test_a_temp_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    door = Door(tmp_path)

    def refuse(*given, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(door.workspace.root))

    with monkeypatch.context() as patch:
        patch.setattr("tempfile.mkdtemp", refuse)
        with pytest.raises(OSError, match=r"Read-only file system: .*plitka-"):
            run(door)
    assert len(run(door)) == 3


def test_a_temp_folder_cleaned_under_the_server_is_made_again(tmp_path):
    door = Door(tmp_path)
    door.workspace.root.rmdir()
    assert len(run(door)) == 3


def test_a_download_that_breaks_off_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def stop(source, target):
        target.write(b"half")
        raise OSError("connection reset")

    monkeypatch.setattr(predict.shutil, "copyfileobj", stop)
    with (
        pytest.raises(OSError, match="connection reset"),
        predict.fetched("data:application/x-tar;base64,dGFy"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def open_files():
    """The files that this process holds open."""
    return sorted(file.path for file in psutil.Process().open_files())


def test_no_thread_and_no_file_stays_after_broken_off_drawings(model_folder, monkeypatch):
    engine = load_small_engine(model_folder)
    draw(engine, angle=45)
    threads, files = threading.active_count(), open_files()
    for _ in range(5):
        with closing(engine.draw(make_job(angle=45))) as drawings:
            next(drawings)
    for stage in ("check_fit", "check_complete", "check_finite"):
        engine.pipelines.controlnets.evict_all()
        with monkeypatch.context() as patch:
            patch.setattr(pipelines, stage, mock.Mock(side_effect=Cancelled))
            with pytest.raises(Cancelled):
                draw(engine, angle=45)
    with failing(engine.pipelines.base.unet, out_of_memory(), (1, 2)), pytest.raises(GpuMemoryError):
        draw(engine, angle=0)
    assert threading.active_count() == threads
    assert open_files() == files


def test_a_file_left_open_would_be_found(tmp_path):
    files = open_files()
    with (tmp_path / "left.open").open("w"):
        assert str(tmp_path / "left.open") in set(open_files()) - set(files)


# The real server


LONG = {"num_inference_steps_preview": 2, "num_inference_steps_final": 100}


@contextmanager
def started(folder, model_folder, temp=None):
    folder.mkdir(exist_ok=True)
    settings = {"TMPDIR": temp} if temp else {}
    server = CogServer.start(folder, "sdxl", PLITKA_MODEL_DIR=model_folder, **settings)
    try:
        assert server.wait_until_started()["status"] == "READY"
        yield server
    finally:
        server.stop()


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.02)


def status_of(server):
    """What the server says of itself; "gone" where it does not answer any more."""
    try:
        return server.health()["status"]
    except httpx.TransportError:
        return "gone"


def test_a_killed_worker_is_noticed_and_a_restart_is_clean(tmp_path, model_folder):
    with started(tmp_path, model_folder) as server:
        server.start_prediction("killed", {"params_json": as_json(overrides=LONG)})
        wait_for(server.output_files)
        main = psutil.Process(server.process.pid)
        workers = main.children(recursive=True)
        assert workers
        for worker in workers:
            worker.kill()
        wait_for(lambda: status_of(server) != "BUSY")
        assert status_of(server) != "READY"
    # The killed worker could not tidy up; the next start does it.
    with started(tmp_path / "again", model_folder, temp=server.temp) as restarted:
        abandoned = [path for path in server.output_files() if path not in restarted.output_files()]
        assert abandoned == []
        assert len(list(server.temp.glob("plitka-*.lock"))) == 1
        pictures(restarted.predict(params_json=as_json(overrides={"num_inference_steps": 2})))


def test_sigterm_in_the_middle_of_a_prediction_ends_everything(tmp_path, model_folder):
    with started(tmp_path, model_folder) as server:
        server.start_prediction("ended", {"params_json": as_json(overrides=LONG)})
        wait_for(server.output_files)
        family = [
            psutil.Process(server.process.pid),
            *psutil.Process(server.process.pid).children(recursive=True),
        ]
        server.process.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(family, 40)
    assert alive == []


def test_cancelled_on_the_server_the_next_answer_is_the_same(sdxl_server):
    request = {"params_json": as_json(angle=45, overrides={"num_inference_steps": 2})}
    expected = [picture.tobytes() for picture in pictures(sdxl_server.predict(**request))]
    for index, pause in enumerate((0.0, 0.3, 1.5)):
        name = f"fault-{index}"
        sdxl_server.start_prediction(name, {"params_json": as_json(angle=20, overrides=LONG)})
        time.sleep(pause)
        sdxl_server.cancel(name)
        wait_for(lambda: sdxl_server.health()["status"] == "READY")
        assert [picture.tobytes() for picture in pictures(sdxl_server.predict(**request))] == expected
