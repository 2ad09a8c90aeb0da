"""An order: to the gram, enough and never a bag too many, and what bad ones are told."""

import csv
import io
import json
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orders import asked, goods, mixes, palette_with, request_of

from plitka.colors.palette import PALETTE
from plitka.errors import RequestError
from plitka.order.amounts import divided, grams_of, order_of
from plitka.order.report import CSV_HEADER, order_csv, order_report
from plitka.request.numbers import NumberRange
from plitka.request.order import OrderFields
from plitka.request.tile_request import parse_request

RED_BLACK = [("RED", 60), ("BLACK", 40)]


def ordered(mix, **order):
    request = parse_request(request_of(mix, order))
    return order_of(request.mix, request.overrides.order)


def problems(order):
    with pytest.raises(RequestError) as refusal:
        parse_request(request_of(RED_BLACK, order))
    return {problem.field.removeprefix("overrides.order."): problem for problem in refusal.value.problems}


def test_kilograms_are_those_of_a_hand_computed_example():
    """120 m² of 10 mm: 1.2 m³ of 1100 kg; 5 % more; 18 % of that binder."""
    found = ordered(RED_BLACK, area_m2=120, thickness_mm=10)
    assert [line.grams for line in found.lines] == [831_600, 554_400]
    assert [line.bags for line in found.lines] == [34, 23]
    assert (found.grams, found.binder_grams) == (1_386_000, 249_480)


def test_shares_by_area_become_shares_by_mass_as_computed_by_hand(tmp_path, monkeypatch):
    """Equal areas of rubber of 1200 and 1800 kg/m³, laid 800 and 1200: masses 2 to 3, laid 1000."""
    known = {
        "RED": {"density_kg_m3": 1200, "laid_kg_m3": 800},
        "BLACK": {"density_kg_m3": 1800, "laid_kg_m3": 1200},
    }
    monkeypatch.setenv("PLITKA_PALETTE", str(palette_with(known, tmp_path)))
    found = ordered([("RED", 50), ("BLACK", 50)], area_m2=100, thickness_mm=10, waste_percent=0)
    assert [line.mass_share for line in found.lines] == [0.4, 0.6]
    assert [line.grams for line in found.lines] == [400_000, 600_000]


def test_heavier_rubber_of_unknown_laid_density_weighs_more_in_a_layer(tmp_path, monkeypatch):
    monkeypatch.setenv(
        "PLITKA_PALETTE", str(palette_with({"RED": {"density_kg_m3": 2 * 1550 / 1.1}}, tmp_path))
    )
    assert ordered([("RED", 1)], area_m2=1, thickness_mm=1, waste_percent=0).grams == 2000


@given(mixes, asked)
def test_colours_sum_to_the_gram_and_none_is_a_gram_off(mix, order):
    found = ordered(mix, **order)
    assert sum(line.grams for line in found.lines) == found.grams
    assert math.isclose(sum(line.mass_share for line in found.lines), 1)
    for line in found.lines:
        assert abs(line.grams - found.grams * line.mass_share) < 1.001 + found.grams * 1e-12


@given(st.integers(0, 10**13), st.lists(st.integers(1, 10**16), min_size=1, max_size=8))
def test_division_is_that_of_largest_remainder(total, weights):
    parts = divided(total, weights)
    exact = [Fraction(total * weight, sum(weights)) for weight in weights]
    assert sum(parts) == total
    assert all(
        part in (math.floor(value), math.floor(value) + 1) for part, value in zip(parts, exact, strict=True)
    )
    ups = [value % 1 for part, value in zip(parts, exact, strict=True) if part > math.floor(value)]
    downs = [value % 1 for part, value in zip(parts, exact, strict=True) if part == math.floor(value)]
    assert not ups or not downs or min(ups) >= max(downs)


@given(mixes, asked, st.floats(1, 10), st.sampled_from(["area_m2", "thickness_mm", "waste_percent"]))
def test_more_is_never_less(mix, order, factor, name):
    more = {**order, name: order[name] * factor}
    bounds = {"area_m2": 1e6, "thickness_mm": 500, "waste_percent": 100}
    more[name] = min(more[name], bounds[name])
    small, large = ordered(mix, **order), ordered(mix, **more)
    assert small.grams <= large.grams
    assert small.binder_grams <= large.binder_grams
    # Of one colour the last gram may go to another.
    for one, other in zip(small.lines, large.lines, strict=True):
        assert one.grams <= other.grams + 1


@given(mixes, asked)
def test_waste_and_binder_are_per_cent_of_the_granules(mix, order):
    found, laid = ordered(mix, **order), ordered(mix, **{**order, "waste_percent": 0})
    assert math.isclose(found.grams, laid.grams * (1 + order["waste_percent"] / 100), abs_tol=1.5)
    assert math.isclose(found.binder_grams, found.grams * order["binder_percent"] / 100, abs_tol=0.5000001)


