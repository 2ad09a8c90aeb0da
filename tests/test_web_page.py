"""The web page as people use it: in a browser, against the real server."""

import ast
import json
import random
import re
import shlex
import subprocess
import sys
from typing import get_args

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from plitka.choices import ColorLock
from plitka.colors.mix import hex_mix_color
from plitka.colors.palette import PALETTE
from plitka.request.drawing_settings import settings_for
from plitka.request.overrides import DEFAULT_COLOR_LOCK
from plitka.request.tile_request import parse_inputs, parse_request
from plitka.tile.colormap import JOINTS, joint_hex

SHARES = "return state.colors.map((color) => color.units)"
MOVE = """
const [row, units] = arguments;
const slider = document.querySelectorAll(".row input[type=range]")[row];
slider.value = units;
slider.dispatchEvent(new Event("input"));
slider.dispatchEvent(new Event("change"));
"""
INPUTS = {"colors": "", "angle": 0.0, "quality": "standard", "seed": -1}
# What people may type as a share and what it is, and every way to change the shares: the row of each
# step, the colours after it, and what the fields show.
TYPED = {
    "0": 0,
    "0.04": 0.04,
    "12,34": 12.34,
    "12.5 %": 12.5,
    "33.33333333333333": 33.33333333333333,
    "50": 50,
    "100": 100,
    "125": 125,
    "-5": None,
    "abc": None,
    "": None,
}
STEPS = """
const all = (selector) => [...document.querySelectorAll(selector)];
const change = (input, value, ...events) => {
  input.value = value;
  events.forEach((name) => input.dispatchEvent(new Event(name)));
};
return arguments[0].map(([kind, part, value]) => {
  const row = Math.floor(part * state.colors.length);
  if (kind === "move") change(all(".row input[type=range]")[row], value, "input", "change");
  const field = all(".amount input")[row];
  if (kind === "type" && !field.disabled) change(field, value, "input", "change");
  if (kind === "lock") all(".lock")[row].click();
  if (kind === "remove") all(".remove")[row].click();
  if (kind === "even" || kind === "normalise") document.getElementById(kind).click();
  if (kind === "give") {
    const give = document.getElementById("give");
    change(give, [...give.options].at(-1).value, "change");
  }
  if (kind === "add" && !document.getElementById("add").disabled) {
    document.getElementById("add").click();
    all(".choice:not(:disabled)")[Math.floor(part * 10)].click();
  }
  const shown = all(".amount input").map((input) => typedNumber(input.value));
  return [row, state.colors, shown];
});
"""


@pytest.mark.usual_size
def test_request_is_built_sent_and_answered_with_three_pictures_and_measured_shares(served):
    served.developers()
    served.choose("#example", "1")
    served.type("#angle", "30")
    served.click("#random")
    served.type("#seed", "7")
    served.send()
    served.eventually(lambda: served.widths("#pictures img"), [512, 1024, 1024])
    rows = served.all("#shares tbody")
    assert [row.get_attribute("data-color") for row in rows] == ["TERCOT", "BEIGE", "BLACK"]
    assert [row.find_elements("css selector", "td")[0].text for row in rows] == ["70.0 %", "20.0 %", "10.0 %"]
    widths = [bar.size["width"] for bar in served.all("#shares .bar.got")]
    assert widths[0] == pytest.approx(3.5 * widths[1], rel=0.05)
    assert served.text("[data-metric=seed] dd") == "7"
    assert served.text("[data-metric=engine] dd") == "render"
    assert served.text("#outcome").startswith("Done in ")
    assert not served.find("#waiting").is_displayed()
    assert served.find("#send").is_enabled()


def test_joints_of_the_browsers_map_have_the_colour_of_the_servers_joints(served):
    chance = random.Random(3)
    joints = [color for color, _ in JOINTS]
    mixes = [
        [
            "#" + bytes(min(max(value + chance.randint(-60, 60), 0), 255) for value in color).hex().upper()
            for color in chance.sample(joints, chance.randint(1, 8))
        ]
        for _ in range(200)
    ]
    found = served.script("return arguments[0].map(jointColor)", mixes)
    assert found == [joint_hex(tuple(map(hex_mix_color, mix))) for mix in mixes]
    assert len(set(found)) > 2


def random_steps(chance, many):
    kinds = ["move"] * 3 + ["type"] * 6 + ["lock", "add", "add", "remove", "even", "normalise", "give"]
    values = {"move": lambda: chance.randint(1, 1000), "type": lambda: chance.choice(list(TYPED))}
    return [
        (kind, chance.random(), values.get(kind, lambda: 0)())
        for kind in (chance.choice(kinds) for _ in range(many))
    ]


