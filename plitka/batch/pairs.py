"""The rule for a catalogue without a table: every two colours, mixed in given shares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from plitka.batch.table import Row
from plitka.colors.palette import palette_in_use, resolve
from plitka.errors import CatalogueError, UnknownColorError, shown


def pair_rows(shares: Sequence[float], names: Iterable[str] = ()) -> list[Row]:
    """The rows of every pair of colours, in the palette's order.

    Args:
        shares: Of the first colour of each pair, percent, above 0 and below 100.
        names: Names of palette colours; the whole palette if there are none.

    Raises:
        CatalogueError: A share is out of range, a name unknown, or there are fewer than two colours.
    """
    problems = [f"--pairs: {share:g} is not above 0 and below 100" for share in shares if not 0 < share < 100]
    codes = []
    for name in names:
        try:
            codes.append(resolve(name).code)
        except UnknownColorError as error:
            meant = f"; meant: {', '.join(error.suggestions)}?" if error.suggestions else ""
            problems.append(f"--names: {shown(name)} is not a known colour{meant}")
    chosen = list(dict.fromkeys(codes)) or list(palette_in_use())
    if len(chosen) < 2 and not problems:
        problems.append(f"--names: {shown(chosen[0])} alone makes no pair; name two colours or more")
    if problems:
        raise CatalogueError(". ".join(problems))
    pairs = ((one, other, share) for one, other in combinations(chosen, 2) for share in dict.fromkeys(shares))
    return [
        Row(
            number,
            "",
            {"colors": [{"name": a, "proportion": share}, {"name": b, "proportion": 100 - share}]},
        )
        for number, (a, b, share) in enumerate(pairs, start=1)
    ]
