"""The web page for somebody who sells tiles: plain words, no click lost, colours found by their names."""

import random
import re
from itertools import cycle, product

import pytest
from live_picture import decoded
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys
from thorough import THOROUGH

from plitka.colors.common_names import nearest_by_name, suggest
from plitka.colors.palette import PALETTE, delta_e00, hex_to_lab

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


# Every field and every button; each with each in a thorough run.
TYPED_THEN_AIMED = [*product(FIELDS, BUTTONS)] if THOROUGH else [*zip(cycle(FIELDS), BUTTONS, strict=False)]


def test_first_click_after_typing_goes_where_it_was_aimed(served):
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
    for field, button in TYPED_THEN_AIMED:
        element = served.find(field)
        served.script("arguments[0].select()", element)
        element.send_keys(FIELDS[field])
        aimed = served.find(button)
        ActionChains(served.browser).move_to_element(aimed).click_and_hold().pause(0.3).release().perform()
        wanted = aimed.get_attribute("id") or aimed.get_attribute("class")
        assert served.script("return window.clicked.pop()") == wanted, (field, button)
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


# Typing by keys goes the same way; here is a name after the other.
TYPED_IN_TURN = """
const [filter, answer] = [byId("filter"), byId("no-match")];
return arguments[0].map((typed) => {
  filter.value = typed;
  filter.dispatchEvent(new Event("input", { bubbles: true }));
  const codes = [...document.querySelectorAll(".code-name")].map((node) => node.textContent);
  return [answer.checkVisibility() ? answer.innerText : "", codes];
});
"""


def misspelled(name, chance):
    place = chance.randrange(1, len(name) - 1)
    return name[:place] + name[place + 1 :] if len(name) > 4 else name[:place] + name[place] + name[place:]


@pytest.mark.parametrize("language", ["en", "ru"])
def test_misspelled_name_is_answered_in_its_own_language_with_the_colour_that_was_meant(
    page, render_server, language
):
    page.open(f"{render_server.url}/", language)
    page.click("#add")
    chance = random.Random(7)
    cases = [
        (misspelled(name, chance), words, color.code)
        for color in PALETTE.values()
        for name, words in ((color.prompt_word, "Did you mean"), (color.russian, "Возможно, нужен"))
    ]
    tried = 0
    answers = page.script(TYPED_IN_TURN, [typed for typed, _, _ in cases])
    for (typed, words, code), (answer, codes) in zip(cases, answers, strict=True):
        if answer == "":
            continue
        assert words in answer, typed
        assert code in codes, typed
        tried += 1
    assert tried > len(PALETTE)
    page.type("#filter", "абракадабра")
    assert page.text("#no-match").startswith("В палитре нет цвета «абракадабра»")
    assert page.console_errors() == []


def test_names_in_use_lead_to_the_same_nearest_colours_as_at_the_server(served):
    names = list(nearest_by_name())
    shown = "return arguments[0].map((name) => colorsNamed(name).length ? [] : similarColors(name).colors)"
    for name, colors in zip(names, served.script(shown, names), strict=True):
        found = tuple(color["ru" if "а" <= name[0] <= "я" else "en"] for color in colors)
        # Some are a part of a name in the palette: then the filter shows that.
        assert not found or found == suggest(name), name
    served.click("#add")
    for typed, code, words in (
        ("антрацит", "DKGRAY", "Ближе всего"),
        ("Кирпичн", "TERCOT", "Ближе всего"),
        ("бардовый", "TERCOT", "Ближе всего"),
        ("burgundy", "TERCOT", "nearest"),
    ):
        served.type("#filter", typed)
        assert served.text(".code-name") == code
        assert words in served.text("#no-match")
    served.find("#filter").send_keys(Keys.ENTER)
    assert served.find("#picker").is_displayed(), "three nearest are no match to take"


@pytest.mark.long
@pytest.mark.few_pixels
def test_picker_opens_at_once_and_then_shows_granules_as_they_look(served):
    served.click("#add")
    assert len(served.all(".choice .swatch")) == len(PALETTE)
    served.browser.execute_async_script("wantSamples().then(() => arguments[0]())")
    pictures = served.script("return samples.pictures")
    assert set(pictures) == set(PALETTE)
    for code, url in pictures.items():
        sample = decoded(url)
        mean = "#{:02X}{:02X}{:02X}".format(*(round(value) for value in sample.reshape(-1, 3).mean(0)))
        assert delta_e00(hex_to_lab(mean), PALETTE[code].lab) < 6, code
        assert sample.std(axis=(0, 1)).max() > 8, code
    assert "data:image" in served.find(".choice .swatch").value_of_css_property("background-image")
    served.browser.refresh()
    served.script("pourSamples = () => { throw new Error('poured again'); }")
    served.click("#add")
    served.wait_for(lambda: served.script("return Object.keys(samples.pictures).length") == len(PALETTE))
