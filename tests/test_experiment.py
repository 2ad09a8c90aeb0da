"""Experiments: plans read, cells drawn once, and noise not taken for a winner."""

import itertools
import json
import math
import random
import re
import shutil
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pages import code

from plitka.engine.render import RenderEngine
from plitka.errors import FolderError, PlanError
from plitka.experiment.cells import Cell
from plitka.experiment.intervals import mean_interval, t_quantile
from plitka.experiment.measures import MEASURES
from plitka.experiment.read_plan import read_plan
from plitka.experiment.run import run_experiment
from plitka.experiment.shipped import shipped_names, shipped_text
from plitka.experiment.tables import verdict_text
from plitka.experiment.verdict import OVERALL, Verdict, verdicts
from plitka.files.folder_locks import locked_folder
from plitka.output.provenance_reader import read_provenance
from plitka.server.serve import ROOT

SMALL = {
    "colors": [{"name": "red", "proportion": 60}, {"name": "white", "proportion": 40}],
    "width": 256,
    "width_mm": 40,
}


def plan_text(**changed):
    plan = {
        "request": SMALL,
        "vary": {"angle": [0, 45], "overrides.color_lock": ["auto", "off"]},
        "seeds": 2,
        "best": {"minimize": "fidelity.error_pp"},
    }
    # JSON is YAML.
    return json.dumps({key: value for key, value in (plan | changed).items() if value is not None})


def problems_of(text, **options):
    with pytest.raises(PlanError) as caught:
        read_plan(text, **options)
    return {problem.field: str(problem) for problem in caught.value.problems}


# Reading a plan

FACTORS = {
    "angle": [0, 30, 45, 90, 135],
    "quality": ["preview", "standard", "high"],
    "overrides.controlnet_scale": [0, 0.5, 0.8, 1, 2],
    "overrides.use_controlnet": [True, False],
    "overrides.scheduler": ["euler", "ddim", "euler_a"],
    "overrides.prompt_template": ["standard", "caption", "short"],
}


@given(st.data())
def test_a_cross_has_every_choice_of_values_with_every_seed_once(data):
    fields = data.draw(st.lists(st.sampled_from(list(FACTORS)), min_size=1, max_size=3, unique=True))
    vary = {
        field: data.draw(st.lists(st.sampled_from(FACTORS[field]), min_size=2, unique=True))
        for field in fields
    }
    seeds = data.draw(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=3, unique=True))
    plan, requests = read_plan(plan_text(vary=vary, seeds=seeds))
    drawn = [(*(_of(request, field) for field in fields), request.seed) for request in requests.values()]
    assert drawn == list(itertools.product(*vary.values(), seeds))
    assert plan.count == len(drawn) == len({request.to_json() for request in requests.values()})
    assert len({arm.title for arm in plan.arms()}) == len(drawn) // len(seeds)


def _of(request, field):
    parent, _, name = field.rpartition(".")
    return getattr(request.overrides if parent else request, name)


