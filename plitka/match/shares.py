"""The share of each colour of a known set, from all pixels of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.colors.lab import to_lab
from plitka.match.appearance import Floats, Mixture, densities

# Shadow, gloss and edges are more frequent than normal distributions allow: degrees of freedom.
_TAILS = 4.0
# Neighbouring pixels are of one granule: blur of the log-likelihood in pixels, and the most that one can say.
_BLUR, _MOST_SAID = 0.8, 6.0
# Levels per channel at which pixels count as equal: a power of 2.
_LEVELS_BITS = 6
# Blocks on a side for the scatter of shares, and what an interval adds for what no photograph shows: the
# labels of the photographs on which it was fitted, batches, light (percentage points).
_BLOCKS = 4
_SCATTERS, _SYSTEMATIC = 2.0, 1.5
# A pixel is doubtful if its likeliest colour leads by less (nat): edges and shadows. An interval adds a part
# of a colour's doubtful pixels.
_DOUBTFUL, _DOUBTFUL_PART = 2.0, 0.3


@dataclass(frozen=True)
class Shares:
    """Shares of k colours.

    Attributes:
        labels: (h, w) uint8: the colour of each pixel.
        shares: (k,) sum 1.
        margins: (k,) half of the interval that covers the truth nine times of ten.
        unevenness: The largest deviation of a share among the blocks of the picture, 0 to 0.5.
    """

    labels: NDArray[np.uint8]
    shares: NDArray[np.float64]
    margins: NDArray[np.float64]
    unevenness: float


def measure_shares(image: NDArray[np.uint8], mixtures: Sequence[Mixture]) -> Shares:
    """Give every pixel of a (h, w, 3) uint8 sRGB picture to the likeliest of k mixtures of raw pixels."""
    if len(mixtures) == 1:
        return Shares(np.zeros(image.shape[:2], np.uint8), np.ones(1), np.zeros(1), 0.0)
    said = _log_likelihood(image, mixtures)
    said = np.maximum(said - said.max(2, keepdims=True), -_MOST_SAID)
    said = cv2.GaussianBlur(said, (0, 0), _BLUR)
    labels = said.argmax(2).astype(np.uint8)
    blocks = np.array([_counted(block, len(mixtures)) for block in _split(labels)])
    scatter = blocks.std(0, ddof=1) / np.sqrt(len(blocks))
    margins = np.sqrt(
        (_SCATTERS * scatter) ** 2 + (_SYSTEMATIC / 100) ** 2 + (_DOUBTFUL_PART * _doubtful(said)) ** 2
    )
    return Shares(labels, _counted(labels, len(mixtures)), margins, float(blocks.std(0).max()))


def _doubtful(said: Floats) -> NDArray[np.float64]:
    """(k,) part of the pixels that may or may not be of each colour."""
    first, second = np.moveaxis(np.partition(said, -2, axis=2)[..., -2:][..., ::-1], 2, 0)
    unsure = first - second < _DOUBTFUL
    return np.array([(unsure & (first - said[..., i] < _DOUBTFUL)).mean() for i in range(said.shape[2])])


def _log_likelihood(image: NDArray[np.uint8], mixtures: Sequence[Mixture]) -> Floats:
    """(h, w, k), computed once for pixels that are almost equal."""
    coarse = (image >> (8 - _LEVELS_BITS)).astype(np.int32)
    key = (coarse[..., 0] << 2 * _LEVELS_BITS) | (coarse[..., 1] << _LEVELS_BITS) | coarse[..., 2]
    seen = np.zeros(1 << 3 * _LEVELS_BITS, np.bool_)
    seen[key.ravel()] = True
    used = np.flatnonzero(seen)
    step, mask = 1 << (8 - _LEVELS_BITS), (1 << _LEVELS_BITS) - 1
    levels = (
        np.stack([used >> 2 * _LEVELS_BITS, used >> _LEVELS_BITS & mask, used & mask], 1) * step + step // 2
    )
    said = np.log(densities(to_lab(levels[None].astype(np.uint8))[0], mixtures, _TAILS) + np.float32(1e-20))
    place = np.zeros(len(seen), np.int32)
    place[used] = np.arange(len(used))
    return said[place[key]]


def _split(labels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [block for row in np.array_split(labels, _BLOCKS) for block in np.array_split(row, _BLOCKS, 1)]


def _counted(labels: NDArray[np.uint8], colors: int) -> NDArray[np.float64]:
    return np.bincount(labels.ravel(), minlength=colors) / labels.size
