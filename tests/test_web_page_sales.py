"""The web page for somebody who sells tiles: plain words, no click lost, colours found by their names."""

import random
import re

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from plitka.colors.palette import PALETTE

FOR_DEVELOPERS = re.compile(
    r"seed|ControlNet|guidance|CORS|pipeline|params_json|влияние плана|конвейер", re.IGNORECASE
)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_nothing_for_developers_is_said_until_it_is_asked_for(page, render_server, language):
    page.open(f"{render_server.url}/", language)
    assert FOR_DEVELOPERS.findall(page.text("body")) == []
    page.send()
    assert FOR_DEVELOPERS.findall(page.text("body")) == []
    page.click("#developers summary")
    page.wait_for(
        lambda: page.find("#seed").is_displayed() and page.find("[data-metric=seed]").is_displayed()
    )
    page.browser.refresh()
    page.wait_for(lambda: page.find("#seed").is_displayed())
    page.click("#developers summary")
    page.wait_for(lambda: not page.find("#seed").is_displayed())


FIELDS = {
    "#address": "http://127.0.0.1:9",
    "#seed": "x",
    "#angle": "steep",
    ".row:nth-child(1) .amount input": "many",
}
BUTTONS = ["#send", "#add", "#even", ".row:nth-child(2) .lock", "#layout", "#new-seed", "#copy", "#tab-curl"]


@pytest.mark.parametrize("field", FIELDS)
def test_first_click_after_typing_goes_where_it_was_aimed(served, field):
    served.developers()
    served.click("#random")
    served.script(
        """
        window.clicked = [];
        // Nothing is sent, opened or copied: only where the click lands counts.
        addEventListener("click", (event) => {
          const at = event.target.closest("button, select");
          if (!at) return;
          window.clicked.push(at.id || at.className);
          event.stopPropagation();
          event.preventDefault();
        }, true);
        """
    )
    for button in BUTTONS:
        element = served.find(field)
        served.script("arguments[0].select()", element)
        element.send_keys(FIELDS[field])
        aimed = served.find(button)
        ActionChains(served.browser).move_to_element(aimed).click_and_hold().pause(0.3).release().perform()
        wanted = aimed.get_attribute("id") or aimed.get_attribute("class")
        assert served.script("return window.clicked.pop()") == wanted, button
        served.script("document.activeElement.blur()")
    served.console_errors()


def test_enter_takes_the_only_match_of_the_colour_filter(served):
    for typed, code in (("изумр", "EMERALD"), ("red", "RED"), ("terracotta", "TERCOT")):
        served.click("#add")
        served.find("#filter").send_keys(typed, Keys.ENTER)
        assert not served.find("#picker").is_displayed()
        assert served.script("return state.colors.at(-1).id") == code
    served.click("#add")
    served.find("#filter").send_keys("e", Keys.ENTER)
    assert served.find("#picker").is_displayed()


@pytest.mark.parametrize("language", ["en", "ru"])
def test_misspelled_name_is_answered_in_its_own_language_with_the_colour_that_was_meant(
    page, render_server, language
):
    page.open(f"{render_server.url}/", language)
    page.click("#add")
    chance = random.Random(7)
    tried = 0
    for color in PALETTE.values():
        for name, words in ((color.prompt_word, "Did you mean"), (color.russian, "Возможно, нужен")):
            place = chance.randrange(1, len(name) - 1)
            typed = (
                name[:place] + name[place + 1 :]
                if len(name) > 4
                else f"{name[:place]}{name[place]}{name[place:]}"
            )
            page.type("#filter", typed)
            if page.text("#no-match") == "":
                continue
            assert words in page.text("#no-match"), typed
            assert color.code in [found.text for found in page.all(".code-name")], typed
            tried += 1
    assert tried > len(PALETTE)
    page.type("#filter", "абракадабра")
    assert page.text("#no-match").startswith("В палитре нет цвета «абракадабра»")
    assert page.console_errors() == []
