"""Colours outside the palette by name: RAL, CSS, rgb() and hsl(), and what granules can do for them."""

import itertools
import json

import pytest
from coloraide import Color
from coloraide.css.color_names import name2val_map
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import THOROUGH

from plitka.colors.granules import Palette
from plitka.colors.mix import hex_mix_color
from plitka.colors.outside import NamedColor, read_named, read_table
from plitka.colors.palette import PALETTE, delta_e00, fold, hex_to_lab
from plitka.colors.substitutes import best_pair, nearest_granules, substitutes
from plitka.errors import RequestError
from plitka.request.tile_request import parse_inputs, parse_request

RAL = read_table("ral_classic.json")["colors"]
# For each colour of a request, granules are looked for that come near it, which takes time.
EVERY = 1 if THOROUGH else 8
CSS = [name for name in name2val_map if name != "transparent"]
SPELLINGS = [str, str.upper, str.title, lambda name: f" {name} "]
RAL_SPELLINGS = ["RAL {}", "ral{}", "Ral-{}", "RAL_{}", "RAL  {}", "РАЛ {}", "рал{}"]
TEXTS = ["{}", "60% {}, 40% red", "{}: 60; red: 40", "red 40\n{} 60 %", "60 {} and 40 red"]


def simple(text):
    return parse_inputs(None, text, None, None, 1)


def problem_of(text):
    with pytest.raises(RequestError) as caught:
        simple(text)
    (problem,) = caught.value.problems
    return problem


def test_every_name_of_css_is_read_and_the_palette_wins():
    for name in CSS[::EVERY]:
        known = PALETTE.by_name.get(fold(name))
        expected = known[0].code if known else Color(name).to_string(hex=True).upper()
        assert simple(name.upper()).mix[0].id == expected, name
    assert simple("red").mix[0].id == "RED"
    assert simple("salmon").mix[0].id == "SALMON"


def test_every_number_of_ral_classic_is_read():
    for number, value in RAL.items():
        assert read_named(f"RAL {number}") == NamedColor(f"RAL {number}", value)
    for number, value in [*RAL.items()][::EVERY]:
        assert simple(f"RAL {number}").mix[0].id == value


@given(st.sampled_from(sorted(RAL)), st.sampled_from(RAL_SPELLINGS), st.sampled_from(TEXTS))
def test_a_ral_number_is_read_in_any_spelling_and_place(number, spelling, text):
    request = simple(text.format(spelling.format(number)))
    (color,) = (color for color in request.mix if color.id == RAL[number])
    assert color.name == f"RAL {number}"
    assert color.share == pytest.approx(1 if text == "{}" else 0.6)
    assert any(notice.startswith(f"RAL {number} is no granule") for notice in request.notices)


@given(
    st.tuples(*[st.integers(0, 255)] * 3),
    st.sampled_from(
        ["rgb({}, {}, {})", "rgb({} {} {})", "RGB( {},{},{} )", "rgba({}, {}, {}, 1)", "rgb({} {} {} / 100%)"]
    ),
    st.sampled_from(TEXTS),
)
def test_rgb_is_exactly_that_colour(rgb, written, text):
    request = simple(text.format(written.format(*rgb)))
    expected = hex_mix_color(f"#{bytes(rgb).hex()}")
    assert expected.id in [color.id for color in request.mix]


