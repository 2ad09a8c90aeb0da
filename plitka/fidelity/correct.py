"""Give granules the colours of the plan and keep their light.

A picture is split into the colours of its granules and a residual: light, grain and glints. The colours are
replaced, the residual stays. At the edges between granules the softness of each pixel is estimated, and the
new colours are mixed as the old ones were, so that granules get no outlines.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from plitka.colors.lab import to_lab, to_srgb
from plitka.colors.mix import Mix
from plitka.fidelity.known_light import without_light
from plitka.fidelity.measure import granule_counts
from plitka.fidelity.shown_colors import chroma_curves, curve_index, shown_colors, without_thin_strips
from plitka.tile.plan import FINE_PIXELS, JOINT, TilePlan, inner_pixels
from plitka.tile.shading import own_lightness

# The softest edge between granules that is assumed: standard deviation of a Gaussian, pixels; of fine
# granules, as a part of their mean diameter.
_EDGE_SOFTNESS = 1.2
_FINE_SOFTNESS = 0.1
# A granule is recoloured if another colour covers more of it than its own does, by this part of its area.
_MARGIN = 0.1
# A granule is mottled, and classified pixel by pixel, if no colour covers this part of its area.
_ONE_COLOR = 0.75
# Distance in a* and b* that a granule may have from the mean of its colour, and a pixel from its granule's.
_GRANULE_REACH = 4.0
_PIXEL_REACH = 6.0
# Beyond that distance it is corrected gradually, fully after so many units.
_ONSET = 6.0
# Limits of the factor by which the contrast of the light changes with the colour.
_CONTRAST = (0.6, 1.6)
# Lightness of recoloured pixels is compressed from this part of the distance to where another colour begins.
_KNEE = 0.6
# Units of CIELAB by which a grey's mean may stay off, and how much more a colour's by its chroma (CIE94):
# soft edges mix colours, and granules that made up for them would be too vivid.
_TOLERANCE = 0.8
_BY_CHROMA = 0.045
# Offsets of neighbours' colours run into each other, so once is not enough; those of fine granules the more.
_ROUNDS = 2
_FINE_ROUNDS = 6
# The softest that the edge between two colours remains; light stays as soft as it was.
_CHROMA_SOFTNESS = 0.6
# L* below white over which a colour cast fades out: white highlights have none and would get its opposite.
_CLIPPING = 10.0
# Regularises the softness of a pixel where its neighbours have almost the same colour; CIELAB units, squared.
_STEADY = 30.0
# The mean of a colour is taken from every n-th row and column of a large picture.
_SAMPLED_SIZE = 512

_Plane = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Reading:
    """The classified picture, pixel by pixel, all (h, w).

    `lab` are its planes L*, a*, b*; `labels` granule ids; `inside` 1 on granules and 0 on joints; `shown` and
    `planned` indices into the mix, that of a joint being len(mix). `altered` is (G + 1,), joints last: 1 for
    granules that show another colour than the plan's, fully or in part.
    """

    lab: Sequence[_Plane]
    labels: NDArray[np.int32]
    inside: _Plane
    shown: NDArray[np.uint8]
    planned: NDArray[np.uint8]
    altered: _Plane


class _Softener:
    """Blurs planes of colour at the edges between granules, as pictures do.

    The planes are 0 on joints, which are left out of the blur.
    """

    def __init__(self, inside: _Plane, softness: float) -> None:
        self._softness = softness
        self._scale = None if inside.all() else 1 / np.maximum(self._blur(inside), np.float32(1e-6))

    def __call__(self, plane: _Plane) -> _Plane:
        soft = self._blur(plane)
        return soft if self._scale is None else cv2.multiply(soft, self._scale, soft)

    def _blur(self, plane: _Plane) -> _Plane:
        return cv2.GaussianBlur(plane, (5, 5), self._softness)


def correct(image: NDArray[np.uint8], plan: TilePlan) -> NDArray[np.uint8]:
    """Give a (size, size, 3) uint8 sRGB picture of the plan the plan's colours.

    Granules that show another colour of the mix are recoloured; bleeding and tints are reduced to what
    granules of one colour may differ by; the mean of every colour becomes its own. Joints keep their bytes.
    Raises ValueError for a size that is none of the plan's.
    """
    reading = _read(image, plan)
    granule = plan.granule_pixels(image.shape[1])
    is_fine = granule < FINE_PIXELS
    soften = _Softener(reading.inside, _FINE_SOFTNESS * granule if is_fine else _EDGE_SOFTNESS)
    planes = _exchange(reading, plan, soften)
    for _ in range(_FINE_ROUNDS if is_fine else _ROUNDS):
        offsets = _remaining_offsets(planes, reading, plan.mix)
        if not offsets.any():
            break
        for plane, offset in zip(planes, offsets, strict=True):
            cv2.add(plane, soften(_look_up(offset, reading.planned)), plane)
    corrected = to_srgb(cv2.merge(planes))
    cv2.copyTo(image, (reading.labels == JOINT).view(np.uint8), corrected)
    return corrected


def _read(image: NDArray[np.uint8], plan: TilePlan) -> _Reading:
    """Find which granules show which colour."""
    colors = len(plan.mix)
    labels = plan.labels(image.shape[1])
    pixels, inner = shown_colors(without_light(image, plan), plan.mix), inner_pixels(labels)
    counts = granule_counts(pixels, labels, inner, plan)
    own = counts[np.arange(len(counts)), plan.granule_color]
    area, most = counts.sum(1), counts.max(1)
    # A granule seen through a gap is a pixel or two wide: recoloured, it would be a speck.
    is_granule = np.bincount(labels[inner & (labels != JOINT)], minlength=len(counts)) > 0
    another = is_granule & (most - own > _MARGIN * area)
    shown_color = np.where(another, counts.argmax(1), plan.granule_color)
    mottled = is_granule & (most < _ONE_COLOR * area)
    altered = another | mottled
    # The rim of a mottled granule may be a gap or its neighbour's soft edge; only its inside is classified.
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


def _exchange(reading: _Reading, plan: TilePlan, soften: _Softener) -> list[_Plane]:
    """L*, a*, b* with the planned colours in place of the shown ones."""
    mean_lightness = _with_joint([color.lab[0] for color in plan.mix])
    own = [_look_up(mean_lightness, reading.shown)]
    own += _chroma_planes(reading.shown, reading.lab[0], plan.mix)
    steps = [soften(plane) - plane for plane in own]
    softness, residuals = _explain(reading.lab, own, steps)
    crisper = np.minimum(softness, np.float32(_CHROMA_SOFTNESS))
    casts = _casts(reading, residuals, len(plan.mix))
    cast_planes = [soften(_look_up(cast, reading.shown)) for cast in casts]
    clipped = np.clip((100 - reading.lab[0]) / np.float32(_CLIPPING), 0, 1)
    cast_planes[1:] = [plane * clipped for plane in cast_planes[1:]]
    light, *tints = (plane - cast for plane, cast in zip(residuals, cast_planes, strict=True))
    variation, need = _variation(reading, tints, plan.granule_count)
    mean = _look_up(mean_lightness, reading.planned)
    softened_mean = _mixed(mean, soften(mean), softness)
    lightness = _limited(
        softened_mean + light * soften(_contrasts(reading, plan.mix)), mean, reading, plan.mix
    )
    target = [lightness]
    for color, part in zip(_chroma_planes(reading.planned, lightness, plan.mix), variation, strict=True):
        target.append(_mixed(color, soften(color), crisper) + part)
    exchanged: list[_Plane] = []
    for plane, step, cast, new in zip(reading.lab, steps, cast_planes, target, strict=True):
        kept = plane - cast
        if exchanged:
            kept += (crisper - softness) * step
        exchanged.append(kept + need * (new - kept))
    return exchanged


def _explain(
    lab: Sequence[_Plane], own: Sequence[_Plane], steps: Sequence[_Plane]
) -> tuple[_Plane, list[_Plane]]:
    """Softness of each pixel, from 0 for crisp to 1, and the residual of its colour at that softness.

    `own` are the crisp colours and `steps` the differences from there to the soft ones.
    """
    along, length = np.zeros_like(lab[0]), np.zeros_like(lab[0])
    for plane, crisp, step in zip(lab, own, steps, strict=True):
        along += (plane - crisp) * step
        length += step * step
    softness: _Plane = np.clip(along / (length + np.float32(_STEADY)), 0, 1)
    residuals = [plane - crisp - softness * step for plane, crisp, step in zip(lab, own, steps, strict=True)]
    return softness, residuals


def _mixed(crisp: _Plane, soft: _Plane, softness: _Plane) -> _Plane:
    return crisp + softness * (soft - crisp)


def _casts(reading: _Reading, residuals: Sequence[_Plane], colors: int) -> NDArray[np.float32]:
    """(3, C + 1): mean residual of each shown colour (its cast); 0 for a colour that no pixel shows."""
    casts = np.zeros((3, colors + 1), np.float32)
    planes = cv2.merge(residuals)
    for index in range(colors):
        mask = (reading.shown == index).view(np.uint8)
        if mask.any():
            casts[:, index] = cv2.mean(planes, mask)[:3]
    return casts


def _chroma_planes(color: NDArray[np.uint8], lightness: _Plane, mix: Mix) -> list[_Plane]:
    """The a* and b* planes of colours (indices into the mix, len(mix) for joints) at each pixel's L*."""
    table = chroma_curves(mix)
    table = np.concatenate([table, np.zeros_like(table[:1])])
    index = color * np.int32(table.shape[1]) + curve_index(lightness)
    return [np.ascontiguousarray(table[..., axis]).ravel().take(index) for axis in (0, 1)]


