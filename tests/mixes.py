"""Mixes for tests: by name, and random ones from a fixed seed or from hypothesis."""

import numpy as np
from hypothesis import strategies as st

from plitka.colors.mix import Mix, palette_mix_color
from plitka.colors.palette import PALETTE, delta_e00


def mix_of(**shares):
    """mix_of(RED=30, BLUE=70): palette codes and percentages."""
    total = sum(shares.values())
    return tuple(palette_mix_color(PALETTE[code], amount / total) for code, amount in shares.items())


def random_mixes(count, seed, least_difference=10.0) -> list[Mix]:
    """Mixes of 2 to 8 palette colours, whole percentages, all pairs at least so far apart in ΔE00."""
    rng = np.random.default_rng(seed)
    found = []
    while len(found) < count:
        codes = rng.permutation(list(PALETTE))[: rng.integers(2, 9)]
        pairs = [(a, b) for i, a in enumerate(codes) for b in codes[:i]]
        if min(delta_e00(PALETTE[a].lab, PALETTE[b].lab) for a, b in pairs) >= least_difference:
            percent = np.maximum(np.rint(rng.dirichlet(np.full(len(codes), 1.5)) * 100), 1)
            found.append(mix_of(**dict(zip(codes, percent.tolist(), strict=True))))
    return found


@st.composite
def mixes(draw):
    """Any mix of 1 to 8 palette colours in whole parts from 1 to 100."""
    codes = draw(st.lists(st.sampled_from(list(PALETTE)), min_size=1, max_size=8, unique=True))
    parts = draw(st.lists(st.integers(1, 100), min_size=len(codes), max_size=len(codes)))
    return mix_of(**dict(zip(codes, parts, strict=True)))
