"""The web page's variants: asked for, counted, chosen, kept and compared; and its scale bar."""

import json

import pytest
from selenium.webdriver.common.keys import Keys
from test_web_page_access import NAMELESS
from test_web_page_progress import STILL
from test_web_page_states import AXE, BREACHES, RULES

from plitka.request.fields import MAX_SEED
from plitka.request.tile_request import parse_request

ON_STAGE, AT_RESULT = "#stage .variants button", "#result .variants button"
PARAMS = "return paramsJson()"
KEPT = "return strip.results.filter(({ thumb }) => thumb).length"
IN_DATABASE = "return strip.results.every(({ thumb, pictures }) => thumb && !pictures)"
# The stream of the real server stops after each file, until `window.more(count)` lets further ones pass.
ONE_BY_ONE = """
let [allowed, go] = [1, () => {}];
window.more = (count) => { allowed += count; go(); };
const streamed = events;
events = async function* (...given) {
  for await (const event of streamed(...given)) {
    yield event;
    if (event.event !== "output") continue;
    allowed -= 1;
    while (allowed < 1) await new Promise((pass) => { go = pass; });
  }
};
"""
# The real server is asked in a way in which it does not stream.
IN_ONE_PIECE = """
const asked = window.fetch;
window.fetch = (url, options) => (options && options.headers && options.headers.Accept === "text/event-stream"
  ? Promise.resolve(new Response("", { status: 406 })) : asked(url, options));
"""


def ask_for(page, count, seed="11"):
    page.script(
        "Object.assign(state, { random: false, seed: arguments[0] }); showEverything()",
        seed,
    )
    page.type("#variants", str(count))


def arrive(page, files):
    """Let further files through, and wait for them."""
    wanted = page.script("return run.pictures.length") + files
    page.script("window.more(arguments[0])", files)
    page.wait_for(lambda: page.script("return run.isOver || run.pictures.length >= arguments[0]", wanted))


def pressed(page, selector):
    return [button.get_attribute("aria-pressed") for button in page.all(selector)].index("true") + 1


def test_variants_and_scale_bar_are_in_the_request_and_in_all_that_keeps_a_recipe(served):
    plain = served.script(PARAMS)
    served.type("#variants", "3")
    served.click("#scale-bar")
    wanted = served.script(PARAMS)
    request = parse_request(wanted)
    assert (request.variants, request.overrides.scale_bar) == (3, True)
    assert '\\"variants\\": 3' in served.code("curl")
    assert '"scale_bar": True' in served.code("python")
    for form in ("python", "javascript"):
        assert '["preview", "final", "colormap", "final_2", "final_3"]' in served.code(form)
    link = served.script("return recipeFragment()")
    assert link.endswith("&variants=3&scale_bar=on")
    served.click("#undo")
    served.click("#undo")
    assert served.script(PARAMS) == plain
    assert served.find("#variants").get_property("value") == "1"
    assert not served.find("#scale-bar").is_selected()
    served.script("location.hash = arguments[0].slice(1); openLink()", link)
    assert served.script(PARAMS) == wanted
    assert served.find("#variants").get_property("value") == "3"
    assert served.find("#scale-bar").is_selected()
    served.click("#open-recipes")
    served.type("#recipe-name", "Three")
    served.click("#save-recipe")
    served.click("#close-recipes")
    served.script("takeRecipe({ colors: state.colors })")
    assert served.script(PARAMS) == plain
    served.click("#open-recipes")
    served.click("#saved li button")
    assert served.script(PARAMS) == wanted
    for reading in ("readJson(jsonOf(list), 'a.json')", "readCsv(csvOf(list).replace('\\ufeff', ''))"):
        problems, again = served.script(
            f"const list = [{{ name: 'a', recipe: recipeNow() }}]; const read = {reading};"
            "return [read.problems, read.recipes.map(({ recipe }) => paramsJson(recipe))]"
        )
        assert (problems, again) == ([], [wanted])


@pytest.mark.parametrize("given", ["0", "9", "2.5", "many", "-1", ""])
def test_link_with_a_wrong_number_of_variants_is_refused_and_says_what_is_allowed(served_once, given):
    found = served_once.script(
        "return recipeOf([['black', '100']], [['variants', arguments[0]]]).problems.map(problemText)", given
    )
    assert len(found) == 1 and "a whole number from 1 to 8" in found[0]


