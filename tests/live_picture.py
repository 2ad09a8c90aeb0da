"""The web page's live picture, drawn and read by a test."""

import base64

import cv2
import numpy as np

from plitka.colors.palette import PALETTE

# A mix is a list of [code or hex, units of 0.1 %].
CHOOSE = """
const [mix, layout, angle, seed] = arguments;
state.colors = mix.map(([id, units]) => ({ id, units, locked: false, typed: false }));
Object.assign(state, { layout, angle, seed, random: false });
showEverything();
"""
LABELS = """
const { size, labels, areas, heap } = live.whole;
const colors = granuleColors(areas, heap.order, state.colors.map((color) => color.units / WHOLE));
return [size, [...labels], [...colors]];
"""
PICTURE = "return document.getElementById('live').toDataURL('image/png')"


def choose(page, mix, layout="surface", angle=0, seed="42"):
    page.script(CHOOSE, mix, layout, angle, seed)
    page.wait_for(lambda: page.script("return !live.isDrawing"))


def picture(page):
    """The canvas as (h, w, 3) uint8 sRGB."""
    return decoded(page.script(PICTURE))


def decoded(url):
    png = base64.b64decode(url.split(",")[1])
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def label_maps(page):
    """Of every pixel, the granule (0 on joints) and the index into the mix (-1 on joints)."""
    size, labels, colors = page.script(LABELS)
    granules = np.array(labels).reshape(size, size)
    return granules, np.where(granules, np.array(colors)[granules], -1)


def inner(labels):
    square = np.ones((3, 3), np.uint8)
    wide = labels.astype(np.uint16)
    return cv2.erode(wide, square) == cv2.dilate(wide, square)


def random_mix(chance):
    codes = chance.sample([*PALETTE, "#FF00AA", "#010203"], chance.randint(1, 8))
    cuts = [0, *sorted(chance.sample(range(1, 1000), len(codes) - 1)), 1000]
    return [[code, high - low] for code, low, high in zip(codes, cuts, cuts[1:], strict=False)]
