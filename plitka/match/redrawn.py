"""How far off shares are measured: seen on a drawing of the tile, whose shares are known.

Granules in the shade of others, edges and gloss are taken for other colours, and how many depends on which
colours lie side by side in which shares. So a tile of the measured shares is drawn and measured in the same
way; what its measured shares are off by is taken off the photograph's (bias correction by a parametric
bootstrap: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 10).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.colors.mix import MixColor
from plitka.errors import PhotographError
from plitka.match.appearance import Appearance
from plitka.match.frame import frame_of
from plitka.match.known_colors import known_facets, moved_mixtures
from plitka.match.pixels import pixels_of
from plitka.match.shares import Shares, measure_shares
from plitka.tile.plan import make_plan
from plitka.tile.swatch import draw_swatch

# The drawing, and the factor of its size that has granules of GRANULE_PIXELS.
_SIDE, _SEED, _SCALE = 1024, 0, 0.5
# Blurs in pixels of which one makes the drawing as sharp as the photograph.
_BLURS = (0.0, 0.4, 0.6, 0.8, 1.0, 1.3, 1.7, 2.2)
# The part of the drawing's error that is taken off: drawings have more slivers in the shade than
# photographs, fitted to these.
_PART = 0.75
# No colour of the drawing has less, and none is corrected to less than this part of its measured share.
_LEAST_SHARE, _LEAST_LEFT = 0.002, 0.25


def corrected(image: NDArray[np.uint8], measured: Shares, appearances: Sequence[Appearance]) -> Shares:
    """The shares of a (h, w, 3) uint8 sRGB picture without the error that a drawing of them has.

    `labels` stay as they are.
    """
    if len(appearances) == 1:
        return measured
    without = measured.shares - _PART * _error(image, measured.shares, appearances)
    shares = np.maximum(without, _LEAST_LEFT * measured.shares)
    return replace(measured, shares=shares / shares.sum())


def _error(
    image: NDArray[np.uint8], shares: NDArray[np.float64], appearances: Sequence[Appearance]
) -> NDArray[np.float64]:
    """(k,) measured less true shares of a drawing; zeros where its granules cannot be measured."""
    drawn = np.maximum(shares, _LEAST_SHARE)
    mix = [_color(each, share) for each, share in zip(appearances, drawn / drawn.sum(), strict=True)]
    plan = make_plan(tuple(mix), 0, "surface", _SEED)
    sharp = cv2.resize(draw_swatch(plan, _SIDE), None, fx=_SCALE, fy=_SCALE, interpolation=cv2.INTER_AREA)
    try:
        frame = frame_of(_as_sharp_as(image, sharp.astype(np.uint8)))
    except PhotographError:
        return np.zeros(len(shares))
    facets, _ = known_facets(pixels_of(frame.image).facets, appearances, [color.id for color in mix])
    again = measure_shares(frame.image, moved_mixtures(facets, appearances))
    return again.shares - plan.shares(_SIDE)


def _color(appearance: Appearance, share: float) -> MixColor:
    """A colour as its batch is."""
    color = appearance.color
    shift = appearance.lab[0] - color.lab[0]
    low, high = (min(max(bound + shift, 0.0), 100.0) for bound in color.lightness_range)
    return replace(color, share=float(share), lab=appearance.lab, lightness_range=(low, high))


def _as_sharp_as(image: NDArray[np.uint8], sharp: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture, blurred until its finest detail is that of another one."""
    wanted = _detail(image)
    blurred = [sharp, *(cv2.GaussianBlur(sharp, (0, 0), blur).astype(np.uint8) for blur in _BLURS[1:])]
    return min(blurred, key=lambda each: abs(_detail(each) - wanted))


def _detail(image: NDArray[np.uint8]) -> float:
    """Mean difference of neighbouring pixels over their deviation: alike for dull and vivid mixes."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.abs(np.diff(grey, axis=1)).mean() / max(float(grey.std()), 1.0))
