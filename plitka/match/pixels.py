"""The pixels that a match looks at: all of them, and those on even facets."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.colors.lab import to_lab
from plitka.errors import PhotographError
from plitka.match.appearance import Floats

# Mean shift: radius in pixels and in levels; the greatest range of L*, a* or b* in 3 x 3 pixels of a facet.
_SHIFT_RADIUS, _SHIFT_COLORS = 4, 14
_EVEN = 14.0
# How many pixels of each kind are enough.
FACET_SAMPLE, RAW_SAMPLE = 4000, 8000
_LEAST_FACETS = 200
# Out of focus: almost everything is even, or details of a pixel are a small part of those of a granule.
_MOST_EVEN, _LEAST_DETAIL = 0.985, 0.205
# Overexposed: the part of the pixels that are clipped to white, and the level from which they are.
_MOST_CLIPPED, _CLIPPED = 0.3, 254


@dataclass(frozen=True)
class Pixels:
    """Pixels of a tile whose granules are about 11 pixels across.

    Attributes:
        lab: (h, w, 3) CIELAB of the picture.
        facets: (n, 3) CIELAB, a random sample of the pixels on even facets, after mean shift.
        raw: (m, 3) CIELAB, a random sample of all pixels.
        places: (m,) where each of `raw` lies: index into h x w.
    """

    lab: Floats
    facets: Floats
    raw: Floats
    places: NDArray[np.intp]


def pixels_of(image: NDArray[np.uint8]) -> Pixels:
    """Pixels of a (h, w, 3) uint8 sRGB picture. The samples are the same every time.

    Raises:
        PhotographError: It is out of focus or overexposed.
    """
    if (image.min(2) >= _CLIPPED).mean() > _MOST_CLIPPED:
        raise PhotographError("is clipped to white, or shows no granules: expose it less")
    lab = to_lab(image)
    shifted = to_lab(cv2.pyrMeanShiftFiltering(image, _SHIFT_RADIUS, _SHIFT_COLORS, maxLevel=0))
    window = np.ones((3, 3), np.uint8)
    even = (cv2.dilate(shifted, window) - cv2.erode(shifted, window)).max(2) < _EVEN
    if even.mean() > _MOST_EVEN or _detail(lab[..., 0]) < _LEAST_DETAIL:
        raise PhotographError("is out of focus, or shows no granules: photograph it sharply")
    facets = shifted[even] if even.sum() >= _LEAST_FACETS else shifted.reshape(-1, 3)
    rng = np.random.Generator(np.random.PCG64(0))
    places = rng.permutation(lab.shape[0] * lab.shape[1])[:RAW_SAMPLE]
    return Pixels(lab, rng.permutation(facets)[:FACET_SAMPLE], lab.reshape(-1, 3)[places], places)


def _detail(lightness: Floats) -> float:
    """What a blur of one pixel takes away, of what one of four does: about 0.5 of sharp photographs."""
    fine, coarse = (lightness - cv2.GaussianBlur(lightness, (0, 0), width) for width in (1, 4))
    return float(fine.std() / max(float(coarse.std()), 1e-6))
