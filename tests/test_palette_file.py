"""The operator's palette file: what is read, and that everything wrong with it is said at once."""

import json
import re

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from thorough import examples

from plitka.colors.difference import hex_to_lab, lab_to_hex
from plitka.colors.palette import PALETTE, fold, palette_in_use
from plitka.colors.palette_file import MOST_COLORS, decode_palette, palette_document, read_palette
from plitka.colors.palette_values import RANGES
from plitka.errors import PaletteError, RequestError
from plitka.request.tile_request import parse_inputs, parse_request

WORDS = st.sampled_from(["brick", "rouge", "ziegel", "крошка", "жёлтый", "straße", "vert", "x", "light"])
NUMBERS = st.integers(0, 99).map(str)
JOINED = st.sampled_from([" ", "-", "_", "/", ". ", "'", " and ", "-и-"])
NAMES = st.tuples(WORDS, JOINED, WORDS | NUMBERS).map("".join)
HEXES = st.integers(0, 2**24 - 1).map(lambda value: f"#{value:06X}")


@st.composite
def documents(draw):
    """Palette files; only names can be in each other's way."""
    hexes = draw(st.lists(HEXES, min_size=1, max_size=4, unique=True))
    colors = []
    for number, hex_color in enumerate(hexes):
        entry = {
            "code": draw(st.sampled_from(["R-{}", "e{}", "K.{}X", "1_a{}"])).format(number),
            "names": {language: draw(st.lists(NAMES, min_size=1, max_size=2)) for language in ("en", "de")},
            "prompt_word": "red",
            "hex": hex_color,
        }
        if draw(st.booleans()):
            entry |= {
                "lab": list(hex_to_lab(hex_color)),
                "density_kg_m3": draw(st.floats(*RANGES["density_kg_m3"])),
            }
        colors.append(entry)
    return {"version": 1, "currency": "EUR", "colors": colors}


def decoded(document):
    return decode_palette(json.dumps(document).encode(), "palette.json")


def problems_of(document):
    with pytest.raises(PaletteError) as caught:
        decoded(document)
    return caught.value.problems


def use(monkeypatch, tmp_path, document):
    path = tmp_path / f"palette{abs(hash(json.dumps(document)))}.json"
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    monkeypatch.setenv("PLITKA_PALETTE", str(path))
    return palette_in_use()


GOOD = {
    "version": 1,
    "currency": "EUR",
    "colors": [
        {"code": "R-10", "names": {"en": ["brick red 10", "red"], "ru": ["кирпичный 10"]}, "hex": "#A8432F"},
        {"code": "K1", "names": {"de": ["schwarz und grau"]}, "prompt_word": "black", "hex": "#303030"},
        {
            "code": "W9",
            "names": {"en": "cream and white"},
            "ral": "9001",
            "hex": "#EEE8D0",
            "price_per_kg": 2,
        },
    ],
}


@examples(15)
@given(documents())
def test_every_palette_reads_back_the_same_and_all_its_names_are_read(document):
    try:
        palette = decoded(document)
    except PaletteError as error:
        # Names are drawn at random, and only two of one kind are wrong with them.
        assert all(re.search("is also|reads as an amount", problem) for problem in error.problems)
        return
    again = decoded(palette_document(palette))
    assert list(again.values()) == list(palette.values())
    assert again.fingerprint == palette.fingerprint
    assert again.currency == palette.currency
    names = [name for color in palette.values() for name in color.names]
    assert {fold(name) for name in names} == set(palette.by_name)


@examples(15)
@given(
    document=documents(),
    written=st.sampled_from(
        ["{} 60 %, #123456 40 %", "60% {}; 40% #123456", "{}: 60\n#123456: 40", "40 #123456 and 60 {}"]
    ),
    case=st.sampled_from([str, str.upper, str.lower]),
)
def test_any_name_of_a_palette_can_stand_in_a_text_of_colours(document, written, case):
    try:
        palette = decoded(document)
    except PaletteError:
        reject()
    with pytest.MonkeyPatch.context() as monkeypatch:
        for module in ("colors.palette", "colors.mix", "colors.substitutes", "request.color_text"):
            monkeypatch.setattr(f"plitka.{module}.palette_in_use", lambda: palette)
        for name, (color, _) in {
            name: palette.by_name[fold(name)] for one in palette.values() for name in one.names
        }.items():
            mix = parse_inputs(None, written.format(case(name)), None, None, 1).mix
            assert {part.id: part.share for part in mix}[color.code] == pytest.approx(0.6), name
            assert parse_request({"colors": [{"name": case(name)}]}).mix[0].id == color.code