def test_a_bad_plan_is_refused_with_every_problem_at_its_place():
    text = """
about: [1]
engine: sd15
request:
  colors: [{name: redd, proportion: 60}]
  seed: 4
vary:
  overrides.scheduler: [euler, eular]
  overrides.controlnet_scale: [0.5, 3]
  quality: [standard, high]
within: angle
best:
  minimize: beauty
  subject_to: ["angle_error < 1", "__import__('os')", "error < 1"]
colour: red
"""
    found = problems_of(text)
    assert list(found) == [
        "colour",
        "within",
        "best.minimize",
        "best.subject_to[1]",
        "best.subject_to[2]",
        "about",
        "engine",
        "request.seed",
        "request.colors[0].name",
        "vary.overrides.controlnet_scale[1]",
        "vary.overrides.scheduler[1]",
    ]
    assert "did you mean" in found["request.colors[0].name"]
    assert "from 0 to 2" in found["vary.overrides.controlnet_scale[1]"]
    assert "angle_error" in found["best.minimize"]


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"vary": {}}, "vary", "is no mapping"),
        ({"vary": {"angel": [0, 1]}}, "vary.angel", "is no field of a request"),
        ({"vary": {"angle": [0]}}, "vary.angle", "two or more different values"),
        ({"vary": {"angle": 5}}, "vary.angle", "two or more different values"),
        ({"vary": {"angle": [30, "30°"]}}, "vary.angle[1]", "the same pictures as vary.angle[0]"),
        ({"vary": {"seed": [1, 2]}}, "vary.seed", "seeds of the plan"),
        ({"vary": {"width": [512, 1024]}}, "request.width", "is varied too"),
        ({"seeds": 0}, "seeds", "whole number from 1"),
        ({"seeds": [1, 1]}, "seeds", "different seeds"),
        ({"within": ["angle", "overrides.color_lock"]}, "within", "at least one of them left out"),
        ({"best": {"minimize": "seconds", "maximize": "seconds"}}, "best", "has 2 of minimize"),
        ({"request": SMALL | {"variants": 2}}, "request.variants", "one picture a cell"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(changed, field, words):
    assert words in problems_of(plan_text(**changed))[field]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("request: {}\nrequest: {}", "request"),
        ("vary:\n  angle: [0, 1]\n  angle: [2, 3]", "vary.angle"),
        ("a: &x [1]\nb: *x", "line 2, column 4"),
        ("a: [1", "line 1, column 6"),
        ("a: !!python/object/apply:os.system [ls]", "a"),
        ("[" * 1500 + "]" * 1500, "plan"),
        ("a" * 70_000, "plan"),
        ("just words", "plan"),
        ("", "plan"),
    ],
)
def test_broken_yaml_is_a_problem_with_its_place(text, field):
    found = problems_of(text)
    assert field in found or field == "a"


def test_off_and_on_are_words_in_a_plan():
    text = plan_text().replace('"off"', "off").replace('"auto"', "auto")
    _, requests = read_plan(text)
    assert {request.overrides.color_lock for request in requests.values()} == {"auto", "off"}


def test_a_cross_of_thousands_is_refused_unless_it_is_asked_for():
    vary = {"angle": list(range(60)), "overrides.controlnet_scale": [part / 100 for part in range(40)]}
    assert "2400 cells (60 x 40 values x 1 seeds)" in problems_of(plan_text(vary=vary, seeds=1))["vary"]
    with pytest.raises(PlanError):
        read_plan(plan_text(vary={"angle": list(range(1000))}, seeds=10**3))
    text = plan_text(vary={"angle": list(range(30))}, seeds=1)
    with pytest.raises(PlanError, match="at most 29 cells, or --most-cells 30"):
        read_plan(text, most_cells=29)
    assert read_plan(text, most_cells=30)[0].count == 30


@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_plan_can_be_read_and_says_what_it_is_for(name):
    plan, _ = read_plan(shipped_text(name))
    assert plan.about
    assert plan.rule is not None
    assert 20 <= plan.count <= 200


@pytest.mark.parametrize("page", ["docs/experiments.md", "docs/ru/experiments.md"])
def test_the_plan_on_the_page_can_be_read(page):
    (text,) = code(ROOT / page, "yaml")
    plan, requests = read_plan(text)
    assert (plan.count, len(requests)) == (108, 108)
    said = problems_of(text.replace("[10, 20]", "[10, 200]"))
    assert list(said) == ["vary.overrides.num_inference_steps[1]"]


# Statistics


@pytest.mark.parametrize(
    ("probability", "freedom", "value"),
    [
        (0.975, 1, 12.7062),
        (0.975, 2, 4.30265),
        (0.975, 5, 2.57058),
        (0.995, 4, 4.60409),
        (0.975, 30, 2.04227),
    ],
)
def test_students_t_is_that_of_the_tables(probability, freedom, value):
    assert t_quantile(probability, freedom) == pytest.approx(value, rel=3e-5)


