"""A photograph among the inputs: its mix is drawn, and everything else of the request keeps its meaning."""

import json

import pytest
from cog import Path as CogPath
from local_predictor import DEFAULTS, LocalPredictor
from photo_files import BAD_FILES, NEAR, SHARES, encoded, tile

from plitka.colors.palette import PALETTE
from plitka.errors import RequestError
from plitka.match.photo_request import request_of_photo
from plitka.request.photo_inputs import parse_around_photo
from plitka.request.tile_request import DEFAULT_COLORS, DEFAULT_NOTICE, parse_inputs

NAMES = ("red", "black", "yellow", "blue")


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = CogPath(tmp_path_factory.mktemp("photo") / "tile.jpg")
    path.write_bytes(encoded(tile(), quality=85))
    return path


def shares(mix):
    return {color.id: color.share for color in mix}


def problems_of(photo, **inputs):
    with pytest.raises(RequestError) as caught:
        request_of_photo(photo, **{"params_json": "", **DEFAULTS, **inputs})
    return [problem.field for problem in caught.value.problems]


def test_the_mix_is_that_of_the_photograph(photo):
    request, found = request_of_photo(photo, "", **{**DEFAULTS, "seed": 5})
    assert shares(request.mix) == pytest.approx(SHARES, abs=NEAR)
    assert shares(request.mix) == pytest.approx(shares(found.mix), abs=1e-3)
    assert (request.seed, request.angle, request.quality) == (5, 0, "standard")
    assert DEFAULT_NOTICE not in request.notices
    said = " ".join(request.notices)
    assert "On the photograph: 4" in said or "On the photograph: 5" in said
    assert "RED cannot be told for certain from" in said


@pytest.mark.long
def test_the_request_that_comes_out_draws_the_same_again(photo):
    request, _ = request_of_photo(photo, "", **DEFAULTS)
    assert parse_inputs(request.to_json(), None, None, None, None) == request


@pytest.mark.long
def test_everything_else_of_a_request_keeps_its_meaning(photo):
    params = json.dumps(
        {"angle": 30, "seed": 9, "maps": ["height"], "granule_mm": 3, "overrides": {"layout": "grid"}}
    )
    request, _ = request_of_photo(photo, params, **DEFAULTS)
    assert (request.angle, request.seed, request.maps) == (30, 9, ("height",))
    assert (request.layout, request.dimensions.granule_mm) == ("grid", 3)
    assert shares(request.mix) == pytest.approx(SHARES, abs=NEAR)


@pytest.mark.long
@pytest.mark.parametrize(
    "inputs",
    [
        {"colors": "red, black, yellow, blue"},
        {"colors": "10% red, 10% black, 40% yellow, 40% blue"},
        {"params_json": json.dumps({"colors": [{"name": name} for name in NAMES]})},
    ],
)
def test_of_known_colours_the_shares_alone_are_measured(photo, inputs):
    request, found = request_of_photo(photo, **{"params_json": "", **DEFAULTS, **inputs})
    assert [each.confidence for each in found.sets] == [1]
    assert {color.id for color in found.colors} == {*SHARES, "BLUE"}
    assert shares(request.mix).get("BLUE", 0) < 0.03


@pytest.mark.parametrize("colors", [DEFAULT_COLORS, f" {DEFAULT_COLORS.upper()}", "", "  ", None])
@pytest.mark.parametrize("params", ["", " ", None, "{}", '{"colors": null}', '{"colors": []}'])
def test_colours_that_were_left_as_they_are_stand_for_unknown_ones(colors, params):
    _, known = parse_around_photo(params, colors, 0.0, "standard", -1)
    assert known is None


def test_every_problem_of_request_and_photograph_is_said_at_once(photo, tmp_path):
    wall = tmp_path / "wall.png"
    wall.write_bytes(BAD_FILES["a plain wall"][0])
    assert problems_of(wall, colors="blakc, red", angle="x") == ["colors[0].name", "angle", "photo"]
    assert problems_of(wall, colors="black ?? white", seed=-7) == ["colors", "seed", "photo"]
    assert problems_of(photo, colors="black ?? white", seed=-7) == ["colors", "seed"]
    assert problems_of(wall, params_json='{"angel": 3}') == ["angel", "photo"]
    assert problems_of(wall, params_json="{") == ["params_json", "photo"]
    beside = {"params_json": "{}", "colors": "red", "seed": 4}
    assert problems_of(wall, **beside) == ["colors", "seed", "photo"]