def _contrasts(reading: _Reading, mix: Mix) -> _Plane:
    """Factor of the light's contrast on the planned colour, compared with the shown one."""
    reach = np.array([high - low for low, high in (color.lightness_range for color in mix)])
    contrast = np.zeros((len(mix) + 1,) * 2, np.float32)
    contrast[:-1, :-1] = np.clip(reach / np.maximum(reach[:, None], 1.0), *_CONTRAST)
    return _look_up(contrast.ravel(), reading.shown * np.uint8(len(mix) + 1) + reading.planned)


def _limited(lightness: _Plane, mean: _Plane, reading: _Reading, mix: Mix) -> _Plane:
    """L*, compressed before the planned colour looks like another of the mix."""
    limits = np.array([own_lightness(color, mix) for color in mix])
    means = np.array([color.lab[0] for color in mix])
    below = _look_up(_with_joint(means - limits[:, 0]), reading.planned)
    above = _look_up(_with_joint(limits[:, 1] - means), reading.planned)
    aside = lightness - mean
    room = np.maximum(np.where(aside < 0, below, above), np.float32(1))
    way = np.abs(aside) / room
    bent = _KNEE + (1 - _KNEE) * np.tanh((way - _KNEE) / (1 - _KNEE))
    return mean + np.copysign(np.where(way < _KNEE, way, bent) * room, aside)