@pytest.mark.parametrize("typed", ["0", "9", "2.5", Keys.DELETE])
def test_wrong_number_of_variants_stays_and_nothing_is_sent(served_once, typed):
    served_once.type("#variants", typed)
    assert served_once.text("#variants-note") == "Give a whole number from 1 to 8."
    assert served_once.find("#variants").get_attribute("aria-invalid") == "true"
    served_once.send_in_vain()
    assert served_once.find("#error").get_attribute("data-key") == "variantsWrong"
    assert served_once.script("return document.activeElement.id") == "variants"
    served_once.type("#variants", "2")
    assert served_once.text("#variants-note") == ""
    served_once.find("#variants").send_keys(Keys.ARROW_UP)
    assert json.loads(served_once.script(PARAMS))["variants"] == 3


def test_seed_with_too_few_after_it_is_said_beside_the_field(served):
    ask_for(served, 3, str(MAX_SEED - 1))
    assert served.text("#variants-note") == "With this seed, at most 2."
    served.send_in_vain()
    served.type("#variants", "2")
    assert served.text("#variants-note") == ""
    assert parse_request(served.script(PARAMS)).variants == 2


def test_variants_come_one_by_one_are_counted_and_chosen_while_others_are_drawn(served):
    served.script(ONE_BY_ONE)
    ask_for(served, 3)
    for name in ("height", "ids"):
        served.click(f"#maps input[value={name}]")
    served.click("#send")
    served.wait_for(lambda: served.script("return run.pictures.length === 1"))
    served.wait_for(lambda: len(served.all(ON_STAGE)) == 3)
    places = len(served.all("#kept li"))
    assert places == 3
    assert [button.is_enabled() for button in served.all(ON_STAGE)] == [False] * 3
    assert served.text("#stage-words") == "Drawing final 1 of 3"
    arrive(served, 2)
    assert not served.script("return run.isOver"), "the colour map is not the last file"
    assert served.text("#stage-words") == "Drawing final 2 of 3"
    arrive(served, 1)
    assert served.text("#stage-words") == "Drawing final 3 of 3"
    assert [button.is_enabled() for button in served.all(ON_STAGE)] == [True, True, False]
    assert pressed(served, ON_STAGE) == 1
    served.wait_for(lambda: len(served.all(f"{ON_STAGE} img")) == 2)
    served.find(f"{ON_STAGE}[data-number='2']").send_keys(Keys.ENTER)
    assert served.text("#live-title") == "Final picture, variant 2 of 3"
    assert served.script("return byId('drawn').src === run.pictures[3]")
    arrive(served, 1)
    assert served.text("#stage-words") == "Drawing the maps"
    assert pressed(served, ON_STAGE) == 2, "what is looked at stays"
    assert served.script("return document.activeElement.dataset.number") == "2"
    served.script("window.more(9)")
    served.wait_for(lambda: served.script("return run.isOver"))
    assert served.text("#outcome").startswith("Done in ")
    served.wait_for(lambda: served.script(KEPT) == 3)
    assert len(served.all("#kept li")) == places, "nothing moves in the strip"
    served.click(f"{AT_RESULT}[data-number='1']")
    served.wait_for(lambda: len(served.all("#maps-drawn img")) == 2)
    saved = [link.get_attribute("download") for link in served.all("#maps-drawn a")]
    assert [name.rsplit("_", 1)[1] for name in saved] == ["height.png", "ids.png"]


