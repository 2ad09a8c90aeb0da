"""The web page all day long: results kept, compared and brought back."""

import pytest
from selenium.webdriver.common.keys import Keys

ARRIVED = "return strip.results.length > 0 && strip.results[0].thumb !== ''"
# The stream of the real server stops after its first picture, until `window.goOn()`.
HELD = """
const streamed = events;
events = async function* (...given) {
  for await (const event of streamed(...given)) {
    yield event;
    if (event.event === "output" && !window.goOn) await new Promise((go) => { window.goOn = go; });
  }
};
"""


@pytest.fixture
def in_russian(page):
    """A browser that asks for Russian."""
    agent = page.script("return navigator.userAgent")
    wish = {"userAgent": agent, "acceptLanguage": "ru-RU"}
    page.browser.execute_cdp_cmd("Emulation.setUserAgentOverride", wish)
    yield page
    wish["acceptLanguage"] = "en-US"
    page.browser.execute_cdp_cmd("Emulation.setUserAgentOverride", wish)


def draw(page):
    page.send()
    page.wait_for(lambda: page.script(ARRIVED))


@pytest.mark.long
def test_results_are_kept_compared_brought_back_and_drawn_again_by_somebody_who_reads_russian(
    in_russian, render_server, screen
):
    page = in_russian
    page.open(f"{render_server.url}/", "ru")
    page.script("localStorage.clear()")
    screen(1366, 900)
    page.browser.get(f"{render_server.url}/")
    assert page.text("#mix-title") == "Цвета"
    draw(page)
    page.choose("#example", "1")
    page.script(HELD)
    page.script("document.getElementById('send').click()")
    page.wait_for(lambda: page.script("return run.pictures.length === 1"))
    earlier = "#kept li:nth-child(2)"
    assert page.find(f"{earlier} img").is_displayed()
    page.click(f"{earlier} .thumb")
    page.wait_for(lambda: page.find("#result").is_displayed())
    assert [row.get_attribute("data-color") for row in page.all("#shares tbody")] == ["BLACK", "WHITE"]
    assert page.find("#waiting").is_displayed()
    page.eventually(lambda: page.widths("#drawn"), [128])
    page.script("window.goOn()")
    page.wait_for(lambda: page.script(ARRIVED))

    page.click("#compare-two")
    page.eventually(lambda: page.widths("#plate-1"), [256])
    assert page.text("#plate-words-0").startswith("60 % чёрный, 40 % белый")
    assert page.text("#plate-words-1").startswith("70 % терракот")
    page.find("#ways [value=beside]").send_keys(Keys.ARROW_RIGHT)
    page.find("#divider").send_keys(Keys.HOME, Keys.PAGE_UP, Keys.ARROW_RIGHT)
    assert page.find("#plate-1").value_of_css_property("clip-path") == "inset(0px 0px 0px 11%)"
    assert page.find("#plate-0").rect == page.find("#plate-1").rect
    page.find("#divider").send_keys(Keys.ESCAPE)

    page.browser.refresh()
    page.wait_for(lambda: len(page.all("#kept img")) == 2)
    assert page.text(".row .name b") == "терракот", "the recipe too is there after a reload"
    page.click(f"{earlier} .thumb")
    page.wait_for(lambda: page.find("#result").is_displayed())
    page.eventually(lambda: page.widths("#pictures img"), [128, 256, 256])
    assert (
        page.find(".picture.final a").get_attribute("download").startswith("plitka_black-60_white-40_seed-")
    )
    page.click("#take-recipe")
    assert page.script("return state.colors.map((color) => color.id)") == ["BLACK", "WHITE"]

    page.click(f"{earlier} .remove")
    page.wait_for(lambda: len(page.all("#kept li")) == 1)
    page.click("#bring-back")
    page.wait_for(lambda: len(page.all("#kept li")) == 2)
    page.wait_for(lambda: not page.script("return strip.results.some((one) => one.pictures)"))
    page.browser.refresh()
    page.wait_for(lambda: len(page.all("#kept img")) == 2)
    assert page.console_errors() == []


def test_drawing_that_fails_leaves_the_earlier_result_and_no_empty_place(served):
    draw(served)
    served.script("state.colors[0].id = '#12345'")
    served.send()
    assert served.find("#error").is_displayed()
    assert len(served.all("#kept li")) == len(served.all("#kept img")) == 1
    assert len(served.all("#pictures img")) == 3


# Results as the page makes them, with pictures of a few characters.
FEW = """
const [most, characters, done] = arguments;
Object.assign(STRIP, { results: most, characters });
const picture = document.createElement("canvas").toDataURL();
(async () => {
  for (let i = 0; i < 5; i += 1) {
    const pictures = [picture, picture, picture];
    const mine = { id: `r${i}`, recipe: recipeNow(), colors: state.colors, file: "x", pictures, metrics: {} };
    stripBegins(mine);
    strip.results[0].at = i;
    await stripTakes(mine);
  }
  await new Promise((go) => setTimeout(go, 100));
  const [results, kept] = [await keptAll("results"), await keptAll("pictures")];
  done([strip.results, results, kept].map((all) => all.map(({ id }) => id).sort()));
})();
"""