def test_built_in_palette_is_a_palette_file_too():
    again = decoded(palette_document(PALETTE))
    assert list(again.values()) == list(PALETTE.values())
    assert again.fingerprint == PALETTE.fingerprint
    assert type(again) is type(PALETTE)


def test_what_a_pigment_costs_and_weighs_is_kept_and_changes_no_picture():
    dearer = json.loads(json.dumps(GOOD))
    dearer["colors"][0] |= {"density_kg_m3": 1550, "bulk_kg_m3": 620, "price_per_kg": 2.4, "bag_kg": 25}
    color = decoded(dearer)["R-10"]
    assert (color.density_kg_m3, color.bulk_kg_m3, color.price_per_kg, color.bag_kg) == (1550, 620, 2.4, 25)
    assert decoded(dearer).fingerprint == decoded(GOOD).fingerprint
    assert decoded(GOOD)["K1"].bag_kg is None
    assert decoded(GOOD).currency == "EUR"


def test_a_color_of_the_palette_can_be_named_by_its_ral_number():
    assert decoded(GOOD).by_name[fold("RAL 9001")][0].code == "W9"


WRONG = {
    "code": [None, "", 7, "12", "R 10", "#10", "К-1", "R" * 33, "-R"],
    "names": [7, [], {"en": []}, {"en": [7]}, {"en": ""}, {"en": "red, blue"}, {"en": "50"},
              {"EN": "red"}, {"en": "and"},
              {"en": "x" * 61}, {"en": "#red"}, {"en": "red%"}, {"en": "red and"}, {"ru": "и бурый"}],
    "prompt_word": [7, "", "красный", "red, blue", "x" * 33, "12"],
    "hex": ["#A84", "A8432", 7, "red"],
    "lit_hex": ["#A84", 7],
    "lab": [[1, 2], "1,2,3", [50, 0, "0"], [101, 0, 0], [-1, 0, 0], [50, 200, 0], [50, True, 0],
            [10**400, 0, 0], [90, 0, 0]],
    "lightness": [[1], [60, 40], [-1, 90], [10, 101], ["10", 90], [10, 20], 7],
    "ral": ["301", "RAL", 3020, "RAL 30200"],
    "density_kg_m3": [0, "1550", 1e9, True, -1],
    "bulk_kg_m3": [0, "620", [620]],
    "price_per_kg": [-1, "2,40"],
    "bag_kg": [0, "25 kg"],
    "weight": [1],
}  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in WRONG.items() for value in values]
)
def test_each_wrong_value_is_named_with_its_place_and_its_value(key, value):
    document = json.loads(json.dumps(GOOD))
    document["colors"][0][key] = value
    problems = problems_of(document)
    assert len(problems) == 1, problems
    assert problems[0].startswith(f"colors[0].{key}"), problems
    assert "\n" not in problems[0]


def test_everything_wrong_is_said_at_once():
    document = json.loads(json.dumps(GOOD))
    wrong = [(key, values[-1]) for key, values in WRONG.items()]
    document["colors"] += [
        {
            "code": f"X{i}",
            "names": {"en": f"color {chr(97 + i)}{chr(97 + i)}"},
            "hex": f"#0000{i:02X}",
            key: value,
        }
        for i, (key, value) in enumerate(wrong)
    ]
    problems = problems_of(document | {"version": 2, "extra": 1})
    assert len(problems) == len(wrong) + 2
    text = str(PaletteError("p.json", problems))
    assert all(problem in text for problem in problems[:20])


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"code": "R10", "names": {"en": "crimson"}, "hex": "#111111"}, '"R10" is also the code'),
        ({"code": "X1", "names": {"en": "Brick-Red 10"}, "hex": "#111111"}, "is also a name of colors[0]"),
        ({"code": "X1", "names": {"en": "blue", "de": "RED"}, "hex": "#111111"}, "is also a name"),
        ({"code": "X1", "names": {"en": "ral9001"}, "hex": "#111111"}, 'is also a name of colors[2] "W9"'),
        ({"code": "X1", "names": {"en": "red 50"}, "hex": "#111111"}, 'reads as an amount of "red"'),
        ({"code": "X1", "names": {"en": "blue"}, "hex": "#A8432F"}, "#A8432F is also that of colors[0]"),
        ({"code": "X1", "names": {"ru": "синий"}, "hex": "#111111"}, "colors[3].prompt_word: is missing"),
        ({"code": "X1", "names": {"en": "blue"}}, "colors[3].hex: is missing"),
        ({"code": "X1", "names": {"en": "blue"}, "hex": "#0000FF", "lab": [50, 0, 0]}, "from the hex"),
        ({"code": "X1", "names": {"en": "blue"}, "lab": [40, 120, -120]}, "no colour that sRGB can show"),
        ("blue", 'colors[3]: "blue" is not an object'),
    ],
)  # fmt: skip
def test_entries_that_stand_in_each_others_way_are_named(entry, said):
    problems = problems_of(GOOD | {"colors": [*GOOD["colors"], entry]})
    assert len(problems) == 1, problems
    assert said in problems[0]


