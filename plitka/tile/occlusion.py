"""Light that a heap takes from itself, by heights alone, and what reflections give back.

All planes are (rows, columns) float32, light is a logarithm, and a pitch is in pixels of `height`.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

# Occlusion, in wide gaps and in contacts: width of the surroundings in pitches, and the weight of what they
# stand over a pixel.
OCCLUSION = ((0.65, 0.6), (1.50, 1.9))
CONTACTS = ((0.20, 0.36),)
# The part of that weight by which a pixel that stands over its surroundings is lighter.
OPENNESS = 0.3
# Pockets, the holes that granules leave where they meet: up to what width, in pitches, a hole is one, the
# depth, in pitches, from which light is missing, and the weight of what is deeper.
POCKETS, POCKETS_FROM, POCKETS_WEIGHT = 0.6, 0.2, 2.0
# Surroundings wider than this are seen on a smaller map.
_WIDE = 0.6
# Light missing in the crease where a granule lies on another.
CREASE = 0.3
# The part of its light that a white granule sends back.
REFLECTED = 0.85
# By what part of itself a contact is darker between white granules.
PALE_CONTACT = 0.6

_Plane = NDArray[np.float32]


def occlusion(
    height: _Plane, half: _Plane, surroundings: tuple[tuple[float, float], ...], pitch: float
) -> _Plane:
    """Light that surroundings take: by how much their mean height, in several widths, is above a pixel's.

    `half` is `height` at half the size.
    """
    dark = np.zeros_like(height)
    for width, weight in surroundings:
        if width > _WIDE:
            around = cv2.resize(_mean_around(half, width * pitch / 2), height.shape[::-1])
        else:
            around = _mean_around(height, width * pitch)
        around -= height
        dark += cv2.addWeighted(
            cv2.max(around, 0), weight * (1 - OPENNESS), around, weight * OPENNESS, 0, around
        )
    return dark


def pockets(height: _Plane, half: _Plane, pitch: float) -> _Plane:
    """Light that does not get into pockets: by how much a square as wide as they are, let down on the heap
    (a morphological closing), stays above a pixel.
    """
    side = _odd(POCKETS * pitch / 2)
    rim = cv2.morphologyEx(half, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
    deep = cv2.resize(rim, height.shape[::-1])
    deep -= height
    cv2.subtract(deep, POCKETS_FROM, deep)
    cv2.max(deep, 0, deep)
    deep *= np.float32(POCKETS_WEIGHT)
    return deep


def reflections(dark: _Plane, contact: _Plane) -> _Plane:
    """What white granules add to the light that the shade `dark` leaves; their contacts stay dark.

    A surface that sees the part v of the sky sees granules elsewhere. If those are lit as it is and send back
    the part r, its light is v / (1 - r (1 - v)).
    """
    open_sky = cv2.exp(cv2.multiply(cv2.max(dark, 0), -1.0))
    open_sky *= np.float32(REFLECTED)
    open_sky += np.float32(1 - REFLECTED)
    light = cv2.log(open_sky, open_sky)
    return cv2.addWeighted(light, -1, contact, -PALE_CONTACT, 0, light)


def _mean_around(plane: _Plane, width: float) -> _Plane:
    side = _odd(width)
    return cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT)


def _odd(width: float) -> int:
    """The nearest odd number of pixels, 3 at least."""
    return 2 * max(1, round((width - 1) / 2)) + 1


def creases(owner: _Plane) -> _Plane:
    """Light missing beside an edge, on the granule that lies lower; granules are numbered from the bottom of
    the heap.
    """
    above = cv2.dilate(owner, np.ones((3, 3), np.uint8))
    crease = (above > owner).view(np.uint8) * np.uint8(255)
    levels = np.arange(256, dtype=np.float32) * np.float32(1 / 255)
    return cv2.LUT(cv2.blur(crease, (3, 3)), levels * np.float32(CREASE))
