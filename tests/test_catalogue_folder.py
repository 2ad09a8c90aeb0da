"""The folder of a catalogue: which one is taken, and which of its pictures are known again."""

import io
import os
from typing import get_args

import pytest
from catalogues import table_of
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from small import SMALL

from plitka.batch.folder import CatalogueFolder
from plitka.batch.plan import plan_catalogue
from plitka.batch.runner import Task
from plitka.batch.table import Row
from plitka.batch.worker import draw_task
from plitka.choices import OutputFormat
from plitka.engines import load_engine
from plitka.errors import FolderError


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
