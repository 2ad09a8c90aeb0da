"""Recipes on the web page: saved, sent as links, taken from files and given to them."""

import csv
import io
import json
import random
import sys
from urllib.parse import quote, unquote

import pytest
from live_picture import random_mix

from plitka.choices import CONTROL_KINDS
from plitka.request.controlnets import MAX_CONTROLNETS
from plitka.request.prompt_templates import TEMPLATES
from plitka.request.tile_request import MAX_SEED, parse_request
from plitka.server.serve import PAGE, ROOT

NAMES = [
    "Sea",
    "=1+1",
    "'quoted'",
    'a "b" c',
    "Площадка; 5,5",
    "-x",
    "a,b",
    "\u00e9\u4e2d",
    "line\u2028break",
    "'@x",
]


def random_controlnets(chance):
    """Several that the server takes, a part of the steps for a single one, or nothing."""
    if chance.random() < 0.5:
        part = chance.choice([{}, {"controlnetStart": 0.25}, {"controlnetStart": 0, "controlnetEnd": 0.6}])
        return {"controlnet": chance.choice(["", "on", "off"]), **part}
    kinds = chance.sample(CONTROL_KINDS, chance.randint(1, MAX_CONTROLNETS))
    parts = [(None, None), (0, 0.5), (0.25, None), (None, 1), (0.123, 0.9)]
    entries = []
    for kind in kinds:
        start, end = chance.choice(parts)
        entries.append({"kind": kind, "scale": chance.choice([None, 0, 0.65, 2]), "start": start, "end": end})
    return {"controlnet": "", "controlnets": entries}


def random_recipe(chance):
    """A recipe as the page's state has it."""
    colors = [
        {"id": code, "units": units, "locked": False, "typed": False} for code, units in random_mix(chance)
    ]
    if len(colors) > 1 and chance.random() < 0.5:
        share = chance.choice([12.34, 33.33333333333333, 0, 99.99999])
        colors[0] |= {"units": round(share * 10, 5), "typed": share}
    is_random = chance.random() < 0.5
    seed = "42" if is_random else str(chance.choice([0, 7, 2**53 + 1, MAX_SEED]))
    return {
        "colors": colors,
        "angle": chance.choice([0, 45, 22.5, -30, 400]),
        "quality": chance.choice(["preview", "standard", "high"]),
        "random": is_random,
        "seed": seed,
        "guidance": chance.choice([None, 0, 0.35, 1]),
        "layout": chance.choice(["", "surface", "grid", "brick"]),
        **random_controlnets(chance),
        "colorLock": chance.choice(["auto", "off", "always"]),
        # There is no seed after the last one.
        "variants": 1 if seed == str(MAX_SEED) else chance.choice([1, 2, 8]),
        "scaleBar": chance.random() < 0.3,
        "template": chance.choice(list(TEMPLATES)),
        "words": chance.choice(["", "wet, 100% clean & dry.", "=1+1", "(a)~b #c+d\u0436'", "-x"]),
    }


THROUGH_A_LINK = """
return arguments[0].map((recipe) => {
  takeRecipe(recipe);
  const before = paramsJson();
  const link = recipeFragment();
  const read = recipeOf(...partsOfLink(encodeURI(link)));
  return [link, before, read.recipe && paramsJson(read.recipe), read.problems];
});
"""


def test_any_recipe_comes_through_a_link_unchanged(served):
    chance = random.Random(19)
    recipes = [random_recipe(chance) for _ in range(60)]
    for link, before, after, problems in served.script(THROUGH_A_LINK, recipes):
        assert problems == [], link
        assert after == before, link
        assert len(link) < 400
        assert " " not in link


def test_link_fills_the_form_and_the_forms_recipe_is_always_in_the_address(served, render_server):
    link = f"{render_server.url}/#mix=red:50,чёрный:50&angle=45&seed=7"
    served.browser.get(link)
    served.wait_for(lambda: served.script("return state.angle") == 45)
    request = parse_request(served.code("json"))
    assert [(color.id, color.share) for color in request.mix] == [("RED", 0.5), ("BLACK", 0.5)]
    assert (request.angle, request.seed) == (45, 7)
    served.click("#undo")
    assert served.script("return state.colors[0].id") == "BLACK"
    served.wait_for(lambda: served.browser.current_url.endswith("#mix=black:60,white:40"))
    served.click("#redo")
    served.type("#angle", "30")
    served.wait_for(lambda: served.browser.current_url.endswith("#mix=red:50,black:50&angle=30&seed=7"))
    served.click("#copy-link")
    served.wait_for(lambda: served.text("#link-note") != "")
    assert "this computer only" in served.text("#link-note") or "does not allow" in served.text("#link-note")


