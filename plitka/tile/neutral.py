"""Greys stay grey beside vivid colours: what a camera does to colour that a lens has spread over an edge.

A lens spreads colour over the edges of granules. Cameras take most of it back, since they follow edges of
light when they rebuild colour; on a vivid granule the rest is not seen, a grey one would be tinted by it.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.colors.lab import Depth, to_srgb
from plitka.colors.mix import Mix, MixColor
from plitka.tile.bands import Part, row_bands

# What is left on a neutral granule of the colour that was spread over its edge; the chroma up to which
# colours are neutral, and that from which all of it is left.
SPREAD_LEFT = 0.2
NEUTRAL_TO, VIVID_FROM = 20.0, 40.0
# Pixels from an edge that a lens spreads colour to.
REACH = 2


def neutrality(color: MixColor) -> float:
    """How near a colour is to a grey: 1 for a neutral one, 0 for a vivid one."""
    chroma = float(np.hypot(*color.lab[1:]))
    return float(np.clip((VIVID_FROM - chroma) / (VIVID_FROM - NEUTRAL_TO), 0, 1))


@dataclass(frozen=True)
class Neutral:
    """A colour that is neutral, more or less.

    Attributes:
        index: Its place in the mix.
        left: The part of another colour that is left at its edges.
        chroma: Its own Cr and Cb (ITU-R BT.601), 0 to 1.
    """

    index: int
    left: float
    chroma: tuple[float, float]


def neutrals_of(mix: Mix) -> tuple[Neutral, ...]:
    """The colours of a mix that are kept from being tinted; none where all have the same tint anyway."""
    found = []
    for index, color in enumerate(mix if len(mix) > 1 else ()):
        part = neutrality(color)
        if part > 0:
            srgb = to_srgb(np.array([[color.lab]], np.float32)).astype(np.float32) / 255
            _, cr, cb = (float(value) for value in cv2.cvtColor(srgb, cv2.COLOR_RGB2YCrCb)[0, 0])
            found.append(Neutral(index, 1 - (1 - SPREAD_LEFT) * part, (cr, cb)))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class Shown:
    """What a picture shows where.

    Attributes:
        colors: (rows, columns) uint8 index into the mix of each pixel; more on joints.
        neutrals: The colours that are kept from being tinted.
    """

    colors: NDArray[np.uint8]
    neutrals: tuple[Neutral, ...]

    def keep_neutral(self, planes: list[NDArray[Depth]], wraps: bool) -> None:
        """Take the neighbours' colour back from the edges of neutral granules.

        `planes` are Cr and Cb of the picture, changed in place. `wraps`: whether it goes on over its edges.
        """
        if not self.neutrals:
            return
        square = np.ones((2 * REACH + 1,) * 2, np.uint8)
        for rows in row_bands(self.colors.shape):
            part = Part(rows, rows.start - REACH, rows.stop + REACH, len(self.colors))
            around = _around(self.colors, part, wraps)
            edge = (cv2.dilate(around, square) != cv2.erode(around, square))[_inner(part, wraps)]
            if wraps:
                edge = edge[:, REACH:-REACH]
            for neutral in self.neutrals:
                mask = (edge & (self.colors[rows] == neutral.index)).view(np.uint8)
                for plane, own in zip(planes, neutral.chroma, strict=True):
                    kept = cv2.LUT(plane[rows], _levels(own, neutral.left, plane.dtype))
                    cv2.copyTo(kept, mask, plane[rows])


def _around(shown: NDArray[np.uint8], part: Part, wraps: bool) -> NDArray[np.uint8]:
    """Rows of the map with those beside them, and where it goes on over its edges the columns too."""
    if not wraps:
        return shown[max(part.first, 0) : part.last]
    down, across = (np.arange(-REACH, side + REACH) % side for side in shown.shape)
    return shown[down[part.kept.start : part.kept.stop + 2 * REACH, None], across]


def _inner(part: Part, wraps: bool) -> slice:
    start = REACH if wraps else part.kept.start - max(part.first, 0)
    return slice(start, start + part.kept.stop - part.kept.start)


def _levels(own: float, left: float, depth: np.dtype[Depth]) -> NDArray[Depth]:
    """Of every level, the one that is so much nearer to its own."""
    most = np.iinfo(depth).max
    level = np.arange(most + 1)
    found: NDArray[Depth] = np.rint(own * most + left * (level - own * most)).astype(depth)
    return found
