"""Give granules the colours of the plan and leave them their light.

A picture is read as light on coloured rubber: what a granule's colour does not explain is light, grain and
glints. The colour is exchanged, the rest stays. Old and new colours are softened alike at the edges between
granules: an edge as soft as the picture's own is taken out and put back, so none is drawn around a granule.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from plitka.color_spread import shown_colors, stretch, stretch_index, without_thin_strips
from plitka.fidelity import granule_counts, inner_pixels, to_lab
from plitka.mix import Mix
from plitka.plan import JOINT, TilePlan
from plitka.shading import own_lightness

# Softness of the edges between granules in a model's picture: deviation of a Gaussian, pixels.
_EDGE_SOFTNESS = 0.9
# A granule is recoloured if another colour has more of its area than its own, by this part of it.
_MARGIN = 0.1
# A granule is mottled, and read pixel by pixel, if no colour has this part of its area.
_ONE_COLOR = 0.75
# Units of a* and b* that a granule may stand from the mean of its colour, and a pixel from its granule's.
_GRANULE_REACH = 4.0
_PIXEL_REACH = 6.0
# Beyond that reach it is corrected more and more, wholly after so many units.
_ONSET = 6.0
# How much more or less contrast the light may have on one colour than on another.
_CONTRAST = (0.6, 1.6)
# Recoloured light is bent from this part of the way to the lightness where another colour of the mix begins.
_KNEE = 0.6
# The mean of a colour is taken from every n-th row and column of a large picture.
_SAMPLED_SIZE = 512

_Plane = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Reading:
    """What a picture shows, pixel by pixel, all (h, w).

    `lab` are its planes L*, a*, b*; `labels` granule ids; `inside` 1 on granules and 0 on joints; `shown` and
    `planned` indices into the mix, that of a joint being len(mix). `altered` is (G + 1,), joints last: 1 for
    granules that show another colour than the plan's, in whole or in part.
    """

    lab: tuple[_Plane, _Plane, _Plane]
    labels: NDArray[np.int32]
    inside: _Plane
    shown: NDArray[np.uint8]
    planned: NDArray[np.uint8]
    altered: _Plane


@dataclass(frozen=True, eq=False)
class _Means:
    """Of what shows each colour: mean L* (C + 1,), mean a* and b* beside the colour's stretch (2, C + 1)."""

    lightness: _Plane
    tint: _Plane


def correct(image: NDArray[np.uint8], plan: TilePlan) -> NDArray[np.uint8]:
    """Give a (size, size, 3) uint8 sRGB picture of the plan the plan's colours.

    Granules that show another colour of the mix are recoloured; bleeding and tints are reduced to what
    granules of one colour may differ by; the mean of every colour becomes its own. Joints keep their bytes.
    Raises ValueError for a size that does not divide the plan's.
    """
    reading = _read(image, plan)
    planes = _exchange(reading, plan)
    for plane, offsets in zip(planes, _remaining_offsets(planes, reading, plan.mix), strict=True):
        cv2.add(plane, _look_up(offsets, reading.planned), plane)
    corrected = _to_srgb(planes)
    cv2.copyTo(image, (reading.labels == JOINT).view(np.uint8), corrected)
    return corrected


def _read(image: NDArray[np.uint8], plan: TilePlan) -> _Reading:
    """Find out which granules show which colour."""
    colors = len(plan.mix)
    labels = plan.labels(len(image))
    pixels, inner = shown_colors(image, plan.mix), inner_pixels(labels)
    counts = granule_counts(pixels, labels, inner, plan)
    own = counts[np.arange(len(counts)), plan.granule_color]
    area, most = counts.sum(1), counts.max(1)
    # What shows through between granules is a pixel or two wide: recoloured, it would be a speck.
    is_granule = np.bincount(labels[inner & (labels != JOINT)], minlength=len(counts)) > 0
    another = is_granule & (most - own > _MARGIN * area)
    shown_color = np.where(another, counts.argmax(1), plan.granule_color)
    mottled = is_granule & (most < _ONE_COLOR * area)
    altered = another | mottled
    # The rim of a mottled granule may be a gap or its neighbour's soft edge; pixels tell its inside alone.
    by_pixel = np.append(mottled, False).take(labels) & inner
    shown = np.append(shown_color, colors).astype(np.uint8).take(labels)
    shown = np.where(by_pixel, without_thin_strips(pixels, colors), shown)
    return _Reading(
        cv2.split(to_lab(image)),
        labels,
        (labels != JOINT).astype(np.float32),
        shown,
        np.append(plan.granule_color, np.uint8(colors)).take(labels),
        np.append(altered, False).astype(np.float32),
    )


