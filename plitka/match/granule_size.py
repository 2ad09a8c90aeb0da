"""How many pixels a granule is across, from the spacing of its edges; refuses what is no heap of granules."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.errors import PhotographError

Floats = NDArray[np.float32]
_SIDE = 1024
# Edges: blur before the gradient, and the gradient that counts as none (levels of CIELAB in 8 bits).
_EDGE_BLUR, _NO_EDGE = 0.8, 4.0
# What varies over more than this part of the side is light on the tile, not granules.
_WIDE = 1 / 8
# The correlation falls to this at about a third of a granule: pixels of lag, and of granules at that lag, on
# photographs and renders of known scale. In a line beyond the last.
_FALLEN = 0.1
_LAGS = (1.0, 1.4, 1.6, 2.0, 2.7, 3.6, 5.2, 11.0, 17.0)
_GRANULES = (1.5, 3.2, 4.0, 5.0, 7.0, 10.0, 17.0, 40.0, 64.0)
# Deviation of L*, in levels of 8 bits, below which there is no texture.
_PLAIN = 1.5


def granule_pixels(tile: NDArray[np.uint8]) -> float:
    """Pixels across a granule, within a third; (h, w, 3) uint8 sRGB. Infinite where nothing repeats.

    Of the correlation lengths of lightness and of edges, the shorter: lightness is that of patches of one
    colour, edges are lost to grain in small pictures.

    Raises:
        PhotographError: There is no texture.
    """
    height, width = tile.shape[:2]
    side = min(height, width, _SIDE) // 2 * 2
    top, left = (height - side) // 2, (width - side) // 2
    lab = cv2.cvtColor(tile[top : top + side, left : left + side], cv2.COLOR_RGB2LAB).astype(np.float32)
    if float(_without_wide(lab[..., 0]).std()) < _PLAIN:
        raise PhotographError("shows no granules: it is plain, or out of focus")
    lag = min(_lag(lab[..., 0]), _lag(_edges(lab)))
    return float(np.interp(lag, _LAGS, _GRANULES)) if lag <= _LAGS[-1] else float("inf")


def _lag(plane: Floats) -> float:
    """Lag in pixels at which the autocorrelation of a (n, n) plane falls; infinite if it does not."""
    side = len(plane)
    window = np.hanning(side).astype(np.float32)
    power = np.abs(np.fft.rfft2(_without_wide(plane) * window * window[:, None])) ** 2
    correlation = np.fft.fftshift(np.fft.irfft2(power, s=(side, side)))
    middle, reach = side // 2, min(side // 2 - 1, 40)
    near = correlation[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    ring = np.rint(np.hypot(y, x)).astype(np.intp).ravel()
    mean = np.bincount(ring, near.ravel())[: reach + 1] / np.bincount(ring)[: reach + 1]
    mean = mean / max(float(mean[0]), 1e-12)
    below = np.flatnonzero(mean < _FALLEN)
    if not len(below) or below[0] == 0:
        return float("inf")
    lag = int(below[0])
    return float(lag - 1 + (mean[lag - 1] - _FALLEN) / (mean[lag - 1] - mean[lag]))


def _without_wide(plane: Floats) -> Floats:
    width = max(int(len(plane) * _WIDE), 1) * 2 + 1
    return plane - cv2.blur(plane, (width, width))


def _edges(lab: Floats) -> Floats:
    lab = cv2.GaussianBlur(lab, (0, 0), _EDGE_BLUR)
    square = cv2.Sobel(lab, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(lab, cv2.CV_32F, 0, 1) ** 2
    return np.log(np.sqrt(square.sum(2)) + np.float32(_NO_EDGE))
