"""The page of a catalogue in a browser, from the disk and without network."""

import datetime

import pytest
from selenium.webdriver.common.keys import Keys
from small import SMALL

from plitka.batch.folder import CatalogueFolder
from plitka.batch.make import Look, finish
from plitka.batch.plan import plan_catalogue
from plitka.batch.runner import Task
from plitka.batch.table import Row
from plitka.batch.worker import draw_task
from plitka.engines import load_engine

NAME = "porch (red) 100%"
# Lab and ΔE00 as Sharma, Wu and Dalal (2005) list them: hues across 0°, one that is grey, blues.
PAIRS = [
    ([50, 2.6772, -79.7751], [50, 0, -82.7485], 2.0425),
    ([50, 2.49, -0.001], [50, -2.49, 0.0011], 7.2195),
    ([50, 0, 0], [50, -1, 2], 2.3669),
    ([60.2574, -34.0099, 36.2677], [60.4626, -34.1751, 39.4387], 1.2644),
    ([2.0776, 0.0795, -1.135], [0.9033, -0.0636, -0.5514], 0.9082),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    rows = [Row(2, "", {"colors": "50% black, 50% white"}), Row(3, NAME, {"colors": "red"})]
    plan = plan_catalogue([*rows, Row(4, "", {"colors": "blue"})], SMALL)
    engine = load_engine("render")
    with CatalogueFolder(tmp_path_factory.mktemp("catalogue") / "out") as folder:
        for item in plan.items:
            folder.write(item, draw_task(Task(item.hash, item.request.to_json()), engine).data, {})
        finish(plan, folder, [], Look("</script><b>Title", "en", datetime.date(2026, 1, 1)))
        return (folder.path / "catalogue.html").as_uri()


def tiles(page):
    return [tile.text.split("\n")[0] for tile in page.all(".tile")]


def search(page, field, value):
    page.script(
        "at(arguments[0]).value = arguments[1]; at(arguments[0]).dispatchEvent(new Event('input'))",
        field,
        value,
    )
    return tiles(page)


def test_tiles_are_found_by_colour_and_name_and_seen_by_keyboard(browser, screen, address):
    screen(360, 740)
    browser.browser.get(address)
    assert browser.text("h1") == "</script><b>Title"
    assert tiles(browser) == ["50 % black", NAME, "100 % blue"]
    assert browser.script("return document.documentElement.scrollWidth") <= 360
    assert search(browser, "near", "BLUE")[0] == "100 % blue"
    assert search(browser, "color", "#d02020")[0] == NAME
    browser.click("#off")
    assert search(browser, "with", "WHITE") == ["50 % black"]
    search(browser, "with", "")
    assert search(browser, "text", "чёрный") == ["50 % black"]
    assert search(browser, "text", "") == ["50 % black", NAME, "100 % blue"]
    browser.find(".tile").send_keys(Keys.ENTER)
    keys = browser.browser.switch_to.active_element
    keys.send_keys(Keys.ARROW_RIGHT)
    assert browser.text("#large-name") == NAME
    browser.wait_for(lambda: browser.script("return at('picture').naturalWidth") == SMALL["width"])
    keys.send_keys(Keys.ESCAPE)
    browser.wait_for(lambda: not browser.script("return at('large').open"))
    assert browser.script("return document.activeElement.textContent").startswith(NAME)
    assert browser.console_errors() == []


def test_the_page_computes_colour_differences_as_published(browser, address):
    browser.browser.get(address)
    for one, other, expected in PAIRS:
        found = browser.script("return difference(arguments[0], arguments[1])", one, other)
        assert found == pytest.approx(expected, abs=1e-4)
