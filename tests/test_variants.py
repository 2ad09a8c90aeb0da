"""Variants: further finals by the seeds that follow, each as if it had been asked for alone."""

import json
import threading

import pytest
from cog_server import REQUEST as SERVER_REQUEST
from cog_server import decode, pictures
from command_line import request_in, written
from fake_engine import CPU, FakeEngine, FakeMonitor
from hypothesis import given
from hypothesis import strategies as st

from plitka.engines import load_engine
from plitka.errors import RequestError
from plitka.generation import generate
from plitka.request.fields import MAX_SEED
from plitka.request.tile_request import parse_inputs, parse_request

SMALL = {
    "colors": [{"name": "black", "proportion": 60}, {"name": "white", "proportion": 40}],
    "seed": 11,
    "width": 256,
    "width_mm": 47,
}
RED = {"colors": [{"name": "red"}]}


class PatientEngine(FakeEngine):
    """Draws what the job wants, and waits in its second final picture until nobody wants it."""

    def __init__(self, waits=False):
        super().__init__()
        self.jobs, self.waits, self.began = [], waits, threading.Event()

    def draw(self, job):
        self.jobs.append((job.request.seed, job.pictures, job.variant))
        for drawing in super().draw(job):
            if drawing.name not in job.pictures:
                continue
            while self.waits and job.variant[0] == 2:
                self.began.set()
                job.pace.check()
            yield drawing


def drawn(**changes):
    return list(generate(parse_request(SMALL | changes), load_engine("render")))


def test_each_variant_is_the_final_of_its_own_seed_to_the_byte():
    several = {result.name: result for result in drawn(variants=3, maps=["ao"], angle=45)}
    assert list(several) == ["preview", "final", "colormap", "final_2", "final_3", "ao"]
    for number, name in enumerate(("final", "final_2", "final_3")):
        alone = {result.name: result for result in drawn(seed=11 + number, maps=["ao"], angle=45)}
        assert several[name].data == alone["final"].data, name
        assert several[name].colors.measured.as_dict() == alone["final"].colors.measured.as_dict()
        if number == 0:
            for other in ("preview", "colormap", "ao"):
                assert several[other].data == alone[other].data, other


def test_metrics_say_of_each_variant_what_they_say_of_the_first():
    results = drawn(variants=3)
    known = {}
    for result in results:
        known |= result.metrics
        assert result.seconds >= 0
    assert [(entry["name"], entry["seed"]) for entry in known["variants"]] == [
        ("final_2", "12"),
        ("final_3", "13"),
    ]
    assert json.loads(json.dumps(known["variants"])) == known["variants"]
    alone = {result.name: result for result in drawn(seed=12)}["final"].metrics
    second = known["variants"][0]
    for name in ("fidelity", "correction", "drawing", "steps"):
        assert second[name] == alone[f"{name}.final"]
    assert set(second["timing"]) == set(alone["timing.final"])
    assert known["timing.total"] >= sum(sum(entry["timing"].values()) for entry in known["variants"]) * 0.5


def test_the_last_file_has_the_total_whatever_it_is():
    for changes in ({}, {"maps": ["ids"]}, {"overrides": {"sheet": {"date": "2026-11-27"}}}):
        request = parse_request(SMALL | {"variants": 2} | changes)
        results = list(generate(request, load_engine("render"), FakeMonitor()))
        having = [result.name for result in results if "timing.total" in result.metrics]
        assert having == [results[-1].name]
        assert "memory.peak_ram_mib" in results[-1].metrics


def test_an_engine_draws_one_preview_and_as_many_finals():
    engine = PatientEngine()
    list(generate(parse_request(RED | {"seed": 5, "variants": 3}), engine))
    both, one = ("preview", "final"), ("final",)
    assert engine.jobs == [(5, both, (1, 3)), (6, one, (2, 3)), (7, one, (3, 3))]
    assert engine.device is CPU


