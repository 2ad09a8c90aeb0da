"""The dashboard, the rules and the page for operators: they name only figures that a server shows."""

import json
import re
import typing

import pytest
import yaml
from pages import ROOT, read, twin
from promql import OWN_LABELS, grouped_labels, selectors, words_of
from test_figures import count, stream

from plitka.choices import ENGINE_NAMES, Quality
from plitka.output.prediction_line import FIELDS, PredictionLine
from plitka.server import figures as counted
from plitka.server.counting import RefusedConnection, RestartReason
from plitka.server.figures import FAILURES, PERCENTAGE_POINTS, Figures
from plitka.server.line import LeavingCause
from plitka.server.metrics_port import NO_ANSWER, STATES, MetricsPort

FOLDER = ROOT / "docs/operations"
PAGE = ROOT / "docs/Operations.md"
DASHBOARD = json.loads(read(FOLDER / "dashboard.json"))
RULES = yaml.safe_load(read(FOLDER / "alerts.yml"))["groups"][0]["rules"]
OUTCOMES = ("succeeded", "failed", "canceled", "left_line", "refused")
REASONS = {
    *("none", "inputs", "broken_off", "other", "caller", "hung_up", "no_place", "not_ready"),
    *FAILURES.values(),
    *typing.get_args(LeavingCause),
}
VALUES = {
    "outcome": OUTCOMES,
    "reason": {*REASONS, *typing.get_args(RefusedConnection), *typing.get_args(RestartReason)},
    "engine": (*ENGINE_NAMES, counted.UNKNOWN),
    "quality": (*typing.get_args(Quality), counted.UNKNOWN),
    "state": (*STATES, NO_ANSWER, counted.UNKNOWN),
    "le": {*(str(float(bound)) for bound in PERCENTAGE_POINTS), "+Inf"},
}


def expressions():
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]["query"]


@pytest.fixture(scope="module")
def shown():
    """Every sample that a server can show, with the labels that it has."""
    figures = Figures()
    figures.watch(lambda: 0, 16, lambda: 0)
    figures.refused(429)
    sheet = {"timing.sheet": {"draw": 1.0}, "timing.maps": {"height": {"draw": 1.0, "encode": 1.0}}}
    count(figures, stream({**dict(metrics_of(stream())), **sheet}))
    port = MetricsPort("127.0.0.1", 0, figures, 1)
    port._show(None)
    port._socket.close()
    found = {}
    for family in figures.registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def metrics_of(pieces):
    for piece in pieces:
        if piece.startswith(b"event: metric"):
            metric = json.loads(piece.partition(b"data: ")[2])
            yield metric["name"], metric["value"]


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_figure_label_and_word_of_an_expression_is_one_that_a_server_shows(shown, where, expression):
    named = selectors(expression)
    assert named, where
    for name, matchers in named:
        assert name in shown, f"{where}: there is no {name}"
        for label, operator, pattern in matchers:
            assert label in shown[name] | OWN_LABELS, f"{where}: {name} has no {label}"
            if label in VALUES:
                assert set(words_of(operator, pattern)) <= set(VALUES[label]), f"{where}: {pattern}"
    labels = set().union(*(shown[name] for name, _ in named)) | OWN_LABELS
    assert grouped_labels(expression) <= labels, where
    assert expression.count("(") == expression.count(")")
    assert expression.count("{") == expression.count("}")


def test_a_wrong_name_label_or_word_would_be_found(shown):
    assert "plitka_predictions" not in shown
    assert selectors('rate(plitka_x_total{reason!~"a|b", engine="c"}[5m])') == [
        ("plitka_x_total", [("reason", "!~", "a|b"), ("engine", "=", "c")])
    ]
    assert grouped_labels("sum by (le, stage) (x) / ignoring(step) y") == {"le", "stage", "step"}
    assert "1.75" not in VALUES["le"]


def test_every_legend_names_labels_that_its_expression_leaves(shown):
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            labels = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            kept = grouped_labels(target["expr"]) or set().union(
                *(shown[name] for name, _ in selectors(target["expr"]))
            )
            assert labels <= kept, panel["title"]


def test_every_figure_is_on_the_dashboard_and_on_the_page(shown):
    names = [name for name in shown if not name.endswith("_created")]
    families = {re.sub("_(bucket|sum|count)$", "", name) for name in names}
    drawn = {
        re.sub("_(bucket|sum|count)$", "", name)
        for _, expression in expressions()
        for name, _ in selectors(expression)
    }
    assert families == drawn
    for page in (PAGE, twin(PAGE)):
        assert {name for name in families if f"`{name}`" not in read(page)} == set(), page


def test_panels_do_not_overlap_and_have_a_number_each():
    cells = [
        (place["x"] + x, place["y"] + y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["w"])
        for y in range(place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_each_of_the_five_rules_says_how_bad_it_is_and_has_its_part_of_the_page():
    assert len({rule["alert"] for rule in RULES}) == len(RULES) == 5
    for rule in RULES:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        assert re.fullmatch(r"\d+m", rule.get("for", "1m"))
        for page in (PAGE, twin(PAGE)):
            assert f"`{rule['alert']}`" in read(page)


@pytest.mark.parametrize("page", [PAGE, twin(PAGE)])
def test_the_page_explains_every_outcome_reason_and_key_of_the_log(page):
    text = read(page)
    for word in (*OUTCOMES, *REASONS - {"none"}, *VALUES["reason"], *STATES, NO_ANSWER):
        assert f"`{word}`" in text, word
    line = {*FIELDS, "event", "outcome", "error", "quality", "seconds", "corrected", "retries", "offload"}
    assert {key for key in line if f"`{key}`" not in text} == set()


def test_the_line_of_the_log_has_these_keys(capfd):
    with PredictionLine().ending():
        pass
    keys = set(json.loads(capfd.readouterr().err.strip().splitlines()[-1]))
    assert keys == {
        *FIELDS,
        *("event", "outcome", "error", "quality", "seconds", "corrected", "retries", "offload"),
    }
