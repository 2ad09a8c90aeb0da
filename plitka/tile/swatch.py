"""The swatch: the plan rendered as a photograph of the tile (light, tone, lens), without any model."""

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from plitka.colors.lab import Depth, to_lab
from plitka.colors.mix import MixColor
from plitka.tile.bands import Part, is_large, row_bands
from plitka.tile.lens import Lens, focus_at, lens_for, photograph, photograph_in_parts, through_lens
from plitka.tile.light import Light, light_in_parts, light_on
from plitka.tile.neutral import Neutral, Shown, neutrality, neutrals_of
from plitka.tile.noise import noise_on_picture
from plitka.tile.plan import TilePlan, pixel_centres
from plitka.tile.rims import fill_joints
from plitka.tile.seen import JOINT_FACET, Seen, from_table
from plitka.tile.shading import joint_ramp, neighbours_light, shade_ramps

# Rubber shines the more, the darker it is: of a black granule, the light that a glint adds to the logarithm
# of its brightness; L* from which nothing shines; and the part of it that vivid colours show.
GLOSS = 3.6
MATT_FROM = 75.0
VIVID_GLOSS = 0.6
VIVID = 60.0
# L* up to which granules are lit as dark ones, and from which as white ones.
PALE = (20.0, 65.0)
# Brightness, a logarithm, at the first and the last of the 256 levels of light.
DARKEST, BRIGHTEST = -4.5, 4.0
# Levels are counted at every n-th row and column.
SAMPLED = 3
# A colour with few pixels gets the light of all colours: so many pixels of the overall statistics are added
# to its own.
PRIOR_PIXELS = 2000
# The mean of a colour in the picture is measured on a band, this fraction of it, and has half the weight if
# so many of its pixels are in the band.
BAND_PART = 6
STEADY = 400
# Colours blur into each other at edges, so correcting their means once is not enough.
ROUNDS = 2
# Pixels a pitch of the map before the lens from which colours have pixels of their own to be measured.
_SEPARATE = 6
# What a mean may stay off, in CIELAB, for a grey that is most of the mix and for others: edges mix colours,
# and what makes up for them gives the inside of granules another hue. The eye allows colours more, by their
# chroma (CIE94).
MAY_BE_OFF = (0.3, 0.8)
BY_CHROMA = 0.045
# What the edges of a neutral colour's granules may give its mean in a* and b*; the inside makes up for the
# rest only, since that is seen as a tint.
EDGES_MAY_TINT = 1.0
# Granules of one colour come from so many batches, of slightly different tints.
BATCHES = 4
# Steps from vivid to pale at one lightness.
VEILS = 6
VARIANTS = BATCHES * VEILS
# Tells the random numbers of batches and joints from those of plan, surface and grain, which start from the
# same seed.
_PAINT_STREAM = 3


def draw_swatch(plan: TilePlan, size: int) -> NDArray[np.uint8]:
    """Render the plan: (height, size, 3) uint8 sRGB, `size` pixels wide.

    The last two pictures are cached, since a picture is compared with the swatch when it is measured. Raises
    ValueError for a width that is neither the preview's nor a divisor of the plan's.
    """
    return cached_swatch(plan, size).copy()


@functools.lru_cache(maxsize=2)
def cached_swatch(plan: TilePlan, size: int) -> NDArray[np.uint8]:
    """`draw_swatch`, read-only and cached."""
    picture = draw_deep_swatch(plan, size, np.uint8)
    picture.flags.writeable = False
    return picture


def draw_deep_swatch(plan: TilePlan, size: int, depth: type[Depth]) -> NDArray[Depth]:
    """`draw_swatch` with the levels of uint8, or with those of uint16 from the granules' colours on.

    Each pixel is a mean of finer ones, each of them one of 256 brightnesses of its granule's colour, and has
    grain: with uint16 nothing of that is rounded to 8 bits on the way.
    """
    seen = plan.seen(size)
    lens = lens_for(plan.canvas, size, plan.seed)
    rng = np.random.Generator(np.random.PCG64([plan.seed, _PAINT_STREAM]))
    paint = _paints(plan, rng)
    scale = seen.facets.shape[1] / size
    # Parts of a picture begin between pixels of the map if it is so many times larger.
    in_parts = is_large(seen.facets.shape) and (2 * scale).is_integer()
    shaded = _shaded_in_parts if in_parts else _shaded
    index, height = shaded(plan, seen, paint, lens)
    pitch = index.shape[1] * plan.canvas.pitch
    fill_joints(index, VARIANTS * len(plan.mix), pitch, noise_on_picture(plan.canvas), rng)
    neutrals = neutrals_of(plan.mix) if pitch >= _SEPARATE else ()
    ramps = _ramps_in_picture(plan, index, height, lens, neutrals, depth)
    shown = Shown(_shown_colors(index, lens.shape), neutrals) if neutrals else None
    if in_parts:

        def fine(part: Part) -> NDArray[Depth]:
            return _look_up(ramps, part.of(index))

        return photograph_in_parts(fine, height, lens, scale, plan.seed, shown)
    return photograph(_look_up(ramps, index), height, lens, plan.seed, shown)