def cell_of(**figures):
    return Cell("a.png", dict.fromkeys(MEASURES) | figures, {}, {}, "swatch", None)


def shown_in(plan, value):
    """Whether an experiment whose measure is `value(arm, seed)` shows any difference, and its verdicts."""
    cells = {
        (arm, seed): cell_of(**{plan.rule.goal: value(arm, seed)})
        for arm in plan.arms()
        for seed in plan.seeds
    }
    found = verdicts(plan, cells)
    return any(one.is_shown for verdict in found for one in verdict.comparisons), found


NOISES = {
    "normal": lambda chance: chance.gauss(),
    "skewed": lambda chance: chance.expovariate(1),
    # As a coarse measure is: many values are equal.
    "rounded": lambda chance: chance.choice([0.0, 0.1, 0.2]),
}


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("within", [None, ["angle"]])
def test_noise_names_a_winner_in_at_most_one_of_twenty_experiments(noise, within):
    goal = {"minimize": "angle_error"}
    vary = {"angle": [0, 30, 45], "overrides.controlnet_scale": [0, 0.5, 1]}
    plan, _ = read_plan(plan_text(vary=vary, seeds=4, within=within, best=goal))
    chance, runs = random.Random(7), 200
    wrong = 0
    for _ in range(runs):
        of_seed = {seed: NOISES[noise](chance) for seed in plan.seeds}
        wrong += shown_in(plan, lambda arm, seed, own=of_seed: own[seed] + NOISES[noise](chance))[0]
    # What a rate of 5 % stays below in 999 of 1000 tries.
    assert wrong <= 0.05 * runs + 3.1 * math.sqrt(runs * 0.05 * 0.95)


def test_a_real_difference_is_found_in_its_block_and_over_all():
    goal = {"minimize": "angle_error"}
    vary = {"angle": [0, 45], "overrides.controlnet_scale": [0, 0.8]}
    plan, _ = read_plan(plan_text(vary=vary, seeds=6, within="angle", best=goal))
    chance = random.Random(3)
    found = 0
    for _ in range(100):
        _, blocks = shown_in(plan, lambda arm, seed: 6 * (arm.choice[1] == 0) + chance.gauss())
        assert [verdict.block for verdict in blocks] == ["angle 0", "angle 45", OVERALL]
        found += all(verdict.is_winner and verdict.best == "controlnet_scale 0.8" for verdict in blocks)
    assert found >= 95


def test_conditions_leave_arms_out_and_the_direction_counts():
    best = {"maximize": "seconds", "subject_to": ["angle_error <= 1.5"]}
    plan, _ = read_plan(plan_text(seeds=3, best=best))
    arms = list(plan.arms())
    cells = {
        (arm, seed): cell_of(seconds=10.0 * index + seed, angle_error=float(index))
        for index, arm in enumerate(arms)
        for seed in plan.seeds
    }
    (verdict,) = verdicts(plan, cells)
    assert verdict.best == arms[1].label
    assert verdict.excluded == (arms[2].label, arms[3].label)
    assert verdict.is_winner


def test_one_seed_shows_nothing_and_equal_values_are_no_certainty():
    assert not mean_interval([5.0]).excludes_zero
    assert not mean_interval([0.1, 0.1], step=0.1).excludes_zero
    assert mean_interval([5.0, 5.0, 5.0], step=0.1).excludes_zero
    found = mean_interval([1.0, 2.0, 4.0])
    assert found.mean == statistics.fmean([1, 2, 4])
    assert (found.low, found.high) == pytest.approx((-1.4612, 6.1279), abs=1e-3)


# Drawing


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


@pytest.mark.parametrize("name", ["a", "`", "``", "a ` b `` c"])
def test_names_with_backticks_stay_code_in_the_report(name):
    text = verdict_text(Verdict("", name, (), ()))
    spans = [token for token in MarkdownIt().parse(text)[1].children if token.type == "code_inline"]
    assert [token.content for token in spans] == [name]


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
