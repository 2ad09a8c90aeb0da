"""Fixed lists of random mixes: the same on every machine and in every run."""

import functools
from itertools import combinations

import numpy as np

from plitka.colors.mix import Mix, palette_mix_color
from plitka.colors.palette import PALETTE, delta_e00

MOST_COLORS = 8
# Parts of a random mix follow a Dirichlet distribution: 1 would favour no mix, more makes even ones likelier.
_EVENNESS = 1.5


@functools.cache
def difference(one: str, other: str) -> float:
    """ΔE00 of two palette colours."""
    return delta_e00(PALETTE[one].lab, PALETTE[other].lab)


def random_mixes(count: int, seed: int, least: float, most: float = np.inf) -> list[Mix]:
    """`count` mixes of 2 to 8 palette colours in whole percentages.

    The closest pair of every mix is at least `least` and below `most` apart in ΔE00.
    """
    rng = np.random.default_rng(seed)
    mixes: list[Mix] = []
    while len(mixes) < count:
        codes = [str(code) for code in rng.permutation(list(PALETTE))[: rng.integers(2, MOST_COLORS + 1)]]
        if not least <= min(difference(*pair) for pair in combinations(codes, 2)) < most:
            continue
        percent = np.maximum(np.rint(rng.dirichlet(np.full(len(codes), _EVENNESS)) * 100), 1)
        shares = percent / percent.sum()
        mixes.append(
            tuple(palette_mix_color(PALETTE[c], float(s)) for c, s in zip(codes, shares, strict=True))
        )
    return mixes