@pytest.mark.long
def test_each_variant_is_a_result_with_its_own_seed_whose_recipe_draws_it_again(served):
    ask_for(served, 3)
    served.send()
    served.wait_for(lambda: served.script(IN_DATABASE))
    served.browser.refresh()
    served.wait_for(lambda: len(served.all("#kept img")) == 3)
    served.click("#kept li:nth-child(1) .thumb")
    served.wait_for(lambda: len(served.all(AT_RESULT)) == 3)
    assert len(served.all("#pictures img")) == 3
    served.click(f"{AT_RESULT}[data-number='3']")
    served.wait_for(lambda: pressed(served, AT_RESULT) == 3)
    assert pressed(served, ON_STAGE) == 3
    assert len(served.all("#pictures img")) == 1
    for link in (".picture.final a", "#save"):
        assert served.find(link).get_attribute("download").endswith("_seed-13_final.png")
    several = served.script("return [shown.pictures[1], shown.metrics]")
    served.click("#kept li:nth-child(2) input")
    served.click("#kept li:nth-child(3) input")
    served.click("#compare-two")
    served.eventually(lambda: served.widths("#plate-1"), [256])
    words = {served.text(f"#plate-words-{side}").rsplit(" · ", 1)[1] for side in (0, 1)}
    assert words == {"variant 2", "variant 3"}
    served.click("#close-compare")
    served.click("#take-recipe")
    request = json.loads(served.script(PARAMS))
    assert request["seed"] == 13 and "variants" not in request
    served.send()
    alone = served.script("return [shown.pictures[1], shown.metrics]")
    assert several[0] == alone[0], "the same file, to the byte"
    assert several[1]["seed"] == alone[1]["seed"] == "13"
    for name in ("request", "fidelity.final", "correction.final", "fidelity.worst_error_pp", "steps.final"):
        assert several[1][name] == alone[1][name], name
    assert served.all(AT_RESULT) == [], "one picture has no others beside it"


@pytest.mark.long
def test_cancel_keeps_the_variants_that_are_here_and_no_empty_place(served):
    served.script(ONE_BY_ONE)
    ask_for(served, 8)
    served.click("#send")
    served.wait_for(lambda: served.script("return run.pictures.length === 1"))
    arrive(served, 3)
    served.click("#cancel")
    # However fast the server is, the page is told to leave off here.
    served.wait_for(lambda: served.script("return run.abort.signal.aborted"))
    served.script("window.more(99)")
    served.wait_for(lambda: served.script("return run.isOver"))
    here = served.script("return run.pictures.length - 2")
    assert served.text("#outcome") == "Cancelled."
    assert 2 <= here < 8
    served.wait_for(lambda: served.script(IN_DATABASE))
    assert len(served.all("#kept li")) == len(served.all(AT_RESULT)) == here
    served.browser.refresh()
    served.wait_for(lambda: len(served.all("#kept img")) == here)
    ask_for(served, 1)
    served.send()
    assert served.text("#outcome").startswith("Done in ")
    assert len(served.all("#kept li")) == here + 1


def test_variants_of_a_server_that_does_not_stream_are_all_there(served):
    served.script(IN_ONE_PIECE)
    ask_for(served, 2)
    served.click("#maps input[value=height]")
    served.send()
    served.wait_for(lambda: served.script(KEPT) == 2)
    assert len(served.all("#maps-drawn img")) == 1
    served.click(f"{ON_STAGE}[data-number='2']")
    served.wait_for(lambda: pressed(served, AT_RESULT) == 2)
    assert served.script("return shown.metrics.seed") == "12"


def test_steps_of_each_final_picture_are_counted_on_their_own(served):
    served.type("#variants", "3")
    served.script(STILL)
    served.script("run.begun -= 9000")
    parts = []
    for number, done in ((1, 5), (2, 0), (2, 10), (3, 20)):
        line = f"final {number} of 3 1024x1024:  50%|█████     | {done}/20 [00:10<00:10,  1.00step/s]"
        served.script("countSteps(arguments[0])", line)
        wanted = f"Drawing final {number} of 3" + (f": step {done} of 20" if done else "")
        assert served.text("#stage-words") == wanted
        parts.append(served.script("return run.part"))
        left = served.script("return secondsLeft()")
    assert parts == sorted(parts)
    assert left < 1, "nothing comes after the last step of the last one"


@pytest.mark.long
@pytest.mark.parametrize(("width", "language"), [(360, "ru"), (1366, "en")])
def test_variants_fit_the_screen_and_are_accessible(page, render_server, screen, width, language):
    screen(width, 800)
    page.open(f"{render_server.url}/", language)
    ask_for(page, 8)
    page.send()
    page.wait_for(lambda: page.script(KEPT) == 8)
    assert page.script("return document.documentElement.scrollWidth <= innerWidth")
    assert page.script(NAMELESS) == []
    page.script(AXE)
    assert page.browser.execute_async_script(BREACHES, RULES) == []
    page.find(f"{ON_STAGE}[data-number='1']").send_keys(Keys.TAB)
    assert page.script("return document.activeElement.dataset.number") == "2"
    page.script("return document.activeElement").send_keys(Keys.SPACE)
    page.wait_for(lambda: pressed(page, ON_STAGE) == 2)
    assert page.console_errors() == []
