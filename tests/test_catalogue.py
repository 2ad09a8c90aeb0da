"""`plitka catalogue` on this machine: what it makes, and what it refuses."""

import io
import json
import os
import sys
import zipfile

import pypdfium2
import pytest
from catalogues import COMMON, MIXES, index_of, table_of, write_table
from command_line import REQUEST
from PIL import Image
from small import SMALL
from typer.testing import CliRunner

from plitka.batch.plan import plan_catalogue, request_hash
from plitka.batch.table import Row, read_table
from plitka.cli.commands import app
from plitka.engines import load_engine
from plitka.generation import draw_final, generate
from plitka.output.provenance_reader import read_provenance
from plitka.request.tile_request import parse_request


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A catalogue of a table with bad rows, and what the command said."""
    folder = tmp_path_factory.mktemp("catalogue")
    rows = [{"name": "terrace", "colors": MIXES[0], "seed": "3"}, {"colors": "gren"}, {"colors": MIXES[1]}]
    rows += [{"colors": MIXES[1]}, {"colors": MIXES[3], "seed": "-1"}]
    rows += [{"name": "Terrace", "colors": MIXES[3]}]
    table = write_table(folder / "a.csv", [{"name": "", "colors": "", "seed": ""} | row for row in rows])
    command = ["catalogue", str(table), *COMMON, "-o", str(folder / "out"), "--workers", "1"]
    return folder / "out", CliRunner().invoke(app, [*command, "--title", "Für <b>Анну</b>\udcff"])


def test_a_bad_row_is_named_by_its_line_and_costs_only_itself(made):
    out, done = made
    assert done.exit_code == 2, done.output
    assert [int(row["line"]) for row in index_of(out)] == [2, 4]
    for words in ("line 3: colors[0].name", "line 5: the tile of line 4", "line 6: seed", "line 7: name"):
        assert words in done.stderr
    with (out / "problems.csv").open(encoding="utf-8-sig") as file:
        assert [line.split(",")[0] for line in file] == ["line", "3", "6", "7"]


def test_the_index_says_in_both_forms_what_the_pictures_say(made):
    import pyarrow.parquet

    out, _ = made
    table = pyarrow.parquet.read_table(out / "index.parquet").to_pylist()
    for row, other in zip(index_of(out), table, strict=True):
        assert {key: str(value) for key, value in other.items() if key not in ("colors", "cost")} == {
            key: value for key, value in row.items() if key not in ("colors", "cost")
        }
        assert json.loads(row["colors"]) == other["colors"]
        record = read_provenance(out / row["file"])
        assert record.request == row["request"]
        assert request_hash(parse_request(record.request)) == row["hash"]
        assert json.loads(record.measured)["fidelity"]["worst_error_pp"] == float(row["worst_error_pp"])
        assert float(row["seconds"]) > 0
    assert (out / table[0]["file"]).name == "terrace.png"
    assert table[0]["recipe"] == "60% BLACK, 40% WHITE"


def test_sheet_pdf_and_page_show_every_tile(made):
    out, _ = made
    with Image.open(out / "sheets/contact-001.jpg") as sheet:
        assert sheet.width > sheet.height > 256
    with pypdfium2.PdfDocument(out / "catalogue.pdf") as document:
        page = document[0]
        text = page.get_textpage().get_text_bounded()
        assert len(document) == 1
        for words in ("terrace", "60 % black", "70 % blue", "Für <b>Анну</b>"):
            assert words in text
    html = (out / "catalogue.html").read_text()
    assert "Für \\u003cb>Анну" in html
    assert "http" not in html.replace("http-equiv", "")


def test_the_same_command_again_draws_nothing_and_a_changed_row_that_row_alone(invoke, tmp_path):
    mixes = list(MIXES[:2])
    command = (
        "catalogue",
        table_of(tmp_path / "a.csv", mixes),
        *COMMON,
        "--workers",
        1,
        "-o",
        "out",
        "--json",
    )
    assert json.loads(invoke(*command).stdout)["drawn"] == 2
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/pictures").iterdir()}
    assert json.loads(invoke(*command).stdout)["drawn"] == 0
    table_of(tmp_path / "a.csv", [mixes[0], MIXES[2]])
    # As a power cut leaves it: the beginning, which has the record, is there and the end is not.
    damaged = next(path for path in before if path.name.startswith("black"))
    os.truncate(damaged, damaged.stat().st_size - 100)
    assert json.loads(invoke(*command).stdout)["drawn"] == 2
    assert len(index_of(tmp_path / "out")) == 2
    with Image.open(damaged) as picture:
        picture.load()
    # A bad sector: beginning and end are there.
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[: -len(whole) // 2] + b"\0" + whole[-len(whole) // 2 + 1 :])
    with (tmp_path / "out/.plitka-catalogue").open("ab") as mark:
        mark.write(b"[" * 9999 + b"\n")
        mark.write(json.dumps({"hash": index_of(tmp_path / "out")[0]["hash"], "cost": "free"}).encode())
    assert json.loads(invoke(*command).stdout)["drawn"] == 1
    assert damaged.read_bytes() == whole


def test_a_picture_is_that_of_generate_to_the_byte():
    request = parse_request(REQUEST)
    engine = load_engine("render")
    drawn = {result.name: result.data for result in generate(request, engine)}
    assert draw_final(request, engine).data == drawn["final"]


# Refused before any work


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--pairs"),
        (("mixes.csv", "--pairs", "50"), "one of the two"),
        (("mixes.csv", "--names", "red"), "--names"),
        (("--pairs", "50", "--names", "rde,blue"), "red"),
        (("--pairs", "50", "--names", "red"), "two colours"),
        (("--pairs", "0,50"), "above 0"),
        (("--pairs", "half"), "percents"),
        (("mixes.csv", "-p", '{"colors": "red", "width": 7}'), "colors"),
        (("mixes.csv", "-p", '{"width": 7}'), "width"),
        (("mixes.csv", "--runner", "cog"), "--url"),
        (("mixes.csv", "--url", "http://x"), "--url"),
        (("mixes.csv", "--runner", "cog", "--url", "ftp://x"), "--url"),
        (("mixes.csv", "--runner", "cog", "--url", "http://example.org"), "https only"),
        (("mixes.csv", "--runner", "replicate", "--model", "a/b"), "REPLICATE_API_TOKEN"),
        (("heading.csv",), "gren"),
        (("mixes.xlsx",), ".jsonl"),
        (("empty.csv",), "no rows"),
    ],
)
def test_what_cannot_be_a_catalogue_is_refused_and_nothing_written(
    invoke, tmp_path, monkeypatch, arguments, words
):
    monkeypatch.delenv("REPLICATE_API_TOKEN", raising=False)
    monkeypatch.setenv("PLITKA_RUNNER_TOKEN", "secret")
    table_of(tmp_path / "mixes.csv")
    (tmp_path / "heading.csv").write_text("red,gren\n1,2\n")
    (tmp_path / "empty.csv").write_text("colors\n\n")
    (tmp_path / "mixes.xlsx").write_bytes(b"PK")
    before = sorted(tmp_path.iterdir())
    result = invoke("catalogue", *arguments)
    assert result.exit_code in (1, 2)
    assert words in result.stderr
    assert "secret" not in result.output
    assert sorted(tmp_path.iterdir()) == before


def test_without_what_writes_parquet_the_command_to_install_it_is_named(invoke, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    result = invoke("catalogue", table_of(tmp_path / "mixes.csv"))
    assert result.exit_code == 1
    assert "pip install --constraint constraints.txt --editable '.[catalogue]'" in " ".join(
        result.stderr.split()
    )
    assert not (tmp_path / "catalogue").exists()


# Forms


@pytest.mark.long
def test_a_zip_has_everything_and_grows_in_a_folder_that_is_gone_then(invoke, tmp_path):
    rule = ("--pairs", "25,50", "--names", "red,blue", "--language", "ru")
    result = invoke("catalogue", *rule, *COMMON, "-o", "a.zip", "--workers", 1)
    assert result.exit_code == 0, result.output
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]
    with zipfile.ZipFile(tmp_path / "a.zip") as file:
        assert file.testzip() is None
        names = set(file.namelist())
        pictures = [name for name in names if name.startswith("pictures/")]
        assert len(pictures) == 2
        assert {"index.csv", "index.parquet", "catalogue.pdf", "catalogue.html"} < names
        assert "красный" in file.read("catalogue.html").decode()
        with Image.open(io.BytesIO(file.read(pictures[0]))) as picture:
            assert picture.size == (SMALL["width"], SMALL["height"])
    assert invoke("catalogue", *rule, *COMMON, "-o", "a.zip").exit_code == 1


# Devices of Windows, and a name of more bytes than file systems take.
ODD = ("COM¹", "nul .txt", "\U00020000" * 70)


@pytest.mark.parametrize("name", ["../a", "a/b", "con", "a.", " .", ".a", "x" * 81, "a\x00b", "a:b", *ODD])
def test_a_name_that_is_no_file_name_everywhere_is_refused(name):
    plan = plan_catalogue([Row(1, name, {"colors": "red"})], {})
    assert (len(plan.items), len(plan.bad)) == (0, 1)


def test_columns_are_colours_or_keys_of_a_request(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        "Name;Angle;красный;#FFFFFF;seamless;tile_mm;overrides.layout;overrides.color_guidance\n"
        "one;45;12,5;87,5;;300x200;grid;\n\n"
        '"two\nlines";;1;;true;;;0.5\n'
        "three;;1;1;;;;;;\n",
        encoding="utf-8-sig",
    )
    plan = plan_catalogue(read_table(path), {"seed": 9, "overrides": {"guidance_scale": 3}})
    (one,) = plan.items
    assert [round(color.share, 4) for color in one.request.mix] == [0.125, 0.875]
    assert (one.request.angle, one.request.layout, one.request.seed) == (45, "grid", 9)
    assert one.request.overrides.guidance_scale == 3
    assert [(row.line, "name" in row.problems[0] or "cells" in row.problems[0]) for row in plan.bad] == [
        (4, True),
        (6, True),
    ]
