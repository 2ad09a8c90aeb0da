"""Plans of experiments: what is read and what is refused."""

import itertools

import pytest
from experiments import SMALL, plan_text
from hypothesis import given
from hypothesis import strategies as st
from pages import code

from plitka.errors import PlanError
from plitka.experiment.read_plan import read_plan
from plitka.experiment.shipped import shipped_names, shipped_text
from plitka.server.serve import ROOT


def problems_of(text, **options):
    with pytest.raises(PlanError) as caught:
        read_plan(text, **options)
    return {problem.field: str(problem) for problem in caught.value.problems}


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


@pytest.mark.long
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
