import io
import json
import threading
import time
from dataclasses import asdict, replace
from typing import get_args

import numpy as np
import pytest
from fake_engine import CPU, DENOISING, REQUEST, FakeEngine, FakeMonitor, request_of
from PIL import Image
from small import SMALL

from plitka.choices import OutputFormat
from plitka.device.select import DeviceInfo
from plitka.engine.render import RenderEngine
from plitka.errors import RequestError
from plitka.generation import generate
from plitka.output.metrics import METRICS, request_metrics
from plitka.output.provenance_reader import read_provenance
from plitka.request.drawing_settings import EngineDefaults
from plitka.request.profiles import FINAL_SIZE, PREVIEW_SIZE, PROFILES, Profile
from plitka.request.tile_request import parse_request
from plitka.tile.colormap import draw_colormap
from plitka.tile.plan import plan_for

GPU = DeviceInfo("cuda", "cuda:0", "a GPU", 2**34, "float16")


def request_of_usual_size(**changes):
    return parse_request(json.dumps(REQUEST | changes))


def test_files_come_in_order_and_carry_their_names():
    results = list(generate(request_of_usual_size(), RenderEngine()))
    assert [result.name for result in results] == ["preview", "final", "colormap"]
    assert [result.filename for result in results] == ["preview.png", "final.png", "colormap.png"]
    assert (
        [len(result.image) for result in results]
        == [PREVIEW_SIZE, FINAL_SIZE, FINAL_SIZE]
        == [512, 1024, 1024]
    )
    assert [result.colors is None for result in results] == [False, False, True]


@pytest.mark.parametrize("output_format", get_args(OutputFormat))
def test_chosen_format_holds_for_the_pictures_and_never_for_the_colormap(tmp_path, output_format):
    request = request_of(overrides={"output_format": output_format})
    results = list(generate(request, FakeEngine()))
    assert [result.filename for result in results] == [
        f"preview.{output_format}",
        f"final.{output_format}",
        "colormap.png",
    ]
    for result in results:
        path = tmp_path / result.filename
        path.write_bytes(result.data)
        said = read_provenance(path)
        assert (said.picture, said.engine, said.seed) == (result.name, "fake", "3")


def test_request_that_the_engine_refuses_is_refused_at_the_call():
    engine = FakeEngine("check")
    with pytest.raises(RequestError, match="too long"):
        generate(request_of(), engine)
    assert engine.drawn == []


def test_nothing_is_drawn_before_the_first_file_is_asked_for():
    engine = FakeEngine()
    results = generate(request_of(), engine)
    assert engine.drawn == []
    next(results)
    assert engine.drawn[0] == "preview"


def test_leaving_early_ends_the_work_of_the_engine():
    engine = FakeEngine()
    results = generate(request_of(), engine)
    next(results)
    results.close()
    assert engine.closed


def test_error_of_the_engine_reaches_the_caller_after_the_preview():
    engine = FakeEngine("final")
    results = generate(request_of(), engine)
    assert next(results).name == "preview"
    with pytest.raises(RuntimeError, match="out of memory"):
        next(results)
    assert engine.closed


def test_failing_measurement_ends_the_work_of_the_engine(monkeypatch):
    def fail(*args):
        raise ValueError("unmeasurable")

    monkeypatch.setattr("plitka.generation.measure_and_correct", fail)
    engine = FakeEngine()
    with pytest.raises(ValueError, match="unmeasurable"):
        list(generate(request_of(), engine))
    assert engine.closed


def test_metrics_of_all_files_together_are_the_documented_ones():
    request, engine, monitor = request_of(overrides={"sheet": True}), FakeEngine(), FakeMonitor()
    collected = request_metrics(request, engine)
    for result in generate(request, engine, monitor):
        assert not collected.keys() & (result.metrics.keys() - {"pipeline.name"} - pipeline_names())
        collected |= result.metrics
    # Of a photograph, which the predictor reports.
    assert collected.keys() == METRICS.keys() - {"match"}
    assert collected["drawing.final"] == asdict(DENOISING) | {
        "retries": ["out of memory"],
        "recordings": [],
        "approximations": [],
        "controls": [],
    }
    assert collected["memory.peak_vram_mib"] == 3.0
    assert collected["fidelity.worst_error_pp"] == collected["fidelity.final"]["worst_error_pp"]
    assert monitor.resets == 1
    json.dumps(collected, allow_nan=False)


def pipeline_names():
    return {name for name in METRICS if name.startswith("pipeline.")}


def test_seconds_of_the_stages_add_up():
    metrics = {}
    for result in generate(request_of(), FakeEngine()):
        metrics |= result.metrics
    preview, final = metrics["timing.preview"], metrics["timing.final"]
    assert metrics["timing.first_picture"] >= sum(preview.values()) - 0.001
    # The final picture is drawn beside the rest of the preview.
    rest = final["measure"] + final["encode"]
    assert metrics["timing.total"] >= metrics["timing.first_picture"] + rest - 0.001
    assert min(metrics["timing.plan"], *metrics["timing.colormap"].values()) > 0


def test_errors_without_the_plan_and_against_it_are_separate_metrics():
    _, final, _ = generate(request_of_usual_size(angle=45), RenderEngine())
    against_plan, unguided = (
        final.metrics[f"fidelity.{name}"] for name in ("worst_error_pp", "unguided_error_pp")
    )
    # The joints are dark: without the plan they count as black granules.
    assert against_plan < 0.5 < 1 < unguided
    assert final.metrics["fidelity.final"]["unguided"]["worst_error_pp"] == pytest.approx(unguided, abs=0.01)


