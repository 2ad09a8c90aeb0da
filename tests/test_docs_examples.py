"""What the pages show is what happens: requests parse, commands run, programs in three languages work."""

import inspect
import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from itertools import pairwise

import pytest
import typer.main
import yaml
from pages import (
    CODE_BLOCK,
    CODE_SPAN,
    PAGES,
    README,
    ROOT,
    code,
    commands,
    curl_inputs,
    page_id,
    read,
    without_code,
)
from typer.testing import CliRunner

from plitka.cli.commands import app
from plitka.errors import RequestError
from plitka.request.tile_request import parse_inputs, parse_request

QUICK_START = ROOT / "docs/QuickStart.md"
PICTURES = ["colormap.png", "final.png", "preview.png"]
ADDRESS = "http://127.0.0.1:5000"
INPUTS = {
    "params_json": "",
    "colors": "60% black, 40% white",
    "angle": 0.0,
    "quality": "standard",
    "seed": -1,
    "adapter": "",
}
# The configuration that cog-safe-push reads; it takes no other keys.
SAFE_PUSH_KEYS = {"model", "test_model", "test_hardware", "parallel", "predict"}
TEST_CASE_KEYS = {"inputs", "exact_string", "match_url", "match_prompt", "error_contains"}


def inputs_shown(page):
    """What the page's commands give to `curl -d` and to `cog predict -i`."""
    given = [shlex.split(line) for line in commands(page)]
    pairs = [[words[place + 1] for place, word in enumerate(words) if word == "-i"] for words in given]
    return curl_inputs(page) + [dict(pair.split("=", 1) for pair in inputs) for inputs in pairs if inputs]


def plitka_commands(page):
    """Every `plitka` command of a page, in blocks and within sentences."""
    spans = [span for span in CODE_SPAN.findall(without_code(read(page))) if span.startswith("plitka ")]
    return [line for line in commands(page) if line.startswith("plitka ")] + spans


def pages_that_show(examples):
    """The pages with examples of a kind; the README or the first five minutes are among them."""
    found = [page for page in PAGES if examples(page)]
    assert {README, QUICK_START} & set(found)
    return found


@pytest.mark.parametrize("page", pages_that_show(lambda page: code(page, "json")), ids=page_id)
def test_every_request_shown_is_taken_or_gets_the_error_shown_under_it(page):
    blocks = [*CODE_BLOCK.findall(read(page)), ("", "")]
    for (kind, text), following in pairwise(blocks):
        # Palette files, lists of adapters and lines of the log have tests of their own.
        if kind != "json" or re.search(r'"(currency|event|adapters)":', text):
            continue
        try:
            # Saved recipes are a list, with a request in each.
            requests = [entry["request"] for entry in json.loads(text)] if text.startswith("[") else [text]
            assert all(parse_request(request).mix for request in requests)
        except RequestError as error:
            assert following == ("text", f"{error}\n")


@pytest.mark.parametrize("page", pages_that_show(inputs_shown), ids=page_id)
def test_inputs_of_curl_and_cog_are_taken(page):
    for inputs in inputs_shown(page):
        assert parse_inputs(**{**INPUTS, **inputs}).mix


@pytest.mark.parametrize("page", pages_that_show(plitka_commands), ids=page_id)
def test_commands_and_options_shown_exist(page):
    for line in plitka_commands(page):
        command = typer.main.get_command(app)
        words = shlex.split(line)[1:]
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        known = {name for option in command.params for name in option.opts}
        assert not hasattr(command, "commands"), line
        assert {word for word in words if word.startswith("-")} <= known, line


@pytest.mark.long
@pytest.mark.parametrize("page", [README, QUICK_START], ids=page_id)
def test_commands_that_draw_work_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drawn = [line for line in commands(page) if line.startswith(("plitka generate", "plitka plan"))]
    assert drawn
    for line in drawn:
        result = CliRunner().invoke(app, shlex.split(line)[1:])
        assert result.exit_code == 0, (line, result.output)
    if page == README:
        again, first = tmp_path / "out/again/final.png", tmp_path / "out/bricks/final.png"
        assert again.read_bytes() == first.read_bytes()


def test_requests_shown_for_the_web_form_are_the_files_in_references():
    shown = code(ROOT / "docs/WebInterfaceExamples.md", "json")
    files = sorted((ROOT / "references/scenarios").glob("*.json"))
    assert shown == [read(file) for file in files]


def test_curl_examples_give_the_same_tile(render_server):
    simple, full = (render_server.predict(**inputs) for inputs in curl_inputs(QUICK_START))
    assert simple["status"] == "succeeded"
    assert full["output"] == simple["output"]


def test_curl_answer_is_written_as_files_by_the_command_shown(render_server, tmp_path):
    (tmp_path / "answer.json").write_text(json.dumps(render_server.predict(**curl_inputs(QUICK_START)[0])))
    (line,) = (line for line in commands(QUICK_START) if line.startswith("python3 -c "))
    subprocess.run([sys.executable, *shlex.split(line)[1:]], cwd=tmp_path, check=True, timeout=300)
    assert sorted(path.name for path in tmp_path.glob("*.png")) == PICTURES


def test_python_example_saves_three_pictures(render_server, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ask.py").write_text(code(QUICK_START, "python")[0].replace(ADDRESS, render_server.url))
    runpy.run_path("ask.py")
    assert sorted(path.name for path in tmp_path.glob("*.png")) == PICTURES
    assert "BLACK: 60.0% asked for" in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_javascript_example_saves_three_pictures(render_server, tmp_path):
    (tmp_path / "tile.mjs").write_text(code(QUICK_START, "js")[0].replace(ADDRESS, render_server.url))
    done = subprocess.run(["node", "tile.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.glob("*.png")) == PICTURES
    assert "BLACK: 60 % asked for" in done.stdout


@pytest.mark.parametrize("page", pages_that_show(lambda page: code(page, "python")), ids=page_id)
def test_python_shown_is_python(page):
    for text in code(page, "python"):
        compile(text, page_id(page), "exec")


def test_safe_push_configuration_asks_what_the_model_answers():
    config = yaml.safe_load(read(ROOT / "cog-safe-push.yaml"))
    assert set(config) <= SAFE_PUSH_KEYS
    cases = config["predict"]["test_cases"]
    assert all(set(case) <= TEST_CASE_KEYS for case in cases)
    for case in cases:
        inputs = {**INPUTS, **case["inputs"]}
        if "error_contains" in case:
            with pytest.raises(RequestError, match=case["error_contains"]):
                parse_inputs(**inputs)
        else:
            assert parse_inputs(**inputs).mix


def test_defaults_of_these_tests_are_those_of_the_predictor():
    schema = json.loads(read(ROOT / ".cog/openapi_schema.json"))
    properties = schema["components"]["schemas"]["Input"]["properties"]
    assert {name: field["default"] for name, field in properties.items()} == {**INPUTS, "photo": None}
    # Maps and variants are asked for in the JSON, and by options of the command line.
    assert set(inspect.signature(parse_inputs).parameters) == {*INPUTS, "maps", "variants"}
