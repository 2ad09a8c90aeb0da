"""Which known colours the clusters are: distances, and sets of names ranked by likelihood.

All clusters of a photograph share its camera: a set of names may be off by a common exposure, cast, gamma
and saturation, and each colour by its batch. Both are normal distributions, so the misfit of a set is one
quadratic form of all differences together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.colors.palette import Lab, delta_e00
from plitka.match.appearance import Appearance, Floats

Doubles = NDArray[np.float64]

# Weights of the means of facets, of the lit of them, and of all pixels.
_WEIGHTS = (0.4, 0.4, 0.2)
# How far cameras are off, deviations: gains of red, green and blue, gamma, saturation.
_CAMERAS = np.array([0.06, 0.06, 0.06, 0.04, 0.08])
# How far batches are off in L*, chroma and hue, in units of CIE94's weights.
_BATCHES = 2.0
# Batches that are not the palette's are laid together: twice the logarithm of the odds for two of them.
_TOGETHER = 4.0
# Squared distance, in deviations, from which on a colour is another one.
_EXPLAINED = 20.0
# Names tried for each cluster, and sets that are kept.
_NAMES, _SETS = 5, 3
_STEP = 0.02
# Luma (ITU-R BT.601).
_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Seen:
    """A cluster's mean CIELAB: on facets, on the lightest three tenths of these, of all of its pixels."""

    facets: Floats
    lit: Floats
    raw: Floats

    @property
    def lab(self) -> Doubles:
        """(3,) the weighted mean of the three, by which colours are compared."""
        return _weighted(self.facets, self.lit, self.raw)


@dataclass(frozen=True)
class RankedSet:
    """A set of names.

    Attributes:
        appearances: Index of the appearance of each cluster.
        confidence: Its probability among the sets of the nearest names, 0 to 1.
        misfit: Squared distance of the whole set in deviations.
    """

    appearances: tuple[int, ...]
    confidence: float
    misfit: float


def lit_of(facets: Floats) -> Floats:
    """(3,) mean of the lightest three tenths of (n, 3) pixels."""
    return facets[facets[:, 0] >= np.quantile(facets[:, 0], 0.7)].mean(0)


def nearest_names(seen: Seen, appearances: Sequence[Appearance]) -> list[tuple[int, float]]:
    """Appearances and their difference (CIEDE2000), the nearest first; of a colour's batches the nearest."""
    lab = _lab(seen.lab)
    found: dict[str, tuple[int, float]] = {}
    for index, each in enumerate(appearances):
        difference = delta_e00(lab, _lab(_expected(each)))
        if each.color.id not in found or difference < found[each.color.id][1]:
            found[each.color.id] = (index, difference)
    return sorted(found.values(), key=lambda named: named[1])


def is_outside(seen: Seen, appearance: Appearance) -> bool:
    """Whether neither batches nor a camera explain that a cluster differs so much from a colour."""
    off = (seen.lab - _expected(appearance))[None]
    return bool(_alone(off, _covariance(seen.lab[None]))[0] > _EXPLAINED)


def rank_sets(clusters: Sequence[Seen], appearances: Sequence[Appearance]) -> list[RankedSet]:
    """Up to three sets of names, a different colour for each cluster, the likeliest first."""
    seen = np.array([cluster.lab for cluster in clusters])
    expected = np.array([_expected(each) for each in appearances])
    covariance = _covariance(seen)
    metric = np.linalg.inv(covariance)
    tried = [
        np.argsort(_alone(seen[i] - expected, covariance[3 * i : 3 * i + 3, 3 * i : 3 * i + 3]))[: _NAMES + 1]
        for i in range(len(seen))
    ]
    sets: dict[tuple[str, ...], tuple[float, tuple[int, ...]]] = {}
    for chosen in _different(tried, [each.color.id for each in appearances]):
        off = (seen - expected[list(chosen)]).ravel()
        batches = sum(appearances[i].known_batch for i in chosen)
        misfit = float(off @ metric @ off) - (_TOGETHER if batches > 1 else 0)
        names = tuple(appearances[i].color.id for i in chosen)
        if names not in sets or misfit < sets[names][0]:
            sets[names] = (misfit, chosen)
    ranked = sorted(sets.values())
    likelihood = np.exp((ranked[0][0] - np.array([misfit for misfit, _ in ranked])) / 2)
    likelihood /= likelihood.sum()
    return [
        RankedSet(chosen, float(part), misfit)
        for (misfit, chosen), part in zip(ranked[:_SETS], likelihood, strict=False)
    ]


