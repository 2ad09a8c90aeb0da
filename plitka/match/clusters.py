"""Which colours are there: the fewest known appearances that explain the pixels on facets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from plitka.colors.palette import Lab, delta_e00
from plitka.match.appearance import Floats, Mixture, densities

# Pixels that no colour explains: their share, and their density in CIELAB.
_OUTLIERS, _OUTLIER_DENSITY = 0.02, 1 / 400_000
# A colour is there if it gains as much (nat per pixel) and has at least this share of the facets.
LEAST_GAIN, LEAST_SHARE = 0.01, 0.01
MOST_COLORS = 7
_STEPS_TRIED, _STEPS = 4, 20
# The part of the pixels that may stay unexplained, and how many clusters of such pixels there may be: of so
# many pixels at least, within this distance (CIELAB) of the densest place.
_MOST_UNEXPLAINED, _MOST_OWN = 0.045, 3
_LEAST_OWN, _REACH, _LEAST_SPREAD = 40, 20.0, 2.0
# Two clusters nearer than this (CIEDE2000) are one if the valley between their peaks is less deep.
_CLOSE, _VALLEY = 40.0, 0.9


def explain(density: Floats) -> list[int]:
    """Columns of (n, m) densities that explain n pixels: greedily added, swapped while that gains."""
    chosen: list[int] = []
    best = float(np.log(_OUTLIERS * _OUTLIER_DENSITY))
    while len(chosen) < MOST_COLORS:
        score, candidate = max((_score(density, [*chosen, i]), i) for i in _others(density, chosen))
        if chosen and score - best < LEAST_GAIN:
            break
        chosen, best = _swapped(density, [*chosen, candidate], score)
        shares = shares_by_em(density[:, chosen])
        if len(chosen) > 1 and shares.min() < LEAST_SHARE:
            chosen.pop(int(shares.argmin()))
            break
    return chosen


def _swapped(density: Floats, chosen: list[int], best: float) -> tuple[list[int], float]:
    if len(chosen) < 2:
        return chosen, best
    improved = True
    while improved:
        improved = False
        for place in range(len(chosen)):
            for other in _others(density, chosen):
                swapped = [*chosen[:place], other, *chosen[place + 1 :]]
                score = _score(density, swapped)
                if score > best + 1e-4:
                    chosen, best, improved = swapped, score, True
    return chosen, best


def _others(density: Floats, chosen: Sequence[int]) -> Iterator[int]:
    return (i for i in range(density.shape[1]) if i not in chosen)


def _score(density: Floats, chosen: Sequence[int]) -> float:
    part = density[:, chosen]
    shares = shares_by_em(part, _STEPS_TRIED)
    return float(np.log((1 - _OUTLIERS) * (part @ shares) + _OUTLIERS * _OUTLIER_DENSITY).mean())


def shares_by_em(density: Floats, steps: int = _STEPS) -> Floats:
    """(k,) shares that make the pixels of (n, k) densities likeliest; expectation maximisation."""
    shares = np.full(density.shape[1], 1 / density.shape[1], np.float32)
    for _ in range(steps):
        joint = (1 - _OUTLIERS) * density * shares
        joint /= joint.sum(1, keepdims=True) + np.float32(_OUTLIERS * _OUTLIER_DENSITY)
        shares = joint.sum(0) / max(float(joint.sum()), 1e-9)
    return shares


def cluster(facets: Floats, appearances: Sequence[Mixture]) -> NDArray[np.intp]:
    """(n,) cluster of each facet pixel (n, 3), 0 to k - 1; clusters without a valley between them are one.

    Pixels that no appearance explains are clusters of their own, by where they are densest.
    """
    everything = densities(facets, appearances)
    density = everything[:, explain(everything)]
    for _ in range(_MOST_OWN):
        unexplained = _unexplained(density)
        if unexplained.mean() < _MOST_UNEXPLAINED:
            break
        own = _densest(facets[unexplained > 0.5])
        if own is None:
            break
        density = np.hstack([density, densities(facets, [own])])
    label = (density * shares_by_em(density)).argmax(1)
    while True:
        names = np.unique(label)
        pair = _pair_without_valley(facets, label, names)
        if pair is None:
            return np.searchsorted(names, label)
        label = np.where(label == pair[1], pair[0], label)


def _unexplained(density: Floats) -> Floats:
    """(n,) probability that a pixel is of none of the colours."""
    known = (1 - _OUTLIERS) * (density @ shares_by_em(density))
    unknown = np.float32(_OUTLIERS * _OUTLIER_DENSITY)
    return unknown / (known + unknown)


def _densest(pixels: Floats) -> Mixture | None:
    """A normal distribution where (n, 3) pixels are densest, by mean shift; None if there are too few."""
    if len(pixels) < _LEAST_OWN:
        return None
    centre = np.median(pixels, 0)
    for _ in range(_STEPS):
        near = pixels[((pixels - centre) ** 2).sum(1) < _REACH**2]
        if len(near) < _LEAST_OWN:
            return None
        centre = near.mean(0)
    covariance = np.cov(near.T) + np.eye(3) * _LEAST_SPREAD**2
    return Mixture(np.ones(1, np.float32), centre[None], covariance[None].astype(np.float32))


def _pair_without_valley(
    facets: Floats, label: NDArray[np.intp], names: NDArray[np.intp]
) -> tuple[int, int] | None:
    means = {int(i): facets[label == i].mean(0) for i in names}
    pairs = sorted((delta_e00(_lab(means[i]), _lab(means[j])), i, j) for i in means for j in means if i < j)
    for difference, i, j in pairs:
        if difference < _CLOSE and _valley(facets[label == i], facets[label == j]) > _VALLEY:
            return i, j
    return None


def _lab(mean: Floats) -> Lab:
    lightness, a, b = map(float, mean)
    return (lightness, a, b)


def _valley(one: Floats, other: Floats) -> float:
    """Depth of the valley between two clusters along Fisher's discriminant: 1 if there is none."""
    if min(len(one), len(other)) < 8:
        return 1.0
    within = (np.cov(one.T) + np.cov(other.T)) / 2 + np.eye(3)
    axis = np.linalg.solve(within, (other.mean(0) - one.mean(0)).astype(np.float64))
    a, b = one @ axis, other @ axis
    low, high = np.median(a), np.median(b)
    everything = np.concatenate([a, b])
    spread = max(float(np.sqrt((a.var() + b.var()) / 2)), 1e-6)
    edges = np.arange(low - 1.5 * spread, high + 1.5 * spread, spread / 8)
    if len(edges) < 8:
        return 1.0
    counts = np.histogram(everything, edges)[0].astype(np.float64)
    kernel = np.exp(-0.5 * (np.arange(-6, 7) / 2.4) ** 2)
    smooth = np.convolve(counts, kernel / kernel.sum(), "same")
    centres = (edges[1:] + edges[:-1]) / 2
    middle = (low + high) / 2
    first, second = centres <= middle, centres > middle
    if not first.any() or not second.any():
        return 1.0
    peak_a, peak_b = (
        int(np.flatnonzero(first)[smooth[first].argmax()]),
        int(np.flatnonzero(second)[smooth[second].argmax()]),
    )
    between = smooth[peak_a : peak_b + 1].min()
    return float(between / max(min(smooth[peak_a], smooth[peak_b]), 1e-9))
