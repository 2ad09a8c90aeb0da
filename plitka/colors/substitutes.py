"""Granules in place of a colour that no granule has: the nearest alone, and the best mix of two.

From afar, granules blend: the light of a mix is that of its colours by their shares of the area, summed in
linear light (CIE XYZ). Differences are CIEDE2000. Requests are read without NumPy, so here is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from heapq import nsmallest
from typing import Any

from plitka.colors.difference import Lab, delta_e00, lab_to_hex
from plitka.colors.granules import Palette, PaletteColor
from plitka.colors.mix import Mix, MixColor
from plitka.colors.palette import palette_in_use

NEAREST = 3
Xyz = tuple[float, float, float]
# Percentages of the first of two colours that all pairs are tried at, by a quick measure; how many pairs are
# then tried by CIEDE2000, and how many of those at every percentage about the best.
_TRIED, _KEPT, _REFINED, _ABOUT = (3, 8, 15, 25, 35, 45, 55, 65, 75, 85, 92, 97), 40, 12, 9
# Of a large palette, the pairs of so many nearest colours: a request may name eight colours.
_MOST_COLORS = 60


@dataclass(frozen=True)
class Pair:
    """Two granule colours in place of one: their percentages, what they look like from afar, and how far off.

    Attributes:
        colors: Colour and whole percentage, the larger first; one alone where no second brings it nearer.
        hex: Their blend, ``#RRGGBB``.
        delta_e: CIEDE2000 of the blend from the colour asked for.
    """

    colors: tuple[tuple[PaletteColor, int], ...]
    hex: str
    delta_e: float


def nearest_granules(lab: Lab, palette: Palette) -> tuple[tuple[PaletteColor, float], ...]:
    """The three nearest colours of a palette with their CIEDE2000, the nearest first."""
    found = sorted(((delta_e00(lab, color.lab), color) for color in palette.values()), key=lambda one: one[0])
    return tuple((color, difference) for difference, color in found[:NEAREST])


@lru_cache(maxsize=256)
def best_pair(lab: Lab, palette: Palette) -> Pair:
    """The mix of at most two colours of a palette that looks most like a colour from afar."""
    colors, light = _near(lab, palette)
    ((alone, difference), *_) = nearest_granules(lab, palette)
    best = min(_blends(lab, light), default=None)
    if best is None or best[0] >= difference:
        return Pair(((alone, 100),), alone.hex, difference)
    off, i, j, percent, seen = best
    parts = sorted(((colors[i], percent), (colors[j], 100 - percent)), key=lambda part: -part[1])
    return Pair(tuple(parts), lab_to_hex(seen) or alone.hex, off)


def outside_colors(mix: Mix) -> tuple[MixColor, ...]:
    """The colours of a mix that are not the palette's."""
    return tuple(color for color in mix if color.id.startswith("#"))


def substitutes(color: MixColor) -> dict[str, Any]:
    """What granules can do for a colour outside the palette, JSON-ready."""
    palette = palette_in_use()
    pair = best_pair(color.lab, palette)
    return {
        "id": color.id,
        "name": color.name,
        "nearest": [
            {"code": one.code, "name": one.english, "delta_e": round(difference, 1)}
            for one, difference in nearest_granules(color.lab, palette)
        ],
        "mix": {
            "colors": [
                {"code": one.code, "name": one.english, "percent": percent} for one, percent in pair.colors
            ],
            "hex": pair.hex,
            "delta_e": round(pair.delta_e, 1),
        },
    }


def substitutes_notice(color: MixColor) -> str:
    """The same as a sentence."""
    found = substitutes(color)
    near = ", ".join(f"{one['name']} (ΔE00 {one['delta_e']})" for one in found["nearest"])
    parts = [f"{one['percent']}% {one['name']}" for one in found["mix"]["colors"]]
    afar = f"Best mix of two, seen from afar: {', '.join(parts)} (ΔE00 {found['mix']['delta_e']})."
    if len(parts) == 1:
        afar = "No second granule brings it nearer from afar."
    return (
        f"{color.name} is no granule of the palette and is drawn as {color.id}. Nearest granules: {near}. "
        f"{afar}"
    )