def _shaded(
    plan: TilePlan, seen: Seen, paint: NDArray[np.uint16], lens: Lens
) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
    """Of each pixel seen, its paint in its light, as `_lit_paints`, and its height in pitches."""
    light = light_on(plan.relief, seen, plan.seed)
    return _lit_paints(plan, seen, light, paint), light.height


def _shaded_in_parts(
    plan: TilePlan, seen: Seen, paint: NDArray[np.uint16], lens: Lens
) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
    """The same for a large map; heights are those at the pixels of the picture."""
    index = np.empty(seen.facets.shape, np.uint16)
    height = np.empty(lens.shape, np.float32)
    scale = seen.columns / lens.shape[1]
    for rows, columns, light in light_in_parts(plan.relief, seen, plan.seed, round(4 * scale)):
        index[rows.kept, columns.kept] = _lit_paints(plan, seen.part(rows.alone, columns.alone), light, paint)
        down, across = rows.smaller(scale), columns.smaller(scale)
        shape = across.stop - across.start, down.stop - down.start
        height[down, across] = cv2.resize(light.height, shape, interpolation=cv2.INTER_LINEAR)
    return index, height


def _lit_paints(plan: TilePlan, seen: Seen, light: Light, paint: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Of each pixel seen, 256 x its paint and veil + its level of light."""
    index = _painted(plan, seen, paint)
    index += _veils(light)
    # Joints, the last of the paints, have no veil.
    cv2.min(index, float(256 * VARIANTS * len(plan.mix)), index)
    index += _levels(light, plan, seen)
    return index


def _ramps_in_picture(
    plan: TilePlan,
    index: NDArray[np.uint16],
    height: NDArray[np.float32],
    lens: Lens,
    neutrals: tuple[Neutral, ...],
    depth: type[Depth],
) -> NDArray[Depth]:
    """The ramps with which the colours have their own means in the picture."""
    pitch = index.shape[1] * plan.canvas.pitch
    lit = _statistics(index, len(plan.mix))
    means = np.array([color.lab for color in plan.mix])
    aims = means.copy()
    is_most = np.array([color.share > 0.5 for color in plan.mix])[:, None]
    allowed = np.where(is_most, *MAY_BE_OFF)
    allowed *= 1 + BY_CHROMA * np.linalg.norm(means[:, 1:], axis=1, keepdims=True)
    mended = np.where(is_most, 1, 1 - np.array([[part] for part in map(neutrality, plan.mix)]))
    band, focus, shown, scale = _measured(index, height, lens, neutrals)
    for _ in range(ROUNDS if pitch >= _SEPARATE else 0):
        found = through_lens(_look_up(_ramps(plan, lit, aims, np.uint8), band), focus, lens, scale, shown)
        missing = means - _means_in_picture(found, shown, means)
        tint = np.maximum(np.linalg.norm(missing[:, 1:], axis=1, keepdims=True), 1e-6)
        missing[:, 1:] *= np.maximum(mended, 1 - EDGES_MAY_TINT / tint)
        distance = np.maximum(np.linalg.norm(missing, axis=1, keepdims=True), 1e-6)
        aims += missing * np.maximum(1 - allowed / distance, 0)
    return _ramps(plan, lit, aims, depth)


def _ramps(
    plan: TilePlan, lit: list[NDArray[np.float64]], means: NDArray[np.float64], depth: type[Depth]
) -> NDArray[Depth]:
    """(256 x (variants x C + 1), 3) sRGB: every paint, then joints, at every level of light."""
    colors = zip(neighbours_light(plan.mix), lit, means, strict=True)
    ramps: list[NDArray[Depth]] = [shade_ramps(*color, BATCHES, VEILS, depth) for color in colors]
    return np.concatenate([*ramps, joint_ramp(depth)])


def _measured(
    index: NDArray[np.uint16], height: NDArray[np.float32], lens: Lens, neutrals: tuple[Neutral, ...]
) -> tuple[NDArray[np.uint16], NDArray[np.float32], Shown, float]:
    """The band of the picture on which means are measured: its paints in their light, how sharp it is, what
    it shows, and how many times finer it is than the picture."""
    rows, columns = lens.shape
    scale, of_height = len(index) / rows, len(height) / rows
    shape = rows // BAND_PART, columns
    first = (rows - shape[0]) // 2 // 2 * 2
    last = first + shape[0]
    band = index[round(first * scale) : round(last * scale)]
    focus = focus_at(height[round(first * of_height) : round(last * of_height)], shape)
    return band, focus, Shown(_shown_colors(band, shape), neutrals), scale


def _means_in_picture(
    picture: NDArray[np.uint8], shown: Shown, means: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(C, 3) CIELAB: the mean of each colour's pixels after the lens, which mixes colours at their edges.

    For a colour with few pixels in the picture, mostly its palette mean, one of `means`.
    """
    lab = to_lab(picture)
    found = means.copy()
    for color in range(len(means)):
        mask = (shown.colors == color).view(np.uint8)
        weight = np.count_nonzero(mask)
        seen = np.array(cv2.mean(lab, mask)[:3])
        found[color] += (seen - means[color]) * weight / (weight + STEADY)
    return found


def _shown_colors(index: NDArray[np.uint16], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Of each pixel of a picture (rows, columns), index into the mix, or more on joints."""
    down, across = (pixel_centres(*sides) for sides in zip(shape, index.shape, strict=True))
    of_index = (np.arange(1 << 16) // (256 * VARIANTS)).astype(np.uint8)
    shown = np.empty(shape, np.uint8)
    for rows in row_bands(shape):
        shown[rows] = cv2.LUT(index[down[rows]].take(across, axis=1), of_index)
    return shown


def _paints(plan: TilePlan, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Of each granule (count,), its paint: variants x index into the mix + veils x batch."""
    batch = rng.integers(0, BATCHES, plan.relief.count, np.uint8)
    return (VARIANTS * plan.granule_color + VEILS * batch).astype(np.uint16)


def _painted(plan: TilePlan, seen: Seen, paint: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Of each pixel, 256 x its paint; the last is joints'."""
    joint = np.uint16(VARIANTS * len(plan.mix))
    if seen.members is not None:
        of_granules = np.append(paint, joint).astype(np.uint16)
        of_granules <<= 8
        return from_table(of_granules, seen.members)
    of_facets = np.append(paint[plan.relief.owner], joint).astype(np.uint16)
    of_facets <<= 8
    if seen.facets.dtype != np.uint16:
        return from_table(of_facets, seen.facets)
    table = np.full(JOINT_FACET + 1, joint << 8, np.uint16)
    table[: len(of_facets) - 1] = of_facets[:-1]
    return cv2.LUT(np.ascontiguousarray(seen.facets), table)


def _veils(light: Light) -> NDArray[np.uint16]:
    """256 x the veil of each pixel."""
    step = cv2.min(cv2.max(cv2.add(light.veil, VEILS / 2), 0), VEILS - 1).astype(np.uint16) << 8
    return cv2.resize(step, light.brightness.shape[::-1], interpolation=cv2.INTER_NEAREST)


def _levels(light: Light, plan: TilePlan, seen: Seen) -> NDArray[np.uint8]:
    """Light at each pixel, 0 to 255: brightness, and gloss by the glossiness of the colour."""
    shine = np.array([glossiness(color) for color in plan.mix], np.float32)
    level = plan.relief.per_granule(shine[plan.granule_color], seen)
    level *= light.gloss
    level += light.brightness
    share = np.array([paleness(color) for color in plan.mix], np.float32)
    pale = plan.relief.per_granule(share[plan.granule_color], seen)
    pale *= light.pale
    level += pale
    level -= np.float32(DARKEST)
    level *= np.float32(255 / (BRIGHTEST - DARKEST))
    return np.clip(level, 0, 255, out=level).astype(np.uint8)


def _statistics(index: NDArray[np.uint16], colors: int) -> list[NDArray[np.float64]]:
    """For each colour (256,): frequency of each level of light."""
    sample = index[SAMPLED // 2 :: SAMPLED, SAMPLED // 2 :: SAMPLED]
    levels = 256 * VARIANTS * colors
    counts = np.bincount(sample.ravel(), minlength=levels)[:levels].reshape(colors, VARIANTS, 256).sum(1)
    overall = counts.sum(0) / counts.sum()
    prior = np.maximum(PRIOR_PIXELS - counts.sum(1), 0)
    return list(counts + prior[:, None] * overall)


def _look_up(ramps: NDArray[Depth], index: NDArray[np.uint16]) -> NDArray[Depth]:
    """Colours (n, n, 3) of 16-bit indices (n, n)."""
    if ramps.dtype != np.uint8:
        return ramps.take(index, axis=0)
    # One look-up of 32 bits is faster than three of 8.
    packed = np.zeros((1 << 16, 4), ramps.dtype)
    packed[: len(ramps), :3] = ramps
    found: NDArray[np.int32] = cv2.LUT(index, packed.view(np.int32).ravel())
    return cv2.cvtColor(found.view(np.uint8).reshape(*index.shape, 4), cv2.COLOR_RGBA2RGB)


def glossiness(color: MixColor) -> float:
    """Light that a glint adds to the logarithm of a granule's brightness, by its colour: 0 to 3.6."""
    lightness, a, b = color.lab
    matt = min(1.0, lightness / MATT_FROM)
    return GLOSS * (1 - matt) * (VIVID_GLOSS if np.hypot(a, b) > VIVID else 1.0)


def paleness(color: MixColor) -> float:
    """How much of its gaps' light a granule of the colour makes: 0 to 1."""
    dark, pale = PALE
    return float(np.clip((color.lab[0] - dark) / (pale - dark), 0, 1))