def _different(tried: Sequence[NDArray[np.intp]], ids: Sequence[str]) -> Iterable[tuple[int, ...]]:
    """Every choice of one appearance per cluster without a colour twice."""
    if not tried:
        yield ()
        return
    for rest in _different(tried[:-1], ids):
        taken = {ids[i] for i in rest}
        yield from ((*rest, int(i)) for i in tried[-1] if ids[i] not in taken)


def _alone(off: Doubles, covariance: Doubles) -> Doubles:
    return np.einsum("ni,ij,nj->n", off, np.linalg.inv(covariance), off)


def _covariance(seen: Doubles) -> Doubles:
    """(3k, 3k): what batches and a common camera change at k colours."""
    camera = np.vstack([_camera_changes(lab) for lab in seen])
    covariance = camera @ camera.T
    for i, lab in enumerate(seen):
        covariance[3 * i : 3 * i + 3, 3 * i : 3 * i + 3] += _batch_covariance(lab)
    return covariance


def _batch_covariance(lab: Doubles) -> Doubles:
    """(3, 3) with axes L*, chroma and hue; weights of CIE94, and of CIEDE2000 for L*."""
    chroma = float(np.hypot(lab[1], lab[2]))
    from_middle = (lab[0] - 50) ** 2
    lightness = _BATCHES * (1 + 0.015 * from_middle / np.sqrt(20 + from_middle))
    radial, tangential = _BATCHES * (1 + 0.045 * chroma), _BATCHES * (1 + 0.015 * chroma)
    along = lab[1:] / chroma if chroma > 1e-6 else np.array([1.0, 0.0])
    across = np.array([-along[1], along[0]])
    covariance = np.zeros((3, 3))
    covariance[0, 0] = lightness**2
    covariance[1:, 1:] = radial**2 * np.outer(along, along) + tangential**2 * np.outer(across, across)
    return covariance


def _camera_changes(lab: Doubles) -> Doubles:
    """(3, 5): change of a CIELAB colour by one deviation of each property of a camera."""
    code = _code_of(lab)
    gained = [np.where(np.arange(3) == channel, code * (1 + _STEP), code) for channel in range(3)]
    luma = code @ _LUMA
    changed = [*gained, code ** (1 + _STEP), luma + (code - luma) * (1 + _STEP)]
    return np.array([(_lab_of(each) - _lab_of(code)) / _STEP for each in changed]).T * _CAMERAS


def _code_of(lab: Doubles) -> Doubles:
    """sRGB of a CIELAB colour, 0 to 1 within the gamut."""
    return (
        cv2.cvtColor(lab[None, None].astype(np.float32), cv2.COLOR_Lab2RGB)[0, 0]
        .clip(1e-3, 1)
        .astype(np.float64)
    )


def _lab_of(code: Doubles) -> Doubles:
    return cv2.cvtColor(code[None, None].astype(np.float32), cv2.COLOR_RGB2Lab)[0, 0].astype(np.float64)


def _expected(appearance: Appearance) -> Doubles:
    return _weighted(appearance.facets.mean, appearance.facets.lit, appearance.raw.mean)


def _weighted(*means: Floats) -> Doubles:
    return np.asarray(_WEIGHTS) @ np.array(means, np.float64)


def _lab(values: Doubles) -> Lab:
    lightness, a, b = (float(value) for value in values)
    return (lightness, a, b)
