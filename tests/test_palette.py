import json
import re
from importlib import resources

import pytest
from coloraide import Color
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import XKCD_COLORS

from plitka.colors.palette import (
    PALETTE,
    canonical_hex,
    delta_e00,
    fold,
    hex_to_lab,
    is_russian,
    nearest,
    resolve,
)
from plitka.errors import UnknownColorError
from plitka.request.color_text import read_color_text

NAMES = [(name, color.code) for color in PALETTE.values() for name in color.names]

GENERIC_NAMES = {
    "black": "BLACK",
    "white": "WHITE",
    "red": "RED",
    "green": "GRSGRN",
    "blue": "BLUE",
    "gray": "GRAY",
    "grey": "GRAY",
    "brown": "BROWN",
    "yellow": "YELLOW",
    "orange": "ORANGE",
    "purple": "VIOLET",
    "pink": "PINK",
}


def test_colours_stand_in_alphabetical_order_of_their_codes():
    assert list(PALETTE) == sorted(PALETTE)


def test_no_accepted_name_means_two_colours():
    codes_by_name = {}
    for name, code in NAMES:
        codes_by_name.setdefault(fold(name), set()).add(code)
    assert {name: codes for name, codes in codes_by_name.items() if len(codes) > 1} == {}


def test_no_colour_lists_the_same_spelling_twice():
    for color in PALETTE.values():
        assert len(set(color.names)) == len(color.names), color.code


@pytest.mark.parametrize(("name", "code"), NAMES)
def test_every_accepted_name_finds_its_colour_in_any_case(name, code):
    for spelling in (name, name.upper(), name.lower(), name.title(), f"  {name}\t"):
        assert resolve(spelling).code == code


@pytest.mark.parametrize(("name", "code"), GENERIC_NAMES.items())
def test_generic_names_of_the_interface_find_a_granule_colour(name, code):
    assert resolve(name).code == code


@pytest.mark.parametrize(
    "name", ["тёмно-зелёный", "темно-зеленый", "Темно зелёный", "тёмно_зелёная", "DK-GREEN"]
)
def test_dark_green_is_found_with_or_without_diaeresis_and_hyphens(name):
    assert resolve(name).code == "DKGREEN"


@pytest.mark.parametrize(("name", "code"), [("че\u0308рный", "BLACK"), ("сини\u0438\u0306", "BLUE")])
def test_letters_typed_as_a_base_and_a_mark_are_understood(name, code):
    assert resolve(name).code == code


@pytest.mark.parametrize("dash", ["-", "\u2010", "\u2013", "\u2014", " ", "\u00a0", "_", ""])
def test_any_dash_or_space_may_join_the_words_of_a_name(dash):
    assert resolve(f"dark{dash}blue").code == "DKBLUE"


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("blak", "black"), ("turquise", "turquoise"), ("тёмносинй", "тёмно-синий"), ("DKGREN", "DKGREEN")],
)
def test_a_misspelled_name_suggests_the_right_one(name, suggestion):
    with pytest.raises(UnknownColorError) as caught:
        resolve(name)
    assert caught.value.suggestions[0] == suggestion


def suggestions(name):
    with pytest.raises(UnknownColorError) as caught:
        resolve(name)
    return caught.value.suggestions


def common_names():
    text = resources.files("plitka.colors").joinpath("common_names.json").read_text(encoding="utf-8")
    return json.loads(text)["colors"]


COMMON = [(name, entry["hex"]) for entry in common_names() for name in entry["names"]]


@pytest.mark.parametrize(
    ("name", "nearest_ones"),
    [
        ("антрацит", ("тёмно-серый", "чёрный", "серый")),
        ("Anthracite", ("dark gray", "black", "gray")),
        ("бордовый", ("терракот", "коричневый", "красный")),
        ("maroon", ("terracotta", "brown", "red")),
        ("кирпичный", ("терракот", "оранжевый", "красный")),
        ("brick", ("terracotta", "orange", "red")),
        ("navy", ("dark blue", "blue", "violet")),
        ("антрацыт", ("тёмно-серый", "чёрный", "серый")),
        ("бардовый", ("терракот", "коричневый", "красный")),
    ],
)
def test_a_name_of_the_trade_leads_to_the_nearest_colours(name, nearest_ones):
    assert suggestions(name) == nearest_ones


