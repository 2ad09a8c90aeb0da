"""`predict.py` without a server around it: what the server cannot show from outside."""

import logging

import pytest
from cog import CancelationException
from cog_server import small_json
from local_predictor import DEFAULTS, predict

from plitka.engine.render import RenderEngine
from plitka.errors import EngineError, RequestError


@pytest.fixture
def predictor(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.delenv("PLITKA_ENGINE", raising=False)
    predictor = predict.OptimizedPredictor()
    predictor.setup()
    yield predictor
    predictor.monitor.stop()
    predictor.workspace.close()


def run(predictor, **inputs):
    return predictor.run(**{"params_json": small_json(seed=-1), **DEFAULTS, **inputs})


def files_left(predictor):
    return [path for path in predictor.workspace.root.rglob("*/*") if path.is_file()]


def test_files_are_named_after_what_they_show(predictor):
    files = list(run(predictor))
    assert [file.name for file in files] == ["preview.png", "final.png", "colormap.png"]
    assert all(file.is_file() for file in files)


def test_the_monitor_watches_the_device_that_the_engine_names(predictor):
    assert predictor.monitor.device_info is predictor.engine.device


def test_bad_request_is_refused_before_the_first_file_and_before_the_sweep(predictor):
    files = list(run(predictor))
    with pytest.raises(RequestError, match="colors"):
        run(predictor, params_json="", colors="60% blakc")
    assert all(file.is_file() for file in files)


def test_next_prediction_sweeps_the_files_of_the_last(predictor):
    earlier = list(run(predictor))
    later = list(run(predictor))
    assert not any(file.exists() for file in earlier)
    assert sorted(files_left(predictor)) == sorted(later)


def test_closed_prediction_leaves_no_files(predictor):
    files = run(predictor)
    next(files)
    files.close()
    assert files_left(predictor) == []


def test_cancellation_is_passed_on_and_leaves_no_files(predictor, monkeypatch):
    class Cancelled(RenderEngine):
        def draw(self, job):
            yield next(super().draw(job))
            raise CancelationException

    monkeypatch.setattr(predictor, "engine", Cancelled())
    files = run(predictor)
    next(files)
    with pytest.raises(CancelationException):
        next(files)
    assert files_left(predictor) == []


def test_failure_after_the_preview_keeps_the_preview_for_the_caller(predictor, monkeypatch):
    class Failing(RenderEngine):
        def draw(self, job):
            yield next(super().draw(job))
            raise RuntimeError("out of memory")

    monkeypatch.setattr(predictor, "engine", Failing())
    files = run(predictor)
    preview = next(files)
    with pytest.raises(RuntimeError, match="out of memory"):
        next(files)
    assert preview.is_file()


def test_health_is_that_of_the_engine(predictor, monkeypatch):
    assert predictor.healthcheck() is True
    monkeypatch.setattr(predictor.engine, "is_healthy", lambda: False, raising=False)
    assert predictor.healthcheck() is False


@pytest.mark.parametrize("value", ["", "render", " Render "])
def test_engine_is_chosen_by_the_environment_and_render_without_it(monkeypatch, value):
    monkeypatch.setenv("PLITKA_ENGINE", value)
    assert predict.engine_name() == "render"


def test_unknown_engine_is_refused_with_what_is_allowed(monkeypatch):
    monkeypatch.setenv("PLITKA_ENGINE", "cuda")
    with pytest.raises(EngineError, match=r'PLITKA_ENGINE.*"cuda".*render, mini, sdxl'):
        predict.OptimizedPredictor().setup()


def test_weights_may_be_left_out_or_a_path(tmp_path):
    with predict.fetched(None) as none, predict.fetched(str(tmp_path)) as folder:
        assert none is None
        assert folder == tmp_path
    assert tmp_path.is_dir()


def test_weights_behind_a_url_are_there_while_they_are_loaded():
    with predict.fetched("data:application/x-tar;base64,dGFy") as download:
        assert download.read_bytes() == b"tar"
    assert not download.exists()


def test_setup_lets_the_phases_of_loading_into_the_log(predictor):
    assert logging.getLogger("plitka").isEnabledFor(logging.INFO)