def _exchange(reading: _Reading, plan: TilePlan) -> list[_Plane]:
    """L*, a*, b* with the planned colours in place of the shown ones."""
    soften = _Softener(reading.inside)
    own = _stretch_planes(reading.shown, reading.lab[0], plan.mix)
    beside = [plane - of_color for plane, of_color in zip(reading.lab[1:], own, strict=True)]
    means = _means(reading, beside, plan.mix)
    lightness = _relight(reading, means, plan.mix, soften)
    residuals = [
        plane - soften(of_color + _look_up(tint, reading.shown))
        for plane, of_color, tint in zip(reading.lab[1:], own, means.tint, strict=True)
    ]
    character, need = _character(reading, residuals, plan.granules.count)
    colors = _stretch_planes(reading.planned, lightness, plan.mix)
    target = [lightness, *(soften(color) + part for color, part in zip(colors, character, strict=True))]
    shifts = [_with_joint([color.lab[0] for color in plan.mix]) - means.lightness, *-means.tint]
    exchanged = []
    for plane, shift, new in zip(reading.lab, shifts, target, strict=True):
        kept = plane + _look_up(shift, reading.planned)
        exchanged.append(kept + need * (new - kept))
    return exchanged


class _Softener:
    """Softens planes of colour at the edges between granules, as pictures do; joints stay apart."""

    def __init__(self, inside: _Plane) -> None:
        self._inside = inside
        self._weight = np.maximum(self._blur(inside), np.float32(1e-6))

    def __call__(self, plane: _Plane) -> _Plane:
        return self._blur(plane * self._inside) / self._weight

    @staticmethod
    def _blur(plane: _Plane) -> _Plane:
        return cv2.GaussianBlur(plane, (5, 5), _EDGE_SOFTNESS)


def _stretch_planes(color: NDArray[np.uint8], lightness: _Plane, mix: Mix) -> list[_Plane]:
    """The a* and b* planes of colours (indices into the mix, len(mix) for joints) at each pixel's L*."""
    table = stretch(mix)
    table = np.concatenate([table, np.zeros_like(table[:1])])
    index = color * np.int32(table.shape[1]) + stretch_index(lightness)
    return [np.ascontiguousarray(table[..., axis]).ravel().take(index) for axis in (0, 1)]


def _means(reading: _Reading, beside: list[_Plane], mix: Mix) -> _Means:
    """Measure what shows each colour; a colour that nothing shows is as it should be."""
    means = np.zeros((3, len(mix) + 1), np.float32)
    planes = cv2.merge([reading.lab[0], *beside])
    for index, color in enumerate(mix):
        mask = (reading.shown == index).view(np.uint8)
        means[:, index] = cv2.mean(planes, mask)[:3] if mask.any() else (color.lab[0], 0, 0)
    return _Means(means[0], means[1:])


def _relight(reading: _Reading, means: _Means, mix: Mix, soften: _Softener) -> _Plane:
    """L* of the planned colours under the picture's light; shade and sheen end before another colour."""
    wanted = _with_joint([color.lab[0] for color in mix])
    reach = np.array([high - low for low, high in (color.lightness_range for color in mix)])
    contrast = np.ones((len(mix) + 1,) * 2, np.float32)
    contrast[:-1, :-1] = np.clip(reach / np.maximum(reach[:, None], 1.0), *_CONTRAST)
    pair = reading.shown * np.uint8(len(mix) + 1) + reading.planned
    light = (reading.lab[0] - soften(_look_up(means.lightness, reading.shown))) * soften(
        _look_up(contrast.ravel(), pair)
    )
    mean = _look_up(wanted, reading.planned)
    aside = soften(mean) + light - mean
    limits = np.array([own_lightness(color, mix) for color in mix])
    below = _look_up(_with_joint(wanted[:-1] - limits[:, 0]), reading.planned)
    above = _look_up(_with_joint(limits[:, 1] - wanted[:-1]), reading.planned)
    room = np.maximum(np.where(aside < 0, below, above), 1)
    way = np.abs(aside) / room
    bent = _KNEE + (1 - _KNEE) * np.tanh((way - _KNEE) / (1 - _KNEE))
    return mean + np.copysign(np.where(way < _KNEE, way, bent) * room, aside)


