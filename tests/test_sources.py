"""What the page about other programs' names points to is there."""

import re
from typing import get_args

import pytest
from typer.main import get_command

from plitka import choices, settings
from plitka.cli.commands import app
from plitka.output.metrics import METRICS
from plitka.request.fields import RequestFields
from plitka.request.overrides import Overrides
from plitka.server.serve import ROOT

PAGES = ("docs/sources.md", "docs/ru/sources.md")
FIELDS = {*RequestFields.model_fields, *(f"overrides.{name}" for name in Overrides.model_fields)}
VARIABLES = {value for name, value in vars(settings).items() if name.endswith("_VARIABLE")} | {"COG_WEIGHTS"}
VALUES = {
    value
    for name in ("Scheduler", "ControlKind", "EngineName", "Quality")
    for value in get_args(getattr(choices, name))
}
COMMANDS = {f"plitka {name}" for name in get_command(app).commands}
NAMED = re.compile(r"`([^`]+)`")


def rows(page):
    """The cells of each row of the table."""
    lines = (ROOT / page).read_text("utf-8").splitlines()
    table = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    return table[2:]


def is_there(name):
    is_file = "/" in name or name.endswith((".py", ".yaml"))
    known = FIELDS | VARIABLES | VALUES | COMMANDS | set(METRICS)
    return (ROOT / name).is_file() if is_file else name in known


@pytest.mark.parametrize("page", PAGES)
def test_every_field_variable_command_and_file_in_it_exists(page):
    named = {name for *_, here in rows(page) for name in NAMED.findall(here)}
    assert len(named) > 40
    assert {name for name in named if not is_there(name)} == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_row_names_something_here_or_says_why_not(page):
    for source, what, here in rows(page):
        assert source
        assert what
        because = here.startswith(("not here, because", "нет:"))
        assert (
            because or NAMED.search(here) or "](" in here or here.startswith(("torch's own", "встроенный"))
        ), here


def test_both_languages_point_to_the_same():
    english, russian = ([NAMED.findall(here) for *_, here in rows(page)] for page in PAGES)
    assert english == russian
