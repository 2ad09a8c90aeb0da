"""From a photograph of a tile to its recipe: the method, top to bottom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plitka.colors.lab import to_srgb
from plitka.colors.mix import Mix, MixColor, hex_mix_color, palette_mix_color
from plitka.colors.palette import Lab, delta_e00, palette_in_use
from plitka.match.appearance import Appearance, Floats, appearances_of
from plitka.match.batches import known_batches
from plitka.match.cast import Patch, without_cast
from plitka.match.clusters import cluster
from plitka.match.frame import Corner, Frame, frame_of
from plitka.match.known_colors import known_facets, moved_mixtures
from plitka.match.names import RankedSet, Seen, is_outside, lit_of, nearest_names, rank_sets
from plitka.match.pixels import Pixels, pixels_of
from plitka.match.redrawn import corrected
from plitka.match.shares import Shares, measure_shares

# Palette colours nearer than this (CIEDE2000) cannot be told apart on a photograph.
ALIKE = 10.0
# A colour farther from every name is in no palette, unless batches and cameras explain the difference.
OUTSIDE = 12.0
# Shares that differ more than this between the blocks of a picture (a deviation) are not those of one tile.
UNEVEN = 0.12
_ROUNDS = 2


@dataclass(frozen=True)
class NearName:
    """A palette colour and its difference (CIEDE2000) from a measured one.

    Attributes:
        id: The palette code.
        name: Its English name.
        delta_e: Difference of the means of facets, lit facets and all pixels, weighted.
        known_batch: True if this is the difference from another batch sold under that name.
    """

    id: str
    name: str
    delta_e: float
    known_batch: bool


@dataclass(frozen=True)
class MatchedColor:
    """A colour of the tile.

    Attributes:
        id: The palette code of the best set; ``#RRGGBB`` as measured if it is in no palette.
        share, low, high: Its share of the area, 0 to 1, and the interval that holds it nine times of ten.
        hex, lab: The measured mean of its pixels.
        nearest: The three nearest names, the nearest first.
        alike: Palette codes that cannot be told from `id` on a photograph.
        outside: True if it is in no palette.
    """

    id: str
    share: float
    low: float
    high: float
    hex: str
    lab: Lab
    nearest: tuple[NearName, ...]
    alike: tuple[str, ...]
    outside: bool


@dataclass(frozen=True)
class NamedSet:
    """A set of colours, in the order of the matched ones, and its probability, 0 to 1."""

    ids: tuple[str, ...]
    confidence: float


@dataclass(frozen=True)
class Match:
    """A matched photograph.

    Attributes:
        colors: The colours by share, the largest first.
        sets: Up to three sets of names, the likeliest first; one with confidence 1 where the set was given.
        frame: The part of the photograph that was measured.
        uneven: True if shares differ so much across it that something else is in it, or several tiles.
    """

    colors: tuple[MatchedColor, ...]
    sets: tuple[NamedSet, ...]
    frame: Frame
    uneven: bool

    @property
    def mix(self) -> Mix:
        """The recipe as a mix that can be drawn."""
        total = sum(color.share for color in self.colors)
        return tuple(_mix_color(color.id, color.share / total) for color in self.colors if color.share > 0)


def match_photograph(
    photo: NDArray[np.uint8],
    *,
    colors: Sequence[MixColor] | None = None,
    corners: Sequence[Corner] | None = None,
    white: Patch | None = None,
    grey: Patch | None = None,
) -> Match:
    """Find which colours a tile is made of and in which shares.

    Args:
        photo: (h, w, 3) uint8 sRGB.
        colors: The colours, if they are known: their shares alone are measured.
        corners: The tile's four corners, x and y in pixels; found where a tile lies on plain ground.
        white, grey: Patches of known colour, for a photograph with a cast.

    Raises:
        PhotographError: The photograph shows no granules that can be measured, or a patch is no reference.
    """
    frame = frame_of(without_cast(photo, white, grey), corners)
    pixels = pixels_of(frame.image)
    batches = known_batches(palette_in_use())
    palette = appearances_of(map(palette_mix_color, palette_in_use().values()), batches)
    if colors:
        known = appearances_of(colors, batches)
        facets, chosen = _facets_of(pixels, palette, known, [color.id for color in colors])
        measured, clusters = _measured(frame, pixels, facets, [known[i] for i in chosen])
        sets = [RankedSet(tuple(chosen), 1.0, 0.0)]
        measured = corrected(frame.image, measured, [known[i] for i in chosen])
        return _match(frame, palette, known, measured, clusters, sets, given=True)
    facets = _clusters(pixels.facets, palette)
    sets = rank_sets([_seen(part, part) for part in facets], palette)
    for _ in range(_ROUNDS):
        best = sets[0].appearances
        measured, clusters = _measured(frame, pixels, facets, [palette[i] for i in best])
        sets = rank_sets(clusters, palette)
        if sets[0].appearances == best:
            break
    measured = corrected(frame.image, measured, [palette[i] for i in sets[0].appearances])
    return _match(frame, palette, palette, measured, clusters, sets, given=False)


def _facets_of(
    pixels: Pixels, palette: Sequence[Appearance], known: Sequence[Appearance], ids: Sequence[str]
) -> tuple[list[Floats], list[int]]:
    """Facets of each known colour, and its batch: as clusters, whatever the cast, if there are as many."""
    clusters = _clusters(pixels.facets, palette)
    if len(clusters) == len(ids):
        named = rank_sets([_seen(part, part) for part in clusters], known)[0].appearances
        of_color = {known[i].color.id: (part, i) for part, i in zip(clusters, named, strict=True)}
        if set(of_color) == set(ids):
            parts = [of_color[name] for name in ids]
            return [part for part, _ in parts], [index for _, index in parts]
    return known_facets(pixels.facets, known, ids)


def _clusters(facets: Floats, palette: Sequence[Appearance]) -> list[Floats]:
    label = cluster(facets, [each.facet_batches for each in palette])
    return [facets[label == i] for i in range(int(label.max()) + 1)]


def _measured(
    frame: Frame, pixels: Pixels, facets: Sequence[Floats], appearances: Sequence[Appearance]
) -> tuple[Shares, list[Seen]]:
    """Shares by each colour's pixels, moved to where its facets are, and the clusters' own means."""
    moved = moved_mixtures(facets, appearances)
    shares = measure_shares(frame.image, moved)
    clusters = []
    for index, (part, mixture, each) in enumerate(zip(facets, moved, appearances, strict=True)):
        own = pixels.lab[shares.labels == index]
        on_facets = part if len(part) else (mixture.mean - each.raw.mean + each.facets.mean)[None]
        clusters.append(_seen(on_facets, own if len(own) else on_facets))
    return shares, clusters


def _seen(facets: Floats, raw: Floats) -> Seen:
    return Seen(facets.mean(0), lit_of(facets), raw.mean(0))


def _match(
    frame: Frame,
    palette: Sequence[Appearance],
    used: Sequence[Appearance],
    shares: Shares,
    clusters: Sequence[Seen],
    sets: Sequence[RankedSet],
    *,
    given: bool,
) -> Match:
    order = np.argsort(-shares.shares, kind="stable")
    nearest = [nearest_names(each, palette) for each in clusters]
    outside = [
        not given and names[0][1] > OUTSIDE and is_outside(each, palette[names[0][0]])
        for names, each in zip(nearest, clusters, strict=True)
    ]
    hexes = [_hex(each.raw) for each in clusters]

    def id_of(cluster_index: int, appearance: int) -> str:
        return hexes[cluster_index] if outside[cluster_index] else used[appearance].color.id

    colors = tuple(
        MatchedColor(
            id=id_of(i, sets[0].appearances[i]),
            share=float(shares.shares[i]),
            low=float(max(shares.shares[i] - shares.margins[i], 0)),
            high=float(min(shares.shares[i] + shares.margins[i], 1)),
            hex=hexes[i],
            lab=_rounded(clusters[i].raw),
            nearest=tuple(_near(palette[j], difference) for j, difference in nearest[i][:3]),
            alike=alike(id_of(i, sets[0].appearances[i])),
            outside=outside[i],
        )
        for i in map(int, order)
    )
    named = tuple(
        NamedSet(tuple(id_of(i, each.appearances[i]) for i in map(int, order)), round(each.confidence, 3))
        for each in sets
    )
    return Match(colors, named, frame, shares.unevenness > UNEVEN)


def alike(code: str) -> tuple[str, ...]:
    """Palette codes within CIEDE2000 10 of a palette colour, the nearest first; none for a hex colour."""
    palette = palette_in_use()
    if code not in palette:
        return ()
    own = palette[code]
    others = ((delta_e00(own.lab, other.lab), other.code) for other in palette.values() if other is not own)
    return tuple(other for difference, other in sorted(others) if difference < ALIKE)


def _near(appearance: Appearance, difference: float) -> NearName:
    color = appearance.color
    return NearName(color.id, color.name, round(difference, 1), appearance.known_batch)


def _mix_color(name: str, share: float) -> MixColor:
    if name.startswith("#"):
        return hex_mix_color(name, share)
    return palette_mix_color(palette_in_use()[name], share)


def _rounded(lab: Floats) -> Lab:
    lightness, a, b = (round(float(value), 1) for value in lab)
    return (lightness, a, b)


def _hex(lab: Floats) -> str:
    return "#" + to_srgb(lab[None, None].astype(np.float32)).tobytes().hex().upper()