def _near(lab: Lab, palette: Palette) -> tuple[list[PaletteColor], list[Xyz]]:
    """The colours that are mixed, and their light."""
    distance = _Distance(lab)
    found = list(zip(palette.values(), _light(palette), strict=True))
    kept = nsmallest(_MOST_COLORS, found, key=lambda one: distance(one[0].lab))
    return [color for color, _ in kept], [light for _, light in kept]


def _blends(lab: Lab, light: Sequence[Xyz]) -> Iterator[tuple[float, int, int, int, Lab]]:
    """Blends of two colours that may be the nearest: CIEDE2000, indices, percentage of the first, CIELAB."""
    distance = _Distance(lab)
    tried = (
        min((distance(_blend(light[i], light[j], percent)), i, j) for percent in _TRIED)
        for i in range(len(light))
        for j in range(i)
    )
    likely = [(i, j) for _, i, j in nsmallest(_KEPT, tried)]
    coarse = [min(_seen(lab, light, i, j, _TRIED)) for i, j in likely]
    for _, i, j, middle, _ in nsmallest(_REFINED, coarse):
        about = range(max(1, middle - _ABOUT), min(99, middle + _ABOUT) + 1)
        yield min(_seen(lab, light, i, j, about))


def _seen(
    lab: Lab, light: Sequence[Xyz], i: int, j: int, percentages: Iterable[int]
) -> Iterator[tuple[float, int, int, int, Lab]]:
    for percent in percentages:
        blend = _blend(light[i], light[j], percent)
        yield delta_e00(lab, blend), i, j, percent, blend


class _Distance:
    """Squared CIE94 of colours from one: quicker than CIEDE2000, and close to it where colours are near."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        chroma = math.hypot(lab[1], lab[2])
        self._cosine, self._sine = (lab[1] / chroma, lab[2] / chroma) if chroma else (1.0, 0.0)
        self._of_chroma, self._of_hue = 1 + 0.045 * chroma, 1 + 0.015 * chroma

    def __call__(self, lab: Lab) -> float:
        a, b = lab[1] - self._lab[1], lab[2] - self._lab[2]
        along = (self._cosine * a + self._sine * b) / self._of_chroma
        across = (self._cosine * b - self._sine * a) / self._of_hue
        return float((lab[0] - self._lab[0]) ** 2 + along**2 + across**2)


def _blend(first: Xyz, second: Xyz, percent: int) -> Lab:
    """CIELAB (CIE 15:2004) of two lights, `percent` of the first."""
    part, rest = percent / 100, 1 - percent / 100
    x, y, z = (
        _root((part * one + rest * other) / white)
        for one, other, white in zip(first, second, _white(), strict=True)
    )
    return (116 * y - 16, 500 * (x - y), 200 * (y - z))


def _root(ratio: float) -> float:
    return float(ratio ** (1 / 3)) if ratio > (6 / 29) ** 3 else ratio * (29 / 6) ** 2 / 3 + 4 / 29


@cache
def _light(palette: Palette) -> tuple[Xyz, ...]:
    """CIE XYZ (D65) of a palette's means."""
    return tuple(_xyz(color.lab) for color in palette.values())


def _xyz(lab: Lab) -> Xyz:
    from coloraide import Color

    # Noise of dark colours' Lab can be a negative light.
    x, y, z = (max(value, 0.0) for value in Color("lab-d65", lab).convert("xyz-d65").coords())
    return (x, y, z)


@cache
def _white() -> Xyz:
    """White of D65 as `lab-d65` has it, Y = 1."""
    return _xyz((100.0, 0.0, 0.0))
