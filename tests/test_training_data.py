"""What a training is given: the zip, its captions, the inputs. No model is loaded."""

import io
import json
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from photo_files import huge_png
from PIL import Image
from thorough import examples
from training_zip import photograph, zip_of

from plitka.errors import RequestError
from training import photo_archive
from training.photo_archive import read_archive

RED = photograph(("red", 100))
FINE = {"a.png": RED, "a.txt": "100% red"}


def read(content, folder):
    """The pictures of a zip with this content."""
    folder.mkdir()
    archive = folder.with_suffix(".zip")
    archive.write_bytes(content)
    return read_archive(archive, folder)


def problems(content, folder):
    with pytest.raises(RequestError) as refused:
        read(content, folder)
    return [f"{problem.value} {problem.reason}" for problem in refused.value.problems]


def entry(name, flags=0, mode=None):
    """A zip's entry under exactly these bytes, as another program writes it."""
    info = zipfile.ZipInfo(name)
    info.flag_bits |= flags
    if mode is not None:
        info.create_system, info.external_attr = 3, mode << 16
    return info


@pytest.mark.parametrize(
    "names",
    [
        ("a.png", "a.txt"),
        ("Фото/Плитка №1.PNG", "Фото/плитка №1.txt"),
        ("set/1.jpg.png", "set/1.jpg.txt"),
        # Decomposed, as macOS stores it, beside composed.
        ("\u0438\u0306.png", "\u0439.txt"),
        ("set\\1.png", "set/1.txt"),
    ],
)
def test_a_photograph_and_its_caption_find_each_other_under_names_of_every_system(tmp_path, names):
    (picture,) = read(zip_of({names[0]: RED, names[1]: "\ufeff100% red\r\n"}), tmp_path / "x")
    assert picture.caption == "100% red" and picture.path.parent == tmp_path / "x"
    assert picture.path.name == "00000.png"


@pytest.mark.parametrize("encoding", ["utf-8", "cp866"])
def test_cyrillic_names_are_shown_as_they_were_meant_whoever_packed_them(tmp_path, encoding):
    """macOS and Windows write them without saying in which encoding."""
    stand_in, name = "0000000", "плитка7"
    raw = name.encode(encoding)
    content = zip_of({f"{'0' * len(raw)}.png": RED, f"{'0' * len(raw)}.txt": "100% red"})
    (picture,) = read(content.replace(("0" * len(raw)).encode(), raw), tmp_path / "x")
    assert picture.name == f"{name}.png" and stand_in not in picture.name


def test_captions_may_stand_in_one_metadata_file(tmp_path):
    lines = [{"file_name": "b.png", "text": "100% red"}, {"file_name": "a.png", "text": "100%  red, tile"}]
    text = "\n".join(json.dumps(line) for line in lines)
    pictures = read(zip_of({"d/a.png": RED, "d/b.png": RED, "d/metadata.jsonl": text}), tmp_path / "x")
    assert [(one.name, one.caption) for one in pictures] == [
        ("d/a.png", "100% red, tile"),
        ("d/b.png", "100% red"),
    ]


def test_what_systems_leave_in_a_folder_is_passed_over(tmp_path):
    litter = dict.fromkeys(("__MACOSX/._a.png", "._a.txt", ".DS_Store", "s/Thumbs.db", "desktop.ini"), b"x")
    assert len(read(zip_of({**litter, "s/": b"", **FINE}), tmp_path / "x")) == 1


def test_a_photograph_lies_as_its_camera_says(tmp_path):
    turned = Image.new("RGB", (200, 130), "white")
    turned.paste("red", (0, 0, 200, 40))
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    turned.save(file, "JPEG", exif=exif)
    (picture,) = read(zip_of({"a.jpg": file.getvalue(), "a.txt": "100% red"}), tmp_path / "x")
    pixels = picture.pixels(64)
    # What is above in the file is on the right.
    assert pixels[32, 60, 1] < 60 and pixels[32, 4, 1] > 200 and pixels[4, 4, 1] > 200


