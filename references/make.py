"""Draw the reference pictures: palette swatches, sheets of them and of mixes, mixing table, scenarios, maps,
scale.

    python references/make.py [--out FOLDER]

All of them come from the `render` engine's own swatches, always with the same seeds: a second run writes the
same bytes. JPEG at full colour resolution, because colour is what they are looked at for. Sheets with words
are drawn in English and in Russian (`.ru.jpg`).
"""

import argparse
import functools
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from map_pictures import draw_map_pictures
from mixing_table import draw_mixing_table
from PIL import Image, ImageDraw
from scale_pictures import draw_scale_pictures
from scenarios import draw_scenario, scenario_names
from sheet import FAINT_INK, GUTTER, INK, MARGIN, RULE, blank_sheet, font

from plitka.colors.mix import palette_mix_color
from plitka.colors.palette import PALETTE, PaletteColor
from plitka.fidelity.measure import measure
from plitka.files.whole_files import write_whole
from plitka.request.profiles import FINAL_SIZE
from plitka.request.tile_request import TileRequest, parse_request
from plitka.tile.plan import TilePlan, make_plan, plan_for
from plitka.tile.swatch import draw_swatch

FOLDER = Path(__file__).resolve().parent
MIXING_TABLE = "mixing_table.jpg"
JPEG_OPTIONS = {"quality": 85, "subsampling": 0, "optimize": True}
# For pictures that are looked at for their granules, not to judge a colour.
LIGHT_JPEG_OPTIONS = {"quality": 80, "optimize": True}

SWATCH_SEED = 1
# Pixels of the final picture, cut from its middle: the granules have their full size.
SWATCH_SIZE = 256

SHEET_COLUMNS = 6

LANGUAGES = ("en", "ru")
WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "surface": "surface",
        "grid": "grid",
        "brick": "brick",
        "asked": "requested",
        "found": "measured",
        "point": ".",
    },
    "ru": {
        "surface": "одна плитка",
        "grid": "сетка",
        "brick": "вразбежку",
        "asked": "задано",
        "found": "измерено",
        "point": ",",
    },
}

MIX_COLUMNS, MIX_SIZE = 3, 560
MIX_LINE = 38
CHIP = 24
MIXES: tuple[Mapping[str, Any], ...] = (
    {"colors": {"black": 60, "white": 40}},
    {"colors": {"terracotta": 70, "beige": 20, "black": 10}, "angle": 45},
    {"colors": {"dark green": 50, "light green": 30, "yellow": 20}, "layout": "grid"},
    {"colors": {"blue": 99, "#F2C230": 1}},
    {"colors": {"sand": 45, "brown": 30, "pearl": 20, "turquoise": 5}, "angle": 160},
    {"colors": {"gray": 40, "sky blue": 25, "white": 20, "orange": 15}, "angle": 30, "layout": "grid"},
)


def main() -> None:
    """Write every reference picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--out", type=Path, default=FOLDER, help="folder for the pictures; default: beside this"
    )
    out: Path = parser.parse_args().out
    for name, picture in reference_pictures():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", **jpeg_options(name))
        write_whole(path, buffer.getvalue())
        print(f"{path.stat().st_size / 1024:7.0f} KiB  {path}")


def jpeg_options(name: str) -> Mapping[str, Any]:
    """How the picture of this path is compressed."""
    is_light = name == MIXING_TABLE or name.startswith(("scenarios/", "scale/"))
    return LIGHT_JPEG_OPTIONS if is_light else JPEG_OPTIONS


def reference_pictures() -> Iterator[tuple[str, Image.Image]]:
    """Yield the path of every picture, below this folder, and the picture."""
    swatches = {code: draw_palette_swatch(color) for code, color in PALETTE.items()}
    for code, swatch in swatches.items():
        yield swatch_name(PALETTE[code]), swatch
    for language in LANGUAGES:
        yield sheet_name("contact_sheet", language), draw_contact_sheet(swatches, language)
        yield sheet_name("mixes", language), draw_mix_sheet(language)
    yield MIXING_TABLE, draw_mixing_table()
    for name in scenario_names():
        yield f"scenarios/{name}.jpg", draw_scenario(name)
    for name, picture in draw_map_pictures():
        yield f"maps/{name}.jpg", picture
    for name, picture in draw_scale_pictures():
        yield f"scale/{name}.jpg", picture


def sheet_name(name: str, language: str) -> str:
    """Path of a sheet below this folder."""
    return f"{name}.jpg" if language == "en" else f"{name}.{language}.jpg"


def swatch_name(color: PaletteColor) -> str:
    """Path of a colour's swatch below this folder."""
    return f"swatches/{color.code.lower()}.jpg"


def draw_palette_swatch(color: PaletteColor) -> Image.Image:
    """The middle of a tile of one colour, granules at their full size."""
    plan = replace(_swatch_plan(), mix=(palette_mix_color(color),))
    start = (FINAL_SIZE - SWATCH_SIZE) // 2
    end = start + SWATCH_SIZE
    return Image.fromarray(draw_swatch(plan, FINAL_SIZE)).crop((start, start, end, end))


