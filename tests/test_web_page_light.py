"""The light of the web page's live picture: tones, relief and sharpness, as the server has them."""

import random

import cv2
import numpy as np
import pytest
from live_picture import choose, inner, label_maps, picture, random_mix
from thorough import THOROUGH, one_in

from plitka.colors.lab import to_lab
from plitka.colors.mix import palette_mix_color
from plitka.colors.palette import PALETTE, delta_e00
from plitka.tile.plan import make_plan
from plitka.tile.shading import neighbours_light, shade_ramps
from plitka.tile.swatch import draw_swatch

pytestmark = pytest.mark.every_pixel


@pytest.fixture
def served(page, render_server):
    """The web page, opened once for all tests of this file; each chooses what is drawn."""
    if page.purpose != __name__:
        page.open(f"{render_server.url}/")
        page.purpose = __name__
    yield page
    assert page.console_errors() == []


@pytest.mark.long
def test_gray_and_light_gray_granules_can_be_told_apart_and_have_dark_contacts(served):
    choose(served, [["GRAY", 600], ["LTGRAY", 400]])
    lightness = to_lab(picture(served))[..., 0]
    granules, colors = label_maps(served)
    is_inside = inner(granules)
    gray, light_gray = (float(lightness[is_inside & (colors == color)].mean()) for color in (0, 1))
    assert light_gray - gray > 8
    for color, inside in ((0, gray), (1, light_gray)):
        contacts = inner(colors + 1) & ~is_inside & (colors == color)
        assert lightness[contacts].mean() < inside - 5


@pytest.mark.long
@pytest.mark.parametrize("language", ["en", "ru"])
def test_every_palette_colour_is_drawn_with_its_mean_and_its_relief(served, language):
    served.click(f"[data-language={language}]")
    for code, color in list(PALETTE.items())[language == "ru" :: 2 if THOROUGH else 8]:
        choose(served, [[code, 1000]])
        lab = to_lab(picture(served)).reshape(-1, 3)
        assert delta_e00(tuple(lab.mean(0).tolist()), color.lab) < 1, code
        # Pixels are larger than those of the final picture: narrow shade is mixed with its surroundings.
        too_light = np.percentile(lab[:, 0], [5, 95]) - color.lightness_range
        assert (np.abs(too_light) < [5, 2]).all(), code
        label = served.find("#live").get_attribute("aria-label")
        assert (color.prompt_word if language == "en" else color.russian) in label


@pytest.mark.long
def test_black_has_glints_and_gaps_and_a_texture_of_granules(served):
    choose(served, [["BLACK", 1000]])
    lightness = to_lab(picture(served))[..., 0]
    low, high = np.percentile(lightness, [5, 95])
    assert high - low > 25
    granules, _ = label_maps(served)
    seen = np.bincount(granules.ravel())
    means = np.bincount(granules.ravel(), lightness.ravel())[seen > 30] / seen[seen > 30]
    assert means.std() > 2


SHADES = """
const [id, light] = arguments;
const color = rubberOf(id);
const ramp = new Uint32Array(256 * PAINT.VARIANTS);
fillRamp(ramp, 0, shadesAround(shadesOf(color, light), color.lab), tintsOf(color), VEILED);
return [...ramp].map((pixel) => [pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255]);
"""


def test_browsers_law_of_tone_is_the_servers(served):
    light = np.exp(-(((np.arange(256) - 110) / 40) ** 2)) + 1e-3
    variants = served.script("return [PAINT.BATCHES, PAINT.VEILS]")
    for code in PALETTE:
        color = palette_mix_color(PALETTE[code], 1.0)
        wanted = shade_ramps(color, light, np.array(color.lab), *variants, np.uint8).astype(int)
        found = np.array(served.script(SHADES, code, light.tolist()))
        assert np.abs(found - wanted).max() <= 2, code
        assert np.abs(found - wanted).mean() < 0.4, code


NEIGHBOURS = """
const [mix] = arguments;
const colors = mix.map(([id]) => rubberOf(id));
return amongNeighbours(colors, mix.map(([, units]) => units / WHOLE)).map(({ lightness }) => lightness);
"""


def test_browsers_shade_among_other_colours_is_the_servers(served):
    chance = random.Random(5)
    for _ in range(20):
        mix = [[code, units] for code, units in random_mix(chance) if code in PALETTE]
        wanted = neighbours_light(
            tuple(palette_mix_color(PALETTE[code], units / 1000) for code, units in mix)
        )
        found = served.script(NEIGHBOURS, mix)
        assert np.array(found) == pytest.approx(
            np.array([color.lightness_range for color in wanted]), abs=0.01
        ), mix


SAME_TONES = [
    ["BLACK"],
    ["GRAY", "LTGRAY"],
    ["WHITE", "PEARL"],
    ["BLACK", "WHITE"],
    ["RED", "BLUE"],
    ["BLACK", "RED"],
    ["GRAY", "YELLOW"],
    ["BEIGE"],
]


@pytest.mark.long
@pytest.mark.usefixtures("usual_camera")
@pytest.mark.parametrize("codes", one_in(2, [(codes,) for codes in SAME_TONES]))
def test_live_picture_has_the_tones_and_the_detail_of_the_servers(served, codes):
    choose(served, [[code, 1000 // len(codes)] for code in codes])
    live = picture(served)
    mix = tuple(palette_mix_color(PALETTE[code], 1 / len(codes)) for code in codes)
    drawn = draw_swatch(make_plan(mix, 0, "surface", 42), 1024)
    found, wanted = (
        tones(image) for image in (live, cv2.resize(drawn, live.shape[:2], interpolation=cv2.INTER_AREA))
    )
    assert found["lightness"] == pytest.approx(wanted["lightness"], abs=3)
    assert found["chroma"] == pytest.approx(wanted["chroma"], abs=1.6)
    # The live picture has 9 % more where black and white meet: its larger pixels are not blurred by a lens.
    assert found["detail"] == pytest.approx(wanted["detail"], rel=0.1)


def test_what_lies_low_is_less_sharp(served):
    mix = [["GRAY", 1000]]
    choose(served, mix)
    granules, _ = label_maps(served)
    pictures = [to_lab(picture(served))[..., 0]]
    for focus in (0, 1):
        served.script("live.whole.focus.fill(arguments[0])", focus)
        choose(served, mix)
        pictures.append(to_lab(picture(served))[..., 0])
    # What is poured next has its own again.
    served.script("live.whole = live.draft = null")
    seen, soft, sharp = pictures
    # Granules are numbered from the bottom of the heap to its top.
    low, high = granules < np.quantile(granules, 0.2), granules > np.quantile(granules, 0.8)
    sharpness = [
        float(np.abs(seen - soft)[part].sum() / np.abs(sharp - soft)[part].sum()) for part in (low, high)
    ]
    assert sharpness[0] < sharpness[1] - 0.15


def tones(image):
    lab = to_lab(image)
    lightness = lab[..., 0].astype(np.float32)
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    return {
        "lightness": np.percentile(lightness, [5, 25, 50, 75, 95]),
        # Of the middle, a mean: a median of two tints, half of each, is either of them.
        "chroma": np.array([*np.percentile(chroma, [5, 95]), chroma.mean()]),
        "detail": float(cv2.Laplacian(lightness, cv2.CV_32F).std()),
    }
