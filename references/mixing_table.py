"""The mixing table: every pair of palette colours as granules, most of one colour and some of the other."""

from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw
from sheet import INK, PAPER, font

from plitka.colors.mix import palette_mix_color
from plitka.colors.palette import PALETTE, PaletteColor
from plitka.tile.plan import TilePlan, make_plan
from plitka.tile.swatch import draw_swatch

# Share of the row's colour; the rest is the column's. Each pair so stands in the table both ways round.
ROW_SHARE = 0.7
SEED = 1
# A cell is cut from a small picture, so that it holds enough granules to show its mix.
PICTURE_SIZE, CELL = 256, 44
LABEL, EDGE, GAP = 104, 16, 2


def draw_mixing_table() -> Image.Image:
    """Every colour of the palette beside every other, labelled with the codes."""
    colors = list(PALETTE.values())
    side = start_of(len(colors)) + EDGE
    sheet = Image.new("RGB", (side, side), PAPER)
    plan = mixing_plan(colors[0], colors[1])
    corner = most_typical_cell(plan)
    for row, most in enumerate(colors):
        _label(sheet, most.code, start_of(row))
        for column, some in enumerate(colors):
            sheet.paste(draw_cell(plan, corner, most, some), (start_of(column), start_of(row)))
    return sheet


def start_of(place: int) -> int:
    """First pixel of a row or column of the table."""
    return LABEL + place * (CELL + GAP)


def mixing_plan(most: PaletteColor, some: PaletteColor) -> TilePlan:
    """The granules of every cell: only the two colours are to differ."""
    mix = (palette_mix_color(most, ROW_SHARE), palette_mix_color(some, 1 - ROW_SHARE))
    return make_plan(mix, 0, "surface", SEED)


def draw_cell(plan: TilePlan, corner: tuple[int, int], most: PaletteColor, some: PaletteColor) -> Image.Image:
    """The cell of two colours, cut out of the picture at `corner`, left and top."""
    mix = (palette_mix_color(most, ROW_SHARE), palette_mix_color(some, 1 - ROW_SHARE))
    left, top = corner
    picture = Image.fromarray(draw_swatch(replace(plan, mix=mix), PICTURE_SIZE))
    return picture.crop((left, top, left + CELL, top + CELL))


def most_typical_cell(plan: TilePlan) -> tuple[int, int]:
    """Left and top of the cell whose quarters have shares of the first colour nearest to the plan's."""
    is_first = (plan.color_indices(PICTURE_SIZE) == 0).astype(np.float64)
    sums = np.pad(is_first.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    half = CELL // 2
    inside = sums[half:, half:] - sums[:-half, half:] - sums[half:, :-half] + sums[:-half, :-half]
    error = (inside / half**2 - plan.mix[0].share) ** 2
    total = error[:-half, :-half] + error[half:, :-half] + error[:-half, half:] + error[half:, half:]
    top, left = np.unravel_index(total.argmin(), total.shape)
    return int(left), int(top)


def _label(sheet: Image.Image, code: str, at: int) -> None:
    """Write a code beside its row, and turned above its column."""
    place = at + CELL // 2
    ImageDraw.Draw(sheet).text((LABEL - 10, place), code, INK, font(17), anchor="rm")
    turned = Image.new("RGB", (LABEL, CELL), PAPER)
    ImageDraw.Draw(turned).text((10, CELL // 2), code, INK, font(17), anchor="lm")
    sheet.paste(turned.rotate(90, expand=True), (at, 0))