def test_every_problem_of_an_archive_is_named_at_once(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in {
            **FINE,
            "silent.png": RED,
            "lonely.txt": "100% red",
            "empty.png": RED,
            "empty.txt": " \n",
            "text.jpg": b"no picture",
            "text.txt": "100% red",
            "cut.png": RED[:500],
            "cut.txt": "100% red",
            "phone.heic": b"\0\0\0\x18ftypheic",
            "small.png": _png(64),
            "small.txt": "100% red",
            "code.txt": "красный".encode("cp1251"),
            "long.txt": b"x" * 20_000,
            "../up.png": RED,
            "/root.png": RED,
            "C:/disk.png": RED,
        }.items():
            archive.writestr(name, content)
        archive.writestr(entry("link.png", mode=0o120777), "/etc/passwd")
    found = problems(file.getvalue(), tmp_path / "x")
    said = "\n".join(found)
    for name in ("silent", "lonely", "empty", "text", "cut", "phone", "small", "code", "long", "up", "root"):
        assert f"{name}." in said, name
    assert '"link.png" is a link' in said and said.count("leads outside") == 3 and '"a.' not in said
    assert not (tmp_path / "up.png").exists()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a.png": RED[:500], "a.txt": "100% red"}, "a.png"),
        ({"a.gif": b"GIF89a", "a.txt": "100% red"}, "a.gif"),
        ({"a.png": RED, "a.txt": "красный".encode("cp1251")}, "a.txt"),
        ({"a.png": RED, "metadata.jsonl": "красный".encode("cp1251")}, "metadata.jsonl"),
        ({"a.gif": b"", "metadata.jsonl": '{"file_name": "a.gif", "text": "100% red"}'}, "a.gif"),
        ({**FINE, "..": b""}, ".."),
        ({**FINE, ".": b""}, "."),
    ],
)
def test_what_belongs_to_a_refused_file_is_not_said_to_lack_it(tmp_path, files, said):
    (problem,) = problems(zip_of(files), tmp_path / "x")
    assert f'"{said}" ' in problem


def test_too_many_photographs_are_not_said_to_lack_captions_that_were_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(photo_archive, "MOST_PHOTOGRAPHS", 1)
    (problem,) = problems(zip_of({"a.png": RED, "b.png": RED, "a.txt": "x", "b.txt": "x"}), tmp_path / "x")
    assert "the archive holds more than 1 photographs" in problem


def test_a_name_cannot_write_into_the_terminal_of_who_reads_the_message(tmp_path):
    (problem,) = problems(zip_of({"a\n\x1b[31m.png": RED}), tmp_path / "x")
    assert problem.isprintable()
    assert len(problems(zip_of({f"{'a' * 5000}.png": RED}), tmp_path / "y")[0]) < 500


def test_any_text_that_json_allows_may_stand_in_a_line_of_metadata(tmp_path):
    text = json.dumps({"file_name": "a.png", "text": "100% red,\u2028\x85wet"}, ensure_ascii=False)
    (picture,) = read(zip_of({"a.png": RED, "metadata.jsonl": f"{text}\r\n"}), tmp_path / "x")
    assert picture.caption == "100% red, wet"


def _png(side):
    file = io.BytesIO()
    Image.new("RGB", (side, side), "red").save(file, "PNG")
    return file.getvalue()


def test_bombs_are_refused_without_being_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(photo_archive, "MOST_UNPACKED", 200_000)
    monkeypatch.setattr(photo_archive, "MOST_BYTES", 150_000)
    bomb = {"a.png": bytes(20_000_000), "b.png": bytes(20_000_000), "a.txt": b"x" * 10_000_000}
    found = problems(zip_of(bomb), tmp_path / "x")
    assert any("unpacks to more than" in problem for problem in found)
    assert sum(path.stat().st_size for path in (tmp_path / "x").iterdir()) < 400_000
    # A picture of few bytes and very many pixels.
    content = zip_of({"a.png": huge_png(60_000, 60_000), "a.txt": "100% red"})
    assert "pixels, the most" in problems(content, tmp_path / "y")[0]


def test_an_encrypted_archive_is_named_as_one(tmp_path):
    content = bytearray(zip_of(FINE))
    for start in (b"PK\x03\x04", b"PK\x01\x02"):
        place = content.find(start)
        while place >= 0:
            content[place + (6 if start[2] == 3 else 8)] |= 1
            place = content.find(start, place + 4)
    assert all("is encrypted" in problem for problem in problems(bytes(content), tmp_path / "x")[:2])


@examples(15)
@given(st.data())
def test_a_damaged_archive_is_read_or_refused_and_nothing_else(tmp_path_factory, data):
    content = bytearray(zip_of({**FINE, "metadata.jsonl": b"{}"} if data.draw(st.booleans()) else FINE))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(1, len(content)))] if data.draw(st.booleans()) else content
    folder = tmp_path_factory.mktemp("damaged")
    try:
        read(bytes(content), folder / "x")
    except RequestError as error:
        assert error.problems
    assert {path.name for path in folder.iterdir()} <= {"x", "x.zip"}


@pytest.mark.parametrize("sent", ["/etc/passwd", "file:///etc/passwd", "http://127.0.0.1/x.zip", "", None])
def test_a_text_in_place_of_a_file_is_never_opened(tmp_path, sent):
    with pytest.raises(RequestError, match="is no file that was sent"):
        read_archive(sent, tmp_path)


def pictures(tmp_path, files):
    return read(zip_of(files), tmp_path / "x")
