"""What an experiment's figures show: differences, and none where there is noise alone."""

import math
import random
import statistics

import pytest
from experiments import plan_text
from markdown_it import MarkdownIt

from plitka.experiment.cells import Cell
from plitka.experiment.intervals import mean_interval, t_quantile
from plitka.experiment.measures import MEASURES
from plitka.experiment.read_plan import read_plan
from plitka.experiment.tables import verdict_text
from plitka.experiment.verdict import OVERALL, Verdict, verdicts


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


@pytest.mark.parametrize("name", ["a", "`", "``", "a ` b `` c"])
def test_names_with_backticks_stay_code_in_the_report(name):
    text = verdict_text(Verdict("", name, (), ()))
    spans = [token for token in MarkdownIt().parse(text)[1].children if token.type == "code_inline"]
    assert [token.content for token in spans] == [name]
