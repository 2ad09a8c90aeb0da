"""`plitka catalogue` on this machine: what it makes, what it refuses, and that no tile is lost or doubled."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from typing import get_args

import psutil
import pypdfium2
import pytest
from catalogues import COMMON, MIXES, index_of, table_of, write_table
from cog_server import small_json
from command_line import COMMAND, REQUEST
from disks import small_disk
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from small import SMALL
from typer.testing import CliRunner

from plitka.batch.folder import CatalogueFolder
from plitka.batch.local_runner import LocalRunner
from plitka.batch.plan import plan_catalogue, request_hash
from plitka.batch.runner import Finished, Note, Task
from plitka.batch.table import Row, read_table
from plitka.batch.worker import draw_task
from plitka.choices import OutputFormat
from plitka.cli.commands import app
from plitka.engines import load_engine
from plitka.errors import FolderError
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


# Ended early


def ended(folder, number, workers, count):
    """The command, ended by a signal once there are so many pictures; what it said.

    Where it was done before the signal came, it is tried again from where it began.
    """
    before = folder / f"before-{workers}"
    if (folder / "out").exists():
        shutil.copytree(folder / "out", before)
    while not (found := end_once(folder, number, workers, count))[0]:
        shutil.rmtree(folder / "out")
        if before.exists():
            shutil.copytree(before, folder / "out")
    return found


def end_once(folder, number, workers, count):
    """The exit status, 0 if it was done before, and what it said."""
    line = [*COMMAND, "catalogue", "mixes.csv", *COMMON, "-o", "out", "--workers", workers]
    pictures = folder / "out/pictures"
    with subprocess.Popen(line, cwd=folder, stderr=-1, text=True, start_new_session=True) as process:
        while not pictures.is_dir() or len(list(pictures.glob("*.png"))) < count:
            if process.poll() is not None:
                break
            time.sleep(0.01)
        try:
            children = psutil.Process(process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            children = []
        # As a terminal does it: to every process of the group.
        with suppress(ProcessLookupError):
            (os.kill if number == signal.SIGKILL else os.killpg)(process.pid, number)
        _, err = process.communicate(timeout=300)
    assert "Traceback" not in err
    assert psutil.wait_procs(children, timeout=300)[1] == []
    assert children or process.returncode in (0, -number, 128 + number), err
    # Without a worker left, everything was drawn: only the table and the page were written yet.
    return process.returncode if children else 0, err


@pytest.mark.long
def test_a_run_that_is_ended_goes_on_without_losing_or_doubling_one(invoke, tmp_path):
    mixes = [f"{share}% black, {100 - share}% white" for share in range(10, 20)]
    table_of(tmp_path / "mixes.csv", mixes)
    status, err = ended(tmp_path, signal.SIGINT, "2", count=1)
    assert status == 130
    assert "the same command goes on" in err
    assert list((tmp_path / "out/pictures").glob(".*")) == []
    status, err = ended(tmp_path, signal.SIGKILL, "1", count=5)
    assert status == -signal.SIGKILL
    result = invoke("catalogue", "mixes.csv", *COMMON, "-o", "out", "--workers", 1)
    assert result.exit_code == 0, result.output
    assert "of 10 tiles are there already" in result.stderr
    files = list((tmp_path / "out/pictures").iterdir())
    found = {request_hash(parse_request(read_provenance(path).request)) for path in files}
    assert len(files) == len(found) == len(index_of(tmp_path / "out")) == len(mixes)
    assert {row["hash"] for row in index_of(tmp_path / "out")} == found


@pytest.mark.long
def test_a_process_that_is_killed_is_started_again():
    tasks = [Task(str(share), small_json(seed=share)) for share in range(3)]
    said, before = [], set(psutil.Process().children())
    for event in LocalRunner("render", workers=1).run(tasks):
        if not said:
            new = set(psutil.Process().children()) - before
            (child,) = filter(is_worker, new)
            child.kill()
        said.append(event)
    assert any(isinstance(event, Note) and "by signal 9" in event.text for event in said)
    drawn = [event.hash for event in said if isinstance(event, Finished) and event.data]
    assert sorted(drawn) == ["0", "1", "2"]


def is_worker(process):
    return "spawn_main" in " ".join(process.cmdline())


@pytest.mark.long
def test_a_full_or_read_only_disk_ends_it_with_words_and_room_lets_it_go_on(invoke, tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        table = table_of(tmp_path / "mixes.csv", MIXES[:2])
        command = ("catalogue", table, *COMMON, "--workers", 1, "-o", disk.path / "out")
        (disk.path / "out").mkdir()
        disk.make_read_only()
        result = invoke(*command)
        assert result.exit_code == 1
        assert "Read-only file system" in result.stderr
        disk.make_read_only(False)
        disk.fill(free=200_000)
        result = invoke(*command)
        assert result.exit_code == 1
        assert "No space left on device" in result.stderr.splitlines()[-1]
        disk.empty()
        result = invoke(*command)
        assert result.exit_code == 0, result.output
        assert "1 of 2 tiles are there already" in result.stderr
        assert len(index_of(disk.path / "out")) == 2


# Refused before any work


def test_a_folder_that_holds_something_else_is_refused(invoke, tmp_path):
    table = table_of(tmp_path / "mixes.csv")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/letter.txt").write_text("Dear")
    (tmp_path / "file").write_text("x")
    (tmp_path / "forged").mkdir()
    (tmp_path / "forged/.plitka-catalogue").write_text("another program's")
    for name, words in {"full": "letter.txt", "file": "no folder", "forged": "not the file"}.items():
        result = invoke("catalogue", table, "-o", name)
        assert result.exit_code == 1
        assert words in " ".join(result.stderr.split())
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["letter.txt"]


def test_two_runs_on_one_folder_are_refused(invoke, tmp_path):
    with CatalogueFolder(tmp_path / "out"):
        result = invoke("catalogue", table_of(tmp_path / "mixes.csv"), "-o", "out")
    assert result.exit_code == 1
    assert "another run" in result.stderr


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


@pytest.mark.parametrize("output_format", get_args(OutputFormat))
def test_a_picture_of_any_format_is_known_again_if_it_is_whole(tmp_path, output_format):
    common = SMALL | {"overrides": {"output_format": output_format}}
    one, other = plan_catalogue([Row(1, "", {"colors": "red"}), Row(2, "", {"colors": "blue"})], common).items
    drawn = draw_task(Task(one.hash, one.request.to_json()), load_engine("render"))
    with CatalogueFolder(tmp_path / "out") as folder:
        folder.write(one, drawn.data, {"seconds": drawn.seconds})
        assert folder.record_of(one, "render").engine == "render"
        assert folder.record_of(one, "mini") is None
        assert folder.is_done(one, "render")
        folder.picture(one).rename(folder.picture(other))
        assert folder.record_of(other, None) is None
        folder.picture(one).write_bytes(drawn.data[:-1])
        assert folder.record_of(one, None) is None
    with CatalogueFolder(tmp_path / "out") as folder:
        assert folder.noted(one)["seconds"] == drawn.seconds
        folder.picture(one).unlink()
        os.mkfifo(folder.picture(one))
        with pytest.raises(FolderError, match="in the place of a picture"):
            folder.write(one, drawn.data, {})


def with_other_pixels(data):
    """The same picture as another program saves it after a change: whole, with its record, one corner red."""
    with Image.open(io.BytesIO(data)) as picture:
        known = {key: picture.info[key] for key in ("exif", "xmp", "icc_profile") if key in picture.info}
        if picture.format == "PNG":
            known["pnginfo"] = PngInfo()
            for key, value in picture.text.items():
                known["pnginfo"].add_itxt(key, value)
        other = picture.convert("RGB")
        other.paste((255, 0, 0), (0, 0, 16, 16))
        changed = io.BytesIO()
        other.save(changed, picture.format, **known)
    return changed.getvalue()


@pytest.mark.parametrize("output_format", get_args(OutputFormat))
def test_a_picture_that_another_program_has_changed_is_drawn_again(tmp_path, output_format):
    """And one of a catalogue that was made before its hash was noted is done as long as it is whole."""
    common = SMALL | {"overrides": {"output_format": output_format}}
    (one,) = plan_catalogue([Row(1, "", {"colors": "red"})], common).items
    drawn = draw_task(Task(one.hash, one.request.to_json()), load_engine("render"))
    mark = tmp_path / "out/.plitka-catalogue"
    with CatalogueFolder(tmp_path / "out") as folder:
        folder.write(one, drawn.data, {"seconds": drawn.seconds})
        folder.picture(one).write_bytes(with_other_pixels(drawn.data))
        assert folder.record_of(one, "render") is not None
        assert not folder.is_done(one, "render")
    with CatalogueFolder(tmp_path / "out") as folder:
        assert not folder.is_done(one, "render")
        folder.picture(one).write_bytes(drawn.data)
        assert folder.is_done(one, "render")
        folder.picture(one).write_bytes(with_other_pixels(drawn.data))
    mark.write_bytes(b"".join(line for line in mark.read_bytes().splitlines(True) if b"sha256" not in line))
    with CatalogueFolder(tmp_path / "out") as folder:
        assert folder.noted(one)["seconds"] == drawn.seconds
        assert folder.is_done(one, "render")


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
