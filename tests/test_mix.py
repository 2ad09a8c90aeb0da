import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plitka.colors.mix import MIN_SHARE, blend, hex_mix_color, palette_mix_color, percentages
from plitka.colors.palette import PALETTE, nearest, resolve

CODES = list(PALETTE)


def mix_of(*shares):
    return tuple(palette_mix_color(PALETTE[code], share) for code, share in zip(CODES, shares, strict=False))


amounts = st.lists(st.floats(1e-3, 100), min_size=1, max_size=8)


@given(amounts)
def test_percentages_sum_to_100_and_leave_no_colour_out(values):
    mix, _ = blend(zip(mix_of(*values), values, strict=True), 100)
    whole = percentages(mix)
    assert len(whole) == len(mix)
    assert sum(whole) == 100
    assert min(whole) >= 1


@given(amounts)
def test_percentages_stay_within_one_point_of_the_shares_when_none_is_below_one_percent(values):
    mix, _ = blend(zip(mix_of(*values), values, strict=True), 100)
    if min(color.share for color in mix) >= 0.01:
        for color, whole in zip(mix, percentages(mix), strict=True):
            assert abs(100 * color.share - whole) < 1 + 1e-6


@given(st.lists(st.integers(1, 100), min_size=1, max_size=8))
def test_a_larger_share_never_gets_a_smaller_percentage(values):
    mix, _ = blend(zip(mix_of(*values), map(float, values), strict=True), 100)
    ranked = sorted(zip((color.share for color in mix), percentages(mix), strict=True))
    assert [whole for _, whole in ranked] == sorted(whole for _, whole in ranked)


@pytest.mark.parametrize(
    ("shares", "whole"),
    [
        ((1.0,), (100,)),
        ((0.6, 0.4), (60, 40)),
        ((1 / 3, 1 / 3, 1 / 3), (34, 33, 33)),
        ((0.125,) * 8, (13, 13, 13, 13, 12, 12, 12, 12)),
        ((0.505, 0.495), (51, 49)),
        ((0.997, 0.003), (99, 1)),
        ((0.0001, 0.9999), (1, 99)),
        ((0.5, 0.493, *[0.001] * 6), (47, 47, 1, 1, 1, 1, 1, 1)),
        ((0.29, 0.57, 0.14), (29, 57, 14)),
    ],
)
def test_percentages_follow_the_largest_remainder_and_ties_go_to_the_earlier_colour(shares, whole):
    assert percentages(mix_of(*shares)) == whole


@given(amounts, st.sampled_from([1.0, 100.0]))
def test_shares_of_a_mix_sum_to_one(values, whole):
    mix, _ = blend(zip(mix_of(*values), values, strict=True), whole)
    assert math.fsum(color.share for color in mix) == pytest.approx(1, abs=2e-10)
    assert all(0 < color.share <= 1 for color in mix)


@given(amounts)
def test_a_mix_blended_again_is_the_same_to_the_bit(values):
    once, _ = blend(zip(mix_of(*values), values, strict=True), 100)
    again, notices = blend(((color, color.share) for color in once), 1)
    assert again == once
    assert notices == ()


def test_the_same_colour_twice_is_one_colour_where_it_first_stood():
    red, blue = (palette_mix_color(resolve(name)) for name in ("red", "blue"))
    mix, notices = blend([(red, 20), (blue, 50), (red, 30)], 100)
    assert [(color.id, color.share) for color in mix] == [("RED", 0.5), ("BLUE", 0.5)]
    assert notices == ("red is given 2 times; its proportions are added.",)


def test_a_sum_other_than_the_whole_is_reported():
    mix, notices = blend(
        [(palette_mix_color(resolve("red")), 30), (palette_mix_color(resolve("blue")), 60)], 100
    )
    assert [color.share for color in mix] == [30 / 90, 60 / 90]
    assert notices == ("The proportions sum to 90 %, not 100 %; each is divided by their sum.",)


@pytest.mark.parametrize("amount", [0.0, 5e-324, MIN_SHARE * 99])
def test_a_colour_too_small_to_see_is_left_out_and_reported(amount):
    mix, notices = blend(
        [(palette_mix_color(resolve("red")), amount), (palette_mix_color(resolve("blue")), 100 - amount)], 100
    )
    assert [color.id for color in mix] == ["BLUE"]
    assert mix[0].share == pytest.approx(1)
    assert "red has no visible share and is left out." in notices


def test_a_hex_colour_keeps_its_own_colour_and_borrows_the_spread_of_its_neighbour():
    color = hex_mix_color("#a63437", 0.5)
    assert (color.id, color.hex, color.share) == ("#A63437", "#A63437", 0.5)
    neighbour = nearest("#A63437")
    assert color.prompt_word == neighbour.prompt_word
    for bound, borrowed in zip(color.lightness_range, neighbour.lightness_range, strict=True):
        assert bound - color.lab[0] == pytest.approx(borrowed - neighbour.lab[0])


@given(st.integers(0, 0xFFFFFF).map("#{:06X}".format))
def test_lightness_of_any_hex_colour_stays_within_black_and_white(text):
    color = hex_mix_color(text, 1.0)
    low, high = color.lightness_range
    assert 0 <= low <= high <= 100


def test_the_hex_of_a_palette_colour_is_that_palette_colour():
    for color in PALETTE.values():
        assert hex_mix_color(color.hex.lower(), 1.0) == palette_mix_color(color, 1.0)