def test_number_that_was_typed_stays_and_moves_no_other_share(served):
    steps = random_steps(random.Random(5), 300)
    before, tried = {"BLACK": 600, "WHITE": 400}, 0
    for step, (row, colors, shown) in zip(steps, served.script(STEPS, steps), strict=True):
        kind, _, value = step
        after = {color["id"]: color["units"] for color in colors}
        assert shown == pytest.approx([units / 10 for units in after.values()]), step
        if kind == "type" and len(colors) > 1:
            typed = colors[row]["id"]
            wanted = before | ({} if TYPED[value] is None else {typed: TYPED[value] * 10})
            assert after == pytest.approx(wanted), step
            tried += 1
        elif kind == "add" and any(color["typed"] is not False for color in colors):
            stayed = {color["id"]: color["units"] for color in colors if color["typed"] is not False}
            assert stayed.items() <= before.items(), step
        elif kind in ("normalise", "even"):
            assert sum(after.values()) == pytest.approx(1000, abs=0.1), step
            assert kind != "even" or min(after.values()) >= 1, step
        before = after
    assert tried > 50


@pytest.mark.parametrize("language", ["en", "ru"])
def test_shares_typed_one_after_the_other_are_sent_as_they_were_typed(page, render_server, language):
    page.open(f"{render_server.url}/", language)
    page.choose("#example", "3")
    for row, typed in enumerate(("40", "30", "17,5", "12.5"), 1):
        page.type(f".row:nth-child({row}) .amount input", typed)
    page.type("#angle", "22,5")
    request = json.loads(page.code("json"))
    assert [color["proportion"] for color in request["colors"]] == [40, 30, 17.5, 12.5]
    assert request["angle"] == 22.5
    assert not page.find("#balance").is_displayed()
    assert page.console_errors() == []


def test_rest_and_excess_are_shown_and_can_be_given_or_normalised(served):
    field = ".row:nth-child(1) .amount input"
    served.type(field, "30")
    assert served.text("#missing") == "30 % left"
    served.send_in_vain()
    assert "The shares sum to 70 %" in served.text("#error")
    served.choose("#give", "1")
    assert served.script(SHARES) == [300, 700]
    assert not served.find("#error").is_displayed()
    served.type(field, "125")
    assert served.text("#missing") == "95 % too much"
    assert served.find(field).get_attribute("value") == "125"
    served.click("#normalise")
    assert served.script(SHARES) == [641, 359]
    assert not served.find("#balance").is_displayed()


RECIPE = "return recipeText()"


@pytest.mark.long
def test_every_change_of_the_recipe_can_be_undone_and_done_again(served):
    seen = [served.script(RECIPE)]
    for step in [*random_steps(random.Random(8), 30)]:
        served.script(STEPS, [step])
        recipe = served.script(RECIPE)
        if recipe != seen[-1]:
            seen.append(recipe)
    served.type("#angle", "22,5")
    served.choose("#layout", "grid")
    served.script("document.querySelector('#qualities [value=high]').click()")
    final = served.script(RECIPE)
    body = served.find("body")
    for recipe in reversed(seen):
        while served.find("#undo").is_enabled() and served.script(RECIPE) != recipe:
            body.send_keys(Keys.CONTROL, "z")
        assert served.script(RECIPE) == recipe
    assert not served.find("#undo").is_enabled()
    while served.find("#redo").is_enabled():
        served.click("#redo")
    assert served.script(RECIPE) == final


def test_number_typed_digit_by_digit_is_undone_in_one_step(served):
    served.find(".row:nth-child(1) .amount input").send_keys(Keys.CONTROL, "a", Keys.NULL, "12,75")
    assert served.script(SHARES) == [127.5, 400]
    served.find(".row:nth-child(1) .amount input").send_keys(Keys.CONTROL, "z")
    assert served.script(SHARES) == [600, 400]


def test_locked_share_stays_when_another_is_moved(served):
    served.choose("#example", "3")
    served.click(".row:nth-child(2) .lock")
    served.script(MOVE, 0, 650)
    shares = served.script(SHARES)
    assert shares[:2] == [650, 300]
    assert shares[2] > shares[3] > 0


def test_slider_moved_there_and_back_leaves_the_mix_as_it_was(served):
    served.choose("#example", "3")
    before = served.script(SHARES)
    there = MOVE.replace('slider.dispatchEvent(new Event("change"));', "")
    for units in (900, 998, before[0]):
        served.script(there, 0, units)
    assert served.script(SHARES) == before


def test_whole_palette_can_be_found_by_its_names_in_both_languages(served):
    served.click("#add")
    assert len(served.all(".choice")) == len(PALETTE)
    for typed, code in (("тёмно-зел", "DKGREEN"), ("emer", "EMERALD"), ("TERC", "TERCOT")):
        served.type("#filter", typed)
        assert [found.text for found in served.all(".code-name")] == [code]
    served.click(".choice")
    assert parse_request(served.code("json")).mix[-1].id == "TERCOT"