@pytest.mark.parametrize("kind", BAD_FILES)
def test_what_is_no_photograph_of_a_tile_is_a_problem_of_photo_in_words(tmp_path, kind):
    data, said = BAD_FILES[kind]
    path = tmp_path / "file.jpg"
    path.write_bytes(data)
    with pytest.raises(RequestError, match=f"^photo: the photograph .*{said}.*Allowed: ") as caught:
        request_of_photo(path, "", **DEFAULTS)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    "given", ["/etc/hostname", "file:///etc/hostname", "ftp://example.org/a.jpg", "a.jpg"]
)
def test_text_that_cogs_server_did_not_fetch_is_opened_by_nobody(tmp_path, monkeypatch, given):
    (tmp_path / "a.jpg").write_bytes(encoded(tile()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("plitka.match.photo_request.read_photograph", lambda path: pytest.fail("opened"))
    with pytest.raises(RequestError, match=r"photo: .* is no file that was sent"):
        LocalPredictor(tmp_path).run("", **DEFAULTS, photo=given)


def test_a_file_that_is_gone_is_a_problem_of_photo(tmp_path):
    assert problems_of(tmp_path / "gone.jpg") == ["photo"]
    assert problems_of(tmp_path) == ["photo"]


def test_a_field_that_was_left_empty_draws_the_default_tile(tmp_path):
    predictor = LocalPredictor(tmp_path)
    recorded = {}
    predictor.record_metric = recorded.__setitem__
    for photo in (None, ""):
        predictor.run("", **{**DEFAULTS, "seed": 3}, photo=photo)
        assert json.loads(recorded["request"])["colors"][0] == {"name": "BLACK", "proportion": 0.6}
        assert "match" not in recorded


@pytest.mark.long
def test_with_an_operators_palette_the_mix_is_of_its_colours_and_said_in_its_names(
    photo, monkeypatch, tmp_path
):
    colors = [
        {"code": f"K-{number}", "names": {"en": f"ours {number}"}, "prompt_word": color.prompt_word}
        | {"hex": color.hex, "lab": list(color.lab), "lightness": list(color.lightness_range)}
        for number, color in enumerate(PALETTE.values())
    ]
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"version": 1, "colors": colors}))
    monkeypatch.setenv("PLITKA_PALETTE", str(path))
    request, _ = request_of_photo(photo, "", **DEFAULTS)
    assert {color.id for color in request.mix} <= {color["code"] for color in colors}
    assert request.notices[0].count("% ours ") == len(request.mix)


@pytest.mark.long
@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"colors": "red, black, yellow, blue"},
        {"colors": "red 60%, black 0%, yellow 1%, blue 1%"},
        {"params_json": json.dumps({"colors": [{"name": name, "percent": 20} for name in NAMES]})},
    ],
)
def test_nothing_is_said_of_shares_and_colours_that_nobody_asked_for(own_granules, photo, inputs):
    request, known = parse_around_photo(**{"params_json": "", **DEFAULTS, **inputs})
    assert request.notices == ()
    assert known is None or len(known) == len(NAMES)
    request, _ = request_of_photo(photo, **{"params_json": "", **DEFAULTS, **inputs})
    (said,) = (notice for notice in request.notices if notice.startswith("On the photograph"))
    assert all(f"% {name.lower()}" in said for name in SHARES)


@pytest.fixture
def own_granules(monkeypatch, tmp_path):
    """An operator's palette whose prompt words are all the same."""
    entries = [
        {"code": color.code, "names": {"en": color.english}, "prompt_word": "rubber", "hex": color.hex}
        for color in (PALETTE[name.upper()] for name in NAMES)
    ]
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"version": 1, "colors": entries}), encoding="utf-8")
    monkeypatch.setenv("PLITKA_PALETTE", str(path))


def test_a_palette_without_black_says_nothing_of_black(monkeypatch, tmp_path):
    path = tmp_path / "own.json"
    entry = {"code": "R-1", "names": {"en": "brick"}, "prompt_word": "red", "hex": "#A8432F"}
    path.write_text(json.dumps({"version": 1, "colors": [entry]}), encoding="utf-8")
    monkeypatch.setenv("PLITKA_PALETTE", str(path))
    assert parse_around_photo("", **DEFAULTS)[0].notices == ()
