import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from plitka.palette import PALETTE
from plitka.request import MAX_SEED, RequestError, TileRequest, parse_inputs, parse_request

many = settings(max_examples=300)
PLAIN = json.dumps(
    {
        "colors": [{"name": "black", "proportion": 60}, {"name": "white", "proportion": 40}],
        "angle": 45,
        "quality": "high",
        "seed": 42,
        "overrides": {"lora_scale": 0.5},
    }
)

NAMES = [name for color in PALETTE.values() for name in color.names]
colors = st.lists(
    st.fixed_dictionaries(
        {
            "proportion": st.one_of(
                st.floats(1e-3, 100),
                st.integers(1, 100),
                st.integers(1, 100).map(str),
                st.floats(0.01, 100).map(lambda value: f"{value:.3f}"),
            )
        },
        optional={},
    ).flatmap(
        lambda entry: st.one_of(
            st.sampled_from(NAMES).map(lambda name: {"name": name, **entry}),
            st.integers(0, 0xFFFFFF).map(lambda value: {"hex": f"#{value:06x}", **entry}),
        )
    ),
    min_size=1,
    max_size=8,
)
steps = st.integers(1, 100)
scales = st.floats(0, 2)
overrides = st.fixed_dictionaries(
    {},
    optional={
        "use_controlnet": st.booleans(),
        "guidance_scale": st.floats(1, 20),
        "num_inference_steps": steps,
        "num_inference_steps_preview": steps,
        "num_inference_steps_final": steps,
        "negative_prompt": st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=40),
        "lora_scale": scales,
        "controlnet_scale": scales,
        "color_guidance": st.floats(0, 1),
        "layout": st.sampled_from(["surface", "grid", "brick"]),
        "output_format": st.sampled_from(["png", "webp", "jpg"]),
        "scheduler": st.sampled_from(["dpmpp_2m_karras", "dpmpp_sde_karras", "ddim", "euler", "euler_a"]),
    },
)
documents = st.fixed_dictionaries(
    {"colors": colors},
    optional={
        "angle": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-1000, 1000),
        "quality": st.sampled_from(["preview", "standard", "high"]),
        "seed": st.integers(-1, MAX_SEED),
        "overrides": overrides,
    },
)


@many
@given(documents)
def test_a_request_written_and_read_back_is_the_same_to_the_bit(document):
    request = parse_request(json.dumps(document))
    written = request.to_json()
    assert written.isascii()
    again = parse_request(written)
    assert again == request
    assert hash(again) == hash(request)
    assert again.notices == ()
    assert again.to_json() == written


def assert_request_or_error(text):
    try:
        assert isinstance(parse_request(text), TileRequest)
    except RequestError as error:
        message = str(error)
        assert all(char.isprintable() or char == "\n" for char in message)
        assert len(message) < 20_000
        message.encode()
        assert error.problems
        assert all(problem.field and problem.complaint and problem.allowed for problem in error.problems)


@many
@given(st.text(st.characters(codec=None)))
def test_any_text_is_a_request_or_a_request_error(text):
    assert_request_or_error(text)


KEYS = [
    "colors",
    "angle",
    "quality",
    "seed",
    "overrides",
    "name",
    "hex",
    "proportion",
    "params_json",
    "layout",
    "negative_prompt",
    "use_controlnet",
    "lora_scale",
    "num_inference_steps",
    "Colors",
    "\ud800",
    "",
]
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=8)
    | st.sampled_from(["red", "60 %", "#A63437", "1e999", "9" * 500, "\u202e\ud800", PLAIN]),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.sampled_from(KEYS), children, max_size=4)
    ),
    max_leaves=12,
)


@many
@given(st.dictionaries(st.sampled_from(KEYS), values, max_size=5))
@example({"colors": [{"name": "red"}] * 20_000})
@example({"colors": [{"name": "\ud800", "\ud800": "\ud800"}], "quality": "\ud800"})
@example({"colors": [{"name": "red"}], "overrides": {"negative_prompt": "\ud800", "layout": "\ud800"}})
@example({f"key{i}": i for i in range(3000)})
def test_any_json_object_is_a_request_or_a_request_error(document):
    assert_request_or_error(json.dumps(document))


@given(st.integers(0, len(PLAIN) - 1), st.text(st.characters(codec=None), max_size=3))
def test_a_request_damaged_anywhere_is_a_request_or_a_request_error(position, damage):
    assert_request_or_error(PLAIN[:position] + damage + PLAIN[position + 1 :])


@given(
    st.text(),
    st.floats() | st.integers() | st.text(max_size=5),
    st.text(max_size=9),
    st.integers() | st.text(max_size=5),
)
@example("60% black, 40% white", 10**5000, "high", 10**5000)
def test_any_simple_inputs_are_a_request_or_a_request_error(colors, angle, quality, seed):
    try:
        assert isinstance(parse_inputs("", colors, angle, quality, seed), TileRequest)
    except RequestError as error:
        assert str(error)