def _variation(reading: _Reading, residuals: Sequence[_Plane], granules: int) -> tuple[list[_Plane], _Plane]:
    """The a* and b* by which granules and pixels may still differ, and each pixel's need of correction.

    The need is 0 to 1: 1 where another colour is shown, gradual where a granule or a pixel is further from
    its colour than granules usually are.
    """
    index = (reading.labels + 1).ravel()
    areas = np.maximum(np.bincount(index, minlength=granules + 1), 1)
    # Index 0 is the joints' label, -1; moved to the end.
    of_granule = [
        np.roll(np.bincount(index, residual.ravel(), granules + 1) / areas, -1).astype(np.float32)
        for residual in residuals
    ]
    distance = np.hypot(*of_granule)
    within = [plane - mean.take(reading.labels) for plane, mean in zip(residuals, of_granule, strict=True)]
    kept_of_granule = _kept(distance, _GRANULE_REACH)
    kept_within = _kept(cv2.magnitude(*within), _PIXEL_REACH)
    variation = [
        (mean * kept_of_granule).take(reading.labels) + plane * kept_within
        for mean, plane in zip(of_granule, within, strict=True)
    ]
    need_of_granule = np.maximum(reading.altered, _onset(distance, _GRANULE_REACH)).take(reading.labels)
    need_of_pixel = _onset(cv2.magnitude(*residuals), _PIXEL_REACH)
    need = np.maximum(cv2.dilate(need_of_granule, np.ones((3, 3), np.uint8)), need_of_pixel)
    return variation, cv2.GaussianBlur(need, (3, 3), 0)


def _remaining_offsets(planes: list[_Plane], reading: _Reading, mix: Mix) -> NDArray[np.float32]:
    """(3, C + 1): L*, a*, b* that each planned colour is off beyond the tolerance, as shown in sRGB."""
    step = max(1, len(reading.labels) // _SAMPLED_SIZE)
    sample = [np.ascontiguousarray(plane[::step, ::step]) for plane in planes]
    planned = np.ascontiguousarray(reading.planned[::step, ::step])
    lab = to_lab(to_srgb(cv2.merge(sample)))
    offsets = np.zeros((3, len(mix) + 1), np.float32)
    for index, color in enumerate(mix):
        mask = (planned == index).view(np.uint8)
        if mask.any():
            offset = np.subtract(color.lab, cv2.mean(lab, mask)[:3])
            allowed = _TOLERANCE * (1 + _BY_CHROMA * float(np.hypot(*color.lab[1:])))
            offsets[:, index] = offset * max(0.0, 1 - allowed / max(float(np.linalg.norm(offset)), 1e-6))
    return offsets


def _look_up(table: NDArray[np.float32], index: NDArray[np.uint8]) -> _Plane:
    """A float32 plane of table values; cv2 does it several times as fast as numpy."""
    whole = np.zeros(256, np.float32)
    whole[: len(table)] = table
    return cv2.LUT(index, whole)


def _with_joint(per_color: ArrayLike) -> NDArray[np.float32]:
    """Values by colour with a 0 for joints."""
    return np.append(per_color, 0).astype(np.float32)


def _kept(distance: _Plane, reach: float) -> _Plane:
    """Factor that keeps small distances and limits large ones to `reach`."""
    return np.tanh(distance / np.float32(reach)) * np.float32(reach) / np.maximum(distance, np.float32(1e-6))


def _onset(distance: _Plane, reach: float) -> _Plane:
    """0 up to `reach`, smoothly 1 from _ONSET beyond it."""
    part = np.clip((distance - np.float32(reach)) / np.float32(_ONSET), 0, 1)
    return part * part * (3 - 2 * part)
