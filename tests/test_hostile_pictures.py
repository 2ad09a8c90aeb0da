"""`plitka generate --from` and files that were made to break it: one sentence, little work, no escapes."""

import dataclasses
import io
import itertools
import json
import subprocess
import sys
from pathlib import Path

import hostile_pictures as hostile
import pytest
from command_line import written
from hypothesis import example, given
from hypothesis import strategies as st
from thorough import THOROUGH

from plitka.errors import ContainerError, MetadataError, printable
from plitka.output.picture_texts import MAX_PIECES, read_description, read_png_texts
from plitka.output.provenance_reader import read_provenance

# Beyond what the imports take: the memory that reading any file may take.
MEMORY = 100 * 2**20
READ_ALL = """
import resource, sys, warnings
from pathlib import Path
sys.path.insert(0, {tests!r})
from plitka.errors import MetadataError
from plitka.output.provenance_reader import read_provenance
warnings.simplefilter("error")
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + {memory}, -1))
for line in sys.stdin:
    try:
        read_provenance(Path(line.rstrip("\\n")))
        print("read", flush=True)
    except MetadataError as error:
        print("refused", flush=True)
"""


def is_clean(text):
    return all(line == printable(line) for line in text.split("\n"))


@pytest.mark.long
def test_hostile_picture_is_refused_in_one_sentence_that_names_it(invoke, tmp_path):
    tried = 0
    # All of them go through the reader itself in the tests below.
    some = itertools.islice(hostile.files(tmp_path), None, None, 1 if THOROUGH else 9)
    for path in itertools.chain(some, hostile.paths(tmp_path)):
        result = invoke("generate", "--from", path)
        said = result.stderr.strip()
        assert result.exit_code in (1, 2), (path, result.output, result.exception)
        assert printable(path.name) in said, said[:500]
        assert "\n" not in said, said[:500]
        assert is_clean(said), said[:500]
        assert len(said) < 1000 + len(str(path)), said[:500]
        assert result.stdout == ""
        assert not (tmp_path / "out").exists()
        tried += 1
    assert tried > 50


@pytest.mark.long
def test_no_hostile_picture_takes_more_than_100_mib(tmp_path):
    code = READ_ALL.format(tests=str(Path(__file__).parent), memory=MEMORY)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], text=True, **pipes) as reader:
        for path in hostile.files(tmp_path):
            reader.stdin.write(f"{path}\n")
            reader.stdin.flush()
            assert reader.stdout.readline() in ("read\n", "refused\n"), (path, reader.stderr.read())
        reader.stdin.close()
        assert reader.stderr.read() == ""


class Counted(io.BytesIO):
    """A file that counts what is done with it."""

    calls = taken = 0

    def read(self, size=-1):
        self.calls += 1
        data = super().read(size)
        self.taken += len(data)
        return data

    def seek(self, *where):
        self.calls += 1
        return super().seek(*where)


@pytest.mark.long
def test_work_at_a_hostile_picture_has_a_bound(tmp_path):
    for path in hostile.files(tmp_path):
        read = read_png_texts if path.suffix == ".png" else read_description
        file = Counted(path.read_bytes())
        try:
            read(file)
        except ContainerError as error:
            assert is_clean(str(error))
        assert file.calls <= 4 * MAX_PIECES + 10, path
        assert file.taken <= path.stat().st_size, path


# Damage of any kind


@st.composite
def damage(draw):
    """What befalls a file of `length` bytes: cut, bytes changed, taken out, put in, or moved."""
    kind = draw(st.sampled_from(("cut", "change", "remove", "insert", "double")))
    at, until = (draw(st.floats(0, 1)) for _ in range(2))
    return kind, at, until, draw(st.binary(min_size=1, max_size=12))


def damaged(data, kind, at, until, new):
    start, end = sorted((round(at * len(data)), round(until * len(data))))
    pieces = {
        "cut": data[:start],
        "change": data[:start] + new + data[start + len(new) :],
        "remove": data[:start] + data[end:],
        "insert": data[:start] + new + data[start:],
        "double": data[:end] + data[start:],
    }
    return pieces[kind]


