"""Simulates a camera: blur, sharpening, grain. Never applied to label maps."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.colors.lab import Depth, from_light, to_light
from plitka.request.scale import SURFACE_GRANULES
from plitka.tile.bands import Part, parts_of
from plitka.tile.camera import USUAL, Camera, camera_of
from plitka.tile.canvas import GRANULES_ACROSS, READABLE_PIXELS, Canvas, stretched, wrapped
from plitka.tile.neutral import Shown

# Granules of so many pixels take all of blur and sharpening, those of one pixel none.
SHARPENED_FROM = 8
# Deviations below this, in pixels, are no blur.
_LEAST_BLUR = 0.1
# Pixels from the opposite edge around a picture that goes on over its edges.
_WRAPPED = 8
# Pixels beside a part of a picture: more than the lens's blur reaches.
_PART_REACH = 8
# Focus: the part of the heap below the focal plane, how much of the sharpening is lost per pitch of depth,
# how unevenly focused the picture is (bumps across it, deviation), and the least and the most of it there is.
FOCUSED_ON = 0.7
DEPTH_OF_FIELD = 0.35
TILTS, TILT = 4, 0.25
LEAST_FOCUS, MOST_FOCUS = 0.0, 1.3
# Number of the random stream of the grain; plan and surface have others from the same seed.
_GRAIN_STREAM = 2
_Level = TypeVar("_Level", np.uint8, np.uint16, np.float32)
# OpenCV's names of depths, by their bytes.
_CV_DEPTHS = {1: cv2.CV_8U, 2: cv2.CV_16U}


@dataclass(frozen=True)
class Lens:
    """How a picture is taken.

    Attributes:
        shape: Its rows and columns.
        sharpness: Blur and sharpening compared with the final picture, of which this may be a smaller one;
            less where granules are so small that either would change the contrast of their mean.
        contrast: The part of the contrast that is left.
        wraps: Whether the picture goes on over its edges.
        is_far: Whether granules are too small to be seen one by one.
        camera: What takes it.
    """

    shape: tuple[int, int]
    sharpness: float
    contrast: float
    wraps: bool
    is_far: bool = False
    camera: Camera = USUAL

    @property
    def margin(self) -> int:
        """Pixels beyond the edges, where the picture goes on over them: more than a blur reaches."""
        return _WRAPPED if self.wraps else 0


def lens_for(canvas: Canvas, size: int, seed: int) -> Lens:
    """The lens for a picture `size` pixels wide, of the camera of a seed."""
    granule = size / canvas.pitches * GRANULES_ACROSS / SURFACE_GRANULES
    part = min(max((granule - 1) / (SHARPENED_FROM - 1), 0.0), 1.0)
    is_far = granule < READABLE_PIXELS
    sharpness = size / canvas.width * part
    return Lens(canvas.shape(size), sharpness, canvas.contrast, canvas.seamless, is_far, camera_of(seed))


def photograph(
    fine: NDArray[Depth], height: NDArray[np.float32], lens: Lens, seed: int, shown: Shown | None = None
) -> NDArray[Depth]:
    """(rows, columns, 3) sRGB of a larger sRGB picture, both uint8 or both uint16, as a camera gives it.

    `height` is that of the heap at the larger picture's pixels, in pitches: the camera is focused on its top.
    `shown`, of the picture's own pixels, keeps neutral colours from being tinted.
    """
    scale = fine.shape[1] / lens.shape[1]
    margin = lens.margin
    if margin:
        fine = wrapped(fine, round(margin * scale))
        height = wrapped(height, round(margin * scale))
    rows, columns = (side + 2 * margin for side in lens.shape)
    small = _exposed(fine, lens, scale, (rows, columns))
    height = cv2.resize(height, (columns, rows), interpolation=cv2.INTER_LINEAR)
    return develop(small, height, lens, seed, shown)


def photograph_in_parts(
    fine: Callable[[Part], NDArray[Depth]],
    height: NDArray[np.float32],
    lens: Lens,
    scale: float,
    seed: int,
    shown: Shown | None = None,
) -> NDArray[Depth]:
    """The same, where the larger picture is too large to be whole in memory.

    `scale` is how many times larger it is, a multiple of one half. `fine` gives the columns of it that a part
    needs; `height` (rows, columns) is that of the heap at the pixels of the picture itself.
    """
    margin = lens.margin
    rows, columns = lens.shape
    small: NDArray[Depth] | None = None
    for part in parts_of(columns, _PART_REACH, lens.wraps):
        kept = slice(round(part.kept.start * scale), round(part.kept.stop * scale))
        larger = Part(kept, *(round(side * scale) for side in (part.first, part.last, part.whole)))
        found, beyond = fine(larger), 0
        if lens.wraps:
            beyond = _PART_REACH
            rim = round(beyond * scale)
            found = np.concatenate([found[-rim:], found, found[:rim]])
        size = rows + 2 * beyond, part.last - part.first
        if small is None:
            small = np.empty((rows, columns, 3), found.dtype)
        small[:, part.kept] = _exposed(found, lens, scale, size)[beyond : beyond + rows, part.inner]
    assert small is not None
    if margin:
        small, height = wrapped(small, margin), wrapped(height, margin)
    return develop(small, height, lens, seed, shown)


def develop(
    small: NDArray[Depth], height: NDArray[np.float32], lens: Lens, seed: int, shown: Shown | None = None
) -> NDArray[Depth]:
    """Sharpen an exposed picture, as far as its `height` is in focus, and add the grain.

    Both have the lens's margin; the result has none, nor has `shown`, as in `photograph`.
    """
    rng = np.random.Generator(np.random.PCG64([seed, _GRAIN_STREAM]))
    margin = lens.margin
    rows, columns = lens.shape
    planes: list[NDArray[Depth]] = _channels(small, lens)
    planes[0] = _sharpened(planes[0], _focus(height, lens, rng), lens)
    inner = slice(margin, margin + rows), slice(margin, margin + columns)
    kept: list[NDArray[Depth]] = [np.ascontiguousarray(plane[inner]) for plane in planes]
    if shown:
        shown.keep_neutral(kept[1:], lens.wraps)
    grained = [_grained(kept[0], rng, lens.camera.grain, 1, lens.wraps)]
    grained += [_grained(plane, rng, lens.camera.chroma_grain, 2, lens.wraps) for plane in kept[1:]]
    return cv2.cvtColor(cv2.merge(grained), cv2.COLOR_YCrCb2RGB)


def through_lens(
    fine: NDArray[np.uint8], focus: NDArray[np.float32], lens: Lens, scale: float, shown: Shown
) -> NDArray[np.uint8]:
    """(rows, columns, 3) uint8 sRGB of a part of a picture `scale` times larger, without grain.

    `shown` has the colours of these rows and columns, `focus`, of the same shape, how sharp they are.
    """
    rows, columns = shown.colors.shape
    luma, *chroma = _channels(_exposed(fine, lens, scale, (rows, columns)), lens)
    shown.keep_neutral(chroma, wraps=False)
    return cv2.cvtColor(cv2.merge([_sharpened(luma, focus, lens), *chroma]), cv2.COLOR_YCrCb2RGB)


def focus_at(height: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """How sharp each pixel of a part of a picture is, of this shape, by the heap's height there, in pitches.

    As if the tile were level: in the mean of a picture it is.
    """
    sharp = _depth_of_field(cv2.resize(height, shape[::-1], interpolation=cv2.INTER_LINEAR))
    sharp += np.float32(1)
    return cv2.max(sharp, LEAST_FOCUS)


def _exposed(fine: NDArray[Depth], lens: Lens, scale: float, shape: tuple[int, int]) -> NDArray[Depth]:
    """(rows, columns, 3): a picture behind the lens.

    Every pixel is the mean of its area: of granules that are seen one by one in sRGB, since in linear light
    the paler colour would dominate at edges; of smaller ones in linear light, as an eye mixes them from afar.
    """
    blur = lens.camera.blur * lens.sharpness
    # The area of a pixel and the lens blur together: variances add, that of a square of side 1 is 1/12.
    deviation = float(np.hypot(blur, 12**-0.5)) * scale
    if lens.is_far:
        light = cv2.resize(_blurred(to_light(fine), deviation), shape[::-1], interpolation=cv2.INTER_LINEAR)
        return from_light(light, fine.dtype.type)
    return cv2.resize(_blurred(fine, deviation), shape[::-1], interpolation=cv2.INTER_LINEAR)


def _channels(small: NDArray[Depth], lens: Lens) -> list[NDArray[Depth]]:
    """Planes Y, Cr, Cb (ITU-R BT.601) of an exposed picture, not sharpened."""
    if lens.contrast < 1:
        light = to_light(small)
        mean = np.full_like(light, cv2.mean(light)[:3])
        light = cv2.addWeighted(light, lens.contrast, mean, 1 - lens.contrast, 0)
        small = from_light(light, small.dtype.type)
    luma, *chroma = cv2.split(cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb))
    return [luma, *(_blurred(plane, lens.camera.chroma_blur * lens.sharpness) for plane in chroma)]


def _sharpened(luma: NDArray[Depth], focus: NDArray[np.float32], lens: Lens) -> NDArray[Depth]:
    """Lightness sharpened as a camera does; less where the lens, by `focus` (1: sharp), is out of focus."""
    camera = lens.camera
    soft = _blurred(luma, float(np.sqrt(camera.sharpened_over**2 - (camera.blur * lens.sharpness) ** 2)))
    strength = camera.sharpening * lens.sharpness
    detail = cv2.subtract(luma, soft, dtype=cv2.CV_32F)
    detail *= focus
    detail *= np.float32(strength)
    return cv2.add(luma, detail, dtype=_CV_DEPTHS[luma.dtype.itemsize])


def _focus(focus: NDArray[np.float32], lens: Lens, rng: np.random.Generator) -> NDArray[np.float32]:
    """How sharp each pixel is, in place of its depth: what lies low is not, and no tile is quite level."""
    focus = _depth_of_field(focus)
    tilt = rng.standard_normal((TILTS, TILTS), np.float32) * np.float32(TILT)
    focus += stretched(tilt, lens.shape, lens.wraps, lens.margin)
    focus += np.float32(1)
    return cv2.max(focus, LEAST_FOCUS)


def _depth_of_field(height: NDArray[np.float32]) -> NDArray[np.float32]:
    """In place of heights, what sharpness their depth takes away or adds."""
    height -= np.float32(np.quantile(height[::8, ::8], FOCUSED_ON))
    height *= np.float32(DEPTH_OF_FIELD)
    return cv2.min(height, MOST_FOCUS - 1, height)


def _blurred(picture: NDArray[_Level], deviation: float) -> NDArray[_Level]:
    if deviation < _LEAST_BLUR:
        return picture
    side = 2 * max(1, round(2.5 * deviation)) + 1
    return cv2.GaussianBlur(picture, (side, side), deviation)


def _grained(
    plane: NDArray[Depth], rng: np.random.Generator, deviation: float, width: int, wraps: bool
) -> NDArray[Depth]:
    """A plane with normal noise, grains `width` pixels wide."""
    height, length = plane.shape
    noise = rng.standard_normal((height // width, length // width), np.float32)
    if width > 1:
        noise = stretched(noise, (height, length), wraps, interpolation=cv2.INTER_LINEAR)
    most = np.iinfo(plane.dtype).max
    noise *= np.float32(deviation * (most / 255))
    noise += plane
    if most == 255:
        return cv2.convertScaleAbs(noise)
    return np.rint(np.clip(np.abs(noise), 0, most)).astype(plane.dtype)
