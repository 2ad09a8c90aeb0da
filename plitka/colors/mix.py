"""A mix: colours of granules with shares that sum to 1."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from plitka.colors.palette import Lab, PaletteColor, canonical_hex, hex_to_lab, palette_in_use


@dataclass(frozen=True)
class MixColor:
    """One colour of a mix.

    Attributes:
        id: The palette code, or ``#RRGGBB`` for a colour outside the palette.
        prompt_word: The palette's words for it; the nearest palette colour's for a hex colour.
        hex: Mean sRGB of the granules, ``#RRGGBB``.
        lab: Mean CIELAB (D65) of the granules.
        lightness_range: 5th and 95th percentile of L*, 0 to 100.
        share: Share of the visible area, above 0 and at most 1.
        name: What it is called in words for people: the palette's English name, or what the request calls
            a colour outside it (``RAL 3020``); empty for a hex colour. Ignored when mixes are compared.
    """

    id: str
    prompt_word: str
    hex: str
    lab: Lab
    lightness_range: tuple[float, float]
    share: float
    name: str = field(default="", compare=False)


Mix = tuple[MixColor, ...]

# One pixel of a picture of 1024 x 1024: nothing smaller can be seen.
MIN_SHARE = 1e-6
# Relative rounding error of a sum. Amounts whose sum is that close to the whole are kept to the bit, so that
# a request that is written and read back is the same.
ROUNDING = 1e-10
# Units per percentage point when shares are rounded to whole percentages.
_POINT = 10**9


def palette_mix_color(color: PaletteColor, share: float = 1.0) -> MixColor:
    """Take a palette colour into a mix."""
    lightness = color.lightness_range
    return MixColor(color.code, color.prompt_word, color.hex, color.lab, lightness, share, color.english)


def hex_mix_color(hex_color: str, share: float = 1.0, name: str = "") -> MixColor:
    """Take a hex colour into a mix, as one that is called `name`.

    A palette colour's own mean hex is that palette colour. Any other gets the lightness spread of the
    nearest palette colour, moved to its own mean and kept within 0 to 100.
    """
    canonical = canonical_hex(hex_color)
    palette = palette_in_use()
    if canonical in palette.by_hex:
        return palette_mix_color(palette.by_hex[canonical], share)
    lab = hex_to_lab(canonical)
    neighbour = palette.nearest_to(lab)
    lightness = neighbour.lightness_about(lab[0])
    return MixColor(canonical, neighbour.prompt_word, canonical, lab, lightness, share, name)


def blend(parts: Iterable[tuple[MixColor, float]], whole: float) -> tuple[Mix, tuple[str, ...]]:
    """Make a mix of colours and their amounts, in the order in which they first appear.

    Amounts of the same colour are added. Colours below ``MIN_SHARE`` are left out. Amounts that do not
    sum to ``whole`` are divided by their sum.

    Args:
        parts: Colours, their own shares ignored, with finite amounts of at least 0 and a sum above 0.
        whole: What the amounts should sum to: 1 for fractions, 100 for percentages.

    Returns:
        The mix and sentences about colours that were merged, left out or scaled.
    """
    notices = []
    given: dict[str, list[MixColor]] = {}
    for color, amount in parts:
        given.setdefault(color.id, []).append(replace(color, share=amount))
    merged = [replace(same[0], share=math.fsum(color.share for color in same)) for same in given.values()]
    for same in given.values():
        if len(same) > 1:
            notices.append(f"{_label(same[0])} is given {len(same)} times; its proportions are added.")
    total = _sum(merged)
    if not _is_exact(total, whole):
        unit = " %" if whole == 100 else ""
        notices.append(
            f"The proportions sum to {total:.12g}{unit}, not {whole:g}{unit}; each is divided by their sum."
        )
    visible = [color for color in merged if color.share / total >= MIN_SHARE]
    for color in merged:
        if color not in visible:
            notices.append(f"{_label(color)} has no visible share and is left out.")
    scale = whole if _is_exact(_sum(visible), whole) else _sum(visible)
    return tuple(replace(color, share=color.share / scale) for color in visible), tuple(notices)


def _sum(colors: Iterable[MixColor]) -> float:
    return math.fsum(color.share for color in colors)


def _is_exact(total: float, whole: float) -> bool:
    return abs(total / whole - 1) <= ROUNDING


def _label(color: MixColor) -> str:
    return color.name or color.id


def percentages(mix: Mix) -> tuple[int, ...]:
    """Round the shares of a mix to whole percentages that sum to 100, each at least 1.

    Largest remainder (Hamilton's method); the earlier colour wins a tie. A colour that it would leave at
    0 takes its point from the colour rounded up the most.
    """
    # Integers, so that equal remainders compare equal whatever the floats behind them.
    exact = [round(color.share * 100 * _POINT) for color in mix]
    whole = [units // _POINT for units in exact]
    for i in sorted(range(len(mix)), key=lambda i: -(exact[i] % _POINT))[: 100 - sum(whole)]:
        whole[i] += 1
    while 0 in whole:
        giver = max((i for i in range(len(mix)) if whole[i] > 1), key=lambda i: whole[i] * _POINT - exact[i])
        whole[giver] -= 1
        whole[whole.index(0)] = 1
    return tuple(whole)