@given(
    st.integers(0, 359),
    st.integers(0, 100),
    st.integers(0, 100),
    st.sampled_from(["hsl({}, {}%, {}%)", "hsl({}deg {}% {}%)"]),
)
def test_hsl_is_read_as_css_does(hue, saturation, lightness, written):
    text = written.format(hue, saturation, lightness)
    levels = Color(text).convert("srgb").coords()
    found = bytes.fromhex(simple(text).mix[0].hex[1:])
    assert all(abs(level * 255 - read) <= 0.5 + 1e-6 for level, read in zip(levels, found, strict=True))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("NCS S 1080-Y90R", "licensed"),
        ("ncs s1080-y90r", "licensed"),
        ("S 0500-N", "licensed"),
        ("NCS 2030-B", "licensed"),
        ("RAL 9999", "no number of RAL Classic"),
        ("rgb(256, 0, 0)", "no colour of the screen"),
        ("rgb(-1, 0, 0)", "no colour of the screen"),
        ("rgb(1, 2, 3, 0.5)", "transparent"),
        ("hsl(120 50% 50% / 0)", "transparent"),
        ("rgb(1, 2)", "cannot be read as rgb"),
        ("rgb(red)", "cannot be read as rgb"),
        ("rgb()", "cannot be read as rgb"),
        ("transparent", "not a known colour"),
        ("currentcolor", "not a known colour"),
    ],
)
@pytest.mark.parametrize("written", ["{}", "40% {}, 60% blue", "blue 3; {} 2"])
def test_what_names_no_colour_is_refused_in_words(text, said, written):
    problem = problem_of(written.format(text))
    assert said in problem.reason
    assert problem.field.endswith(".name")
    assert json.dumps(text) == problem.value


@pytest.mark.parametrize("name", ["NCS S 1080-Y90R", "1080-Y90R", "RAL 110-1", "RAL 200 30 10", "RAL 30"])
def test_other_tables_are_refused_as_a_name(name):
    with pytest.raises(RequestError, match=r"NCS|RAL Classic"):
        parse_request({"colors": [{"name": name}]})


def test_a_named_colour_is_drawn_as_its_hex_is():
    named, plain = simple("60% RAL 3020, 40% navy"), simple("60% #C1121C, 40% #000080")
    assert named == plain
    assert named.to_json() == plain.to_json()
    assert plain.notices == ()
    assert len(named.notices) == 2


def test_the_notice_says_what_granules_can_do():
    (notice,) = simple("RAL 3020").notices
    assert notice.startswith(
        "RAL 3020 is no granule of the palette and is drawn as #C1121C. Nearest granules: red (ΔE00 7.6)"
    )
    assert "Best mix of two, seen from afar: 68% red, 32% terracotta (ΔE00 6.4)." in notice
    assert "No second granule" in simple("navy").notices[0]


@given(st.integers(0, 2**24 - 1))
def test_nearest_granules_and_mix_are_plain_json_and_in_order(value):
    color = hex_mix_color(f"#{value:06X}")
    found = substitutes(color)
    assert json.loads(json.dumps(found)) == found
    differences = [one["delta_e"] for one in found["nearest"]]
    assert differences == sorted(differences)
    assert found["mix"]["delta_e"] <= differences[0]
    assert sum(one["percent"] for one in found["mix"]["colors"]) == 100
    # The blend is what its own hex says.
    assert delta_e00(hex_to_lab(found["mix"]["hex"]), color.lab) == pytest.approx(
        found["mix"]["delta_e"], abs=0.6
    )


def from_afar(first, second, part):
    """Lab of a blend, by another way: coloraide's own mixing in linear sRGB."""
    one, other = (Color("lab-d65", color.lab) for color in (first, second))
    return tuple(one.mix(other, 1 - part, space="xyz-d65").convert("lab-d65").coords())


@settings(max_examples=8, deadline=None)
@given(
    st.integers(0, 2**24 - 1), st.lists(st.sampled_from(sorted(PALETTE)), min_size=2, max_size=4, unique=True)
)
def test_the_best_mix_of_two_is_the_best_of_all(value, codes):
    palette, lab = Palette([PALETTE[code] for code in codes]), hex_to_lab(f"#{value:06X}")
    best = min(
        delta_e00(lab, from_afar(first, second, percent / 100))
        for first, second in itertools.combinations(palette.values(), 2)
        for percent in range(1, 100)
    )
    best = min(best, nearest_granules(lab, palette)[0][1])
    assert best_pair(lab, palette).delta_e == pytest.approx(best, abs=0.05)


def test_a_palette_of_one_colour_has_no_mix():
    pair = best_pair((50.0, 0.0, 0.0), Palette([PALETTE["GRAY"]]))
    assert [(color.code, percent) for color, percent in pair.colors] == [("GRAY", 100)]
