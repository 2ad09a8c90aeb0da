"""What a check of captions against their photographs finds, in words and as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Disagreement:
    """A caption that its photograph contradicts.

    Attributes:
        name: The photograph.
        message: What was stated and what was measured.
        severity: The larger of the worst share's error in percentage points and the worst colour's CIEDE2000;
            infinite for what could not be compared.
        stated, measured: Shares by the caption's words, 0 to 1; empty where nothing could be compared.
        exchange: The two words of the caption that explain it if they are exchanged; empty if none do.
    """

    name: str
    message: str
    severity: float
    stated: Mapping[str, float]
    measured: Mapping[str, float]
    exchange: tuple[str, ...] = ()


@dataclass(frozen=True)
class Batch:
    """A colour that looks otherwise in a photograph than in the palette, as a known batch of it does.

    Attributes:
        word: The caption's word for it.
        delta_e: CIEDE2000 from the palette's.
        nearest: The palette colour that looks most like it, as captions call it, and its CIEDE2000.
    """

    word: str
    delta_e: float
    nearest: tuple[str, float]


@dataclass(frozen=True)
class DataCheck:
    """What was found.

    Attributes:
        pictures: How many pictures were looked at.
        disagreements: The captions that are contradicted, the worst first.
        notes: Sentences about what else should be known.
    """

    pictures: int
    disagreements: tuple[Disagreement, ...]
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """The findings as text, a line each."""
        found = [f"{each.name}: {each.message}" for each in self.disagreements]
        return [*found, *(f"note: {note}" for note in self.notes)]

    def as_dict(self) -> dict[str, Any]:
        """The findings as JSON-ready values."""
        return {
            "pictures": self.pictures,
            "disagreements": [
                {
                    "name": each.name,
                    "message": each.message,
                    "stated": dict(each.stated),
                    "measured": dict(each.measured),
                    "exchange": list(each.exchange),
                }
                for each in self.disagreements
            ],
            "notes": list(self.notes),
        }


class CaptionError(ValueError):
    """Captions disagree with their pictures; `check` lists them, and `remedy` says what to do."""

    def __init__(self, check: DataCheck, remedy: str) -> None:
        self.check = check
        lines = "\n".join(f"  {found.name}: {found.message}" for found in check.disagreements)
        count = len(check.disagreements)
        said = "caption disagrees with its picture" if count == 1 else "captions disagree with their pictures"
        super().__init__(f"{count} of {check.pictures}: the {said}, the worst first:\n{lines}\n{remedy}")