def test_prices_need_a_currency():
    (problem,) = problems_of({key: value for key, value in GOOD.items() if key != "currency"})
    assert problem.startswith("currency: is missing")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is no JSON"),
        (b"\xff", "is not in UTF-8"),
        (b"[]", "is not an object"),
        (b"{}", "version: null is not 1"),
        (b'{"version": 1, "version": 1}', '"version" stands twice'),
        (b'{"version": NaN}', "NaN is no number"),
        (b'{"version": true, "colors": []}', "version: true is not 1"),
        (b"[" * 100_000, "is no JSON that can be read"),
        (b" " * (2**20 + 1), "is longer than"),
        (json.dumps(GOOD | {"colors": GOOD["colors"][:1] * (MOST_COLORS + 1)}).encode(), "has 201 entries"),
    ],
)  # fmt: skip
def test_what_is_no_palette_file_is_refused_in_words(data, said):
    with pytest.raises(PaletteError, match=re.escape(said)):
        decode_palette(data, "palette.json")


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["version", "colors", "code", "names", "en", "hex", "lab"]), inner
            )
        ),
    )
)
def test_no_json_at_all_raises_anything_else(value):
    with pytest.raises(PaletteError):
        decode_palette(json.dumps(value).encode(), "palette.json")
    with pytest.raises(PaletteError):
        decode_palette(json.dumps({"version": 1, "colors": [value]}).encode(), "palette.json")


def test_a_folder_a_missing_file_and_a_device_are_refused_in_words(tmp_path):
    for path, said in (
        (tmp_path, "plitka palette measure"),
        (tmp_path / "no.json", "No such file"),
        ("/dev/null", "no regular file"),
    ):
        with pytest.raises(PaletteError, match=said):
            read_palette(type(tmp_path)(path))


@given(st.integers(0, 2**24 - 1))
def test_a_hex_color_comes_back_from_its_lab(value):
    assert lab_to_hex(hex_to_lab(f"#{value:06X}")) == f"#{value:06X}"


def test_requests_prompts_and_suggestions_follow_the_palette_in_use(monkeypatch, tmp_path):
    from plitka.request.prompt import build_prompt

    palette = use(monkeypatch, tmp_path, GOOD)
    request = parse_inputs(None, "60% schwarz und grau, 30% brick red 10, 10% r-10", None, None, 1)
    assert [(color.id, color.name) for color in request.mix] == [
        ("K1", "schwarz und grau"),
        ("R-10", "brick red 10"),
    ]
    assert "60% black, 40% brick red 10" in build_prompt(request.mix, "").positive
    assert "brick red 10 is given 2 times" in request.notices[0]
    assert parse_request(request.to_json()) == request
    with pytest.raises(RequestError) as caught:
        parse_inputs(None, "shwarz und grau", None, None, 1)
    (problem,) = caught.value.problems
    assert "schwarz und grau" in problem.reason
    assert "brick red 10" in problem.allowed
    assert "terracotta" not in problem.allowed + problem.reason
    assert parse_inputs(None, "ral 9001", None, None, 1).mix[0].id == "W9"
    assert parse_inputs(None, "#A8432F", None, None, 1).mix[0].id == "R-10"
    assert palette is palette_in_use()


def test_a_bad_palette_is_no_problem_of_the_request(monkeypatch, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text("{}")
    monkeypatch.setenv("PLITKA_PALETTE", str(path))
    with pytest.raises(PaletteError):
        parse_inputs(None, "red", None, None, 1)
