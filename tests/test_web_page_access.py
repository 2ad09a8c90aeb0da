"""The web page for everyone: two languages, from disk, by keyboard and screen reader, on any screen."""

import json

import pytest

from plitka.request.tile_request import parse_request
from plitka.server.serve import PAGE, ROOT


def test_language_is_switched_everywhere_and_remembered(served):
    served.click("[data-language=ru]")
    assert served.script("return document.documentElement.lang") == "ru"
    assert served.text("#mix-title") == "Цвета"
    assert served.text(".row .name b") == "чёрный"
    served.browser.refresh()
    assert served.text("#mix-title") == "Цвета"
    english, russian = served.script("return [TEXT.en, TEXT.ru].map((words) => Object.keys(words).sort())")
    assert english == russian
    served.click("[data-language=en]")
    assert served.text("#mix-title") == "Colours"


def test_page_works_from_disk_and_asks_nothing_of_the_network(page):
    page.browser.get_log("performance")
    page.open((ROOT / PAGE).as_uri())
    page.choose("#example", "1")
    assert parse_request(page.code("json")).angle == 45
    assert "plitka serve" in page.text("#server-note")
    page.click("#send")
    assert "plitka serve" in page.text("#error")
    assert "CORS" not in page.text("body")
    messages = (json.loads(entry["message"])["message"] for entry in page.browser.get_log("performance"))
    urls = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    # Chromium's own pages, such as its new tab, are none of ours.
    assert [url for url in urls if not url.startswith(("file:", "data:", "chrome:"))] == []
    assert page.console_errors() == []


NAMELESS = """
const nodes = document.querySelectorAll("button, input, select, [role=slider], canvas, [role=tab], summary");
return [...nodes].filter((node) => node.checkVisibility() && !(node.getAttribute("aria-label")
  || (node.labels && [...node.labels].some((label) => label.textContent.trim())) || node.textContent.trim())
).map((node) => node.outerHTML.slice(0, 120));
"""
OVERFLOWING = """
return [...document.querySelectorAll("main *")].filter((node) => node.checkVisibility()
  && !node.closest("pre, svg") && node.getBoundingClientRect().right > innerWidth + 0.5)
  .map((node) => node.outerHTML.slice(0, 120));
"""


@pytest.mark.parametrize("language", ["en", "ru"])
def test_everything_has_a_name_and_fits_a_narrow_screen(page, render_server, language):
    metrics = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": False}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        page.open(f"{render_server.url}/", language)
        page.choose("#example", "3")
        page.developers()
        page.send()
        assert page.script(NAMELESS) == []
        assert page.script(OVERFLOWING) == []
        page.script("openPicker(-1)")
        assert page.script(NAMELESS) == []
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


OVERLAPPING = """
const boxes = [...document.querySelectorAll(".card")].filter((card) => card.checkVisibility())
  .map((card) => [card.getAttribute("aria-labelledby"), card.getBoundingClientRect()]);
return boxes.flatMap(([name, a], i) => boxes.slice(i + 1)
  .filter(([, b]) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
  .map(([other]) => `${name} and ${other}`));
"""


def test_cards_never_lie_over_each_other_however_far_the_page_is_scrolled(served, screen):
    served.developers()
    served.send()
    for width, height in ((1280, 1000), (1280, 700), (390, 844)):
        screen(width, height)
        for part in (0, 0.3, 0.6, 1):
            served.script("scrollTo(0, arguments[0] * document.documentElement.scrollHeight)", part)
            assert served.script(OVERLAPPING) == [], (width, height, part)


def test_picture_says_in_words_what_it_shows_in_both_languages(served):
    served.choose("#example", "1")
    assert served.find("#live").get_attribute("aria-label") == (
        "Picture of the tile: 70 % terracotta, 20 % beige, 10 % black; brick bond at 45°; 170 × 170 mm."
    )
    served.click("[data-language=ru]")
    label = served.find("#live").get_attribute("aria-label")
    assert label.startswith("Картинка плитки: 70 % терракот, 20 % бежевый, 10 % чёрный;")
    assert label.endswith("45°; 170 × 170 мм.")