PIECES = [
    "red",
    "50",
    ":",
    ",",
    "=",
    "&",
    "angle",
    "mix",
    "%",
    "%3C",
    "<img src=x onerror=hacked=1>",
    "'",
    '"',
    "{value}",
    "9" * 30,
    "__proto__",
    "#",
]


def test_bad_link_is_refused_in_words_and_nothing_of_it_becomes_a_part_of_the_page(served, render_server):
    chance = random.Random(4)
    served.script("window.hacked = 0")
    before = served.script("return recipeText()")
    told = 0
    for _ in range(20):
        words = "".join(chance.choices(PIECES, k=chance.randint(0, 12)))
        served.script("location.hash = arguments[0]", f"mix={words}")
        served.script("openLink()")
        if served.script("return recipeText()") != before:
            served.script("step(-1)")
            continue
        inside = served.script(
            "return [...document.querySelectorAll('#recipe-error *')].map((node) => node.tagName)"
        )
        assert set(inside) == {"STRONG", "UL", "LI"}, words
        assert served.text("#recipe-error strong") == "The link’s recipe was not taken over:"
        assert not served.all("#recipe-error li:empty")
        told += 1
    assert told > 14
    assert served.script("return window.hacked") == 0
    served.choose("#example", "1")
    assert not served.find("#recipe-error").is_displayed()


THROUGH_FILES = """
const [items, chosen] = arguments;
setLanguage(chosen);
const files = { "a.json": jsonOf(items), "a.csv": csvOf(items) };
const bytes = (words) => new TextEncoder().encode(words);
return Object.entries(files).map(([name, words]) => {
  const { recipes, problems } = readRecipes(name, textOfFile(bytes(words)));
  return [words, problems, recipes.map((one) => [one.name, paramsJson(one.recipe)])];
}).concat([[items.map(({ name, recipe }) => [name, paramsJson(recipe)])]]);
"""


@pytest.mark.parametrize("language", ["en", "ru"])
def test_recipes_come_through_files_unchanged_whatever_their_names(served, language):
    chance = random.Random(6)
    items = [{"name": name, "recipe": random_recipe(chance)} for name in NAMES]
    for item in items:
        # A table knows no share of nothing.
        item["recipe"]["colors"] = [color for color in item["recipe"]["colors"] if color["units"]]
    (json_words, *as_json), (table, *as_csv), (wanted,) = served.script(THROUGH_FILES, items, language)
    assert as_json == [[], wanted]
    problems, read = as_csv
    assert problems == []
    assert [name for name, _ in read] == NAMES
    for (name, found), (_, sent) in zip(read, wanted, strict=True):
        # The columns of the table order the colours.
        ordered = [
            {**parsed, "colors": sorted(parsed["colors"], key=str)}
            for parsed in map(json.loads, (found, sent))
        ]
        assert ordered[0] == ordered[1], name
    for item in json.loads(json_words):
        if item["request"].get("overrides", {}).get("color_guidance") != 0:
            parse_request(item["request"])
    divider = ";" if language == "ru" else ","
    assert {len(row) for row in csv.reader(io.StringIO(table), delimiter=divider)} == {
        len(table.split("\r\n")[0].split(divider))
    }


