"""The shares of the mix on the web page: typed, moved, locked, given away, undone."""

import json
import random

import pytest
from selenium.webdriver.common.keys import Keys

SHARES = "return state.colors.map((color) => color.units)"
MOVE = """
const [row, units] = arguments;
const slider = document.querySelectorAll(".row input[type=range]")[row];
slider.value = units;
slider.dispatchEvent(new Event("input"));
slider.dispatchEvent(new Event("change"));
"""
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
