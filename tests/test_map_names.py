"""The list of maps in a request: what is read, and that nothing else is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request_strategies import documents

from plitka.choices import MAP_NAMES, NormalConvention
from plitka.request.tile_request import RequestError, parse_inputs, parse_request

RED = {"colors": [{"name": "red"}], "seed": 1}
spelled = st.sampled_from(MAP_NAMES).flatmap(
    lambda name: st.sampled_from([name, name.upper(), f" {name.title()}\t"])
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


def refused(entries):
    """The indices that are no map, or one that stands before; the rule in other words."""
    seen = set()
    for index, entry in enumerate(entries):
        name = entry.strip().lower() if isinstance(entry, str) else None
        if name not in MAP_NAMES or name in seen:
            yield index
        seen.add(name)


@given(entries=st.lists(spelled | anything, max_size=8))
def test_every_bad_entry_is_named_and_good_lists_are_read_in_their_order(entries):
    expected = [f"maps[{index}]" for index in refused(entries)]
    try:
        request = parse_request(json.dumps({**RED, "maps": entries}))
    except RequestError as error:
        assert [problem.field for problem in error.problems] == expected
        assert all(
            '"height", "normal", "roughness", "ao", "ids"' in problem.allowed for problem in error.problems
        )
    else:
        assert expected == []
        assert request.maps == tuple(entry.strip().lower() for entry in entries)


@given(value=anything.filter(lambda value: value is not None and not isinstance(value, list)))
def test_what_is_no_list_is_refused(value):
    with pytest.raises(RequestError) as raised:
        parse_request(json.dumps({**RED, "maps": value}))
    (problem,) = raised.value.problems
    assert (problem.field, problem.reason) == ("maps", "is not a list")


@given(document=documents, names=st.lists(st.sampled_from(MAP_NAMES), unique=True))
def test_request_with_maps_reads_back_equal_and_without_them_is_as_it_was(document, names):
    request = parse_request({"seed": 1, **document, "maps": names})
    assert request.maps == tuple(names)
    assert parse_request(request.to_json()) == request
    assert ("maps" in json.loads(request.to_json())) == bool(names)


def test_null_stands_for_no_maps():
    assert parse_request({**RED, "maps": None}) == parse_request(RED) == parse_request({**RED, "maps": []})


def test_bad_maps_are_reported_beside_every_other_problem():
    document = {"colors": [{"name": "blak"}], "maps": ["hieght", "ao", "AO"], "overrides": {"layout": "star"}}
    with pytest.raises(RequestError) as raised:
        parse_request(document)
    assert [problem.field for problem in raised.value.problems] == [
        "colors[0].name",
        "overrides.layout",
        "maps[0]",
        "maps[2]",
    ]
    assert 'did you mean "height"?' in raised.value.problems[2].reason


@pytest.mark.parametrize(
    "given_, problem",
    [("green", "is not one of the choices"), (1, "is not one of the choices"), (["opengl"], "is not one")],
)
def test_convention_of_normals_is_one_of_two(given_, problem):
    with pytest.raises(RequestError, match=problem):
        parse_request({**RED, "overrides": {"normal_convention": given_}})
    for name in NormalConvention.__args__:
        request = parse_request({**RED, "overrides": {"normal_convention": name.upper()}})
        assert request.normal_convention == name
    assert parse_request(RED).normal_convention == "opengl"


def test_maps_beside_a_whole_request_are_refused():
    with pytest.raises(RequestError, match=r"maps: \[\"ao\"\] is given together with params_json"):
        parse_inputs(json.dumps(RED), None, None, None, None, ["ao"])
    assert parse_inputs("", "red", 0, "high", 3, ["ao"]).maps == ("ao",)


def test_thousands_of_bad_names_are_refused_at_once():
    with pytest.raises(RequestError) as raised:
        parse_request({**RED, "maps": ["heigh"] * 6000})
    assert len(raised.value.problems) == 6000
    assert len(str(raised.value)) < 5000