def test_every_common_name_leads_to_the_colour_nearest_to_its_own_in_its_language():
    for name, hex_color in COMMON:
        color = nearest(hex_color)
        assert suggestions(name)[0] == (color.russian if is_russian(name) else color.prompt_word), name


def test_no_common_name_hides_a_name_of_the_palette_or_means_two_colours():
    folded = [fold(name) for name, _ in COMMON]
    assert len(set(folded)) == len(folded)
    assert not set(folded) & {fold(name) for name, _ in NAMES}


def test_the_figures_of_common_names_are_those_of_their_source():
    for entry in common_names():
        kind, _, name = entry["source"].partition(":")
        published = XKCD_COLORS[f"xkcd:{name}"] if kind == "xkcd" else Color(name).to_string(hex=True)
        assert kind in ("xkcd", "css")
        assert canonical_hex(published) == entry["hex"], name


@given(st.sampled_from([name for name, _ in NAMES if is_russian(name)]), st.data())
def test_a_typo_in_russian_is_answered_with_russian_names(name, data):
    place = data.draw(st.integers(0, len(name) - 1))
    typed = name[:place] + data.draw(st.sampled_from(["", "ъ", name[place] * 2])) + name[place + 1 :]
    try:
        resolve(typed)
    except UnknownColorError as error:
        assert all(map(is_russian, error.suggestions))
        assert error.suggestions or len(fold(name)) < 5


@pytest.mark.parametrize("name", ["", " ", "-", "octarine", "#313131", "12"])
def test_a_name_like_no_other_has_no_suggestion(name):
    with pytest.raises(UnknownColorError) as caught:
        resolve(name)
    assert caught.value.suggestions == ()


@given(st.text())
def test_any_text_is_a_colour_or_an_unknown_colour(text):
    try:
        assert resolve(text) in PALETTE.values()
    except UnknownColorError as error:
        assert len(error.suggestions) <= 3


def test_figures_of_each_colour_agree_with_each_other():
    for color in PALETTE.values():
        assert re.fullmatch("#[0-9A-F]{6}", color.hex)
        assert re.fullmatch("#[0-9A-F]{6}", color.lit_hex)
        low, high = color.lightness_range
        assert 0 < low < color.lab[0] < high < 100
        assert hex_to_lab(color.lit_hex)[0] > color.lab[0]
        # The mean of Lab is not quite the Lab of the mean colour.
        assert delta_e00(hex_to_lab(color.hex), color.lab) < 1


def test_a_palette_colour_is_nearest_to_itself():
    for color in PALETTE.values():
        assert nearest(color.hex) is color


@pytest.mark.parametrize(("text", "code"), [("#A63437", "RED"), ("#000000", "BLACK"), ("#FFFFFF", "WHITE")])
def test_a_hex_colour_finds_its_nearest_granule(text, code):
    assert nearest(text).code == code


# Pairs 1, 7 and 17 of Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula" (2005), table 1.
@pytest.mark.parametrize(
    ("a", "b", "difference"),
    [
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
    ],
)
def test_colour_difference_agrees_with_the_published_pairs(a, b, difference):
    assert delta_e00(a, b) == pytest.approx(difference, abs=5e-5)


def test_white_and_black_have_the_lightness_of_their_definition():
    assert hex_to_lab("#FFFFFF")[0] == pytest.approx(100, abs=0.01)
    assert hex_to_lab("#000000") == pytest.approx((0, 0, 0), abs=0.01)


@pytest.mark.parametrize("text", ["#a63437", "A63437", " #A63437 "])
def test_a_hex_colour_has_one_spelling_inside(text):
    assert canonical_hex(text) == "#A63437"


@pytest.mark.parametrize("text", ["", "#", "#A6343", "#A634370", "red", "#GGGGGG", "##A63437", "#А63437"])
def test_what_is_no_hex_colour_is_refused(text):
    with pytest.raises(ValueError, match="is not a hex colour"):
        canonical_hex(text)


@pytest.mark.parametrize(("name", "code"), NAMES)
def test_every_accepted_name_can_stand_in_the_simple_form(name, code):
    (entry,) = read_color_text(f"{name} 100%")
    assert resolve(entry["name"]).code == code
