"""Experiments are drawn, each cell once, and the command that draws them."""

import json
import re
import shutil

import pytest
from experiments import SMALL, plan_text

from plitka.engine.render import RenderEngine
from plitka.errors import FolderError, PlanError
from plitka.experiment.measures import MEASURES
from plitka.experiment.read_plan import read_plan
from plitka.experiment.run import run_experiment
from plitka.files.folder_locks import locked_folder
from plitka.output.provenance_reader import read_provenance


class Counting(RenderEngine):
    """The engine `render`, which keeps the requests that it draws."""

    def __init__(self):
        super().__init__()
        self.drawn = []
        self.more = {}

    def identity(self, adapter=None, quality=None):
        return super().identity(adapter, quality) | self.more

    def draw(self, job):
        self.drawn.append(job.request.to_json())
        yield from super().draw(job)


def run(text, out, engine, **options):
    plan, requests = read_plan(text)
    return run_experiment(plan, requests, engine, out, text.encode(), **options)


# Drawing


@pytest.mark.long
def test_an_experiment_that_is_broken_off_goes_on_where_it_was(tmp_path):
    text, out = plan_text(about="<img src=x>"), tmp_path / "out"

    def stop_at_5(progress):
        if progress.number == 5:
            raise KeyboardInterrupt

    first, second = Counting(), Counting()
    with pytest.raises(KeyboardInterrupt):
        run(text, out, first, watch=stop_at_5)
    assert len(first.drawn) == 5
    (out / "grid-9.png").write_bytes(b"of a larger plan")
    outcome = run(text, out, second)
    assert [path.name for path in out.glob("grid*")] == ["grid.png"]
    assert len(second.drawn) == 3
    assert len(set(first.drawn + second.drawn)) == 8
    assert outcome.failed == 0
    for (arm, seed), cell in outcome.cells.items():
        said = read_provenance(out / "cells" / cell.file)
        assert json.loads(said.request)["seed"] == seed
        assert f"color_lock {json.loads(said.request)['overrides']['color_lock']}" in arm.title
    rows = (out / "cells.csv").read_text("utf-8-sig").splitlines()
    assert len(rows) == 9
    assert "no difference shown" in (out / "report.md").read_text()
    assert "<img" not in (out / "report.md").read_text()


@pytest.mark.long
def test_only_what_is_whole_and_of_this_very_request_and_engine_is_done(tmp_path):
    text, out = plan_text(seeds=1), tmp_path / "out"
    run(text, out, Counting())
    pictures = sorted((out / "cells").glob("*.png"))
    assert len(pictures) == 4
    # A damaged one, one with another cell's picture, one without figures, one with broken figures.
    pictures[0].write_bytes(pictures[0].read_bytes()[:-20])
    shutil.copy(pictures[3], pictures[1])
    pictures[2].with_suffix(".json").unlink()
    pictures[3].with_suffix(".json").write_text("{")
    again, third, other = Counting(), Counting(), Counting()
    run(text, out, again)
    assert len(again.drawn) == 4
    for path, figures in zip(sorted((out / "cells").glob("*.json")), (5, {"seconds": "x"}), strict=False):
        document = json.loads(path.read_bytes())
        document["cell"]["figures"] = figures if figures == 5 else document["cell"]["figures"] | figures
        path.write_text(json.dumps(document))
    edited = Counting()
    run(text, out, edited)
    assert len(edited.drawn) == 2
    run(text, out, third)
    assert third.drawn == []
    other.more = {"weights": "others"}
    run(text, out, other)
    assert len(other.drawn) == 4


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(FolderError, match="something else"):
        run(plan_text(), tmp_path, Counting())
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.long
def test_a_model_draws_a_plan_and_every_cell_is_measured(engine, tmp_path):
    request = {**SMALL, "width": 1024, "width_mm": 100, "tile_mm": [60, 30]}
    request |= {"overrides": {"layout": "brick", "num_inference_steps": 1}}
    vary = {"angle": [30, 90], "overrides.controlnet_scale": [0, 1]}
    outcome = run(plan_text(request=request, vary=vary, seeds=1, within="angle"), tmp_path / "out", engine)
    for cell in outcome.cells.values():
        # Granules of so few pixels show no colour each.
        missing = {name for name in MEASURES if cell.figure(name) is None}
        assert missing <= {"fidelity.delta_e", "drawn.delta_e"}
        assert cell.controlnet is not None
        assert sum(cell.shares_returned.values()) == pytest.approx(1)
    assert {verdict.is_winner for verdict in outcome.verdicts} == {False}


def test_a_prompt_that_a_model_cannot_read_is_refused_before_it_draws(engine, tmp_path):
    request = {**SMALL, "width": 1024, "width_mm": 100}
    long = [f"{word} " * 100 for word in ("hot", "dry", "fog", "raw", "dim")]
    text = plan_text(request=request, vary={"overrides.prompt": ["wet", *long]})
    with pytest.raises(PlanError) as raised:
        run(text, tmp_path / "out", engine)
    said = str(raised.value)
    assert re.search(r"overrides.prompt \(prompt hot.*; prompt dry.*; prompt fog.*; 2 more\)", said)
    assert "raw" not in said
    assert not (tmp_path / "out").exists()


# The command


def test_the_command_draws_a_plan_and_lists_those_that_are_shipped(invoke, tmp_path):
    (tmp_path / "plan.yaml").write_text(plan_text(seeds=3))
    done = invoke("experiment", "plan.yaml", "-o", "drawn", "--seeds", 1, "--set", "width=264", "--json")
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["cells"], said["failed"], said["verdicts"][0]["winner"]) == (4, 0, None)
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == [
        "cells",
        "cells.csv",
        "grid.png",
        "plan.yaml",
        "report.md",
    ]
    assert "4/4" in done.stderr
    listed = invoke("experiment", "--list").stdout
    assert all(name in listed for name in ("controlnet-angles", "color-guidance", "prompt-wording"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.yaml"], "no file, and no shipped plan"),
        ([], "name a plan"),
        (["color-guidance", "--set", "size=4"], "no FIELD=VALUE"),
        (["color-guidance", "--set", "seed=4"], "no FIELD=VALUE"),
        (["color-guidance", "--seeds", "0"], "seeds: 0 are no seeds"),
        (["color-guidance", "--seeds", "900"], "--most-cells 4500"),
    ],
)
def test_bad_options_of_the_command_are_one_plain_error(invoke, arguments, words):
    done = invoke("experiment", *arguments)
    assert done.exit_code == 2
    assert words in done.stderr.replace("\n", " ")


def test_a_second_run_in_the_same_folder_is_refused_and_changes_nothing(tmp_path):
    engine = Counting()
    tmp_path.joinpath("out").mkdir()
    with locked_folder(tmp_path / "out", "plitka experiment"):
        with pytest.raises(FolderError, match="another run of plitka experiment is at work"):
            run(plan_text(seeds=1), tmp_path / "out", engine)
        assert engine.drawn == []
    assert list((tmp_path / "out").iterdir()) == []
