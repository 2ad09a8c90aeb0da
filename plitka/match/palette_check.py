"""What speaks against a palette: colours that look alike, or look otherwise on photographs of mixes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from plitka.colors.mix import MixColor
from plitka.colors.palette import Lab, Palette, PaletteColor, delta_e00
from plitka.match.recipe import match_photograph

# CIEDE2000 under which two colours cannot be told apart, and are hard to.
SAME, ALIKE = 3.0, 10.0
# A colour of a mix is judged from this share on, and disagrees with the palette from this CIEDE2000 on.
LEAST_SHARE, DISAGREES = 0.05, 5.0


@dataclass(frozen=True)
class Disagreement:
    """A colour that looks otherwise on photographs of mixes than the palette has it.

    Attributes:
        color: The palette's colour.
        lab: Its mean CIELAB on the mixes, the median of the photographs.
        delta_e: CIEDE2000 of that from the palette's.
        photos: On how many photographs it was seen.
    """

    color: PaletteColor
    lab: Lab
    delta_e: float
    photos: int


def alike_pairs(palette: Palette) -> list[tuple[float, PaletteColor, PaletteColor]]:
    """Pairs of colours under CIEDE2000 10 with it, the most alike first."""
    colors = list(palette.values())
    pairs = (
        (delta_e00(one.lab, other.lab), one, other)
        for index, one in enumerate(colors)
        for other in colors[index + 1 :]
    )
    return sorted((pair for pair in pairs if pair[0] < ALIKE), key=lambda pair: pair[0])


def colors_seen(
    photo: NDArray[np.uint8], known: Sequence[MixColor] | None, palette: Palette
) -> list[tuple[str, Lab]]:
    """Palette colours on a photograph, 5 % of it or more, with their mean CIELAB there.

    Args:
        photo: (h, w, 3) uint8 sRGB.
        known: The colours that it shows; None where they are to be found.
        palette: The palette in use.

    Raises:
        PhotographError: As `match_photograph` does.
    """
    found = match_photograph(photo, colors=known).colors
    return [(color.id, color.lab) for color in found if color.share >= LEAST_SHARE and color.id in palette]


def disagreements(seen: Iterable[tuple[str, Lab]], palette: Palette) -> list[Disagreement]:
    """Colours that are CIEDE2000 5 or more from the palette's on photographs, the worst first."""
    of_code: dict[str, list[Lab]] = {}
    for code, lab in seen:
        of_code.setdefault(code, []).append(lab)
    found = []
    for code, labs in of_code.items():
        lightness, a, b = (median(values) for values in zip(*labs, strict=True))
        middle = (lightness, a, b)
        difference = delta_e00(middle, palette[code].lab)
        if difference >= DISAGREES:
            found.append(Disagreement(palette[code], middle, difference, len(labs)))
    return sorted(found, key=lambda one: -one.delta_e)
