"""The tile within a photograph: where it lies, seen straight from above, at a known size of its granules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.errors import PhotographError
from plitka.match.granule_size import granule_pixels

Image = NDArray[np.uint8]
Corner = tuple[float, float]

# The tile is looked for at this length of the longer side. Texture: deviation of L within so many pixels.
_SEARCH_SIDE, _TEXTURE_WIDTH, _TEXTURE = 512, 7, 3.0
# A found tile is a convex quadrilateral that its texture fills, and at least this part of the photograph.
_FILLS, _LEAST_PART = 0.93, 0.12
# Edges of tiles are ragged, and those of photographs dark: left out on each side.
_MARGIN_FOUND, _MARGIN_WHOLE = 0.05, 0.10
# Pixels across a granule at which everything is measured, and what is enough of a tile.
GRANULE_PIXELS = 11.0
_MOST_SIDE = 720
_LEAST_GRANULES, LEAST_PIXELS, MOST_PIXELS = 12.0, 4.0, 60.0


@dataclass(frozen=True)
class Frame:
    """What is measured of a photograph.

    Attributes:
        image: (h, w, 3) uint8 sRGB, a granule about 11 pixels across.
        corners: The four corners of the tile in the photograph, x and y in its pixels; None where the middle
            of the whole photograph is taken.
        found: True if the corners were found, False if they were given.
        granule: Pixels across a granule in the photograph.
    """

    image: Image
    corners: tuple[Corner, ...] | None
    found: bool
    granule: float


def frame_of(photo: Image, corners: Sequence[Corner] | None = None) -> Frame:
    """Find the tile, or take the one within four corners, and scale it.

    Raises:
        PhotographError: The corners do not enclose a tile, or what they enclose shows no granules of 4 to 60
            pixels, or too few.
    """
    quad = _find_tile(photo) if corners is None else _checked(np.array(corners, np.float32), photo)
    tile = _inner(photo, _MARGIN_WHOLE) if quad is None else _inner(_rectified(photo, quad), _MARGIN_FOUND)
    found = quad is not None and corners is None
    granule = granule_pixels(tile)
    if granule > MOST_PIXELS:
        raise PhotographError(
            f"shows no granules, or such of more than {MOST_PIXELS:.0f} pixels: photograph more of the tile"
        )
    if granule < LEAST_PIXELS:
        raise PhotographError(
            f"has granules of less than {LEAST_PIXELS:.0f} pixels, or noise in place of granules: go nearer"
        )
    if min(tile.shape[:2]) < _LEAST_GRANULES * granule:
        raise PhotographError(
            f"shows {min(tile.shape[:2]) / granule:.0f} granules across; {_LEAST_GRANULES:.0f} are needed"
        )
    kept = None if quad is None else tuple((float(x), float(y)) for x, y in quad)
    return Frame(_scaled(tile, GRANULE_PIXELS / granule), kept, found, granule)


def _scaled(tile: Image, factor: float) -> Image:
    height, width = tile.shape[:2]
    side = int(_MOST_SIDE / factor) + 1
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    part = tile[top : top + side, left : left + side]
    size = max(1, round(part.shape[1] * factor)), max(1, round(part.shape[0] * factor))
    return cv2.resize(part, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)


def _inner(image: Image, margin: float) -> Image:
    height, width = image.shape[:2]
    y, x = int(height * margin), int(width * margin)
    return np.ascontiguousarray(image[y : height - y, x : width - x])


def _checked(quad: NDArray[np.float32], photo: Image) -> NDArray[np.float32]:
    """Corners in order around the tile, the upper left one first."""
    height, width = photo.shape[:2]
    if quad.shape != (4, 2) or not np.isfinite(quad).all():
        raise PhotographError("needs four corners, x and y each")
    outside = (quad < 0).any() or (quad[:, 0] > width).any() or (quad[:, 1] > height).any()
    if outside:
        raise PhotographError(f"has {width} x {height} pixels; a corner lies outside")
    quad = _around(quad)
    if not cv2.isContourConvex(quad) or cv2.contourArea(quad) < 64 * 64:
        raise PhotographError("needs four corners of a convex shape of at least 64 x 64 pixels")
    return quad


def _around(quad: NDArray[np.float32]) -> NDArray[np.float32]:
    middle = quad.mean(0)
    order = np.argsort(np.arctan2(quad[:, 1] - middle[1], quad[:, 0] - middle[0]))
    quad = quad[order]
    return np.ascontiguousarray(np.roll(quad, -int(quad.sum(1).argmin()), 0))


def _rectified(photo: Image, quad: NDArray[np.float32]) -> Image:
    """The tile as a rectangle whose sides are the means of the opposite ones."""
    top, right, bottom, left = (float(np.linalg.norm(quad[i] - quad[(i + 1) % 4])) for i in range(4))
    width, height = max(round((top + bottom) / 2), 2), max(round((left + right) / 2), 2)
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    return cv2.warpPerspective(
        photo, cv2.getPerspectiveTransform(quad, target), (width, height), flags=cv2.INTER_LINEAR
    )


def _find_tile(photo: Image) -> NDArray[np.float32] | None:
    """Corners of a textured quadrilateral on a plain ground; None if there is no such thing."""
    factor = _SEARCH_SIDE / max(photo.shape[:2])
    size = max(1, round(photo.shape[1] * factor)), max(1, round(photo.shape[0] * factor))
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    square = (_TEXTURE_WIDTH, _TEXTURE_WIDTH)
    variance = (cv2.blur(small * small, square) - cv2.blur(small, square) ** 2).max(2)
    textured = (variance > _TEXTURE**2).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    textured = cv2.morphologyEx(cv2.morphologyEx(textured, cv2.MORPH_CLOSE, disc), cv2.MORPH_OPEN, disc)
    textured = cv2.erode(textured, np.ones(square, np.uint8), borderValue=1)
    contours, _ = cv2.findContours(textured, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    contour = max(contours, key=cv2.contourArea)
    area, whole = cv2.contourArea(contour), small.shape[0] * small.shape[1]
    if area < _LEAST_PART * whole or area > 0.97 * whole:
        return None
    hull = cv2.convexHull(contour)
    for tolerance in np.linspace(0.01, 0.08, 15):
        quad = cv2.approxPolyDP(hull, float(tolerance) * cv2.arcLength(hull, True), True)
        if len(quad) <= 4:
            break
    if len(quad) != 4 or min(area, cv2.contourArea(quad)) < _FILLS * max(cv2.contourArea(hull), 1):
        return None
    return _around((quad.reshape(4, 2).astype(np.float32) + 0.5) / factor)