def _character(reading: _Reading, residuals: list[_Plane], granules: int) -> tuple[list[_Plane], _Plane]:
    """The a* and b* by which granules and pixels may go on differing, and how much each pixel needs it.

    The need is 0 to 1: wholly where another colour is shown, by degrees where a granule or a pixel stands
    further from its colour than granules do.
    """
    index = (reading.labels + 1).ravel()
    areas = np.maximum(np.bincount(index, minlength=granules + 1), 1)
    # Counted from the joints' label, -1; put last.
    of_granule = [
        np.roll(np.bincount(index, residual.ravel(), granules + 1) / areas, -1).astype(np.float32)
        for residual in residuals
    ]
    distance = np.hypot(*of_granule)
    within = [plane - mean.take(reading.labels) for plane, mean in zip(residuals, of_granule, strict=True)]
    kept_of_granule = _kept(distance, _GRANULE_REACH)
    kept_within = _kept(cv2.magnitude(*within), _PIXEL_REACH)
    character = [
        (mean * kept_of_granule).take(reading.labels) + plane * kept_within
        for mean, plane in zip(of_granule, within, strict=True)
    ]
    need_of_granule = np.maximum(reading.altered, _onset(distance, _GRANULE_REACH)).take(reading.labels)
    need_of_pixel = _onset(cv2.magnitude(*residuals), _PIXEL_REACH)
    need = np.maximum(cv2.dilate(need_of_granule, np.ones((3, 3), np.uint8)), need_of_pixel)
    return character, cv2.GaussianBlur(need, (3, 3), 0)


def _remaining_offsets(planes: list[_Plane], reading: _Reading, mix: Mix) -> NDArray[np.float32]:
    """(3, C + 1): L*, a*, b* that each planned colour still lacks on its own granules, as sRGB shows them."""
    step = max(1, len(reading.labels) // _SAMPLED_SIZE)
    sample = [np.ascontiguousarray(plane[::step, ::step]) for plane in planes]
    planned = np.ascontiguousarray(reading.planned[::step, ::step])
    lab = to_lab(_to_srgb(sample))
    offsets = np.zeros((3, len(mix) + 1), np.float32)
    for index, color in enumerate(mix):
        mask = (planned == index).view(np.uint8)
        if mask.any():
            offsets[:, index] = np.subtract(color.lab, cv2.mean(lab, mask)[:3])
    return offsets


def _to_srgb(planes: list[_Plane]) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 sRGB of L*, a*, b* planes, clipped to the gamut."""
    rgb = cv2.cvtColor(cv2.merge(planes), cv2.COLOR_Lab2RGB)
    return np.rint(np.clip(rgb, 0, 1, out=rgb) * np.float32(255)).astype(np.uint8)


def _look_up(table: NDArray[np.float32], index: NDArray[np.uint8]) -> _Plane:
    """A float32 plane of table values; cv2 does it several times as fast as numpy."""
    whole = np.zeros(256, np.float32)
    whole[: len(table)] = table
    return cv2.LUT(index, whole)


def _with_joint(per_color: ArrayLike) -> NDArray[np.float32]:
    """Values by colour with a 0 for joints."""
    return np.append(per_color, 0).astype(np.float32)


def _kept(distance: _Plane, reach: float) -> _Plane:
    """Factor that leaves small distances as they are and keeps large ones at `reach`."""
    return np.tanh(distance / np.float32(reach)) * np.float32(reach) / np.maximum(distance, np.float32(1e-6))


def _onset(distance: _Plane, reach: float) -> _Plane:
    """0 up to `reach`, smoothly 1 from _ONSET beyond it."""
    part = np.clip((distance - np.float32(reach)) / np.float32(_ONSET), 0, 1)
    return part * part * (3 - 2 * part)
