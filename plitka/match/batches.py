"""Granules that are sold under a palette colour's name and look otherwise.

The palette's figures are those of tiles of one colour. On photographs of mixes, what is called blue and dark
green is another batch: CIEDE2000 6 and 15 from the palette's. Their mean CIELAB was fitted to such
photographs.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from plitka.colors.palette import PALETTE, Lab, Palette

KNOWN_BATCHES: Mapping[str, Sequence[Lab]] = MappingProxyType(
    {"BLUE": ((46.5, 8.0, -42.0),), "DKGREEN": ((66.3, -46.0, 33.0),)}
)


def known_batches(palette: Palette) -> Mapping[str, Sequence[Lab]]:
    """The known batches of those of a palette's colours that are the built-in ones."""
    return {code: labs for code, labs in KNOWN_BATCHES.items() if palette.get(code) == PALETTE[code]}