@given(st.sampled_from(hostile.FORMATS), st.lists(damage(), min_size=1, max_size=3))
def test_damaged_picture_is_read_or_refused_by_name(tmp_path_factory, output_format, hits):
    data = hostile.whole(output_format)
    for hit in hits:
        data = damaged(data, *hit)
    path = tmp_path_factory.mktemp("damaged") / f"picture.{output_format}"
    path.write_bytes(data)
    try:
        said = read_provenance(path)
    except MetadataError as error:
        assert str(error).startswith(f"{path}: ")
        assert is_clean(str(error))
        return
    # The texts of a PNG have checksums: they are read as they were written, or not at all. The last may lack.
    if output_format == "png":
        assert dataclasses.replace(said, joint_color=hostile.said().joint_color) == hostile.said()


tags = st.sampled_from([0x010E, 0x0131, 0x8769, 0, 65535]) | st.integers(0, 65535)
entries = st.tuples(tags, st.integers(0, 13), st.binary(max_size=40)) | st.tuples(
    tags, st.integers(0, 65535), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1) | st.integers(0, 300)
)


@given(st.lists(entries, max_size=8), st.sampled_from("<>"), st.binary(max_size=8))
@example([(0x010E, 2, b"\xff")], "<", b"")
def test_any_exif_data_gives_a_text(directory, order, tail):
    tiff = hostile.exif(*directory, order=order) + tail
    for file in (hostile.jpeg(hostile.segment(0xE1, b"Exif\0\0" + tiff)), hostile.webp((b"EXIF", tiff))):
        assert isinstance(read_description(io.BytesIO(file)), str)


@pytest.mark.parametrize("order", ["<", ">"])
def test_description_is_read_in_both_byte_orders(order):
    tiff = hostile.exif((0x0100, 4, b"1234"), (0x010E, 2, b"a description\0"), order=order)
    assert read_description(io.BytesIO(hostile.webp((b"EXIF", tiff)))) == "a description"


def test_fill_bytes_before_a_marker_are_no_damage():
    tiff = hostile.exif((0x010E, 2, b"a description\0"))
    data = hostile.jpeg(b"\xff\xff", hostile.segment(0xE1, b"Exif\0\0" + tiff))
    assert read_description(io.BytesIO(data)) == "a description"


# Control characters


@given(st.text())
def test_nothing_unprintable_is_left_of_any_text(text):
    assert printable(text).isprintable()
    if text.isprintable():
        assert printable(text) == text


@pytest.mark.long
def test_escapes_in_a_good_picture_do_not_reach_the_terminal(invoke, tmp_path):
    other = json.dumps({"plitka": hostile.ESCAPES, "numpy": "9" * 9_999, hostile.ESCAPES: "1"})
    source = tmp_path / f"{hostile.ESCAPES}[red].png"
    source.write_bytes(hostile.with_texts("png", {"versions": other, "prompt": hostile.ESCAPES}))
    result = invoke("generate", "--from", source, "-o", hostile.ESCAPES)
    assert result.exit_code == 0, result.output
    assert len(written(tmp_path / hostile.ESCAPES)) == 3
    assert "made with plitka" in result.stderr
    assert is_clean(result.stderr)
    assert is_clean(result.stdout)
    assert max(map(len, result.stderr.split("\n"))) < 1000


@pytest.mark.parametrize(
    "arguments",
    [
        ("generate", "--weights", hostile.ESCAPES),
        ("generate", "-p", f"@{hostile.ESCAPES}"),
        ("generate", "-p", json.dumps({"colors": hostile.ESCAPES, hostile.ESCAPES: 1})),
        ("generate", "-o", f"file/{hostile.ESCAPES}"),
        ("generate", "--engine", "sdxl"),
        ("models", "list"),
        ("models", "verify"),
        ("plan", "-o", f"file/{hostile.ESCAPES}"),
    ],
)
def test_escapes_in_paths_and_environment_do_not_reach_the_terminal(invoke, tmp_path, monkeypatch, arguments):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PLITKA_MODEL_DIR", str(tmp_path / hostile.ESCAPES))
    result = invoke(*arguments)
    assert is_clean(result.stderr)
    assert is_clean(result.stdout)
    assert "Traceback" not in result.output
    assert not isinstance(result.exception, Exception) or isinstance(result.exception, SystemExit)


def test_escapes_in_the_engine_of_the_environment_do_not_reach_the_terminal(invoke, monkeypatch):
    monkeypatch.setenv("PLITKA_ENGINE", hostile.ESCAPES)
    result = invoke("generate", "--colors", "black")
    assert result.exit_code == 1
    assert is_clean(result.stderr)