def test_exported_table_is_drawn_by_the_example_for_many_mixes(served, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    from many_mixes import read_mixes

    served.choose("#example", "1")
    served.developers()
    served.click("#random")
    save(served, "bricks")
    table = unquote(served.find("#export-csv").get_attribute("href").partition(",")[2])
    (tmp_path / "mixes.csv").write_text(table, encoding="utf-8", newline="")
    request = read_mixes(tmp_path / "mixes.csv")["bricks"]
    served.click("#close-recipes")
    assert request == parse_request(served.code("json"))
    sys.modules.pop("many_mixes")


def save(page, name):
    page.click("#open-recipes")
    page.type("#recipe-name", name)
    page.click("#save-recipe")
    page.wait_for(lambda: page.script("return savedAs(arguments[0]) !== undefined", name))


GOOD = '{"colors": [{"name": "red", "proportion": 1}]}'
BAD_FILES = [
    ("a.json", '[\n{"name": "a",\n"request": ]', 3, "no JSON"),
    ("a.json", f'[\n{{"name": "a", "request": {GOOD}}},\n{{"name": "a", "request": {GOOD}}}]', 3, "twice"),
    ("a.json", f'[{{"name": "[{{", "request": {GOOD}}},\n\n{{"name": "b", "request": 5}}]', 3, "no recipe"),
    ("a.json", f'[{{"name": "b",\n"request": {GOOD}, "more": 1}}]', 1, "more"),
    ("a.json", "[]", 1, "no recipe"),
    ("a.json", '{"colors": [{"name": "blak"}], "overrides": {"guidance_scale": 5}}', 1, "Nearest: black"),
    ("a.csv", "", 1, "no recipe"),
    ("a.csv", "red,blue\n50,50\n", 1, "tile"),
    ("a.csv", "tile,red,blau\nx,50,50\n", 1, "blau"),
    ("a.csv", "tile,red\n\nx,50\ny,fifty\n", 4, "fifty"),
    ("a.csv", 'tile;red\n"x\ny";50\nz;50;7\n', 4, "more fields"),
    ("a.csv", 'tile;red\nx;50\n"y;50\n', 3, "quotation mark"),
    ("a.csv", "tile;angle;red\nx;steep;50\n", 2, "steep"),
    ("a.csv", "tile;red\nx;\n", 2, "No colour"),
    ("a.csv", "tile;red\n;5\n", 2, "name"),
]


def test_bad_file_is_refused_whole_with_the_line_of_what_is_wrong(served, tmp_path):
    served.click("#open-recipes")
    for name, words, line, said in BAD_FILES:
        path = tmp_path / name
        path.write_text(words, encoding="utf-8")
        served.find("#import").send_keys(str(path))
        served.wait_for(lambda: served.script("return document.getElementById('import').value") == "")
        told = served.text("#recipes-error li:first-child")
        assert told.startswith(f"line {line}:"), (words, told)
        assert said in served.text("#recipes-error"), words
        assert not served.all("#saved li")
    path.write_bytes("название;чёрный;бежевый\r\nПлощадка;12,5;87,5\r\n".encode("cp1251"))
    served.find("#import").send_keys(str(path))
    served.wait_for(lambda: served.all("#saved li"))
    assert not served.find("#recipes-error").is_displayed()
    served.click("#saved li .secondary")
    assert served.script("return state.colors.map((color) => [color.id, percent(color)])") == [
        ["BLACK", 12.5],
        ["BEIGE", 87.5],
    ]


def test_saved_recipe_is_replaced_by_its_name_removed_and_brought_back(served):
    save(served, "Sea")
    served.click("#close-recipes")
    served.choose("#example", "3")
    served.click("#open-recipes")
    served.find("#recipe-name").send_keys("Sea")
    assert served.text("#save-recipe") == "Replace"
    served.click("#save-recipe")
    served.wait_for(lambda: "replaced" in served.text("#recipes-note"))
    served.browser.refresh()
    served.wait_for(lambda: served.script("return saved.recipes.length") == 1)
    served.click("#open-recipes")
    assert served.text("#saved b") == "Sea"
    served.click("#saved .remove")
    assert not served.all("#saved li")
    served.click("#restore")
    served.wait_for(lambda: served.all("#saved li"))
    served.click("#saved li .secondary")
    assert served.script("return state.colors.length") == 4


def test_recipes_are_saved_from_disk_too(page):
    page.open((ROOT / PAGE).as_uri())
    save(page, "Mine")
    assert page.text("#saved b") == "Mine"
    page.click("#close-recipes")
    page.browser.get((ROOT / PAGE).as_uri() + "#mix=" + quote("синий:30,белый:70"))
    page.browser.refresh()
    page.wait_for(lambda: page.script("return state.colors[0].id") == "BLUE")
    page.choose("#example", "2")
    page.wait_for(lambda: "dark-green:50" in page.browser.current_url)
    assert page.console_errors() == []
