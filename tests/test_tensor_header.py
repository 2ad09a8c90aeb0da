"""The first bytes of a weight file: sound ones are read, any others are refused in one sentence."""

import json

import pytest
from header_files import header_texts, sound_headers, whole_file
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from thorough import examples

from plitka.errors import ModelFileError
from plitka.weights.files import read_header


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("headers") / "file.safetensors"


def accepted(path, content):
    """The tensors of a file; None if it is refused, in one line that names it."""
    path.write_bytes(content)
    try:
        return read_header(path).tensors
    except ModelFileError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)
        assert len(str(error)) < 500 + len(str(path))
        return None


@examples(75)
@given(header_texts())
def test_what_is_accepted_loads_and_nothing_but_a_sentence_comes_of_the_rest(path, text):
    tensors = accepted(path, whole_file(*text))
    if tensors is not None:
        loaded = load_file(path)
        shapes = {name: list(tensor.shape) for name, tensor in loaded.items()}
        assert shapes == {name: entry["shape"] for name, entry in tensors.items()}


@given(sound_headers())
def test_every_sound_header_is_accepted(path, header):
    document, size = header
    assert accepted(path, whole_file(json.dumps(document).encode(), size)) is not None
    assert dict(read_header(path).metadata) == document.get("__metadata__", {})


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_loaded(path, content):
    if accepted(path, content) is not None:
        load_file(path)


ONE = '"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"w":' + "[" * 100_000, "nested too deep"),
        ('{"w":' + '{"a":' * 100_000, "nested too deep"),
        (f"{{{ONE},{ONE}}}", "names 'w' twice"),
        ('{"w":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', "names 'dtype' twice"),
        ("[]", "no JSON object"),
        (f'{{{ONE},"__metadata__":{{"a":1}}}}', "metadata is not text"),
        (f'{{{ONE},"__metadata__":[]}}', "metadata is not text"),
        ('{"w":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}', "holds the number -4"),
        ('{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}', "no possible place"),
        (f'{{{ONE},"v":{{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}}}', "overlaps another"),
        (f'{{{ONE},"v":{{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}}}', "leaves a gap"),
        ('{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', "another length than its shape"),
        ('{"w":{"dtype":"F16","shape":[1],"data_offsets":[0,4]}}', "another length than its shape"),
        ('{"w":{"dtype":"F4","shape":[8],"data_offsets":[0,4]}}', "unknown type, 'F4'"),
        ('{"w":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}', "no possible shape"),
        ('{"w":{"dtype":"F32","shape":[true],"data_offsets":[0,4]}}', "no possible shape"),
        ('{"w":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}', "holds NaN"),
        ('{"w":{"dtype":"F32","shape":[%s],"data_offsets":[0,4]}}' % ("9" * 5000), "holds the number 999"),
        ('{"\\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', "half a character"),
    ],
)
def test_a_header_is_refused_with_what_is_wrong_in_it(path, text, reason):
    path.write_bytes(whole_file(text.encode(), 4))
    with pytest.raises(ModelFileError) as raised:
        read_header(path)
    assert reason in str(raised.value)
    assert "not a safetensors file" in str(raised.value)


def test_of_very_many_names_the_one_that_comes_twice_is_found(path):
    """Counting each of them anew would take hours."""
    names = ",".join(f'"{number}":0' for number in range(400_000))
    path.write_bytes(whole_file(f'{{{names},"399999":0}}'.encode(), 0))
    with pytest.raises(ModelFileError, match="its header names '399999' twice"):
        read_header(path)


def test_nothing_in_a_name_reaches_a_terminal_as_a_command(path):
    name = "\x1b[31mred\x07\n\u202e"
    header = {name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 8]}}
    path.write_bytes(whole_file(json.dumps(header).encode(), 8))
    with pytest.raises(ModelFileError) as raised:
        read_header(path)
    assert str(raised.value).isprintable()
    assert raised.value.problem.isprintable()
