"""The operator's list of adapters, and the name that a request gives."""

import json
import os

import pytest
from adapter_lists import entry, write_adapter, write_list
from checkpoints import LFS_POINTER
from drawing import load_small_engine
from hypothesis import given
from hypothesis import strategies as st

from plitka.errors import AdapterListError, RequestError
from plitka.request.adapter import NAME
from plitka.request.tile_request import parse_inputs, parse_request
from plitka.server.page_palette import page_in_use
from plitka.server.serve import PAGE, adapters_of
from plitka.weights.adapter_list import check_archives, read_adapter_list

RED = {"colors": [{"name": "red", "proportion": 1}], "seed": 1}
HASH = "0" * 64
# The last but one is a Cyrillic letter.
NO_NAMES = ["../a", "/etc/passwd", "a.tar", "https://x.y/z", "a\0b", "а", "a b"]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return write_adapter(tmp_path_factory.mktemp("archive"), "kohya")


# What a request may say


@given(
    st.text(max_size=70)
    | st.sampled_from(["../a", "/etc/passwd", "a.tar", "https://x.y/z", "a\0b", "а", "a b"])
)
def test_nothing_but_a_plain_name_is_taken(text):
    try:
        taken = parse_request(json.dumps(RED | {"adapter": text})).adapter
    except RequestError as error:
        (problem,) = error.problems
        assert (problem.field, problem.reason) == ("adapter", "is no name of an adapter")
    else:
        assert taken == text.strip() and NAME.fullmatch(taken) and taken.isascii()


@pytest.mark.parametrize("value", [5, True, ["kohya"], {"name": "kohya"}, ""])
def test_what_is_no_name_is_refused(value):
    with pytest.raises(RequestError, match=r"adapter: .* Allowed: the name of an adapter of the operator"):
        parse_request(json.dumps(RED | {"adapter": value}))


def test_the_name_is_kept_by_whatever_is_made_of_the_request():
    request = parse_request(RED | {"adapter": " Winter-26_b ", "variants": 2})
    assert request.adapter == "Winter-26_b"
    for same in (parse_request(request.to_json()), request.variant(2), request.without_sheet()):
        assert same.adapter == "Winter-26_b"
    assert "adapter" not in parse_request(RED).to_json()


def test_the_simple_input_is_the_same_and_stands_beside_no_json():
    simple = ("red", 0.0, "standard", 1)
    assert parse_inputs("", *simple, adapter="winter") == parse_request(RED | {"adapter": "winter"})
    assert parse_inputs("", *simple, adapter=" ") == parse_inputs(None, *simple) == parse_request(RED)
    with pytest.raises(RequestError, match='adapter: "winter" is given together with params_json'):
        parse_inputs(json.dumps(RED | {"adapter": "summer"}), None, None, None, None, adapter="winter")


# What the list may say

BAD_LISTS = [
    ("[]", "is not an object with the keys version, adapters"),
    ("{", "is no JSON"),
    ('{"version": 1, "version": 1}', 'the key "version" stands twice'),
    ('{"version": 1, "adapters": {}}', "adapters: has 0 entries; 1 to 100"),
    ('{"version": 2, "adapters": {"a": {}}}', "version: 2 is not 1"),
    ({"../a": {}}, 'adapters: "../a" is no name'),
    ({"ä": {}}, "is no name"),
    ({"a" * 65: {}}, "is no name"),
    ({"none": {"file": "a.tar", "sha256": HASH}}, 'adapters: "none" is what metrics and metadata say'),
    ({"a": []}, "adapters.a: is not an object"),
    ({"a": {"sha256": HASH}}, "adapters.a.file: is missing, and must be the path of a .tar or .zip"),
    ({"a": {"file": "lora.safetensors", "sha256": HASH}}, 'adapters.a.file: "lora.safetensors" is not'),
    ({"a": {"file": "a\0.tar", "sha256": HASH}}, "adapters.a.file"),
    ({"a": {"file": "a.tar"}}, "adapters.a.sha256: is missing"),
    ({"a": {"file": "a.tar", "sha256": "abc"}}, 'adapters.a.sha256: "abc" is not the sha256'),
    ({"a": {"file": "a.tar", "sha256": HASH, "scale": 3}}, "adapters.a.scale: 3 is not a number from 0 to 2"),
    ({"a": {"file": "a.tar", "sha256": HASH, "scale": True}}, "adapters.a.scale"),
    ({"a": {"file": "a.tar", "sha256": HASH, "tokens": "<s0>"}}, "adapters.a.tokens"),
    ({"a": {"file": "a.tar", "sha256": HASH, "trigger": "a\nb"}}, "adapters.a.trigger"),
    (
        {"a": {"file": "a.tar", "sha256": HASH, "trigger": "winter_tile <s0><s1>"}},
        'adapters.a.trigger: "winter_tile <s0><s1>" names a token; the tokens follow it by themselves',
    ),
    ({"a": {"file": "a.tar", "sha256": HASH, "trigger": "a <w>", "tokens": ["<w>"]}}, "names a token"),
    ({"a": {"file": "a.tar", "sha256": HASH, "url": "x"}}, 'adapters.a: "url" is an unknown key'),
]


