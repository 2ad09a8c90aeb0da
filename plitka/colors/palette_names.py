"""Names of a palette file that stand in each other's way."""

from __future__ import annotations

import re
from collections.abc import Sequence

from plitka.colors.granules import PaletteColor
from plitka.colors.spelling import fold
from plitka.errors import shown

# An amount at the beginning or the end of a name, and what it stands beside.
_WITH_AMOUNT = re.compile(r"(?:[\d.,]+[ _-]+(?P<behind>.+)|(?P<before>.+?)[ _-]+[\d.,]+)")


def name_problems(colors: Sequence[tuple[str, PaletteColor]]) -> list[str]:
    """Codes and names that two entries have, and names that read as another one with an amount.

    Args:
        colors: The colours, each with its place in the file, such as ``colors[3]``.
    """
    owners: dict[str, tuple[str, PaletteColor]] = {}
    problems = []
    for place, color in colors:
        # One name in two spellings is one name.
        for folded, name in {fold(name): name for name in reversed(color.names) if name}.items():
            other, owner = owners.setdefault(folded, (place, color))
            if owner is not color:
                what = "the code" if folded == fold(owner.code) else "a name"
                problems.append(f"{place}: {shown(name)} is also {what} of {other} {shown(owner.code)}")
    for place, color in colors:
        for name in color.names:
            match = _WITH_AMOUNT.fullmatch(name)
            rest = (match["behind"] or match["before"]) if match else ""
            if rest and fold(rest) in owners:
                problems.append(
                    f"{place}: {shown(name)} reads as an amount of {shown(rest)}, which is a name too"
                )
    return problems