@pytest.mark.long
def test_a_reader_that_leaves_ends_a_variant_that_is_being_drawn():
    engine = PatientEngine(waits=True)
    results = generate(parse_request(RED | {"seed": 5, "variants": 8}), engine)
    assert [next(results).name for _ in range(3)] == ["preview", "final", "colormap"]
    assert engine.began.wait(300)
    results.close()
    assert engine.closed
    assert len(engine.jobs) == 2


@given(variants=st.integers(1, 8), back=st.integers(0, 10))
def test_seeds_that_run_out_are_refused_before_anything_is_drawn(variants, back):
    document = RED | {"seed": MAX_SEED - back, "variants": variants}
    if back >= variants - 1:
        request = parse_request(document)
        assert parse_request(request.to_json()) == request
        assert request.variant(variants).seed <= MAX_SEED
        return
    with pytest.raises(RequestError, match=f"{variants} variants") as caught:
        parse_request(document)
    assert caught.value.problems[0].field == "seed"
    assert str(MAX_SEED - variants + 1) in caught.value.problems[0].allowed


@pytest.mark.parametrize("given_", [0, 9, -1, 1.5, "many", True, [2]])
def test_a_number_that_is_none_is_refused_by_name(given_):
    with pytest.raises(RequestError) as caught:
        parse_request(RED | {"variants": given_})
    assert [problem.field for problem in caught.value.problems] == ["variants"]


def test_simple_inputs_may_have_them_and_not_beside_the_full_form():
    assert parse_inputs("", "red", 0, "standard", 7, None, "3").variants == 3
    with pytest.raises(RequestError) as caught:
        parse_inputs(json.dumps(RED), None, None, None, None, None, 3)
    assert caught.value.problems[0].field == "variants"


def test_command_line_writes_them_into_a_folder(invoke, tmp_path):
    arguments = ("-p", json.dumps(SMALL | {"variants": 2}), "-o", "tiles")
    result = invoke("generate", *arguments, "--json")
    assert result.exit_code == 0, result.output
    assert written(tmp_path / "tiles") == ["colormap.png", "final.png", "final_2.png", "preview.png"]
    report = json.loads(result.stdout)
    assert [entry["name"] for entry in report["variants"]] == ["final_2"]
    assert report["fidelity"] != report["variants"][0]["fidelity"]
    said = request_in(tmp_path / "tiles/final_2.png")
    assert (said["seed"], "variants" in said) == (12, False)
    again = invoke("generate", "--from", "tiles/final_2.png", "-o", "again.png")
    assert again.exit_code == 0, again.output
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "tiles/final_2.png").read_bytes()
    assert invoke("generate", *arguments, "--force").exit_code == 0


def test_command_line_refuses_them_in_one_file(invoke, tmp_path):
    result = invoke("generate", "--colors", "red", "--variants", "3", "-o", "tile.png")
    assert result.exit_code == 2
    assert "variants: 3 does not fit into the one file --out tile.png" in result.stderr
    assert not list(tmp_path.glob("*.png"))


def test_the_real_server_gives_what_it_gives_for_each_seed_alone(render_server):
    document = SERVER_REQUEST | {"width": 256, "width_mm": 47}
    several = render_server.predict(params_json=json.dumps(document | {"variants": 3}))
    assert several["status"] == "succeeded"
    assert len(several["output"]) == 5
    alone = [
        render_server.predict(params_json=json.dumps(document | {"seed": document["seed"] + number}))
        for number in range(3)
    ]
    finals = [several["output"][index] for index in (1, 3, 4)]
    assert [decode(final) for final in finals] == [decode(one["output"][1]) for one in alone]
    assert [entry["seed"] for entry in several["metrics"]["variants"]] == ["43", "44"]
    assert several["metrics"]["variants"][1]["fidelity"] == alone[2]["metrics"]["fidelity"]["final"]
    assert len(pictures(several)) == 5
