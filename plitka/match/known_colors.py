"""What a photograph shows of colours that are known: their facets, and mixtures moved to these."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plitka.match.appearance import Appearance, Floats, Mixture, densities
from plitka.match.clusters import shares_by_em

# Pixels on facets that a colour needs for a mean.
_LEAST_FACETS = 25


def known_facets(
    facets: Floats, known: Sequence[Appearance], ids: Sequence[str]
) -> tuple[list[Floats], list[int]]:
    """Facet pixels (n, 3) of each given colour, and the batch of it (index into `known`) that fits best."""
    density = densities(facets, [each.facet_batches for each in known])
    label = (density * shares_by_em(density)).argmax(1)
    counts = np.bincount(label, minlength=len(known))
    batches = [[i for i, each in enumerate(known) if each.color.id == name] for name in ids]
    chosen = [max(of_color, key=lambda i: counts[i]) for of_color in batches]
    return [facets[np.isin(label, of_color)] for of_color in batches], chosen


def moved_mixtures(facets: Sequence[Floats], appearances: Sequence[Appearance]) -> list[Mixture]:
    """All pixels of each colour, moved to where its facets are; of too few facets, as the colour is known."""
    return [
        each.raw.moved(part.mean(0) - each.facets.mean) if len(part) >= _LEAST_FACETS else each.raw
        for part, each in zip(facets, appearances, strict=True)
    ]