def test_readers_of_the_old_names_still_find_the_error_without_the_plan():
    _, final, _ = generate(request_of(), RenderEngine())
    metrics = final.metrics
    assert metrics["fidelity.outsider_error_pp"] == metrics["fidelity.unguided_error_pp"]
    in_file = json.loads(Image.open(io.BytesIO(final.data)).info["plitka:measured"])
    for fidelity in (metrics["fidelity.final"], in_file["fidelity"]):
        assert fidelity["outsider"] == fidelity["unguided"]


def test_the_file_contains_the_corrected_picture():
    preview, final, _ = generate(request_of(overrides={"color_lock": "always"}), FakeEngine())
    for result in (preview, final):
        assert result.metrics[f"correction.{result.name}"]["corrected"]
        assert (result.image != 128).any()
        with Image.open(io.BytesIO(result.data)) as picture:
            assert np.array_equal(np.asarray(picture), result.image)


@pytest.mark.parametrize("output_format", get_args(OutputFormat))
def test_approximations_are_in_the_metrics_and_in_the_file_and_only_there(tmp_path, output_format):
    class Approximating(FakeEngine):
        def draw(self, job):
            said = replace(DENOISING, approximations=("guidance at 2 of 3 steps",))
            return (replace(drawing, denoising=said) for drawing in super().draw(job))

    request = request_of(overrides={"output_format": output_format})
    for engine, expected in ((Approximating(), ["guidance at 2 of 3 steps"]), (FakeEngine(), [])):
        for result in list(generate(request, engine))[:2]:
            path = tmp_path / result.filename
            path.write_bytes(result.data)
            said = read_provenance(path).approximations
            assert result.metrics[f"drawing.{result.name}"]["approximations"] == expected
            assert (json.loads(said) if said else []) == expected
            assert (b"approximations" in result.data) == bool(expected)


def test_the_steps_are_those_of_the_engines_own_profile():
    engine = FakeEngine()
    engine.defaults = EngineDefaults(PROFILES | {"high": Profile(4, 8, 1.0)})
    next(generate(request_of(quality="high"), engine))
    settings = engine.job.settings
    assert (settings.preview.steps, settings.final.steps, settings.guidance_scale) == (4, 8, 1.0)


def test_metric_names_are_those_that_cog_takes():
    for name in METRICS:
        segments = name.split(".")
        assert len(segments) <= 4
        assert len(name) <= 128
        for segment in segments:
            assert segment[0].isalpha()
            assert segment.replace("_", "").isalnum()
            assert "__" not in segment
            assert not segment.endswith("_")
    assert "predict_time" not in METRICS


def test_time_of_the_reader_is_not_counted():
    seconds, start = 0.0, time.perf_counter()
    for result in generate(request_of(), FakeEngine()):
        time.sleep(0.2)
        seconds = result.metrics.get("timing.total", seconds)
    assert 0 < seconds <= time.perf_counter() - start - 0.5


class PlanningEngine(FakeEngine):
    """Says that it draws, as a picture from noise does before it needs the plan."""

    def __init__(self):
        super().__init__()
        self.drawing = threading.Event()

    def draw(self, job):
        self.drawing.set()
        yield from super().draw(job)


def test_a_picture_from_noise_does_not_wait_for_the_plan(monkeypatch):
    engine = PlanningEngine()

    def plan_slowly(request):
        assert engine.drawing.wait(timeout=300)
        return plan_for(request)

    monkeypatch.setattr("plitka.generation.plan_for", plan_slowly)
    assert len(list(generate(request_of(), engine))) == 3


def test_failing_plan_reaches_the_caller_and_ends_the_work_of_the_engine(monkeypatch):
    def fail(request):
        raise ValueError("unplannable")

    monkeypatch.setattr("plitka.generation.plan_for", fail)
    engine = FakeEngine()
    with pytest.raises(ValueError, match="unplannable"):
        list(generate(request_of(), engine))
    assert engine.closed


def test_colormap_made_beside_the_pictures_is_that_of_the_plan():
    request = request_of(angle=30)
    *_, colormap = generate(request, RenderEngine())
    assert np.array_equal(colormap.image, draw_colormap(plan_for(request), SMALL["width"]))


def test_leaving_early_leaves_no_thread_behind():
    before = set(threading.enumerate())
    results = generate(request_of(), RenderEngine())
    next(results)
    results.close()
    assert set(threading.enumerate()) <= before


def test_render_engine_gives_the_same_bytes_twice():
    first, second = ([result.data for result in generate(request_of(), RenderEngine())] for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("name", "device", "by_timing", "said"),
    [
        ("render", GPU, "1", "in every process"),
        ("sdxl", CPU, "1", "in every process with as many threads, on the same kind of processor"),
        ("sdxl", GPU, "", "in this process; on a GPU it is not yet shown for another one"),
        ("sdxl", GPU, "1", "in this process only: kernels are chosen by timing"),
    ],
)
def test_metrics_say_where_the_same_request_gives_the_same_bytes(monkeypatch, name, device, by_timing, said):
    monkeypatch.setenv("PLITKA_CUDNN_BENCHMARK", by_timing)
    engine = FakeEngine()
    engine.name, engine.device = name, device
    assert request_metrics(request_of(), engine)["reproducible"] == said


def test_the_request_in_the_metrics_draws_the_same_tile_again():
    request = request_of(
        angle=30, colors=[{"name": "RED", "proportion": 1}, {"hex": "#A63437", "proportion": 2}]
    )
    again = parse_request(request_metrics(request, RenderEngine())["request"])
    assert (again.mix, again.angle, again.seed) == (request.mix, request.angle, request.seed)
