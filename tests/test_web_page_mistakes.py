"""The web page in the hands of somebody in a hurry: odd values, wrong addresses, a server that goes away."""

import json

import pytest
from selenium.webdriver.common.keys import Keys

from plitka.errors import RequestError
from plitka.request.fields import MAX_SEED
from plitka.request.tile_request import parse_request


def test_share_that_is_no_number_is_answered_beside_it_in_words(served):
    served.choose("#example", "1")
    row = ".row:nth-child(2)"
    for typed in ("-5", "abc", "1,2,3", "1e999"):
        served.type(f"{row} .amount input", typed)
        assert served.text(f"{row} .row-note") == f"“{typed}” is no share. It stays 20 %."
        assert served.find(f"{row} .amount input").get_attribute("aria-invalid") == "true"
    served.type(f"{row} .amount input", "12,34")
    assert served.text(f"{row} .row-note") == ""
    assert served.script("return percent(state.colors[1])") == 12.34


def test_ninth_colour_cannot_be_added_and_the_last_not_removed(served):
    while served.find("#add").is_enabled():
        served.click("#add")
        served.click(".choice:not(:disabled)")
    assert len(parse_request(served.code("json")).mix) == 8
    assert served.text("#mix-note") == "A mix has 8 colours at most."
    while served.find(".remove").is_enabled():
        served.click(".remove")
    assert len(parse_request(served.code("json")).mix) == 1
    assert not served.find("#send").get_property("disabled")


def test_angle_of_any_size_is_sent_as_it_was_typed(served):
    for typed, angle in (("400", 400), ("-1e308", -1e308), ("12.345", 12.345)):
        served.type("#angle", typed)
        assert parse_request(served.code("json")).angle == pytest.approx(parse_angle(angle))


def parse_angle(angle):
    """The angle as the server reads it."""
    return parse_request(json.dumps({"colors": [{"name": "red"}], "angle": angle})).angle


def test_wrong_seed_is_refused_in_words_and_the_largest_is_kept_exactly(served):
    served.developers()
    served.click("#random")
    for typed in ("9" * 19, "1e99", "-1", ""):
        served.type("#seed", typed)
        assert str(MAX_SEED) in served.text("#seed-note")
        assert parse_request(served.code("json")).seed == 42
    served.type("#seed", str(MAX_SEED))
    assert served.text("#seed-note") == ""
    assert parse_request(served.code("json")).seed == MAX_SEED


@pytest.mark.parametrize(("language", "word"), [("en", "refuses"), ("ru", "откажет")])
def test_colour_lock_that_the_server_refuses_is_said_before_it_is_sent(page, render_server, language, word):
    page.open(f"{render_server.url}/", language)
    page.developers()
    page.click("#own-guidance")
    page.choose("#color-lock", "always")
    assert word not in page.text("#color-lock-note")
    page.find("#guidance").send_keys(Keys.HOME)
    assert word in page.text("#color-lock-note")
    assert page.find("#color-lock").get_attribute("aria-invalid") == "true"
    with pytest.raises(RequestError, match="color_lock"):
        parse_request(page.code("json"))
    page.find("#guidance").send_keys(Keys.ARROW_RIGHT)
    assert word not in page.text("#color-lock-note")
    assert parse_request(page.code("json")).overrides.color_lock == "always"
    assert page.console_errors() == []


def test_server_that_cannot_be_reached_is_named_in_words(page, render_server):
    page.open(f"{render_server.url}/")
    page.developers()
    page.type("#address", "http://127.0.0.1:9")
    page.send()
    assert "http://127.0.0.1:9 cannot be reached" in page.text("#error")
    page.type("#address", "here")
    page.click("#send")
    assert "“here” is no address" in page.text("#error")
    page.click("[data-language=ru]")
    assert "«here» — не адрес" in page.text("#error")
    page.console_errors()


def test_address_copied_with_what_follows_it_is_still_the_servers(served, render_server):
    served.developers()
    served.type("#address", f" {render_server.url}/?from=mail#mix ")
    served.send()
    assert len(served.all("#pictures img")) == 3


@pytest.mark.parametrize("status", [200, 404])
def test_something_else_than_a_cog_server_is_said_in_words(served_once, status):
    served_once.script(
        """
        const [status] = arguments;
        const headers = { "Content-Type": "text/html" };
        window.fetch = async () => new Response("<p>hello</p>", { status, headers });
        """,
        status,
    )
    served_once.send()
    assert served_once.text("#error") == "Something answers there, but it is no Cog server."


def test_second_click_sends_nothing_and_the_focus_is_left_where_it_went(served):
    calls = served.script(
        """
        const fetched = window.fetch;
        window.puts = 0;
        window.fetch = (url, options) => {
          window.puts += options.method === "PUT";
          return fetched(url, options);
        };
        document.getElementById("send").click();
        document.getElementById("send").click();
        document.getElementById("angle").focus();
        return window.puts;
        """
    )
    assert calls == 1
    served.wait_for(lambda: served.script("return run.isOver && !document.getElementById('send').disabled"))
    assert served.script("return [window.puts, document.activeElement.id]") == [1, "angle"]
    served.click("#send")
    served.wait_for(lambda: served.script("return run.isOver && !document.getElementById('send').disabled"))
    assert served.script("return document.activeElement.id") == "send"


def test_refused_request_is_said_in_words_and_the_next_one_is_drawn(served):
    served.script("state.colors[0].id = '#12345'")
    served.send()
    assert served.text("#error strong") == "The tile could not be drawn."
    said = served.text("#error p")
    assert said.startswith('colors[0].hex: "#12345" is not a hex colour.')
    assert "RequestError" not in said
    served.choose("#example", "5")
    served.send()
    assert not served.find("#error").is_displayed()
    assert len(served.all("#pictures img")) == 3


def test_server_that_stops_in_the_middle_is_said_in_words_and_the_next_one_is_drawn(served):
    served.script(
        """
        window.fetched = window.fetch;
        const body = new ReadableStream({ pull: (pipe) => pipe.error(new TypeError("gone")) });
        window.fetch = async () => new Response(body, { headers: { "Content-Type": "text/event-stream" } });
        """
    )
    served.send()
    assert served.text("#error") == "The connection broke off before the tile was finished."
    assert served.find("#send").is_enabled()
    served.script("window.fetch = window.fetched")
    served.send()
    assert len(served.all("#pictures img")) == 3


def test_language_may_change_while_the_tile_is_drawn(served):
    served.script("document.getElementById('send').click()")
    served.click("[data-language=ru]")
    served.wait_for(lambda: served.script("return run.isOver"))
    assert served.text("#outcome").startswith("Готово за ")
    served.click("[data-language=en]")
    assert served.text("#outcome").startswith("Done in ")
    assert served.text(".picture.final figcaption span") == "Final picture 42 × 42 mm"
