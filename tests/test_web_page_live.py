"""The web page's live picture: drawn in the browser, with the shares and the pixels it should have."""

import random
from typing import get_args

import cv2
import numpy as np
import pytest
from live_picture import choose, decoded, label_maps, picture, random_mix

from plitka.choices import Layout
from plitka.colors.mix import palette_mix_color
from plitka.colors.palette import PALETTE
from plitka.fidelity.shown_colors import shown_colors

pytestmark = pytest.mark.every_pixel


@pytest.fixture
def half(page, render_server, screen):
    """The page with half the pixels on a side: fewer to pour, and shares are no easier."""
    screen(1280, ratio=0.5)
    if page.purpose != __name__:
        page.open(f"{render_server.url}/")
        page.purpose = __name__
    yield page
    assert page.console_errors() == []


@pytest.fixture
def fresh_half(half):
    """The same for a test that leaves it otherwise."""
    yield half
    half.purpose = None


COUNT_POURS = """
window.pours = 0;
const pour = pourTile;
pourTile = function* (...given) { window.pours += 1; return yield* pour(...given); };
"""


@pytest.mark.long
def test_granules_of_every_colour_cover_its_share_in_any_mix_layout_and_seed(half):
    chance = random.Random(11)
    for layout in get_args(Layout):
        mix = random_mix(chance)
        choose(half, mix, layout, chance.randint(0, 179), str(chance.randrange(2**63)))
        _, colors = label_maps(half)
        assert (layout == "surface") == bool((colors >= 0).all())
        counts = np.bincount(colors[colors >= 0], minlength=len(mix))
        wanted = [units / 10 for _, units in mix]
        assert 100 * counts / counts.sum() == pytest.approx(wanted, abs=0.1), (mix, layout)


def test_shares_can_be_read_from_the_lit_picture(served):
    mix = [["TERCOT", 500], ["BEIGE", 300], ["BLUE", 200]]
    choose(served, mix)
    colors = tuple(palette_mix_color(PALETTE[code], units / 1000) for code, units in mix)
    counts = np.bincount(shown_colors(picture(served), colors).ravel(), minlength=3)
    assert 100 * counts / counts.sum() == pytest.approx([50, 30, 20], abs=3)


@pytest.mark.long
def test_changed_share_recolours_few_granules_and_pours_none(half):
    choose(half, [["RED", 500], ["BLUE", 500]])
    _, before = label_maps(half)
    old = picture(half)
    half.script(COUNT_POURS)
    choose(half, [["RED", 520], ["BLUE", 480]])
    _, after = label_maps(half)
    assert 0.015 < (before != after).mean() < 0.025
    assert (picture(half) != old).any()
    choose(half, [["PINK", 520], ["BLUE", 480]])
    assert half.script("return window.pours") == 0
    choose(half, [["PINK", 520], ["BLUE", 480]], seed="43")
    assert half.script("return window.pours") > 0


@pytest.mark.long
def test_same_request_gives_the_same_picture_and_another_seed_another(half):
    mix = [["TERCOT", 700], ["BEIGE", 200], ["#FF00AA", 100]]
    choose(half, mix, "brick", 30)
    first = picture(half)
    half.browser.refresh()
    choose(half, mix, "brick", 30, "7")
    other = picture(half)
    choose(half, mix, "brick", 30)
    assert (picture(half) == first).all()
    assert (other != first).any(-1).mean() > 0.9


@pytest.mark.long
def test_picture_has_the_pixels_of_the_screen_up_to_those_of_the_final_picture(page, render_server, screen):
    screen(1280)
    page.open(f"{render_server.url}/")
    for width, ratio in ((1280, 1), (700, 2), (1100, 1), (360, 3)):
        screen(width, ratio=ratio)
        page.wait_for(lambda: page.script("return !live.isDrawing && livePixels() === live.pixels"))
        canvas = page.find("#live")
        assert canvas.get_property("width") == pytest.approx(min(canvas.size["width"] * ratio, 1024), abs=2)
        assert canvas.get_property("height") == canvas.get_property("width")


@pytest.mark.long
def test_large_picture_comes_small_first_with_the_same_granules(page, render_server, screen):
    screen(1280, ratio=2)
    page.open(f"{render_server.url}/")
    choose(page, [["BLACK", 500], ["WHITE", 500]])
    page.script(
        """
        window.shown = [];
        const canvas = document.getElementById("live").getContext("2d");
        const put = canvas.putImageData;
        canvas.putImageData = (...given) => {
          put.apply(canvas, given);
          window.shown.push(document.getElementById("live").toDataURL("image/png"));
        };
        """
    )
    choose(page, [["BLACK", 300], ["WHITE", 700]])
    small, large = (decoded(url) for url in page.script("return window.shown"))
    assert len(small) == 240 < len(large)
    softened = cv2.resize(large, small.shape[:2], interpolation=cv2.INTER_AREA)
    assert np.corrcoef(small[..., 1].ravel(), softened[..., 1].ravel())[0, 1] > 0.8


def test_page_answers_while_the_picture_is_poured(fresh_half):
    # A clock that says after every step that the slice is over: no matter how fast the machine is.
    drawing = fresh_half.browser.execute_async_script(
        """
        const [done] = arguments;
        let now = 0;
        performance.now = () => (now += 1000);
        state.layout = "grid";
        changed();
        const seen = [];
        const look = () => { seen.push(live.isDrawing); seen.length < 3 ? setTimeout(look, 0) : done(seen); };
        setTimeout(look, 0);
        """
    )
    assert drawing == [True, True, True]
    fresh_half.wait_for(lambda: fresh_half.script("return !live.isDrawing"))
    assert fresh_half.script("return live.whole.key").split(",")[2] == "grid"


def test_without_memory_for_light_the_flat_colour_map_is_drawn_with_its_shares(fresh_half):
    fresh_half.script("lightOn = function* () { yield new Float32Array(2 ** 52); }")
    mix = [["DKGREEN", 500], ["LTGREEN", 300], ["YELLOW", 200]]
    choose(fresh_half, mix, "grid", 0)
    pixels, counts = np.unique(picture(fresh_half).reshape(-1, 3), axis=0, return_counts=True)
    hexes = [f"#{bytes(pixel.tolist()).hex().upper()}" for pixel in pixels]
    found = dict(zip(hexes, counts, strict=True))
    assert found.pop("#181818") > 0
    assert {code: found[PALETTE[code].hex] / sum(found.values()) for code, _ in mix} == pytest.approx(
        {code: units / 1000 for code, units in mix}, abs=0.005
    )