@given(mixes, asked, st.sampled_from([None, 0.1, 15, 22.7, 25, 1000]))
def test_bags_are_enough_and_never_one_too_many(mix, order, bag):
    found = ordered(mix, **order, **({"bag_kg": bag} if bag else {}))
    for line in found.lines:
        in_bag = grams_of(bag or 25)
        assert line.bags * in_bag >= line.grams > (line.bags - 1) * in_bag
    assert found.bags == sum(line.bags for line in found.lines)


@given(st.data())
def test_layer_holds_as_much_of_each_colour_as_it_has_room_for(tmp_path_factory, data):
    """Volume that each colour takes of the layer, alone, sums to the layer's."""
    mix = data.draw(mixes)
    known = {code: data.draw(goods) for code, _ in mix if not code.startswith("#")}
    path = palette_with(known, tmp_path_factory.mktemp("palette"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLITKA_PALETTE", str(path))
        found = ordered(mix, area_m2=1e4, thickness_mm=10, waste_percent=0)
    room = sum(line.grams / line.material.laid_kg_m3 / 1000 for line in found.lines)
    assert math.isclose(room, 100, rel_tol=1e-6)
    for line in found.lines:
        price = known.get(line.id, {}).get("price_per_kg")
        assert (line.price is None) == (price is None)
        if price is not None:
            assert math.isclose(
                line.price, line.bags * line.material.bag_kg * price, rel_tol=1e-9, abs_tol=0.006
            )
    assert (found.price is None) == any(line.price is None for line in found.lines)


def test_colour_without_a_granule_is_to_be_ordered():
    found = ordered([("RED", 60), ("#123456", 40)], area_m2=10, thickness_mm=10)
    assert [line.has_granule for line in found.lines] == [True, False]
    rows = list(csv.DictReader(io.StringIO(order_csv(found))))
    assert [row["kind"] for row in rows] == ["granules", "to_order", "binder"]
    assert rows[1]["hex"] == "#123456"
    assert rows[1]["kg"] == "46.200"


@given(mixes, asked)
def test_csv_and_json_have_the_same_kilograms(mix, order):
    found = ordered(mix, **order)
    rows = list(csv.DictReader(io.StringIO(order_csv(found))))
    said = json.loads(json.dumps(order_report(found), allow_nan=False))
    assert tuple(rows[0]) == CSV_HEADER
    *of_colors, binder = rows
    for row, color in zip(of_colors, said["colors"], strict=True):
        assert (float(row["kg"]), int(row["bags"]), row["hex"]) == (color["kg"], color["bags"], color["hex"])
    assert sum(round(1000 * float(row["kg"])) for row in of_colors) == round(1000 * said["kg"])
    assert float(binder["kg"]) == said["binder_kg"]


def test_order_is_read_back_and_leaves_the_pictures_as_they_are():
    request = parse_request(request_of(RED_BLACK, {"area_m2": "120,5", "thickness_mm": "10"}))
    plain = parse_request({**request_of(RED_BLACK, {}), "overrides": {}})
    assert request.overrides.order.area_m2 == 120.5
    assert parse_request(request.to_json()) == request
    assert request.without_sheet() == plain


BAD = {"nothing": None, "text": "much", "no number": math.nan, "endless": math.inf, "a list": [], "yes": True}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@pytest.mark.parametrize("name", OrderFields.model_fields)
def test_what_is_no_number_is_refused_by_its_name(name, bad):
    order = {"area_m2": 1, "thickness_mm": 1, name: bad}
    if bad is None and not OrderFields.model_fields[name].is_required():
        assert parse_request(request_of(RED_BLACK, order))
    else:
        assert set(problems(order)) == {name}


@given(st.data())
def test_every_figure_out_of_its_range_is_told_at_once(data):
    """Each of a chosen set is below or above what may be, and exactly these are refused, with the range."""
    from plitka.request import order as fields

    names = list(OrderFields.model_fields)
    wrong = data.draw(st.sets(st.sampled_from(names), min_size=1))
    order = {"area_m2": 1, "thickness_mm": 1}
    for name in wrong:
        allowed: NumberRange = getattr(fields, name.upper())
        beyond = st.floats(allowed.high * 1.001, 1e12) | st.floats(-1e12, allowed.low - 0.001)
        order[name] = data.draw(beyond)
    found = problems(order)
    assert set(found) == wrong
    assert all("from" in problem.allowed for problem in found.values())


def test_both_that_have_to_be_given_are_named_when_missing():
    assert {name: problem.reason for name, problem in problems({}).items()} == {
        "area_m2": "is missing",
        "thickness_mm": "is missing",
    }


def test_layer_heavier_than_its_rubber_is_refused():
    order = {"area_m2": 1, "thickness_mm": 1, "density_kg_m3": 1200, "laid_kg_m3": 1201}
    assert problems(order)["laid_kg_m3"].reason == "is more than the rubber itself weighs, 1200"


def test_built_in_palette_says_nothing_of_goods():
    assert PALETTE.currency is None
    assert all(color.price_per_kg is None for color in PALETTE.values())
