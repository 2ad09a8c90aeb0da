"""The command's streams: output in any encoding, what takes no output, and what comes in."""

import json
import os
import re
import shlex
import subprocess
import sys
from contextlib import contextmanager
from functools import cache, partial
from itertools import cycle

import pytest
from command_line import COMMAND, DRAWING, FILES, written
from hypothesis import given
from hypothesis import strategies as st
from small import SMALL

from plitka.cli.terminal import ERROR_HANDLER

REQUEST = json.dumps(
    {"colors": [{"name": "чёрный", "proportion": 1}], "seed": 1, **SMALL}, ensure_ascii=False
)
# Every command but `serve`, of which all that is said is tested with its server, and what may go wrong.
COMMANDS = {
    "help": ("--help",),
    "help of a command": ("generate", "--help"),
    "version": ("--version",),
    "generate": DRAWING,
    "again": ("generate", "--from", "FOLDER/generate/final.png"),
    "plan": ("plan", "-p", REQUEST),
    "demo": ("demo", "--tiles", "1"),
    "models": ("models", "list"),
    "verify": ("models", "verify", "--engine", "mini"),
    "schema": ("schema", "--check"),
    "bad request": ("generate", "--colors", "60% blakc"),
    "bad option": ("generate", "--engine", "cuda"),
    "bad command": ("генерировать",),
}
UTF8 = {"PYTHONIOENCODING": "utf-8"}
ENCODINGS = {
    name: {"PYTHONIOENCODING": name}
    for name in (
        "ascii",
        "latin-1",
        "cp1251",
        "cp1252",
        "cp866",
        "cp437",
        "koi8-r",
        "shift_jis",
        "gb2312",
        "utf-16",
    )
} | {"C locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}}
ALL = [(command, encoding) for command in COMMANDS for encoding in ENCODINGS]
# Every command but one meets an encoding, and every encoding a command.
FEW = ALL[:: len(ENCODINGS) + 1]


def start(command, folder, more):
    arguments = [argument.replace("FOLDER", str(folder)) for argument in COMMANDS[command]]
    if command in ("generate", "again", "plan", "demo"):
        arguments += ["-o", str(folder / command), "--force"]
    inherited = {
        name: os.environ[name] for name in os.environ if not name.startswith(("PYTHON", "PLITKA", "LC_"))
    }
    environment = inherited | {"COLUMNS": "100"} | more
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, env=environment, timeout=300, check=False
    )


