"""What a palette is: granules with their names and figures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from plitka.colors.difference import Lab, delta_e00, hex_to_lab
from plitka.colors.spelling import fold


@dataclass(frozen=True)
class PaletteColor:
    """One granule colour as it is sold and photographed.

    Attributes:
        code: The palette code, such as ``DKGREEN``.
        prompt_word: The English words that the prompt uses; in an operator's palette they need not be a name
            of this colour, and several colours may have the same.
        names_in: The names by language (``en``, ``ru``, ...), of each language the usual one first.
        hex: Mean sRGB of the granules, ``#RRGGBB``.
        lab: Mean CIELAB (D65).
        lightness_range: 5th and 95th percentile of L*, 0 to 100.
        lit_hex: Mean sRGB of the lit facets, ``#RRGGBB``; None where it is not known, as are those below.
        ral: The number of RAL Classic that the granules are sold as, four digits.
        density_kg_m3: Density of the solid rubber, kg/m³.
        bulk_kg_m3: Density of the granules as poured, kg/m³.
        laid_kg_m3: Granules in a finished layer of this colour alone, kg/m³, binder not counted.
        price_per_kg: Price of a kilogram in the palette's currency.
        bag_kg: What a bag holds, kg.
    """

    code: str
    prompt_word: str
    names_in: tuple[tuple[str, tuple[str, ...]], ...]
    hex: str
    lab: Lab
    lightness_range: tuple[float, float]
    lit_hex: str | None = None
    ral: str | None = None
    density_kg_m3: float | None = None
    bulk_kg_m3: float | None = None
    laid_kg_m3: float | None = None
    price_per_kg: float | None = None
    bag_kg: float | None = None

    @cached_property
    def english(self) -> str:
        """The usual English name; without one, the first name in another language, or the code."""
        return self._usual("en") or next((of[0] for _, of in self.names_in), self.code)

    @cached_property
    def russian(self) -> str:
        """The usual Russian name, with ё; without one, as `english`."""
        return self._usual("ru") or self.english

    @cached_property
    def aliases(self) -> tuple[str, ...]:
        """Every accepted name but code, `english` and `russian`, English first; the RAL number last."""
        order = sorted(self.names_in, key=lambda item: item[0] != "en")
        own = (self.code, self.english, self.russian)
        found = [name for _, names in order for name in names if name not in own]
        return (*dict.fromkeys(found), *([f"RAL {self.ral}"] if self.ral else []))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every accepted name: English name, code, Russian name, aliases."""
        return tuple(dict.fromkeys((self.english, self.code, self.russian, *self.aliases)))

    def lightness_about(self, mean: float) -> tuple[float, float]:
        """`lightness_range` moved to another mean L*, within 0 to 100."""
        low, high = (min(max(mean + bound - self.lab[0], 0.0), 100.0) for bound in self.lightness_range)
        return low, high

    def _usual(self, language: str) -> str:
        return next((names[0] for spoken, names in self.names_in if spoken == language), "")


class Palette(Mapping[str, PaletteColor]):
    """Granule colours by code, in their file's order.

    Attributes:
        name: What the palette is called; may be empty.
        currency: Of its prices, such as ``EUR``; None without prices.
    """

    def __init__(self, colors: Iterable[PaletteColor], name: str = "", currency: str | None = None) -> None:
        self._colors = {color.code: color for color in colors}
        self.name, self.currency = name, currency

    def __getitem__(self, code: str) -> PaletteColor:
        return self._colors[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self._colors)

    def __len__(self) -> int:
        return len(self._colors)

    # By identity, as one that is loaded once: a Mapping compares its items at every look into a cache.
    __hash__ = object.__hash__

    @cached_property
    def by_name(self) -> Mapping[str, tuple[PaletteColor, str]]:
        """Every accepted name as `fold` spells it, with its colour and its usual spelling."""
        return {fold(name): (color, name) for color in self.values() for name in reversed(color.names)}

    @cached_property
    def by_hex(self) -> Mapping[str, PaletteColor]:
        """The colours by their mean, ``#RRGGBB``."""
        return {color.hex: color for color in self.values()}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of what pictures depend on: of every colour code, prompt word, hex, Lab and lightnesses."""
        figures = [
            [color.code, color.prompt_word, color.hex, *color.lab, *color.lightness_range]
            for color in self.values()
        ]
        return hashlib.sha256(json.dumps(figures).encode()).hexdigest()

    def nearest(self, hex_color: str) -> PaletteColor:
        """The colour with the smallest CIEDE2000 difference; the first in the file's order on a tie.

        Raises:
            ValueError: As `canonical_hex` does.
        """
        return self.nearest_to(hex_to_lab(hex_color))

    def nearest_to(self, lab: Lab) -> PaletteColor:
        """The same for CIELAB (D65)."""
        return min(self.values(), key=lambda color: delta_e00(lab, color.lab))
