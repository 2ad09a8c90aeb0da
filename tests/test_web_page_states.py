"""The web page in each of its states: WCAG AA in light and dark, and nothing moves from under a click."""

from importlib import resources

import pytest
from thorough import THOROUGH

AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
BREACHES = """
const done = arguments[arguments.length - 1];
axe.run(document, { runOnly: arguments[0], resultTypes: ["violations"] }).then(({ violations }) => done(
  violations.map(({ id, nodes }) => [id, nodes.map(({ target, failureSummary }) => [target, failureSummary])])
));
"""
ARRIVED = "return strip.results.length > 0 && strip.results[0].thumb !== ''"
DRAWING = """
run = { ...newRun(), stage: "preview", begun: 1 };
stripBegins(run);
byId("waiting").hidden = false;
showProgress();
"""
PHOTO = """
const canvas = document.createElement("canvas");
[canvas.width, canvas.height] = [600, 400];
const common = { share: 0.5, low: 0.45, high: 0.55, hex: "#A63437", outside: false, nearest: [] };
const colors = [{ id: "RED", alike: ["ORANGE"], ...common }, { id: "PEARL", alike: ["WHITE"], ...common }];
return createImageBitmap(canvas).then((bitmap) => {
  showPicture(bitmap);
  photo.found = { colors, sets: [{ colors: ["RED", "PEARL"] }], corners: null, uneven: true };
  photo.ids = ["RED", "WHITE"];
  photo.trouble = new Trouble("photoFailed", {}, "photo: x");
  openPhoto();
});
"""
# Undoes what a state does.
LEAVE = """
document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close());
byId("normalise").click();
byId("waiting").hidden = true;
hideError();
if (run && !run.isOver) {
  run.isOver = true;
  stripDrops(run.id);
}
"""
STATES = {
    "form": "",
    "mix that is not whole": "typeShare(0, 30); showTrouble({ key: 'notWhole', values: { share: '70 %' } })",
    "bad link": "location.hash = 'mix=blak:x'; openLink()",
    "picker": "openPicker(-1); byId('filter').value = 'антрацит'; showPalette()",
    "whole palette": "openPicker(-1); return wantSamples().then(() => null)",
    "recipes": "saveRecipe(); openRecipes()",
    "drawing": DRAWING,
    "results": "",
    "photograph": PHOTO,
    "side by side": "return openCompare()",
    "over each other": "way = 'over'; return openCompare()",
    "order": "byId('order-area').value = '120'; showOrder()",
    "order that cannot be": "byId('order-area').value = '1e9'; showOrder(true)",
    "for developers": "document.querySelectorAll('details').forEach((place) => { place.open = true; })",
}


# Each state is looked at on one of them, on both in a thorough run.
SCREENS = [(1366, "ru"), (390, "en")]


@pytest.fixture
def schemes(page):
    """Switches between the light and the dark page, without its soft transitions."""

    def switch(scheme):
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        assert page.script("return matchMedia('(prefers-color-scheme: dark)').matches") == (scheme == "dark")

    yield switch
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def breaches(page, rules=RULES):
    return page.browser.execute_async_script(BREACHES, rules)


@pytest.mark.long
@pytest.mark.few_pixels
@pytest.mark.parametrize(("width", "language"), SCREENS)
def test_every_state_of_the_page_keeps_wcag_aa_in_light_and_dark(
    page, render_server, screen, schemes, width, language
):
    page.open(f"{render_server.url}/", language)
    screen(width, 800)
    schemes("light")
    page.browser.execute_script(AXE)
    for place, (state, code) in enumerate(STATES.items()):
        if state == "results":
            for example in ("0", "1"):
                page.choose("#example", example)
                page.send()
                page.wait_for(lambda: page.script(ARRIVED))
        if not (THOROUGH or place % len(SCREENS) == SCREENS.index((width, language))):
            continue
        page.script(code)
        # The schemes differ in their colours alone.
        for scheme, rules in (("light", RULES), ("dark", ["color-contrast"])):
            schemes(scheme)
            assert breaches(page, rules) == [], (state, scheme)
        page.script(LEAVE)
    assert page.console_errors() == []


def test_axe_sees_a_breach(served):
    served.browser.execute_script(AXE)
    served.script("byId('send').style.color = '#c98'; byId('angle').removeAttribute('aria-label')")
    assert {rule for rule, _ in breaches(served)} == {"color-contrast", "label"}


# Where each button and field is.
PLACES = """
const nodes = [...document.querySelectorAll("button, select, input, summary, a")];
return Object.fromEntries(nodes.filter((node) => node.id && node.checkVisibility()).map((node) => {
  const box = node.getBoundingClientRect();
  return [node.id, [box.x, box.y]];
}));
"""
HELD = """
const streamed = events;
events = async function* (...given) {
  for await (const event of streamed(...given)) {
    yield event;
    if (event.event === "output") await new Promise((go) => { window.goOn = go; });
  }
};
"""
LATE_HEALTH = """
const told = serverStatus;
serverStatus = async (...given) => {
  await new Promise((go) => { window.tell = go; });
  return told(...given);
};
checkServer();
"""


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (390, 844)])
def test_nothing_that_is_clicked_moves_when_answers_and_pictures_come(
    page, render_server, screen, width, height
):
    page.open(f"{render_server.url}/", "ru")
    screen(width, height)
    page.script(LATE_HEALTH)
    page.wait_for(lambda: page.script("return Boolean(window.tell)"))
    before = page.script(PLACES)
    page.script("window.tell()")
    page.wait_for(lambda: page.text("#server-note") == "Сервер готов.")
    assert page.script(PLACES) == before
    page.script(HELD + "document.getElementById('send').click()")
    page.wait_for(lambda: page.script("return run.pictures.length === 1 && Boolean(window.goOn)"))
    before = page.script(PLACES)
    for pictures in (2, 3):
        page.script("const go = window.goOn; window.goOn = null; go()")
        page.eventually(
            lambda: page.script("return [run.pictures.length, Boolean(window.goOn)]"), [pictures, True]
        )
    page.wait_for(lambda: page.script(ARRIVED))
    after = page.script(PLACES)
    moved = {name for name in before.keys() & after.keys() if before[name] != after[name]}
    # Below the results, where nobody looks while a tile is drawn.
    assert {name for name in moved if before[name][1] < height} == set()
    assert page.console_errors() == []


def test_picture_that_comes_during_a_press_moves_nothing_until_the_release(served):
    served.script(HELD + "document.getElementById('send').click()")
    for pictures in (1, 2):
        served.wait_for(lambda: served.script("return Boolean(window.goOn)"))
        assert served.script("return run.pictures.length") == pictures
        if pictures == 2:
            served.script("document.body.dispatchEvent(new PointerEvent('pointerdown', { bubbles: true }))")
        served.script("const go = window.goOn; window.goOn = null; go()")
    served.wait_for(lambda: served.script("return run.pictures.length === 3"))
    assert not served.find("#result").is_displayed()
    served.script("document.body.dispatchEvent(new PointerEvent('pointerup', { bubbles: true }))")
    served.wait_for(lambda: served.find("#result").is_displayed())