def test_hex_colour_is_taken_and_a_bad_one_refused_in_words(served):
    served.click("#add")
    served.type("#hex", "#12345")
    served.click("#hex-form [type=submit]")
    assert "“#12345” is no colour" in served.text("#hex-note")
    served.type("#hex", "a63437")
    served.click("#hex-form [type=submit]")
    assert parse_request(served.code("json")).mix[-1].id == "#A63437"


def test_angle_is_set_by_keys_by_typing_and_by_the_mouse(served):
    dial = served.find("#dial")
    dial.send_keys(Keys.PAGE_UP, Keys.ARROW_UP, Keys.ARROW_UP)
    assert dial.get_attribute("aria-valuenow") == "17"
    served.type("#angle", "-45")
    assert dial.get_attribute("aria-valuenow") == "135"
    assert parse_request(served.code("json")).laying_angle == 135
    ActionChains(served.browser).move_to_element_with_offset(
        dial, 0, -dial.size["height"] // 2 + 5
    ).click().perform()
    assert served.find("#angle").get_attribute("value") == "90"


def test_colour_lock_is_asked_for_only_where_it_is_no_default(served):
    served.developers()
    for lock in ("off", "always", DEFAULT_COLOR_LOCK):
        served.choose("#color-lock", lock)
        overrides = json.loads(served.code("json")).get("overrides", {})
        assert overrides == ({} if lock == DEFAULT_COLOR_LOCK else {"color_lock": lock})
        assert settings_for(parse_request(served.code("json"))).color_lock == lock
    assert tuple(served.script("return LIMITS.locks")) == get_args(ColorLock)


def test_result_shows_what_was_done_about_the_colours(served):
    served.developers()
    served.send()
    assert served.text("[data-metric=correction] dd").startswith("not corrected (")
    served.choose("#color-lock", "always")
    served.send()
    assert served.text("[data-metric=correction] dd") == "corrected (color_lock is always)"


def fill_in(page):
    """A request with everything in it, and how the server reads it."""
    page.developers()
    page.choose("#example", "2")
    page.type("#angle", "12.5")
    page.click("#random")
    page.type("#seed", str(2**60))
    page.choose("#controlnet", "off")
    page.click("#own-guidance")
    page.choose("#color-lock", "always")
    return parse_request(page.code("json"))


def dictionary_in(code):
    """The value of `request` in a Python text."""
    for statement in ast.parse(code).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == "request":
            return ast.literal_eval(statement.value)
    raise AssertionError(code)


def test_every_text_to_copy_says_the_same_request(served, render_server):
    request = fill_in(served)
    assert (request.angle, request.seed, request.layout) == (12.5, 2**60, "grid")
    assert request.overrides.use_controlnet is False
    settings = settings_for(request)
    assert (settings.color_guidance, settings.color_lock) == (0.5, "always")
    for target in ("cog", "replicate"):
        words = shlex.split(served.code("curl", target).replace("\\\n", " "))
        body = json.loads(words[words.index("-d") + 1])
        assert parse_inputs(**INPUTS | body["input"]) == request
        assert set(body) == ({"input"} if target == "cog" else {"input", "version"})
        assert any(word.startswith(("https://api.replicate.com/v1/", render_server.url)) for word in words)
        assert parse_request(json.dumps(dictionary_in(served.code("python", target)))) == request
        code = re.sub(r"^import .*$", "", served.code("javascript", target), flags=re.MULTILINE)
        whole = {"expression": f"async () => {{{code}}}", "persistScript": False, "sourceURL": ""}
        assert "exceptionDetails" not in served.browser.execute_cdp_cmd("Runtime.compileScript", whole)
        assert f'"{2**60}"' in code


def test_copied_python_draws_the_tile(served, tmp_path):
    served.developers()
    served.click("#random")
    (tmp_path / "draw.py").write_text(served.code("python"), encoding="utf-8")
    subprocess.run([sys.executable, "draw.py"], cwd=tmp_path, check=True, timeout=300)
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [
        "colormap.png",
        "final.png",
        "preview.png",
    ]


@pytest.mark.usual_size
def test_running_prediction_can_be_cancelled(page, sdxl_server):
    page.open(f"{sdxl_server.url}/")
    # They are drawn still when it is cancelled, however late that is.
    page.type("#variants", "8")
    page.click("#send")
    page.wait_for(lambda: page.script("return run.stage !== 'wait' || run.isOver"))
    page.click("#cancel")
    page.wait_for(lambda: page.script("return run.isOver"))
    assert page.text("#outcome") == "Cancelled."
    assert page.console_errors() == []
