"""The web page as people use it: in a browser, against the real server."""

import ast
import json
import random
import re
import shlex
import subprocess
import sys
from typing import get_args

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from plitka.choices import ColorLock
from plitka.colors.mix import hex_mix_color
from plitka.colors.palette import PALETTE
from plitka.request.drawing_settings import settings_for
from plitka.request.overrides import DEFAULT_COLOR_LOCK
from plitka.request.tile_request import parse_inputs, parse_request
from plitka.tile.colormap import JOINTS, joint_hex

INPUTS = {"colors": "", "angle": 0.0, "quality": "standard", "seed": -1}


@pytest.mark.usual_size
def test_request_is_built_sent_and_answered_with_three_pictures_and_measured_shares(served):
    served.developers()
    served.choose("#example", "1")
    served.type("#angle", "30")
    served.click("#random")
    served.type("#seed", "7")
    served.send()
    served.eventually(lambda: served.widths("#pictures img"), [512, 1024, 1024])
    rows = served.all("#shares tbody")
    assert [row.get_attribute("data-color") for row in rows] == ["TERCOT", "BEIGE", "BLACK"]
    assert [row.find_elements("css selector", "td")[0].text for row in rows] == ["70.0 %", "20.0 %", "10.0 %"]
    widths = [bar.size["width"] for bar in served.all("#shares .bar.got")]
    assert widths[0] == pytest.approx(3.5 * widths[1], rel=0.05)
    assert served.text("[data-metric=seed] dd") == "7"
    assert served.text("[data-metric=engine] dd") == "render"
    assert served.text("#outcome").startswith("Done in ")
    assert not served.find("#waiting").is_displayed()
    assert served.find("#send").is_enabled()


def test_joints_of_the_browsers_map_have_the_colour_of_the_servers_joints(served):
    chance = random.Random(3)
    joints = [color for color, _ in JOINTS]
    mixes = [
        [
            "#" + bytes(min(max(value + chance.randint(-60, 60), 0), 255) for value in color).hex().upper()
            for color in chance.sample(joints, chance.randint(1, 8))
        ]
        for _ in range(200)
    ]
    found = served.script("return arguments[0].map(jointColor)", mixes)
    assert found == [joint_hex(tuple(map(hex_mix_color, mix))) for mix in mixes]
    assert len(set(found)) > 2


def test_whole_palette_can_be_found_by_its_names_in_both_languages(served):
    served.click("#add")
    assert len(served.all(".choice")) == len(PALETTE)
    for typed, code in (("тёмно-зел", "DKGREEN"), ("emer", "EMERALD"), ("TERC", "TERCOT")):
        served.type("#filter", typed)
        assert [found.text for found in served.all(".code-name")] == [code]
    served.click(".choice")
    assert parse_request(served.code("json")).mix[-1].id == "TERCOT"


def test_hex_colour_is_taken_and_a_bad_one_refused_in_words(served):
    served.click("#add")
    served.type("#hex", "#12345")
    served.click("#hex-form [type=submit]")
    assert "“#12345” is no colour" in served.text("#hex-note")
    served.type("#hex", "a63437")
    served.click("#hex-form [type=submit]")
    assert parse_request(served.code("json")).mix[-1].id == "#A63437"


def test_angle_is_set_by_keys_by_typing_and_by_the_mouse(served):
    dial = served.find("#dial")
    dial.send_keys(Keys.PAGE_UP, Keys.ARROW_UP, Keys.ARROW_UP)
    assert dial.get_attribute("aria-valuenow") == "17"
    served.type("#angle", "-45")
    assert dial.get_attribute("aria-valuenow") == "135"
    assert parse_request(served.code("json")).laying_angle == 135
    ActionChains(served.browser).move_to_element_with_offset(
        dial, 0, -dial.size["height"] // 2 + 5
    ).click().perform()
    assert served.find("#angle").get_attribute("value") == "90"


def test_colour_lock_is_asked_for_only_where_it_is_no_default(served):
    served.developers()
    for lock in ("off", "always", DEFAULT_COLOR_LOCK):
        served.choose("#color-lock", lock)
        overrides = json.loads(served.code("json")).get("overrides", {})
        assert overrides == ({} if lock == DEFAULT_COLOR_LOCK else {"color_lock": lock})
        assert settings_for(parse_request(served.code("json"))).color_lock == lock
    assert tuple(served.script("return LIMITS.locks")) == get_args(ColorLock)


def test_result_shows_what_was_done_about_the_colours(served):
    served.developers()
    served.send()
    assert served.text("[data-metric=correction] dd").startswith("not corrected (")
    served.choose("#color-lock", "always")
    served.send()
    assert served.text("[data-metric=correction] dd") == "corrected (color_lock is always)"


def fill_in(page):
    """A request with everything in it, and how the server reads it."""
    page.developers()
    page.choose("#example", "2")
    page.type("#angle", "12.5")
    page.click("#random")
    page.type("#seed", str(2**60))
    page.choose("#controlnet", "off")
    page.click("#own-guidance")
    page.choose("#color-lock", "always")
    return parse_request(page.code("json"))


def dictionary_in(code):
    """The value of `request` in a Python text."""
    for statement in ast.parse(code).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == "request":
            return ast.literal_eval(statement.value)
    raise AssertionError(code)


def test_every_text_to_copy_says_the_same_request(served, render_server):
    request = fill_in(served)
    assert (request.angle, request.seed, request.layout) == (12.5, 2**60, "grid")
    assert request.overrides.use_controlnet is False
    settings = settings_for(request)
    assert (settings.color_guidance, settings.color_lock) == (0.5, "always")
    for target in ("cog", "replicate"):
        words = shlex.split(served.code("curl", target).replace("\\\n", " "))
        body = json.loads(words[words.index("-d") + 1])
        assert parse_inputs(**INPUTS | body["input"]) == request
        assert set(body) == ({"input"} if target == "cog" else {"input", "version"})
        assert any(word.startswith(("https://api.replicate.com/v1/", render_server.url)) for word in words)
        assert parse_request(json.dumps(dictionary_in(served.code("python", target)))) == request
        code = re.sub(r"^import .*$", "", served.code("javascript", target), flags=re.MULTILINE)
        whole = {"expression": f"async () => {{{code}}}", "persistScript": False, "sourceURL": ""}
        assert "exceptionDetails" not in served.browser.execute_cdp_cmd("Runtime.compileScript", whole)
        assert f'"{2**60}"' in code


def test_copied_python_draws_the_tile(served, tmp_path):
    served.developers()
    served.click("#random")
    (tmp_path / "draw.py").write_text(served.code("python"), encoding="utf-8")
    subprocess.run([sys.executable, "draw.py"], cwd=tmp_path, check=True, timeout=300)
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [
        "colormap.png",
        "final.png",
        "preview.png",
    ]


@pytest.mark.usual_size
def test_running_prediction_can_be_cancelled(page, sdxl_server):
    page.open(f"{sdxl_server.url}/")
    # They are drawn still when it is cancelled, however late that is.
    page.type("#variants", "8")
    page.click("#send")
    page.wait_for(lambda: page.script("return run.stage !== 'wait' || run.isOver"))
    page.click("#cancel")
    page.wait_for(lambda: page.script("return run.isOver"))
    assert page.text("#outcome") == "Cancelled."
    assert page.console_errors() == []
