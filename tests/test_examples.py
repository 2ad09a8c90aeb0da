"""The examples, run as a user would: from the repository's root, into files."""

import base64
import csv
import io
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from pages import ROOT, read
from PIL import Image

EXAMPLES = ROOT / "examples"
NOTEBOOK = EXAMPLES / "plan.ipynb"
# What fits beside a page: a notebook is read in a browser.
MAX_NOTEBOOK_BYTES = 150_000


def run(folder, name, *arguments):
    """An example in a folder of its own."""
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_tile_is_drawn_in_ten_lines(tmp_path):
    done = run(tmp_path, "draw_a_tile.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert "out/tile/final.png\n  BLACK: 60.0% requested, 60.0% measured\n" in done.stdout
    assert {path.name for path in (tmp_path / "out/tile").iterdir()} == {
        "preview.png",
        "final.png",
        "colormap.png",
    }
    code = read(EXAMPLES / "draw_a_tile.py").split('"""')[2]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10


@pytest.mark.long
def test_a_table_of_mixes_becomes_folders_and_shares(tmp_path):
    done = run(tmp_path, "many_mixes.py", EXAMPLES / "mixes.csv", "mixes")
    assert (done.returncode, done.stderr) == (0, "")
    rows = list(csv.DictReader(io.StringIO(read(tmp_path / "mixes/shares.csv"))))
    assert [(row["tile"], row["color"]) for row in rows] == [
        ("granite", "BLACK"),
        ("granite", "WHITE"),
        ("bricks", "BLACK"),
        ("bricks", "TERCOT"),
        ("sparks", "BLACK"),
        ("sparks", "#F2C230"),
    ]
    for row in rows:
        assert float(row["measured_percent"]) == pytest.approx(float(row["requested_percent"]), abs=1)
        with Image.open(tmp_path / "mixes" / row["tile"] / "final.png") as image:
            assert image.size == (1024, 1024)


def test_without_a_table_the_example_says_what_it_needs(tmp_path):
    done = run(tmp_path, "many_mixes.py")
    assert (done.returncode, done.stderr) == (1, "Usage: python examples/many_mixes.py TABLE.csv FOLDER\n")


def test_a_table_with_mistakes_draws_nothing_and_names_each(tmp_path):
    table = tmp_path / "mixes.csv"
    table.write_text("tile,angle,seed,black,blakc\ngood,0,1,100,\nbad,up,1,50,50\nempty,0,1,,\n")
    done = run(tmp_path, "many_mixes.py", table, "mixes")
    assert done.returncode == 1
    assert [line.split(": ")[:2] for line in done.stderr.splitlines()] == [
        ["bad", "colors[1].name"],
        ["bad", "angle"],
        ["empty", "colors"],
    ]
    assert not (tmp_path / "mixes").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tile,angle,seed,black\n../evil,0,1,100\n", "line 2: "),
        ("tile,angle,seed,black\n..,0,1,100\n,0,1,100\n", "line 2: "),
        ("tile,angle,seed,black\na,0,1,100\na,0,2,100\n", "line 3: "),
        ("tile,angle,seed,black\na,0,1,100,5\n", "line 2: "),
        ("tile,angle,seed,black\na\n", "a: colors: "),
        ("tile;angle;seed;black\na;0;1;100\n", "mixes.csv: the first line"),
        ("", "mixes.csv: the first line"),
    ],
)
def test_a_table_that_cannot_become_folders_is_refused_in_a_sentence(tmp_path, text, said):
    (tmp_path / "mixes.csv").write_text(text)
    done = run(tmp_path, "many_mixes.py", "mixes.csv", "out/mixes")
    assert (done.returncode, done.stderr[: len(said)]) == (1, said)
    assert [path.name for path in tmp_path.iterdir()] == ["mixes.csv"]


@pytest.mark.long
def test_a_table_as_spreadsheets_write_it_is_read(tmp_path):
    (tmp_path / "mixes.csv").write_text("tile,angle,seed,black\na,0,1,100\n", encoding="utf-8-sig")
    assert run(tmp_path, "many_mixes.py", "mixes.csv", "mixes").returncode == 0


@pytest.fixture
def notebook(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import notebook

    return notebook


def readable(output):
    """An output with its picture as pixels: another build of zlib packs the same pixels otherwise."""
    picture = output.get("data", {}).get("image/png")
    if picture is None:
        return output, None
    with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
        return {**output, "data": "picture"}, np.asarray(image).tolist()


def test_the_notebook_holds_the_outputs_that_its_code_gives(notebook):
    stored = json.loads(read(NOTEBOOK))
    fresh = notebook.executed(stored)
    for mine, other in zip(stored["cells"], fresh["cells"], strict=True):
        outputs = [[readable(output) for output in cell.get("outputs", ())] for cell in (mine, other)]
        assert outputs[0] == outputs[1], "run: make docs"
        assert mine.get("execution_count") == other.get("execution_count")
    assert read(NOTEBOOK) == notebook.to_text(stored), "run: make docs"
    assert NOTEBOOK.stat().st_size < MAX_NOTEBOOK_BYTES


def test_a_cell_that_prints_and_one_that_ends_with_a_value_show_both(notebook):
    def cell(*lines):
        return {"cell_type": "code", "source": [f"{line}\n" for line in lines]}

    cells = [cell("x = 1", "print(x)", "x + 1"), cell("y = x"), cell("print('a')", "None")]
    first, second, third = notebook.executed({"cells": cells})["cells"]
    assert [output["output_type"] for output in first["outputs"]] == ["stream", "execute_result"]
    assert first["outputs"][1]["data"] == {"text/plain": ["2"]}
    assert (second["outputs"], second["execution_count"]) == ([], 2)
    assert [output["text"] for output in third["outputs"]] == [["a\n"]]
    with pytest.raises(ZeroDivisionError):
        notebook.executed({"cells": [cell("1 / 0")]})


def test_the_examples_use_the_public_names_alone():
    sources = [read(path) for path in EXAMPLES.glob("*.py")]
    sources += ["".join(cell["source"]) for cell in json.loads(read(NOTEBOOK))["cells"]]
    assert [source for source in sources if re.search(r"from plitka|import plitka\.|\._", source)] == []
