"""Headers of `.safetensors` files, sound and spoilt in every way: what hypothesis makes them of."""

import json
import struct

from hypothesis import strategies as st

from plitka.weights.safetensors_header import NUMBER_BYTES

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NUMBERS = st.sampled_from([-1, 0, 1, 2, 3, 4, 8, 16, 2**31, 2**32, 2**63, 2**64, 1.0, True, "1", None])
SHAPES = st.lists(st.integers(0, 4), max_size=3)
TYPES = st.sampled_from([*NUMBER_BYTES, "F4", "C64", "F8_E8M0", "f32", ""])


@st.composite
def sound_headers(draw):
    """A header as the format wants it, and how many bytes its tensors take."""
    header, end = {}, 0
    for name in draw(st.lists(st.text(max_size=6).filter(lambda text: text != "__metadata__"), unique=True)):
        dtype, shape = draw(st.sampled_from(list(NUMBER_BYTES))), draw(SHAPES)
        size = NUMBER_BYTES[dtype]
        for length in shape:
            size *= length
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    if draw(st.booleans()):
        header["__metadata__"] = draw(st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2))
    return header, end


@st.composite
def spoilt_headers(draw):
    """A sound header with up to three things in it changed, and about as many bytes as it needs."""
    header, end = draw(sound_headers())
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from([*header, "more", "__metadata__"]))
        entry = header.get(name)
        if not isinstance(entry, dict) or draw(st.integers(0, 3)) == 0:
            header[name] = draw(JSON | st.just({"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}))
            continue
        field = draw(st.sampled_from(["dtype", "shape", "data_offsets", "more"]))
        new = {"dtype": TYPES, "shape": st.lists(NUMBERS, max_size=3), "data_offsets": st.lists(NUMBERS)}
        entry[field] = draw(new.get(field, JSON) | JSON)
        if draw(st.integers(0, 5)) == 0:
            entry.pop(field)
    return header, max(0, end + draw(st.sampled_from([0, 0, 0, -1, 1, 4])))


@st.composite
def header_texts(draw):
    """The text of a header and the bytes behind it: sound, spoilt, with a name twice, or a byte changed."""
    header, size = draw(sound_headers() | spoilt_headers())
    text = json.dumps(header, ensure_ascii=draw(st.booleans())) + draw(st.sampled_from(["", " ", "\n", "}"]))
    raw = bytearray(text.encode("utf-8", "surrogatepass"))
    kind = draw(st.integers(0, 5))
    if kind == 0 and len(header):
        twice = json.dumps(draw(st.sampled_from(list(header))))
        raw = bytearray(f"{{{twice}: {json.dumps(draw(JSON))}, {text[1:]}".encode("utf-8", "surrogatepass"))
    elif kind == 1:
        raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
    return bytes(raw), size


def whole_file(raw, size):
    """The file of a header's text and `size` bytes of tensors."""
    return struct.pack("<Q", len(raw)) + raw + bytes(size)
