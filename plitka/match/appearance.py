"""What pixels of a granule colour look like on photographs: mixtures of normal distributions in CIELAB.

The palette gives each colour's mean and its 5th and 95th percentile of L*. One law, fitted to photographs of
single-colour tiles, gives the rest: the lightness of six bands of ranks within a colour, hue and chroma at
that lightness (`plitka.tile.shading.at_lightness`), the scatter about it, and how much of each band is seen
on whole facets rather than in gaps and glints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from plitka.colors.mix import MixColor
from plitka.colors.palette import Lab
from plitka.tile.shading import at_lightness

Floats = NDArray[np.float32]

# Ranks of lightness within a colour that divide the bands.
_RANKS = np.array([0, 4, 15, 40, 70, 92, 100]) / 100
# For each band: its mean L* between the 5th (0) and the 95th (1) percentile, linear in the mean's position
# between them and in L* of the mean / 100.
_BAND_LIGHTNESS = np.array(
    [
        [0.23, -0.31, -0.58],
        [-0.21, 0.57, 0.04],
        [-0.30, 1.19, 0.08],
        [-0.18, 1.40, 0.05],
        [0.16, 1.19, -0.04],
        [1.28, -0.39, 0.01],
    ]
)
# The deviation of L* within each band, in the same unit.
_BAND_SPREAD = np.array([0.15, 0.10, 0.08, 0.06, 0.05, 0.09])
# How often each band is seen on facets, relative to all pixels: linear in L* of the mean / 100.
_FACET_PART = np.array(
    [[0.92, -1.25], [1.02, -1.15], [1.10, -0.53], [1.24, 0.05], [0.71, 1.21], [0.59, 0.36]]
)
_LEAST_PART = 0.02
# Scatter about the hue of a lightness, along the chroma (constant, per unit of chroma) and across it; that
# of all pixels includes edges, that of facets is smaller: what mean shift leaves of a facet is even.
_RAW_SCATTER = (3.2, 0.06, 3.2)
_FACET_SCATTER = (0.6, 0.045, 0.7)
# How far one batch of granules, or one camera, is from another: deviation of L*, and along and across
# the chroma, each as constant and per unit of chroma.
_FACET_BATCHES = (5.0, (1.5, 0.20), (1.5, 0.08))
# Least deviation of a component.
_LEAST_SPREAD = 1.4


@dataclass(frozen=True)
class Mixture:
    """A mixture of K normal distributions in CIELAB.

    Attributes:
        weights: (K,), sum 1.
        means: (K, 3).
        covariances: (K, 3, 3).
    """

    weights: Floats
    means: Floats
    covariances: Floats

    @cached_property
    def mean(self) -> Floats:
        """(3,) mean of the mixture."""
        return self.weights @ self.means

    def moved(self, shift: Floats) -> Mixture:
        """The same mixture with `shift` (3,) added to its means."""
        return replace(self, means=self.means + shift)

    @cached_property
    def lit(self) -> Floats:
        """(3,) mean of the lightest three tenths."""
        order = np.argsort(-self.means[:, 0])
        taken = np.clip(0.3 - (np.cumsum(self.weights[order]) - self.weights[order]), 0, self.weights[order])
        return (taken @ self.means[order] / taken.sum()).astype(np.float32)


@dataclass(frozen=True)
class Appearance:
    """A colour as one batch of granules looks on photographs.

    Attributes:
        color: The colour.
        lab: Mean CIELAB of this batch: the palette's own, or that of another known batch.
        raw: All pixels of a tile of this colour.
        facets: Pixels on even facets.
        facet_batches: The same as `facets`, widened by how batches and cameras differ.
        known_batch: False for the palette's own figures.
    """

    color: MixColor
    lab: Lab
    raw: Mixture
    facets: Mixture
    facet_batches: Mixture
    known_batch: bool


def appearances_of(
    colors: Iterable[MixColor], batches: Mapping[str, Sequence[Lab]]
) -> tuple[Appearance, ...]:
    """Each colour as its own figures have it, and as each of its other known batches (mean CIELAB) by id."""
    found = []
    for color in colors:
        found.append(_appearance(color, color.lab, known_batch=False))
        found.extend(_appearance(color, lab, known_batch=True) for lab in batches.get(color.id, ()))
    return tuple(found)


def _appearance(color: MixColor, lab: Lab, *, known_batch: bool) -> Appearance:
    moved = replace(color, lab=lab)
    shift = lab[0] - color.lab[0]
    low, high = (min(max(bound + shift, 0.0), 100.0) for bound in color.lightness_range)
    law = np.array([1, (lab[0] - low) / max(high - low, 1.0), lab[0] / 100])
    lightness = np.clip(low + (high - low) * (_BAND_LIGHTNESS @ law), 0.5, 99.5)
    means = at_lightness(moved, np.maximum.accumulate(lightness))
    spread = np.maximum((high - low) * _BAND_SPREAD, _LEAST_SPREAD)
    weights = np.diff(_RANKS)
    means = means + (np.array(lab) - weights @ means).astype(np.float32)
    of_facets = weights * np.maximum(_FACET_PART @ law[[0, 2]], _LEAST_PART)
    raw = _mixture(weights, means, spread, _RAW_SCATTER)
    facets = _mixture(of_facets / of_facets.sum(), means, spread, _FACET_SCATTER)
    return Appearance(color, lab, raw, facets, _widened(facets, _FACET_BATCHES), known_batch)


def _mixture(
    weights: NDArray[np.float64],
    means: Floats,
    spread: NDArray[np.float64],
    scatter: tuple[float, float, float],
) -> Mixture:
    """Bands as normal distributions: long along the curve of shades, and scattered about it."""
    tangent = np.gradient(
        means.astype(np.float64), np.maximum(means[:, 0], 0) + 1e-3 * np.arange(len(means)), axis=0
    )
    tangent[:, 0] = 1
    tangent[:, 1:] = np.clip(tangent[:, 1:], -1.5, 1.5)
    along = spread[:, None, None] ** 2 * tangent[:, :, None] * tangent[:, None]
    constant, per_chroma, across = scatter
    covariances = along + _chroma_frame(means, 0.5, constant, per_chroma, across, 0.0)
    return Mixture(weights.astype(np.float32), means.astype(np.float32), covariances.astype(np.float32))


def _widened(mixture: Mixture, batches: tuple[float, tuple[float, float], tuple[float, float]]) -> Mixture:
    lightness, along, across = batches
    mean = np.repeat(mixture.mean[None], len(mixture.weights), 0)
    return replace(
        mixture,
        covariances=mixture.covariances + _chroma_frame(mean, lightness, *along, *across).astype(np.float32),
    )


def _chroma_frame(
    means: NDArray[np.floating],
    lightness: float,
    along: float,
    per_chroma: float,
    across: float,
    across_per: float,
) -> NDArray[np.float64]:
    """(K, 3, 3) covariances with axes L*, chroma and hue at `means` (K, 3)."""
    chroma = np.hypot(means[:, 1], means[:, 2]).astype(np.float64)
    hue = np.arctan2(means[:, 2], means[:, 1]).astype(np.float64)
    cosine, sine = np.cos(hue), np.sin(hue)
    radial, tangential = (along + per_chroma * chroma) ** 2, (across + across_per * chroma) ** 2
    found = np.zeros((len(means), 3, 3))
    found[:, 0, 0] = lightness**2
    found[:, 1, 1] = radial * cosine**2 + tangential * sine**2
    found[:, 2, 2] = radial * sine**2 + tangential * cosine**2
    found[:, 1, 2] = found[:, 2, 1] = (radial - tangential) * cosine * sine
    return found


def densities(pixels: Floats, mixtures: Sequence[Mixture], tails: float | None = None) -> Floats:
    """(n, len(mixtures)) probability density at CIELAB pixels (n, 3), up to a common factor.

    With `tails`, the components are Student's t distributions with so many degrees of freedom.
    """
    found = np.zeros((len(pixels), len(mixtures)), np.float32)
    for index, mixture in enumerate(mixtures):
        for weight, mean, covariance in zip(mixture.weights, mixture.means, mixture.covariances, strict=True):
            whitening = np.linalg.inv(np.linalg.cholesky(covariance.astype(np.float64)))
            white = (pixels - mean) @ whitening.T.astype(np.float32)
            square = np.einsum("ij,ij->i", white, white)
            scale = np.float32(weight * np.linalg.det(whitening) / (2 * np.pi) ** 1.5)
            if tails is None:
                found[:, index] += scale * np.exp(np.float32(-0.5) * square)
            else:
                found[:, index] += scale * (1 + square / np.float32(tails)) ** np.float32(-(tails + 3) / 2)
    return found
