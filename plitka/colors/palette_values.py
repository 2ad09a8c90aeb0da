"""The values of one entry of a palette file."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from plitka.colors.difference import Lab, canonical_hex, delta_e00, hex_to_lab, lab_to_hex
from plitka.colors.granules import PaletteColor
from plitka.errors import shown

KEYS = (
    "code",
    "names",
    "prompt_word",
    "hex",
    "lit_hex",
    "lab",
    "lightness",
    "ral",
    "density_kg_m3",
    "bulk_kg_m3",
    "laid_kg_m3",
    "price_per_kg",
    "bag_kg",
)
# Least and most of the figures of goods.
RANGES = {
    "density_kg_m3": (500.0, 5000.0),
    "bulk_kg_m3": (100.0, 3000.0),
    "laid_kg_m3": (100.0, 3000.0),
    "price_per_kg": (0.0, 1e6),
    "bag_kg": (0.1, 5000.0),
}
# What a mean of sRGB and a mean of Lab over the same pixels may differ by (CIEDE2000).
HEX_AND_LAB = 2.0
_CODE = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_MOST_CODE, _MOST_NAME, MOST_NAMES = 32, 60, 40
_NAME = re.compile(r"\w(?:[\w .'’/-]*[\w.])?")
_PROMPT_WORD = re.compile(r"[A-Za-z](?:[A-Za-z0-9 '-]*[A-Za-z0-9])?", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}", re.ASCII)
_RAL = re.compile(r"(?:RAL[ _-]?)?(\d{4})", re.ASCII | re.IGNORECASE)
# Words that divide colours in a text.
_DIVIDERS = {"and", "и"}
_WORD_ENDS = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Entry:
    """One entry of `colors`: where it stands in the file, and what stands there."""

    place: str
    value: Any


class EntryReader:
    """Reads one entry; what is wrong goes to the list of problems, and a stand-in takes its place."""

    def __init__(self, entry: Entry, problems: list[str], compares: bool) -> None:
        self._place, self._problems, self._compares = entry.place, problems, compares
        self._given: dict[str, Any] = entry.value if isinstance(entry.value, dict) else {}
        if not isinstance(entry.value, dict):
            self._wrong("", f"{shown(entry.value)} is not an object")
        self._is_object = isinstance(entry.value, dict)
        self._names_are_good = True

    def read(self) -> PaletteColor:
        """The colour. Where problems were found it is of no use but to look for further ones."""
        for key in self._given:
            if key not in KEYS:
                self._wrong(key, f"is an unknown key; the keys are {', '.join(KEYS)}")
        before = len(self._problems)
        names = self._names()
        self._names_are_good = len(self._problems) == before
        hex_color, lab = self._mean()
        lit = self._given.get("lit_hex")
        return PaletteColor(
            code=self._code(),
            prompt_word=self._prompt_word(names),
            names_in=names,
            hex=hex_color,
            lab=lab,
            lightness_range=self._lightness(lab),
            lit_hex=None if lit is None else self._hex("lit_hex", lit),
            ral=self._ral(),
            **{key: self._figure(key) for key in RANGES},
        )

    def _wrong(self, key: str, sentence: str) -> None:
        where = f"{self._place}.{key}" if key else self._place
        self._problems.append(f"{where}: {sentence}")

    def _code(self) -> str:
        code = self._given.get("code")
        if not isinstance(code, str) or len(code) > _MOST_CODE or not _CODE.fullmatch(code):
            if self._is_object:
                self._wrong(
                    "code",
                    f"{shown(code)} is not a code: up to {_MOST_CODE} letters from A to Z, digits, points, "
                    "hyphens and underscores, at least one letter",
                )
            return ""
        return code

    def _names(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        given = self._given.get("names", {})
        if not isinstance(given, dict):
            self._wrong("names", f'{shown(given)} is not an object such as {{"en": ["brick red"]}}')
            return ()
        found = []
        for language, names in given.items():
            listed = [names] if isinstance(names, str) else names
            if not _LANGUAGE.fullmatch(language):
                self._wrong(f"names.{language}", "is no language: two or three small letters, such as en")
            if not isinstance(listed, list) or not 1 <= len(listed) <= MOST_NAMES:
                self._wrong(f"names.{language}", f"{shown(names)} is not 1 to {MOST_NAMES} names")
                continue
            good = tuple(name for name in listed if self._is_name(f"names.{language}", name))
            found += [(language, good)] if good else []
        return tuple(found)

    def _is_name(self, key: str, name: Any) -> bool:
        if (
            isinstance(name, str)
            and len(name) <= _MOST_NAME
            and _NAME.fullmatch(name)
            and any(map(str.isalpha, name))
            and not {_WORD_ENDS.split(name.casefold())[end] for end in (0, -1)} & _DIVIDERS
        ):
            return True
        self._wrong(
            key,
            f"{shown(name)} is not a name: up to {_MOST_NAME} letters, digits, spaces, hyphens, points, "
            "apostrophes and slashes, at least one letter, no 'and' or 'и' at an end",
        )
        return False

    def _prompt_word(self, names: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
        word = self._given.get("prompt_word")
        if word is None:
            word = next((of[0] for language, of in names if language == "en"), None)
            if word is None:
                # A name that is refused may have been the one.
                if self._is_object and self._names_are_good:
                    self._wrong("prompt_word", "is missing, and there is no English name in its place")
                return ""
        if isinstance(word, str) and len(word) <= _MOST_CODE and _PROMPT_WORD.fullmatch(word):
            return word
        self._wrong(
            "prompt_word",
            f"{shown(word)} is not up to {_MOST_CODE} letters from A to Z, digits, spaces, hyphens and "
            "apostrophes; without a prompt_word it is the first English name",
        )
        return ""

    def _mean(self) -> tuple[str, Lab]:
        """Hex and Lab; what is not given follows from the other."""
        lab = self._lab()
        hex_color = self._hex("hex", self._given["hex"]) if self._given.get("hex") is not None else None
        if self._given.get("hex") is None and self._given.get("lab") is None and self._is_object:
            self._wrong("hex", "is missing, as lab is; one of them is needed")
        if lab is not None and hex_color is None and "hex" not in self._given:
            hex_color = lab_to_hex(lab)
            if hex_color is None:
                self._wrong("lab", f"{shown(list(lab))} is no colour that sRGB can show")
        if self._compares and lab is not None and hex_color:
            difference = delta_e00(lab, hex_to_lab(hex_color))
            if difference > HEX_AND_LAB:
                self._wrong("lab", f"{shown(list(lab))} is ΔE00 {difference:.1f} from the hex {hex_color}")
        if hex_color and lab is None:
            lab = hex_to_lab(hex_color)
        return hex_color or "", lab or (50.0, 0.0, 0.0)

    def _lab(self) -> Lab | None:
        value = self._given.get("lab")
        if value is None:
            return None
        numbers = value if isinstance(value, list) and len(value) == 3 else [None]
        if not all(map(_is_number, numbers)):
            self._wrong("lab", f"{shown(value)} is not a list of three numbers, L*, a* and b*")
            return None
        lightness, a, b = map(float, numbers)
        if not 0 <= lightness <= 100 or max(abs(a), abs(b)) > 128:
            self._wrong("lab", f"{shown(value)} is no Lab: L* goes from 0 to 100, a* and b* from -128 to 128")
            return None
        return (lightness, a, b)

    def _hex(self, key: str, value: Any) -> str | None:
        try:
            return canonical_hex(value)
        except (ValueError, AttributeError):
            self._wrong(key, f"{shown(value)} is not a hex colour such as #A63437")
            return None

    def _lightness(self, lab: Lab) -> tuple[float, float]:
        value = self._given.get("lightness")
        if value is None:
            return _usual_lightness(lab)
        numbers: list[Any] = value if isinstance(value, list) and len(value) == 2 else [None]
        if not all(map(_is_number, numbers)):
            self._wrong("lightness", f"{shown(value)} is not a list of two numbers, L5 and L95")
        elif not 0 <= numbers[0] <= lab[0] <= numbers[1] <= 100 or numbers[0] == numbers[1]:
            self._wrong(
                "lightness",
                f"{shown(value)}: L5 must be at least 0 and below the mean's L* {lab[0]:.1f}, "
                "L95 above it and at most 100",
            )
        else:
            return (float(numbers[0]), float(numbers[1]))
        return (0.0, 100.0)

    def _ral(self) -> str | None:
        value = self._given.get("ral")
        if value is None:
            return None
        match = _RAL.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            self._wrong("ral", f'{shown(value)} is not a number of RAL Classic as text, such as "3016"')
            return None
        return match[1]

    def _figure(self, key: str) -> float | None:
        value = self._given.get(key)
        least, most = RANGES[key]
        if value is None:
            return None
        if not _is_number(value) or not least <= value <= most:
            self._wrong(key, f"{shown(value)} is not a number from {least:g} to {most:g}")
            return None
        return float(value)


def _usual_lightness(lab: Lab) -> tuple[float, float]:
    """The lightnesses of a colour that were not measured: the spread of the nearest built-in colour."""
    # Here, because the built-in palette is read by this module.
    from plitka.colors.palette import PALETTE

    return PALETTE.nearest_to(lab).lightness_about(lab[0])


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # Whole numbers may be too long for a float.
    return is_number and abs(value) < 1e15 and math.isfinite(value)
