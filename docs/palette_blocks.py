"""Blocks about the operator's palette: a palette file, what is refused in one, and colours outside it."""

import json
from typing import Any

from language import Say
from markdown_text import block, code, table
from request_blocks import parse_simple

from plitka.colors.palette_file import decode_palette
from plitka.colors.palette_values import RANGES
from plitka.colors.substitutes import substitutes
from plitka.errors import PaletteError

FILE: dict[str, Any] = {
    "version": 1,
    "name": "Factory",
    "currency": "EUR",
    "colors": [
        {
            "code": "R-10",
            "names": {"en": ["brick red", "red"], "ru": ["кирпично-красный"], "de": ["ziegelrot"]},
            "prompt_word": "red",
            "hex": "#A8432F",
            "lit_hex": "#BC5040",
            "lab": [42.0, 40.0, 33.0],
            "lightness": [26, 54],
            "ral": "3016",
            "density_kg_m3": 1550,
            "bulk_kg_m3": 620,
            "price_per_kg": 2.4,
            "bag_kg": 25,
        },
        {"code": "K-1", "names": {"en": "black"}, "hex": "#303030"},
    ],
}
REFUSED: dict[str, Any] = {
    "version": 2,
    "colours": [],
    "colors": [
        {"code": "R-10", "names": {"en": ["brick red", "red"]}, "hex": "#A8432F", "price_per_kg": 2.4},
        {"code": "R10", "names": {"en": "crimson"}, "hex": "#B0203"},
        {"code": "B-1", "names": {"en": ["blue", "Brick-Red"]}, "lab": [40, 120, -120], "bag_kg": "25"},
        {"code": "G-1", "names": {"ru": "зелёный"}, "lab": [140, 0, 0], "lightness": [60, 40]},
        {"code": "W-1", "names": {"en": "white; pale"}, "hex": "#FFFFFF", "lab": [50, 0, 0]},
    ],
}
KEYS: dict[str, tuple[str, str]] = {
    "code": ("a letter at least; letters A to Z, digits, points, hyphens, underscores", "The code."),
    "names": (
        "for each language one name or a list; letters, digits, spaces, hyphens, points, apostrophes",
        "Names, of each language the usual one first: all of them may be used in a request.",
    ),
    "prompt_word": (
        "letters A to Z and digits; without it the first English name",
        "What the prompt says for this colour. The LoRA knows the built-in palette's words best.",
    ),
    "hex": ("# and six hexadecimal digits; without it, from `lab`", "The mean of all granules, sRGB."),
    "lab": ("L*, a*, b*; without it, from `hex`", "The mean in CIELAB under D65."),
    "lightness": (
        "L5 below the mean's L*, L95 above it; without it, the spread of the nearest built-in colour",
        "Between which lightnesses nine tenths of the granules lie.",
    ),
    "lit_hex": ("as `hex`; may be left out", "The mean of the facets in the light."),
    "ral": ("four digits; may be left out", "The RAL number, which is then a name of this colour."),
    "density_kg_m3": ("", "Density of the solid rubber, kg/m³."),
    "bulk_kg_m3": ("", "Density of the granules as poured, kg/m³."),
    "price_per_kg": ("", "Price of a kilogram in the palette's `currency`."),
    "bag_kg": ("", "What a bag holds, kg."),
}
OUTSIDE = ("RAL 3020", "ral-6018", "navy", "rgb(200, 30, 40)", "hsl(120, 50%, 40%)")


def palette_file(say: Say) -> str:
    """A palette file."""
    decode_palette(json.dumps(FILE).encode(), "palette.json")
    lines = json.dumps({**FILE, "colors": []}, ensure_ascii=False)[:-2]
    colors = ",\n".join(f"  {json.dumps(color, ensure_ascii=False)}" for color in FILE["colors"])
    return block(f"{lines}\n{colors}\n]}}", "json")


def palette_keys(say: Say) -> str:
    """The keys of a colour in a palette file."""
    rows = []
    for key, (allowed, meaning) in KEYS.items():
        least, most = RANGES.get(key, (0, 0))
        figures = f"{least:g}–{most:.0f}"
        said = say(allowed) if allowed else f"{say(figures)}; {say('may be left out')}"
        rows.append((code(key), said, say(meaning)))
    return table(map(say, ("key", "allowed", "meaning")), rows)


def palette_refused(say: Say) -> str:
    """A palette file with mistakes, and the whole error."""
    text = json.dumps(REFUSED, ensure_ascii=False)
    try:
        decode_palette(text.encode(), "palette.json")
    except PaletteError as error:
        return block(str(error), "text")
    raise AssertionError("the example is a good palette")


def outside_colors(say: Say) -> str:
    """Colours outside the palette, and what granules can do for them."""
    rows = []
    for name in OUTSIDE:
        found = substitutes(parse_simple(colors=name).mix[0])
        near = ", ".join(f"{one['name']} {say(str(one['delta_e']))}" for one in found["nearest"])
        mixed = ", ".join(f"{one['percent']} % {one['name']}" for one in found["mix"]["colors"])
        rows.append((code(name), code(found["id"]), near, f"{mixed}: {say(str(found['mix']['delta_e']))}"))
    head = ("in the request", "drawn as", "nearest granules, ΔE00", "best two from afar, ΔE00")
    return table(map(say, head), rows)
