"""The web page's sizes: presets, free fields, what is wrong with them, maps, and the live picture."""

import json
import random
from itertools import product
from typing import get_args

import numpy as np
import pytest
from live_picture import choose, picture
from selenium.webdriver.common.keys import Keys
from thorough import one_in

from plitka.choices import Layout
from plitka.colors.lab import from_light, to_light
from plitka.errors import RequestError
from plitka.request.bonds import lattice, period
from plitka.request.scale import SIDE_STEP, SIDES
from plitka.request.tile_request import parse_request
from plitka.tile.joints import outlines

JOINTED = [layout for layout in get_args(Layout) if layout != "surface"]
PRESETS = ("usual", "sample", "tile", "floor", "texture", "print")
# Recipes, and what the page makes of each: the request, its own idea of the scale, the fields with a fault.
RECIPES = """
return arguments[0].map((recipe) => {
  Object.assign(state, SCALE_FIELDS, { maps: [], layout: "", angle: 0 }, recipe);
  return [paramsJson(), scaleOf(), scaleProblems().map(([field]) => field)];
});
"""
SCALE = ("granule_mm", "width_mm", "height_mm", "tile_mm", "joint_mm", "seamless", "width", "height")


def random_recipe(chance):
    def some(value):
        return value if chance.random() < 0.4 else None

    def length(least, most):
        usual = chance.uniform(least, min(most, 600))
        return round(chance.choice([least, most, chance.uniform(least, most), usual]), 1)

    side = chance.choice([0, 0, SIDES[0], SIDES[1], SIDE_STEP * chance.randint(SIDES[0] // 8, SIDES[1] // 8)])
    tile = [length(10, 10_000), length(10, 10_000)]
    return {
        "layout": chance.choice(get_args(Layout)),
        "angle": chance.choice([0, 30, 45, 90, 135, 180, 270, -45]),
        "granule_mm": some(length(0.5, 10)),
        "width_mm": some(length(10, 10_000)),
        "height_mm": some(length(10, 10_000)),
        "tile_mm": some(chance.choice([tile, [tile[0], tile[0]], [200, 100]])),
        "joint_mm": some(length(0.2, 100)),
        "seamless": some(True),
        chance.choice(["width", "height"]): side or None,
    }


def test_page_says_of_any_size_what_the_server_says(served):
    chance = random.Random(18)
    recipes = [random_recipe(chance) for _ in range(400)]
    taken = 0
    for recipe, (document, scale, problems) in zip(recipes, served.script(RECIPES, recipes), strict=True):
        try:
            request = parse_request(document)
        except RequestError as error:
            assert problems, (recipe, str(error))
            continue
        assert not problems, (recipe, problems)
        taken += 1
        for name in SCALE:
            own = getattr(request.scale, name)
            wanted = pytest.approx(own, rel=1e-6) if name != "tile_mm" else own and pytest.approx(list(own))
            assert scale[name] == wanted, (name, recipe)
    assert 40 < taken < 360


def test_tiles_of_the_live_picture_are_those_of_the_server(served):
    chance = random.Random(7)
    for layout in JOINTED:
        for _ in range(8):
            tile = [round(chance.uniform(20, 700), 1), round(chance.uniform(20, 700), 1)]
            bond = served.script("return bondOf(...arguments)", layout, tile)
            for found, wanted in zip(bond["outlines"], outlines(layout, *tile), strict=True):
                assert np.array(found) == pytest.approx(wanted, abs=1e-6)
            assert np.array(bond["lattice"]) == pytest.approx(np.array(lattice(layout, tuple(tile))))
            angle = chance.choice([0, 30, 45, 90])
            found = served.script("return periodOf(...arguments)", layout, tile, angle)
            wanted = period(layout, tuple(tile), angle)
            assert (found is None) == (wanted is None)
            assert wanted is None or found == pytest.approx(list(wanted))


# Every preset and every layout; each with each in a thorough run.
PRESET_OF_LAYOUT = one_in(7, product(["", *JOINTED], PRESETS))


@pytest.mark.parametrize(("layout", "preset"), PRESET_OF_LAYOUT)
def test_every_preset_is_a_request_that_the_server_takes(served_once, layout, preset):
    served_once.choose("#layout", layout)
    served_once.click(f"[data-preset={preset}]")
    assert served_once.find(f"[data-preset={preset}]").get_attribute("aria-pressed") == "true"
    scale = parse_request(served_once.script("return paramsJson()")).scale
    assert served_once.script("return sizeProblems()") == []
    if preset == "sample":
        assert (scale.width_mm, scale.height_mm) == (100, 100)
    if preset == "floor":
        assert scale.width_mm == 2000 and scale.tile_mm is not None
    if preset == "texture":
        assert scale.seamless and max(scale.width, scale.height) >= 2048
    if preset == "print":
        assert (scale.width, scale.height) == (2480, 3504)
        assert scale.width / scale.width_mm * 25.4 == pytest.approx(300, abs=0.1)
    served_once.click("[data-preset=usual]")
    assert served_once.script("return state.granule_mm") is None


def test_texture_at_an_angle_without_a_period_is_an_error_beside_its_box_and_not_sent(served):
    served.type("#angle", "30")
    served.click("[data-preset=texture]")
    assert "never repeat" in served.text("#note-seamless")
    served.send_in_vain()
    assert served.find("#error").get_attribute("data-key") == "sizeWrong"
    assert served.script("return document.activeElement.id") == "size-seamless"
    served.type("#angle", "90")
    assert served.text("#note-seamless") == ""


@pytest.mark.parametrize(
    ("field", "typed", "words"),
    [
        ("width_mm", "5", "from 10 to 10000"),
        ("width_mm", "abc", "“abc” is no number"),
        ("width_mm", "20", "at least 40 mm"),
        ("granule_mm", "11", "from 0.5 to 10"),
        ("joint_mm", "60", "50 mm at most"),
        ("tile_length", "-3", "from 10 to 10000"),
    ],
)
def test_what_is_typed_stays_and_what_is_wrong_stands_beside_it(served_once, field, typed, words):
    served_once.choose("#layout", "brick")
    served_once.type(f"#size-{field}", typed)
    note = "tile_mm" if field == "tile_length" else field
    assert words in served_once.text(f"#note-{note}")
    assert served_once.find(f"#size-{field}").get_property("value") == typed
    assert served_once.find(f"#size-{field}").get_attribute("aria-invalid") == "true"
    served_once.send_in_vain()
    assert served_once.script("return document.activeElement.id") == f"size-{field}"
    served_once.type(f"#size-{field}", Keys.DELETE)
    assert served_once.text(f"#note-{note}") == ""
    assert served_once.find(f"#size-{field}").get_attribute("aria-invalid") is None


@pytest.mark.parametrize(
    ("typed", "value"),
    [("123,45", 123.45), ("0123", 123), ("250 mm", 250), ("1e3", 1000), ("99.1234", 99.1234)],
)
def test_number_is_sent_as_it_was_typed_and_not_touched(served_once, typed, value):
    served_once.type("#size-width_mm", typed)
    assert served_once.find("#size-width_mm").get_property("value") == typed
    assert json.loads(served_once.script("return paramsJson()"))["width_mm"] == value
    served_once.click("[data-language=ru]")
    assert served_once.find("#size-width_mm").get_property("value") == typed
    served_once.click("[data-language=en]")


def test_size_is_in_link_undo_and_saved_recipes(served):
    served.choose("#layout", "herringbone")
    served.type("#size-width_mm", "300")
    served.type("#size-tile_length", "120")
    served.click("#maps input[value=normal]")
    wanted = json.loads(served.script("return paramsJson()"))
    assert (wanted["width_mm"], wanted["tile_mm"], wanted["maps"]) == (300, [120, 50], ["normal"])
    link = served.script("return recipeFragment()")
    assert "&width_mm=300&tile_mm=120x50&maps=normal" in link
    served.click("[data-preset=usual]")
    served.click("#undo")
    assert json.loads(served.script("return paramsJson()")) == wanted
    served.click("[data-preset=usual]")
    served.script("location.hash = arguments[0].slice(1); openLink()", link)
    assert json.loads(served.script("return paramsJson()")) == wanted
    assert served.find("#size-tile_length").get_property("value") == "120"
    for reading in ("readJson(jsonOf(list), 'a.json')", "readCsv(csvOf(list).replace('\\ufeff', ''))"):
        again = served.script(
            f"const list = [{{ name: 'a', recipe: recipeNow() }}]; const read = {reading};"
            "return [read.problems, read.recipes.map(({ recipe }) => paramsJson(recipe))]"
        )
        assert again[0] == []
        assert json.loads(again[1][0]) == wanted


@pytest.mark.long
def test_picture_and_its_place_in_the_strip_say_how_large_it_is_and_maps_can_be_saved(served):
    served.click("[data-preset=sample]")
    for name in ("height", "ids"):
        served.click(f"#maps input[value={name}]")
    assert served.text("#size-now") == served.text("#live-size") == "100 × 100 mm"
    served.send()
    captions = [caption.text for caption in served.all("#pictures figcaption span")]
    assert captions == ["Preview 100 × 100 mm", "Final picture 100 × 100 mm", "Colour map 100 × 100 mm"]
    assert "100 × 100 mm" in served.text("#kept")
    saved = [link.get_attribute("download") for link in served.all("#maps-drawn a")]
    assert [name.rsplit("_", 1)[1] for name in saved] == ["height.png", "ids.png"]
    served.eventually(lambda: served.widths("#maps-drawn img"), [1024, 1024])
    served.click("[data-language=ru]")
    assert served.text("#live-size") == "100 × 100 мм"


@pytest.mark.few_pixels
def test_live_picture_has_the_shape_of_what_is_shown_and_its_shares(served):
    mix = [["RED", 300], ["WHITE", 700]]
    served.script("Object.assign(state, { width_mm: 210, height_mm: 297 })")
    choose(served, mix)
    rows, columns, _ = picture(served).shape
    assert columns / rows == pytest.approx(210 / 297, rel=0.05)
    areas, colors = served.script(
        "const { areas, heap } = live.whole || live.draft;"
        "return [[...areas], [...granuleColors(areas, heap.order, [0.3, 0.7])]]"
    )
    areas, colors = np.array(areas[1:]), np.array(colors[1:])
    assert areas.sum() == rows * columns
    assert areas[colors == 0].sum() / areas.sum() == pytest.approx(0.3, abs=0.002)


def test_phone_shows_the_whole_title_of_what_the_server_has_drawn(page, render_server):
    page.open(f"{render_server.url}/", "ru")
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        page.send()
        assert page.text("#live-title") == "Итоговая картинка"
        assert page.script("const t = byId('live-title'); return t.scrollWidth <= t.clientWidth")
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize(("width", "is_larger"), [(181, False), (183, True)])
def test_live_picture_says_from_which_size_on_its_granules_are_larger(served_once, width, is_larger):
    served_once.type("#size-width_mm", str(width))
    assert ("granules are larger" in served_once.text("#live-note")) is is_larger


@pytest.mark.few_pixels
def test_two_metres_of_floor_pour_no_more_granules_and_have_the_same_colour(served):
    mix = [["TERCOT", 600], ["BEIGE", 400]]
    choose(served, mix, "surface")
    near = picture(served).reshape(-1, 3)
    served.script("Object.assign(state, { width_mm: 2000, height_mm: 2000 })")
    choose(served, mix, "surface")
    far = picture(served).reshape(-1, 3)
    assert served.script("return live.heap.granules.length") < 65_000
    # What an eye sees from afar: the mean of the light.
    light = [from_light(to_light(pixels[None]).mean(1, keepdims=True), np.uint8) for pixels in (far, near)]
    # Near by it has dark holes between granules, and from afar no granules: 2 L*.
    assert light[0].astype(int) == pytest.approx(light[1].astype(int), abs=6)
    assert far.std(0).mean() < near.std(0).mean() / 3
    choose(served, mix, "grid")
    assert np.percentile(picture(served).mean(-1), 0.5) < far.mean() - 25