def test_oldest_results_go_when_there_are_too_many_or_they_are_too_large(page, render_server):
    for most, characters, wanted in ((3, 1e9, 3), (99, 1, 1)):
        page.open(f"{render_server.url}/")
        here, results, pictures = page.browser.execute_async_script(FEW, most, characters)
        assert here == results == pictures == [f"r{i}" for i in range(5 - wanted, 5)]
    assert page.console_errors() == []


# The database opens when `window.letOpen()` says so, long after the page's patience.
LATE = """
const [later, open] = [window.setTimeout, IDBFactory.prototype.open];
window.setTimeout = (call, wait, ...rest) => later(call, wait === 4000 ? 0 : wait, ...rest);
IDBFactory.prototype.open = function (...given) {
  const [real, seen] = [open.apply(this, given), {}];
  real.onupgradeneeded = () => { seen.result = real.result; seen.onupgradeneeded(); };
  real.onsuccess = () => { window.letOpen = () => { seen.result = real.result; seen.onsuccess(); }; };
  return seen;
};
"""


def test_what_is_kept_before_the_browsers_database_opens_late_is_kept_with_what_was_there(
    page, render_server
):
    page.open(f"{render_server.url}/")
    draw(page)
    page.wait_for(lambda: page.script("return strip.results.every((one) => !one.pictures)"))
    with page.beginning_with(LATE):
        page.browser.refresh()
        draw(page)
        page.wait_for(lambda: "until the page is closed" in page.text("#strip-note"))
        assert len(page.all("#kept img")) == 1
        page.wait_for(lambda: page.script("return Boolean(window.letOpen)"))
        page.script("window.letOpen()")
        page.wait_for(lambda: len(page.all("#kept img")) == 2)
        assert page.text("#strip-note") == ""
    page.browser.refresh()
    page.wait_for(lambda: len(page.all("#kept img")) == 2)
    page.click("#kept .thumb")
    page.eventually(lambda: page.widths("#pictures img"), [128, 256, 256])
    assert page.console_errors() == []


FORGOTTEN = """
const [done, sample] = [arguments[0], { id: "chip" }];
keep([["samples", sample]]).then(async () => {
  window.letOpen();
  await forget([["samples", "chip"]]);
  while (!(await keepsForLong())) await new Promise((go) => setTimeout(go, 10));
  done((await keptAll("samples")).filter(({ id }) => id === "chip"));
});
"""


def test_what_is_forgotten_as_the_database_opens_late_does_not_come_back(page, render_server):
    with page.beginning_with(LATE):
        page.open(f"{render_server.url}/")
        page.wait_for(lambda: page.script("return Boolean(window.letOpen)"))
        assert page.browser.execute_async_script(FORGOTTEN) == []
    assert page.console_errors() == []


# How a browser may keep nothing: its database raises, never answers, refuses, or is full.
FAULTS = {
    "raises": "Object.getPrototypeOf(indexedDB).open = () => { throw new Error(); };",
    "silent": "Object.getPrototypeOf(indexedDB).open = () => ({});",
    "refuses": """
        Object.getPrototypeOf(indexedDB).open = () => {
          const request = {};
          setTimeout(() => request.onerror && request.onerror());
          return request;
        };
    """,
    "full": "",
}


@pytest.fixture(params=FAULTS)
def forgetful(request, page, render_server):
    """The page in a browser that keeps nothing."""
    script = {"source": FAULTS[request.param]}
    added = page.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", script)
    # A browser that has kept something takes a little more, whatever it is allowed.
    page.open(f"{render_server.url}/", with_samples=False)
    if request.param == "full":
        quota = {"origin": render_server.url, "quotaSize": 1}
        page.browser.execute_cdp_cmd("Storage.overrideQuotaForOrigin", quota)
    yield page
    page.browser.execute_cdp_cmd("Storage.overrideQuotaForOrigin", {"origin": render_server.url})
    page.browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


@pytest.mark.long
def test_where_the_browser_keeps_nothing_the_page_still_works_until_it_is_closed(forgetful):
    page = forgetful
    draw(page)
    page.wait_for(lambda: "until the page is closed" in page.text("#strip-note"))
    page.click("#kept .thumb")
    page.wait_for(lambda: len(page.all("#pictures img")) == 3)
    page.click("#open-recipes")
    page.type("#recipe-name", "Mine")
    page.click("#save-recipe")
    page.wait_for(lambda: "until the page is closed" in page.text("#recipes-note"))
    assert page.text("#saved b") == "Mine"
    assert page.console_errors() == []