def words(text):
    """A text without lines and boxes, times and replaced characters."""
    text = re.sub(r"\d+\.\d\d(?= s|\W*$)", "0.00", text, flags=re.M)
    text = re.sub(r"[^\x00-\x7f]", " ", text.replace("ΔE00", "dE00").replace("██", "##"))
    return re.findall(r"[A-Za-z0-9][\w.%/#:-]*", text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def in_utf8(folder):
    """What every command says where everything can be said."""
    said = cache(lambda command: start(command, folder, UTF8))
    # What it draws is what "again" draws from.
    assert said("generate").returncode == 0
    return said


@pytest.mark.long
@pytest.mark.parametrize(
    ("command", "encoding"),
    [pytest.param(*case, marks=() if case in FEW else pytest.mark.slow) for case in ALL],
)
def test_the_output_is_the_same_in_every_encoding(in_utf8, folder, command, encoding):
    done, known = start(command, folder, ENCODINGS[encoding]), in_utf8(command)
    codec = ENCODINGS[encoding].get("PYTHONIOENCODING", "ascii")
    assert done.returncode == known.returncode
    for ours, reference in ((done.stdout, known.stdout), (done.stderr, known.stderr)):
        text = ours.decode(codec)
        assert "Traceback" not in text
        if command != "bad command":
            # Nothing of our own comes as an escape.
            assert not re.search(r"\\[xu][0-9a-f]", text)
            assert words(text) == words(reference.decode())


def test_text_in_utf8_is_printed_unchanged(in_utf8):
    assert all(sign in in_utf8("generate").stdout.decode() for sign in ("ΔE00", "██ #", "┏━"))


@given(st.text(), st.sampled_from(["ascii", "cp1251", "cp866", "latin-1", "shift_jis", "utf-8"]))
def test_any_text_can_be_printed_in_any_encoding(text, encoding):
    encoded = text.encode(encoding, ERROR_HANDLER)
    assert bool(encoded.decode(encoding)) == bool(text)
    if all(ord(char) < 128 for char in text):
        assert encoded.decode(encoding) == text


# Streams


def shell(script, folder, **more):
    """What a shell script gives, in which "$@" is the command."""
    line = ["bash", "-c", script, "bash", *COMMAND]
    return subprocess.run(line, capture_output=True, text=True, cwd=folder, timeout=300, check=False, **more)


@contextmanager
def stream_of_no_use(kind):
    """A stream that cannot be written to."""
    if kind == "no reader":
        reader, stream = os.pipe()
        os.close(reader)
    else:
        path, mode = {"full": ("/dev/full", os.O_WRONLY), "for reading": ("/dev/null", os.O_RDONLY)}[kind]
        stream = os.open(path, mode)
    try:
        yield stream
    finally:
        os.close(stream)


def with_stream(arguments, folder, name, kind):
    """What the command gives whose standard output or standard error is closed or of no use."""
    line, options = [*COMMAND, *arguments], {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    run = partial(subprocess.run, text=True, cwd=folder, timeout=300, check=False)
    if kind == "closed":
        number = {"stdout": 1, "stderr": 2}[name]
        return run(["sh", "-c", f'exec "$@" {number}>&-', "sh", *line], **options)
    with stream_of_no_use(kind) as stream:
        return run(line, **options | {name: stream})


# What ends at once, in every way; what prints in another way, in one each.
@pytest.mark.parametrize(
    ("arguments", "kind", "reason"),
    [
        (("--version",), "full", "No space left on device"),
        (("--version",), "closed", "is closed"),
        (("--version",), "no reader", "Broken pipe"),
        (("--version",), "for reading", "Bad file descriptor"),
        (("--help",), "full", "No space left on device"),
        (DRAWING, "closed", "is closed"),
        (DRAWING, "no reader", "Broken pipe"),
    ],
)
def test_output_that_nobody_takes_is_one_sentence(tmp_path, arguments, kind, reason):
    done = with_stream(arguments, tmp_path, "stdout", kind)
    assert done.returncode == 1, done.stderr
    said = [line for line in done.stderr.splitlines() if not line.startswith("seed ")]
    assert len(said) == 1, done.stderr
    assert said[0].startswith("standard output")
    assert reason in said[0]


WIDTHS = ("0", "00", "", "1", "-5", "wide")
SAYING = ("bad request", "bad option", "help", "version")


@pytest.mark.parametrize(("command", "size"), [*zip(cycle(SAYING), WIDTHS, strict=False)])
def test_a_terminal_of_any_width_gets_output(tmp_path, command, size):
    done = start(command, tmp_path, {"COLUMNS": size, "LINES": size})
    assert (done.stdout + done.stderr).strip()
    assert b"Traceback" not in done.stderr


@pytest.mark.long
def test_a_reader_that_takes_the_first_line_alone_gets_it(tmp_path):
    done = shell('"$@" ' + " ".join(f"'{word}'" for word in DRAWING) + " | head -1", tmp_path)
    assert done.stdout.startswith("preview")
    assert "Traceback" not in done.stderr


@pytest.mark.long
@pytest.mark.parametrize("kind", ["full", "closed", "no reader"])
def test_messages_that_nobody_takes_do_not_stop_the_drawing(tmp_path, kind):
    assert with_stream(DRAWING, tmp_path, "stderr", kind).returncode == 0
    assert written(tmp_path / "out") == FILES


@pytest.mark.long
def test_with_every_stream_closed_no_output_lands_in_the_pictures(tmp_path):
    """A file that is opened takes the lowest free number, also that of standard output."""
    done = shell('"$@" plan --size 512 --colors black <&- 2>&- >/dev/null', tmp_path)
    assert done.returncode == 0
    files = list((tmp_path / "out").iterdir())
    assert len(files) == 7
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in files)


# Standard input


@pytest.mark.long
@pytest.mark.parametrize(
    ("source", "encoding"),
    [
        ("-", "utf-8"),
        ("-", "cp1251"),
        ("-", "cp866"),
        ("@request.json", "utf-8-sig"),
        ("@request.json", "koi8-r"),
    ],
)
def test_a_request_is_read_in_utf8_or_in_the_given_encoding(tmp_path, encoding, source):
    data = REQUEST.encode(encoding)
    (tmp_path / "request.json").write_bytes(data)
    environment = {} if encoding.startswith("utf") else {"PYTHONIOENCODING": encoding}
    line = [*COMMAND, "plan", "-p", source]
    done = subprocess.run(
        line,
        input=data,
        capture_output=True,
        env=os.environ | environment,
        cwd=tmp_path,
        timeout=300,
        check=False,
    )
    if environment and source != "-":
        assert done.returncode == 2
        assert b"is not in UTF-8" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert b"BLACK" in done.stdout


@pytest.mark.parametrize(
    "data", [b"\xff{}", b"{}\xc3", b"\xed\xa0\x80", REQUEST.encode("cp1251"), b"\x80" * 2**21]
)
def test_what_is_not_in_utf8_is_one_clear_error(invoke, tmp_path, data):
    (tmp_path / "request.json").write_bytes(data)
    for source, name in (("-", "standard input"), ("@request.json", "request.json")):
        result = invoke("plan", "-p", source, stdin=data)
        assert result.exit_code == 2
        message = " ".join(re.sub("[│╭╮╰╯─]", " ", result.stderr).split())
        assert f"{name} is not in UTF-8" in message or "longer than 65536 bytes" in message
        assert "Traceback" not in message
    assert written(tmp_path) == ["request.json"]


@pytest.mark.long
def test_input_without_an_end_is_refused(tmp_path):
    for source in ("-p - </dev/zero", "-p @/dev/zero", "-p - <&-", "-p @."):
        done = shell(f'ulimit -t 20; "$@" plan {source}', tmp_path)
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.long
def test_colours_are_read_in_utf8_whatever_the_locale(tmp_path):
    env = {name: value for name, value in os.environ.items() if name != "PYTHONIOENCODING"}
    locale = ENCODINGS["C locale"]
    line = [*COMMAND, "plan", "--colors", "60% чёрный, 40% белый", "--size", "512", "-o", "плитка"]
    done = subprocess.run(line, capture_output=True, env=env | locale, cwd=tmp_path, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "плитка" / "swatch.png").is_file()


@pytest.mark.parametrize("closed", ["0<&-", "2>&-", "0<&- 2>&-"])
def test_a_process_started_from_here_has_every_standard_stream(closed):
    code = (
        "from plitka.cli.terminal import prepare_streams; prepare_streams(); import subprocess, sys;"
        "subprocess.run([sys.executable, '-c', 'import os; print([os.fstat(n) and n for n in range(3)])'])"
    )
    line = f"exec {shlex.quote(sys.executable)} -c {shlex.quote(code)} {closed}"
    ended = subprocess.run(["sh", "-c", line], stdout=subprocess.PIPE, text=True, timeout=300, check=False)
    assert ended.stdout == "[0, 1, 2]\n"