@pytest.mark.parametrize(("written", "said"), BAD_LISTS)
def test_a_bad_list_is_refused_in_words_that_name_the_entry(tmp_path, written, said):
    path = tmp_path / "adapters.json"
    path.write_text(written if isinstance(written, str) else json.dumps({"version": 1, "adapters": written}))
    with pytest.raises(AdapterListError) as raised:
        read_adapter_list(path)
    assert said in str(raised.value)
    assert str(path) in str(raised.value)


def test_every_problem_of_a_list_is_told_at_once(tmp_path):
    good = {"file": "a.tar", "sha256": HASH}
    path = write_list(
        tmp_path, {"a b": good, "fine": good, "c": {**good, "scale": -1, "tokens": 5}, "d": None}
    )
    with pytest.raises(AdapterListError) as raised:
        read_adapter_list(path)
    assert len(raised.value.problems) == 4
    assert "has 4 problems" in str(raised.value)


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_a_list_that_cannot_be_read_is_refused(tmp_path, kind):
    path = tmp_path if kind == "folder" else tmp_path / "none.json"
    with pytest.raises(AdapterListError, match="is a folder" if kind == "folder" else "cannot be read"):
        read_adapter_list(path)


def test_every_archive_that_is_not_as_listed_stops_the_start_before_the_models_are_read(
    tmp_path, archive, model_folder
):
    for name, content in {"pointer": LFS_POINTER, "broken": archive.read_bytes()[:20_000]}.items():
        (tmp_path / f"{name}.zip").write_bytes(content)
    (tmp_path / "folder.zip").mkdir()
    same = tmp_path / "same.tar"
    same.write_bytes(archive.read_bytes())
    listed = {
        "gone": {"file": "gone.zip", "sha256": HASH},
        "folder": {"file": "folder.zip", "sha256": HASH},
        "other": entry(same) | {"sha256": HASH},
        "pointer": {"file": "pointer.zip", "sha256": HASH},
        "broken": entry(tmp_path / "broken.zip"),
        "wordless": entry(same, tokens=[]),
        "long": {"file": f"{'a' * 300}.zip", "sha256": HASH},
        "good": entry(same) | {"sha256": entry(same)["sha256"].upper()},
    }
    path = write_list(tmp_path, listed)
    with pytest.raises(AdapterListError) as raised:
        load_small_engine(tmp_path, PLITKA_ADAPTERS=str(path), PLITKA_MODEL_DIR=str(model_folder))
    said = dict(problem.removeprefix("adapters.").split(": ", 1) for problem in raised.value.problems)
    assert list(said) == ["gone", "folder", "other", "pointer", "broken", "wordless", "long"]
    assert "the file is missing" in said["gone"]
    assert "this is no file" in said["folder"]
    assert "sha256" in said["other"]
    assert "Git LFS pointer" in said["pointer"] and "git lfs pull" in said["pointer"]
    assert "holds embeddings" in said["wordless"]
    assert set(check_archives({"good": read_adapter_list(path)["good"]})) == {"good"}


# Where the names are shown


def test_the_page_offers_the_names_where_there_are_any(tmp_path, monkeypatch, archive):
    path = write_list(archive.parent, {"winter": entry(archive), "kohya": entry(archive)})
    monkeypatch.setenv("PLITKA_ADAPTERS", str(path))
    page = PAGE.read_bytes()
    assert adapters_of("render") == ()
    assert page_in_use(page, adapters_of("render")) == page
    offered = page_in_use(page, adapters_of("sdxl")).decode()
    assert 'const ADAPTERS = [\n  "winter",\n  "kohya",\n];' in offered
    assert len(offered) - len(page.decode()) == len('  "winter",\n  "kohya",\n')


def test_the_command_line_lists_and_verifies_the_archives(invoke, tmp_path, monkeypatch, archive):
    (tmp_path / "kohya.tar").write_bytes(archive.read_bytes())
    listed = {
        "winter": entry(tmp_path / "kohya.tar"),
        "old": entry(tmp_path / "kohya.tar") | {"sha256": HASH},
    }
    path = write_list(tmp_path, {**listed, "gone": {"file": "no.zip", "sha256": HASH}})
    monkeypatch.setenv("PLITKA_ADAPTERS", os.fspath(path))
    states = {}
    for command in ("list", "verify"):
        done = invoke("models", command, "--engine", "render", "--json")
        files = json.loads(done.stdout)["engines"]["adapters"]
        states[command] = {file["part"]: file["state"] for file in files}
    assert states["list"] == {"adapter winter": "ok", "adapter old": "ok", "adapter gone": "missing"}
    assert states["verify"] == {"adapter winter": "ok", "adapter old": "broken", "adapter gone": "missing"}
    assert done.exit_code == 1


def test_the_command_line_gives_the_name_to_the_engine(invoke):
    done = invoke("generate", "--colors", "red", "--adapter", "winter", "--engine", "render")
    assert done.exit_code == 2
    assert 'adapter: "winter" names a LoRA, and the render engine draws the plan' in " ".join(
        done.stderr.split()
    )
