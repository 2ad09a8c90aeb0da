"""What captions of a training say, against its photographs, and its other inputs. No model is loaded."""

import ast
import io
import json
import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from training_zip import exchanged, honest, photograph, zip_of

from plitka.errors import RequestError
from plitka.server.serve import ROOT
from training.data_check import check_captions
from training.data_findings import CaptionError
from training.photo_archive import read_archive
from training.training_request import TrainingRequest, checked

RED = photograph(("red", 100))


def read(content, folder):
    """The pictures of a zip with this content."""
    folder.mkdir()
    archive = folder.with_suffix(".zip")
    archive.write_bytes(content)
    return read_archive(archive, folder)


def _png(side):
    file = io.BytesIO()
    Image.new("RGB", (side, side), "red").save(file, "PNG")
    return file.getvalue()


def pictures(tmp_path, files):
    return read(zip_of(files), tmp_path / "x")


@pytest.mark.long
def test_words_that_no_prompt_uses_are_noted(tmp_path):
    files = {"0.png": RED, "0.txt": "100% красный", "1.png": RED, "1.txt": "100% red"}
    check = check_captions(pictures(tmp_path, files))
    assert check.disagreements == ()
    (note,) = check.notes
    assert note.startswith("captions say 'красный' and prompts 'red'")


@pytest.mark.long
def test_honest_captions_pass(tmp_path):
    check = check_captions(pictures(tmp_path, honest()))
    assert (check.pictures, check.disagreements, check.notes) == (2, (), ())


# No two of them look alike on a picture as small as these.
COLORS = ("blue", "red", "yellow", "white", "violet")


@pytest.mark.long
@settings(max_examples=2)
@given(random=st.randoms(use_true_random=False))
def test_two_exchanged_names_are_found_and_named_in_mixes_of_any_colours(
    tmp_path_factory, random: random.Random
):
    names = random.sample(COLORS, 3)
    most, least = random.randint(55, 70), random.randint(5, 20)
    mix = list(zip(names, (most, least, 100 - most - least), strict=True))
    folder = tmp_path_factory.mktemp("exchanged")
    (found,) = check_captions(pictures(folder, exchanged(*mix))).disagreements
    assert set(found.exchange) == set(names[:2]), found.message
    assert f"exchanging {found.exchange[0]!r} and {found.exchange[1]!r}" in found.message


@pytest.mark.long
def test_what_disagrees_is_listed_worst_first_with_what_was_measured(tmp_path):
    files = {
        "far.png": photograph(("blue", 100)),
        "far.txt": "100% red",
        **exchanged(("blue", 70), ("red", 30)),
        "strange.png": RED,
        "strange.txt": "100% ultramarine",
        "sum.png": RED,
        "sum.txt": "50% red, 20% blue",
        "twice.png": RED,
        "twice.txt": "50% red, 50% красный",
        "plain.png": _png(256),
        "plain.txt": "100% red",
        "extra.png": photograph(("blue", 45), ("red", 20), ("yellow", 35)),
        "extra.txt": "65% blue, 35% yellow",
    }
    check = check_captions(pictures(tmp_path, files))
    by_name = {found.name: found for found in check.disagreements}
    assert set(by_name) == {name for name in files if name.endswith(".png")}
    for name, said in {
        "strange": "'ultramarine' is not a known colour of the palette",
        "sum": "read as '50% red, 20% blue', sum to 70 %",
        "twice": "twice",
        "plain": "shows no granules",
        "far": "what is called 'red' looks like 'blue'",
        "swapped": "blue 30 % stated",
        "extra": "looks like none of the caption's colours",
    }.items():
        assert said in by_name[f"{name}.png"].message, name
    severities = [found.severity for found in check.disagreements]
    assert severities == sorted(severities, reverse=True)
    assert by_name["swapped.png"].measured["blue"] == pytest.approx(0.7, abs=0.08)
    error = CaptionError(check, "Correct them.")
    assert str(error).startswith("7 of 7: the captions disagree") and str(error).endswith("Correct them.")
    assert json.loads(json.dumps(check.as_dict()))["disagreements"][-1]["stated"]


@pytest.mark.long
def test_a_colour_that_looks_like_another_known_batch_is_named_and_trained(tmp_path):
    """What the customer's mixes call dark green is CIEDE2000 15 or more from the palette's."""
    files = {"a.png": photograph(("green apple", 60), ("red", 40)), "a.txt": "60% dark green, 40% red"}
    check = check_captions(pictures(tmp_path, files))
    assert check.disagreements == ()
    (note,) = check.notes
    assert note.startswith("'dark green' on 1 photograph looks ΔE00") and "another batch" in note


REQUEST = {
    "photographs": None,
    "base_model": "mini",
    "trigger": "ohwx_rubber_tile <s0><s1>",
    "steps": 2,
    "batch": 1,
    "rank": 4,
    "rate": 1e-4,
    "token_rate": 5e-4,
    "resolution": 64,
    "seed": -1,
    "trusted": False,
}


def test_a_seed_is_chosen_and_the_trigger_put_before_captions_that_lack_it(monkeypatch):
    monkeypatch.setenv("PLITKA_ENGINE", "sdxl")
    chosen = checked(TrainingRequest(**REQUEST | {"base_model": ""}))
    assert chosen.base_model == "sdxl" and 0 <= chosen.seed < 2**32
    assert chosen.caption("60% red") == "ohwx_rubber_tile <s0><s1>, 60% red"
    own = "<s0><s1>, ohwx_rubber_tile <s0><s1>, 60% red, 40% blue"
    assert chosen.caption(own) == own


@pytest.mark.parametrize("name", ["/etc", "../mini", "https://example.com/x", "render", "mini/base", "a\0b"])
def test_a_base_model_is_a_name_of_the_manifest_and_nothing_else(name):
    with pytest.raises(RequestError, match=r"base_model: .* is not in the manifest\. Allowed: "):
        checked(TrainingRequest(**REQUEST | {"base_model": name}))


def test_a_base_model_that_the_operator_has_set_cannot_be_replaced(monkeypatch, tmp_path):
    monkeypatch.setenv("PLITKA_BASE_MODEL", str(tmp_path))
    with pytest.raises(RequestError, match="the operator has set PLITKA_BASE_MODEL"):
        checked(TrainingRequest(**REQUEST))
    monkeypatch.setenv("PLITKA_ENGINE", "render")
    with pytest.raises(RequestError, match="has no base model"):
        checked(TrainingRequest(**REQUEST | {"base_model": ""}))


@given(st.text(string.printable + "жё<>s01%,", max_size=100))
def test_a_trigger_without_the_tokens_is_refused(trigger):
    if "<s0>" in trigger and "<s1>" in trigger:
        return
    with pytest.raises(RequestError, match="trigger: "):
        checked(TrainingRequest(**REQUEST | {"trigger": trigger}))


@pytest.mark.long
def test_what_cog_calls_stands_on_top_of_everything_else():
    files = [
        *ROOT.glob("plitka/**/*.py"),
        *ROOT.glob("training/*.py"),
        ROOT / "predict.py",
        ROOT / "train.py",
    ]
    for file in files:
        tree = ast.parse(file.read_text("utf-8"))
        nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {getattr(node, "module", None) for node in nodes}
        names |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        assert not names & {"predict", "train"}, file
