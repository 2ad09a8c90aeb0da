"""Several ControlNets on the web page, and a part of the steps for one: by hand, as the server takes it."""

import json
import random

import pytest
from checkpoints import edit_manifest
from selenium.webdriver.common.keys import Keys

from plitka.choices import CONTROL_KINDS
from plitka.errors import RequestError
from plitka.request.tile_request import parse_request
from plitka.server.page_palette import page_in_use
from plitka.server.serve import PAGE, offered_controlnets


@pytest.fixture
def form(page, tmp_path):
    """The page as it is served for an engine with three kinds."""
    path = tmp_path / "page.html"
    path.write_bytes(page_in_use(PAGE.read_bytes(), controlnets=("canny", "softedge", "depth")))
    page.open(path.as_uri())
    page.developers()
    return page


def overrides(page):
    return json.loads(page.code("json")).get("overrides", {})


def marked(page):
    places = ("#controlnets-field ", "#controlnet-window ", "#controlnet")
    chosen = ", ".join(f"{place}[aria-invalid=true]" for place in places)
    return {field.get_attribute("id") for field in page.all(chosen)}


def test_controlnets_are_added_set_and_removed_with_the_keyboard_alone(form):
    form.find("#add-controlnet").send_keys(Keys.ENTER)
    assert form.script("return document.activeElement.id") == "controlnet-kind-0"
    press = form.browser.switch_to
    press.active_element.send_keys("s")
    press.active_element.send_keys(Keys.TAB, "0.6")
    press.active_element.send_keys(Keys.TAB, Keys.TAB)
    press.active_element.send_keys("0,5")
    assert overrides(form) == {"controlnets": [{"kind": "softedge", "scale": 0.6, "end": 0.5}]}
    assert parse_request(form.code("json")).overrides.controlnets[0].end == 0.5
    for kinds in (2, 3):
        form.find("#add-controlnet").send_keys(Keys.ENTER)
        assert len(overrides(form)["controlnets"]) == kinds
    assert not form.find("#add-controlnet").is_enabled(), "the engine has no fourth kind"
    form.find("#remove-controlnet-0").send_keys(Keys.ENTER)
    assert form.script("return document.activeElement.id") == "remove-controlnet-0"
    assert [entry["kind"] for entry in overrides(form)["controlnets"]] == ["canny", "depth"]
    form.click("#undo")
    assert [entry["kind"] for entry in overrides(form)["controlnets"]] == ["softedge", "canny", "depth"]
    for _ in range(3):
        form.find("#remove-controlnet-0").send_keys(Keys.ENTER)
    assert form.script("return document.activeElement.id") == "add-controlnet"
    assert overrides(form) == {}
    assert form.console_errors() == []


def test_what_the_server_refuses_is_said_beside_the_control_in_both_languages(form):
    form.click("#add-controlnet")
    form.choose("#controlnet", "on")
    form.type("#controlnet-start-0", "0.7")
    form.type("#controlnet-end-0", "0.3")
    form.type("#controlnet-start", "0.1")
    assert marked(form) == {"controlnet", "controlnet-end-0", "controlnet-start"}
    said = form.text("#controlnets-note")
    assert "the end, 0.3, is not above the start, 0.7" in said
    assert "“ControlNet” is for a single ControlNet and cannot stand beside several" in said
    with pytest.raises(RequestError):
        parse_request(form.code("json"))
    form.script("speak('ru')")
    assert "конец 0.3 не больше начала 0.7" in form.text("#controlnets-note")
    assert form.find("#remove-controlnet-0").get_attribute("aria-label") == "Убрать ControlNet canny"
    form.choose("#controlnet", "")
    form.type("#controlnet-start", Keys.BACKSPACE)
    form.type("#controlnet-end-0", "0,9")
    assert marked(form) == set()
    assert parse_request(form.code("json")).overrides.controlnets[0].start == 0.7
    form.type("#controlnet-scale-0", "3")
    assert marked(form) == {"controlnet-scale-0"}
    assert "«3» — не число от 0 до 2" in form.text("#controlnets-note")
    assert "scale" not in overrides(form)["controlnets"][0]


def random_state(chance):
    part = (None, 0, 0.25, 0.5, 1)
    entries = [
        {
            "kind": chance.choice(CONTROL_KINDS[:3]),
            "scale": None,
            "start": chance.choice(part),
            "end": chance.choice(part),
        }
        for _ in range(chance.randint(0, 3))
    ]
    single = {name: chance.choice((None, None, *part)) for name in ("controlnetStart", "controlnetEnd")}
    return {"controlnets": entries, "controlnet": chance.choice(("", "", "on", "off")), **single}


JUDGED = """
return arguments[0].map((one) => {
  Object.assign(state, one);
  return [controlnetProblems(state).length, paramsJson()];
});
"""


def is_refused(request):
    try:
        parse_request(request)
    except RequestError as error:
        assert all("controlnet" in problem.field for problem in error.problems), error
        return True
    return False


def test_the_page_refuses_what_the_server_refuses_and_nothing_else(form):
    chance = random.Random(22)
    states = [random_state(chance) for _ in range(150)]
    judged = form.script(JUDGED, states)
    for problems, request in judged:
        assert (problems > 0) == is_refused(request), request
    assert 20 < sum(problems > 0 for problems, _ in judged) < 140


BAD_LINKS = (
    *("canny:3", "canny,canny", "canny:::0", "canny::0.6:0.4", "edges", "canny:a", "canny:1:0:1:1", ""),
    *("[{}]", "[1]", "[", "canny,softedge,depth,normal"),
)
READ_LINK = "return recipeOf([['red', '100']], [['controlnets', arguments[0]]]).problems.map(problemText)"


def test_a_link_with_controlnets_that_the_server_would_refuse_is_refused(form):
    for value in BAD_LINKS:
        (problem,) = form.script(READ_LINK, value)
        assert "1 to 3 different ones" in problem, value
    assert form.script(READ_LINK, "canny:0.5,depth::0.1:1") == []


def test_the_page_has_them_where_the_engine_does(page, folder, monkeypatch, sd15_folder, tmp_path):
    assert offered_controlnets("render") == ()
    assert offered_controlnets("sdxl") == ("canny", "softedge", "lineart", "depth")
    own = {"base": {"folder": "none"}, "controlnets": {}, "control": {}}
    edit_manifest(folder, lambda models: models.update(families={"sd15": own}))
    monkeypatch.setenv("PLITKA_BASE_MODEL", str(sd15_folder / "base"))
    assert offered_controlnets("sdxl") == ()
    monkeypatch.setenv("PLITKA_BASE_MODEL", "owner/base")
    assert offered_controlnets("sdxl") is None
    path = tmp_path / "page.html"
    path.write_bytes(page_in_use(PAGE.read_bytes(), controlnets=()))
    page.open(path.as_uri())
    page.developers()
    assert not page.find("#controlnets-field").is_displayed()
    kept = {"kind": "canny", "scale": 1, "start": None, "end": None}
    page.script("takeRecipe({ colors: state.colors, controlnets: [arguments[0]] })", kept)
    assert page.find("#controlnets-field").is_displayed(), "a recipe that was kept is shown as it is"