@functools.cache
def _swatch_plan() -> TilePlan:
    """The granules of every swatch: only the colour is to differ."""
    return make_plan((palette_mix_color(next(iter(PALETTE.values()))),), 0, "surface", SWATCH_SEED)


def draw_contact_sheet(swatches: Mapping[str, Image.Image], language: str) -> Image.Image:
    """Every swatch with its name, code and mean sRGB, in the palette's order."""
    caption = 78
    rows = -(-len(swatches) // SHEET_COLUMNS)
    sheet = blank_sheet(SHEET_COLUMNS, SWATCH_SIZE, rows, SWATCH_SIZE + caption)
    draw = ImageDraw.Draw(sheet)
    for place, (code, swatch) in enumerate(swatches.items()):
        row, column = divmod(place, SHEET_COLUMNS)
        x = MARGIN + column * (SWATCH_SIZE + GUTTER)
        y = MARGIN + row * (SWATCH_SIZE + caption + GUTTER)
        sheet.paste(swatch, (x, y))
        color = PALETTE[code]
        baseline = y + SWATCH_SIZE + 36
        draw.text((x, baseline), name_of(color, language), INK, font(28, language), anchor="ls")
        draw.text((x, baseline + 32), code, FAINT_INK, font(20), anchor="ls")
        draw.text((x + SWATCH_SIZE, baseline + 32), color.hex, FAINT_INK, font(20), anchor="rs")
    return sheet


def name_of(color: PaletteColor, language: str) -> str:
    """What a colour is called on a sheet."""
    return color.prompt_word if language == "en" else color.russian


def mix_request(mix: Mapping[str, Any], seed: int) -> TileRequest:
    """The request of an entry of `MIXES`."""
    colors = [
        {"hex" if name.startswith("#") else "name": name, "proportion": percent}
        for name, percent in mix["colors"].items()
    ]
    overrides = {"layout": mix["layout"]} if "layout" in mix else {}
    request = {"colors": colors, "angle": mix.get("angle", 0), "seed": seed, "overrides": overrides}
    return parse_request(json.dumps(request))


def draw_mix_sheet(language: str) -> Image.Image:
    """Final pictures, each with the requested and the measured share of every colour under it."""
    requests = [mix_request(mix, seed) for seed, mix in enumerate(MIXES, start=1)]
    caption = MIX_LINE * (1 + max(len(request.mix) for request in requests)) + 24
    rows = -(-len(requests) // MIX_COLUMNS)
    sheet = blank_sheet(MIX_COLUMNS, MIX_SIZE, rows, MIX_SIZE + caption)
    for place, request in enumerate(requests):
        row, column = divmod(place, MIX_COLUMNS)
        x, y = MARGIN + column * (MIX_SIZE + GUTTER), MARGIN + row * (MIX_SIZE + caption + GUTTER)
        picture, measured = _drawn_mix(place)
        sheet.paste(picture, (x, y))
        _caption_mix(ImageDraw.Draw(sheet), x, y + MIX_SIZE + 40, request, measured, language)
    return sheet


@functools.cache
def _drawn_mix(place: int) -> tuple[Image.Image, tuple[float, ...]]:
    """The final picture of an entry of `MIXES`, at the sheet's size, and the measured shares, 0 to 1."""
    request = mix_request(MIXES[place], place + 1)
    plan = plan_for(request)
    final = draw_swatch(plan, FINAL_SIZE)
    picture = Image.fromarray(final).resize((MIX_SIZE, MIX_SIZE), Image.Resampling.LANCZOS)
    return picture, tuple(color.measured for color in measure(final, request.mix, plan).colors)


def _caption_mix(
    draw: ImageDraw.ImageDraw,
    x: int,
    baseline: int,
    request: TileRequest,
    measured: tuple[float, ...],
    language: str,
) -> None:
    words, faint, large = WORDS[language], font(22, language), font(26, language)
    right, middle = x + MIX_SIZE, x + MIX_SIZE - 150
    layout = words[request.layout]
    described = layout if request.layout == "surface" else f"{layout}, {request.laying_angle:g}°"
    draw.text((x, baseline), described, FAINT_INK, faint, anchor="ls")
    draw.text((middle, baseline), words["asked"], FAINT_INK, faint, anchor="rs")
    draw.text((right, baseline), words["found"], FAINT_INK, faint, anchor="rs")
    draw.line((x, baseline + 13, right - 1, baseline + 13), RULE, 2)
    for line, (color, share) in enumerate(zip(request.mix, measured, strict=True), start=1):
        at = baseline + 9 + line * MIX_LINE
        draw.rectangle((x, at - CHIP + 3, x + CHIP - 1, at + 2), color.hex)
        name = color.id if color.id.startswith("#") else name_of(PALETTE[color.id], language)
        draw.text((x + CHIP + 14, at), name, INK, large, anchor="ls")
        draw.text((middle, at), f"{100 * color.share:.0f} %", INK, large, anchor="rs")
        percent = f"{100 * share:.1f} %"
        draw.text((right, at), percent.replace(".", words["point"]), INK, large, anchor="rs")


if __name__ == "__main__":
    main()
